"""What a model is loaded and computed in: bfloat16, float32, or four bits under an adapter."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

from restyle.errors import MissingExtraError
from restyle.training.local.packing import has_flash_attention
from restyle.training.local.settings import LocalSettings

__all__ = ["check_precision", "dtype_of", "load_options"]


def check_precision(settings: LocalSettings) -> None:
    """See that what is wanted is installed.

    Raises:
        MissingExtraError: The extra ``qlora`` is not.
    """
    if settings.load_in_4bit and find_spec("bitsandbytes") is None:
        raise MissingExtraError("bitsandbytes", "qlora", "a base in 4 bits")


def dtype_of(settings: LocalSettings) -> str:
    """``bfloat16`` or ``float32``.

    Raises:
        ValueError: bfloat16 is wanted, and nothing here computes in it.
    """
    from transformers.utils import is_torch_bf16_gpu_available  # noqa: PLC0415 - of the extra 'local'

    able = bool(is_torch_bf16_gpu_available())
    if not able and (settings.dtype == "bf16" or settings.load_in_4bit):
        wanted = "load_in_4bit is set, which computes" if settings.load_in_4bit else "dtype is 'bf16'"
        raise ValueError(f"{wanted} in bfloat16, but there is no GPU here that does: leave it out, or train on one")
    return "bfloat16" if able and settings.dtype != "fp32" else "float32"


def load_options(settings: LocalSettings, device: object) -> dict[str, Any]:
    """Options of ``from_pretrained`` for training on ``device``; four bits as in QLoRA (arXiv 2305.14314)."""
    import torch  # noqa: PLC0415 - of the extra 'local'
    from transformers import BitsAndBytesConfig  # noqa: PLC0415 - as above

    dtype = getattr(torch, dtype_of(settings))
    options: dict[str, Any] = {"dtype": dtype}
    if settings.packing and dtype is torch.bfloat16 and has_flash_attention():
        options["attn_implementation"] = "flash_attention_2"  # which takes no float32
    if not settings.load_in_4bit:
        return options
    four_bits = BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=dtype,
    )
    return options | {"quantization_config": four_bits, "device_map": {"": device}}
