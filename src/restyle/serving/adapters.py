"""What a card and the folder beside it tell of a trained adapter."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from restyle.messages import Role
from restyle.style import Style

__all__ = ["Adapter", "adapter_of"]

_CONFIG = "adapter_config.json"  # PEFT's
_TEMPLATE = "chat_template.jinja"  # as transformers and TRL save it


@dataclass(frozen=True, slots=True)
class Adapter:
    """A LoRA adapter. What is None is not known here.

    Attributes:
        directory: Its folder, in PEFT's format.
        rank: Of its matrices.
        base: The model that it adapts, by name or path.
        revision: The base model's commit.
        template: The file of the chat template that it was trained with.
    """

    directory: Path | None = None
    rank: int | None = None
    base: str | None = None
    revision: str | None = None
    template: Path | None = None


def adapter_of(style: Style, role: Role) -> Adapter:
    """The adapter of a stage: a folder beside the card, which the training record names, or the model, or the role."""
    stage = style.stage(role)
    directory = _folder(style.directory, _recorded(style, role) or {stage.model, role}) if style.directory else None
    config = _config(directory / _CONFIG) if directory else {}
    rank, named = config.get("r"), config.get("base_model_name_or_path")
    return Adapter(
        directory=directory,
        rank=rank if isinstance(rank, int) else None,
        base=stage.golden.base if stage.golden else named if isinstance(named, str) else None,
        revision=stage.golden.revision if stage.golden else None,
        template=directory / _TEMPLATE if directory and (directory / _TEMPLATE).is_file() else None,
    )


def _recorded(style: Style, role: Role) -> set[str]:
    adapters = style.training.get("adapters")
    record = adapters.get(role) if isinstance(adapters, dict) else None
    return {str(record["folder"])} if isinstance(record, dict) and "folder" in record else set()


def _folder(beside: Path, names: set[str]) -> Path | None:
    # Found, not put together: a card's text is never made into a path.
    found = (config.parent for config in sorted(beside.glob(f"*/{_CONFIG}")))
    return next((folder.resolve() for folder in found if folder.name in names), None)


def _config(path: Path) -> dict[str, object]:
    try:
        config = json.loads(path.read_bytes())
    except ValueError:
        return {}
    return config if isinstance(config, dict) else {}
