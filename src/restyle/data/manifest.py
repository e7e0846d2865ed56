"""``manifest.json``: what a pair set is, written last and checked before anything of it is used."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from restyle.data.splits import Split
from restyle.errors import PairsError, StyleNameError
from restyle.prompts import Prompt
from restyle.style import check_name

__all__ = ["MANIFEST", "SCHEMA", "Manifest", "PromptRecord", "PromptRecords", "read_manifest"]

SCHEMA = 2
MANIFEST = "manifest.json"

_ADVICE = "make the pairs again, nothing is paid twice"


@dataclass(frozen=True, slots=True)
class PromptRecord:
    """A system prompt and the SHA-256 of its UTF-8 bytes."""

    text: str
    digest: str

    @classmethod
    def of(cls, text: str) -> PromptRecord:
        """The record of a prompt."""
        return cls(text, Prompt(text).digest)


@dataclass(frozen=True, slots=True)
class PromptRecords:
    """The prompts of both directions."""

    restyle: PromptRecord
    destyle: PromptRecord


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a manifest holds.

    Attributes:
        schema: Of the manifest.
        style: The style that the pairs are for.
        teachers: Who wrote the neutral sides.
        seed: Of splits and other choices.
        prompts: The system prompts of both directions.
        parameters: For each of their parameters its values, each with its number of pairs for training.
        documents: The split of each.
        stripped: Characters left out of documents as not the author's, where there are any.
        blocks: Their number; each has a pair or a drop for every teacher, or one drop before any was asked.
        pairs: By split.
        as_is: Pairs among them that were kept although their sides are nearly the same.
        dropped: By reason.
        warnings: What is thin or missing, in words.
        files: SHA-256 of each.
    """

    schema: int
    style: str
    teachers: list[str]
    seed: int
    prompts: PromptRecords
    parameters: dict[str, dict[str, int]]
    documents: dict[str, Split]
    stripped: dict[str, int]
    blocks: int
    pairs: dict[Split, int]
    as_is: int
    dropped: dict[str, int]
    warnings: list[str]
    files: dict[str, str]


def read_manifest(directory: Path) -> dict[str, Any]:
    """The manifest of the pair set under ``directory``.

    Raises:
        PairsError: There is none, it is damaged, or another version of restyle wrote it.
    """
    from pydantic import TypeAdapter, ValidationError  # noqa: PLC0415 - 60 ms that only a reader of manifests pays

    path = directory / MANIFEST
    try:
        manifest = json.loads(path.read_bytes())
    except (FileNotFoundError, NotADirectoryError) as error:
        raise PairsError(f"{path}: no pair set here: make one with 'restyle pairs SOURCE... --out DIR'") from error
    except (ValueError, RecursionError) as error:
        raise PairsError(f"{path}: not JSON ({error}): {_ADVICE}") from error
    if not isinstance(manifest, dict) or manifest.get("schema") != SCHEMA:
        raise PairsError(f"{path}: not a manifest of schema {SCHEMA}: make the pairs again with this restyle")
    try:
        TypeAdapter(Manifest).validate_python(manifest)
        check_name(manifest["style"])  # it becomes a folder's name
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        raise PairsError(f"{path}: {'.'.join(map(str, first['loc']))}: {first['msg']}: {_ADVICE}") from error
    except StyleNameError as error:
        raise PairsError(f"{path}: {error}: {_ADVICE}") from error
    return manifest
