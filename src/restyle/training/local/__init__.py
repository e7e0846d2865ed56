"""Training on this machine: LoRA adapters of an open base model, with TRL and PEFT."""
