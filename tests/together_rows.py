"""What the stub of Together's holds: limits of a model, losses, rows in tokens, archives of adapters."""

from __future__ import annotations

import io
import json
import re
import tarfile
import zlib

KEY = "tgp-very-secret"
SYSTEM = "Please rewrite the provided text in your style."
TAG = "author-0123456789ab-restyle-1"
BASE = "Qwen/Qwen2.5-7B-Instruct"
LIMITS = {
    "model_name": BASE,
    "max_num_epochs": 20,
    "max_num_evals": 100,
    "max_num_checkpoints": 2,
    "min_learning_rate": 1e-8,
    "max_learning_rate": 0.01,
    "min_max_seq_length": 512,
    "max_seq_length_sft": 32768,
    "max_seq_length_dpo": 16384,
    "default_gradient_accumulation_steps": 1,
    "merge_output_lora": True,
    "supports_full_training": True,
    "supports_reasoning": False,
    "supports_tools": True,
    "supports_vision": False,
    "lora_training": {
        "default_rank": 64,
        "max_rank": 64,
        "min_batch_size": 8,
        "max_batch_size": 96,
        "max_batch_size_dpo": 48,
        "target_modules": ["q_proj", "v_proj"],
    },
}
METRICS = [
    {"train/global_step": 1, "train/loss": 2.5, "train/lr": 1e-4},
    {"train/global_step": 2, "train/loss": 2.0},
    {"train/global_step": 2, "eval/loss": 2.2},
    {"train/global_step": 4, "train/loss": 1.5},
    {"train/global_step": 4, "eval/loss": 1.9},
]
_SHOWN = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
_HIDDEN = [byte for byte in range(0x100) if byte not in _SHOWN]
_LETTERS = {byte: chr(byte) for byte in _SHOWN} | {byte: chr(0x100 + place) for place, byte in enumerate(_HIDDEN)}
TEMPLATE = "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"


def byte_level(text):
    return "".join(_LETTERS[byte] for byte in text.encode())


def sentence_piece(text):
    return "".join(f"<0x{ord(each):02X}>" if each == "\n" else each for each in text).replace(" ", "\u2581")


def render(messages, *, write=byte_level, think="", trained_header=False, masked_end=False, change=str):
    """Tokens of a row in ChatML, each with whether it is trained."""
    tokens = []

    def add(text, trained):
        tokens.extend((write(each), trained) for each in re.findall(r" ?\w+| ?[^\w\s]+|\n| +", text))

    for message in messages:
        answer = message["role"] == "assistant"
        tokens.append(("<|im_start|>", answer and trained_header))
        add(f"{message['role']}\n", answer and trained_header)
        if answer and think:
            tokens.append(("<think>", True))
            add(think, trained=True)
            tokens.append(("</think>", True))
            add("\n\n", trained=True)
        add(change(message["content"]) if not answer else message["content"], answer)
        tokens.append(("<|im_end|>", answer and not masked_end))
        add("\n", trained=False)
    return tokens


def ids(tokens):
    return [zlib.crc32(token.encode()) % 50_000 for token, _ in tokens]


def adapter(files=None, *, compress="gz"):
    """An archive of an adapter."""
    if files is None:
        config = {"r": 16, "base_model_name_or_path": "/mnt/models/base", "peft_type": "LORA"}
        files = {
            "out/adapter_config.json": json.dumps(config).encode(),
            "out/adapter_model.safetensors": b"\x08\0\0\0\0\0\0\0{}      ",
            "out/tokenizer_config.json": json.dumps({"chat_template": TEMPLATE}).encode(),
            "out/optimizer.bin": b"a pickle",
        }
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz" if compress == "gz" else "w") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    if compress == "zst":
        import zstandard

        return zstandard.compress(packed.getvalue())
    return packed.getvalue()
