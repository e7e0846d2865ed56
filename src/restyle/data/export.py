"""A pair set on disk: training files for both directions, what was dropped and why, and a manifest written last."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from restyle.citations import detach
from restyle.data.filters import Drop
from restyle.data.manifest import MANIFEST, SCHEMA, Manifest, PromptRecord, PromptRecords
from restyle.data.rows import Row, RowFormat, write_rows
from restyle.data.splits import SPLITS, Split, split_documents
from restyle.files import write_atomically
from restyle.messages import Role
from restyle.stage import Stage

__all__ = ["AuthorBlock", "Prompts", "export", "file_name", "sha256"]

_FORMATS: tuple[RowFormat, ...] = ("prompt_completion", "messages")
_ROLES: tuple[Role, ...] = ("restyle", "destyle")


@dataclass(frozen=True, slots=True)
class AuthorBlock:
    """A block of the author's and what became of it: a pair (``neutral``) or a drop."""

    document: str
    start: int
    end: int
    text: str
    neutral: str | None = None
    drop: Drop | None = None


@dataclass(frozen=True, slots=True)
class Prompts:
    """The two system prompts that the models are trained with."""

    restyle: str
    destyle: str

    def row(self, role: Role, block: AuthorBlock) -> Row:
        """The training row of one pair in one direction, as inference will ask it.

        The prompt is rendered where inference renders it, and citation markers, which no model sees then, are detached.
        """
        neutral, styled = detach(block.neutral or "")[0], detach(block.text)[0]
        source, target = (neutral, styled) if role == "restyle" else (styled, neutral)
        # A stage renders the prompt here as it will at run time; its model is what training is about to make.
        stage = Stage(prompt=self.restyle if role == "restyle" else self.destyle, model="to-be-trained")
        return Row(stage.ask(source, role), target)


def export(
    directory: Path, *, style: str, prompts: Prompts, teacher: str, blocks: Sequence[AuthorBlock], seed: int
) -> None:
    """Write everything under ``directory``; equal blocks give equal bytes."""
    pairs = [block for block in blocks if block.drop is None]
    splits = split_documents(Counter(block.document for block in pairs), seed=seed)
    written: dict[str, str] = {}

    def put(name: str, rows: Iterable[Any]) -> None:
        write_atomically(directory / name, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
        written[name] = sha256(directory / name)

    for role in _ROLES:
        for split in SPLITS:
            rows = [prompts.row(role, block) for block in pairs if splits[block.document] == split]
            for form in _FORMATS:
                name = file_name(role, split, form)
                write_rows(directory / name, rows, form)
                written[name] = sha256(directory / name)
    put("pairs.jsonl", (_provenance(block, splits[block.document]) for block in pairs))
    put("dropped.jsonl", (_dropped(block) for block in blocks if block.drop is not None))
    # The author's side of everything that is not held out, dropped pairs included: the language model learns from it.
    # A duplicate of a held-out block may stand in a training document; it is held out all the same.
    held_out = {block.text for block in blocks if splits.get(block.document, "train") != "train"}
    put("author.jsonl", ({"text": detach(block.text)[0]} for block in blocks if block.text not in held_out))
    manifest = Manifest(
        schema=SCHEMA,
        style=style,
        teacher=teacher,
        seed=seed,
        prompts=PromptRecords(PromptRecord.of(prompts.restyle), PromptRecord.of(prompts.destyle)),
        documents={document: splits.get(document, "train") for document in dict.fromkeys(b.document for b in blocks)},
        blocks=len(blocks),
        pairs={split: sum(splits[block.document] == split for block in pairs) for split in SPLITS},
        dropped=dict(sorted(Counter(block.drop.reason for block in blocks if block.drop).items())),
        files=written,
    )
    write_atomically(directory / MANIFEST, json.dumps(asdict(manifest), indent=2, ensure_ascii=False) + "\n")


def file_name(role: Role, split: Split, form: RowFormat = "prompt_completion") -> str:
    """Where the rows of a split stand, below the pair set's folder."""
    return f"{role}/{split}.jsonl" if form == "prompt_completion" else f"{role}/{split}.messages.jsonl"


def sha256(path: Path) -> str:
    """The digest of a file's bytes, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _provenance(block: AuthorBlock, split: Split) -> dict[str, Any]:
    place = {"document": block.document, "start": block.start, "end": block.end, "split": split}
    return {**place, "neutral": block.neutral, "styled": block.text}


def _dropped(block: AuthorBlock) -> dict[str, Any]:
    drop = block.drop
    place = {"document": block.document, "start": block.start, "end": block.end}
    return {**place, "reason": drop and drop.reason, "detail": drop and drop.detail, "text": block.text}
