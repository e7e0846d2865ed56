"""A tiny language model of Qwen3's shape, randomly initialised, with a tokenizer trained here: made in a second."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

# ChatML, written for these tests: every text verbatim, each turn on its own, the end of a turn trained.
CHAT_TEMPLATE = (
    "{% for message in messages %}{{ '<|im_start|>' + message.role + '\n' + message.content + '<|im_end|>' + '\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)

# One short epoch, at a rate at which two random layers learn something.
QUICK = {"epochs": 1, "batch_size": 2, "device_batch_size": 2, "learning_rate": 5e-3, "rank": 8}


def make_tiny_model(folder: Path, texts: Iterable[str], **shape: Any) -> Path:
    """Save model and tokenizer under ``folder``, where `transformers` loads them from, and return it.

    ``shape`` are fields of `Qwen3Config` that are to be different.
    """
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast, Qwen3Config, Qwen3ForCausalLM

    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    bpe.train_from_iterator(
        texts,
        trainers.BpeTrainer(
            vocab_size=1000,
            special_tokens=["<|im_end|>", "<|im_start|>", "<|pad|>"],
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
            show_progress=False,
        ),
    )
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=bpe, eos_token="<|im_end|>", pad_token="<|pad|>")
    tokenizer.chat_template = CHAT_TEMPLATE
    tokenizer.save_pretrained(folder)
    torch.manual_seed(0)
    small = {
        "vocab_size": len(tokenizer),
        "hidden_size": 64,
        "intermediate_size": 128,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "num_key_value_heads": 1,
        "head_dim": 32,
        "max_position_embeddings": 2048,
        "initializer_range": 0.1,  # at 0.02 a frozen head of this size could hardly tell two tokens apart
        "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
    }
    Qwen3ForCausalLM(Qwen3Config(**small | shape)).save_pretrained(folder)
    return folder
