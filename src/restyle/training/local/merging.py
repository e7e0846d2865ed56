"""A base model with an adapter's changes in its weights, for servers that load no adapters."""

from __future__ import annotations

import shutil
from pathlib import Path

from restyle.training.local.base import Base

__all__ = ["merge", "merged_folder"]


def merged_folder(adapter: Path) -> Path:
    """Where the merged model of an adapter's folder is written."""
    return adapter.with_name(f"{adapter.name}-merged")


def merge(base: Base, adapter: Path) -> Path:
    """Write the merged model, its tokenizer and its chat template beside the adapter; one that is there stays.

    The weights are the base's own, as they are published, also after a training on four bits of them: merged into
    those, the changes would be rounded to sixteen values. They are added in float32 and rounded once.
    """
    from peft import PeftModel  # noqa: PLC0415 - of the extra 'local'
    from transformers import AutoTokenizer  # noqa: PLC0415 - as above

    folder = merged_folder(adapter)
    if folder.is_dir():
        return folder
    unfinished = folder.with_name(f".{folder.name}.tmp")
    shutil.rmtree(unfinished, ignore_errors=True)
    bare = base.load(dtype="auto")
    published = bare.dtype
    merged = PeftModel.from_pretrained(bare.float(), str(adapter)).merge_and_unload(safe_merge=True)
    merged.to(published).save_pretrained(unfinished)
    AutoTokenizer.from_pretrained(adapter).save_pretrained(unfinished)
    unfinished.replace(folder)
    return folder
