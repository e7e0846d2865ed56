"""What a checkpoint of Nebius's holds."""

from __future__ import annotations

import json

BASE = "meta-llama/Llama-3.1-8B-Instruct"
SERVED = "meta-llama/Meta-Llama-3.1-8B-Instruct"

TENSOR = b"\x01\x02\x03\x04"
THINKING = "{% if enable_thinking is defined and not enable_thinking %}<think></think>{% endif %}"


def safetensors(*names, cut=0):
    tensors = {
        name: {"dtype": "BF16", "shape": [2], "data_offsets": [4 * number, 4 * number + 4]}
        for number, name in enumerate(names)
    }
    header = json.dumps({"__metadata__": {"format": "pt"}} | tensors).encode()
    content = len(header).to_bytes(8, "little") + header + TENSOR * len(names)
    return content[: len(content) - cut]


LORA = ("model.layers.0.self_attn.q_proj.lora_A.weight", "model.layers.0.self_attn.q_proj.lora_B.weight")
ADAPTER = {
    "adapter_config.json": json.dumps({"peft_type": "LORA", "r": 16, "base_model_name_or_path": BASE}).encode(),
    "adapter_model.safetensors": safetensors(*LORA),
    "chat_template.jinja": THINKING.encode(),
    "checkpoint.meta": b"{}",
}
