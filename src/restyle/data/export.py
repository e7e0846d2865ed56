"""A pair set on disk: training files for both directions, what was dropped and why, and a manifest written last."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from itertools import product
from pathlib import Path
from typing import Any

from restyle.citations import detach
from restyle.data.filters import Drop
from restyle.data.manifest import MANIFEST, SCHEMA, Manifest, PromptRecord, PromptRecords
from restyle.data.new_files import new_files
from restyle.data.rows import Row, RowFormat, to_json
from restyle.data.splits import SPLITS, Split, split_documents
from restyle.data.staging import AuthorBlock, Staging
from restyle.messages import Role
from restyle.stage import Stage

__all__ = ["Prompts", "export", "file_name", "sha256"]

_FORMATS: tuple[RowFormat, ...] = ("prompt_completion", "messages")
_ROLES: tuple[Role, ...] = ("restyle", "destyle")


class Prompts:
    """The two system prompts that the models are trained with."""

    def __init__(self, restyle: str, destyle: str) -> None:
        self.restyle, self.destyle = restyle, destyle
        # Stages render prompts here as they will at run time; their model is what training is about to make.
        self._stages = {
            "restyle": Stage(prompt=restyle, model="to-be-trained"),
            "destyle": Stage(prompt=destyle, model="to-be-trained"),
        }

    def rows(self, block: AuthorBlock) -> dict[Role, Row]:
        """The training rows of one pair, as inference will ask them.

        The prompt is rendered where inference renders it, and citation markers, which no model sees then, are detached.
        """
        neutral, styled = detach(block.neutral or "")[0], detach(block.text)[0]
        return {
            "restyle": Row(self._stages["restyle"].ask(neutral, "restyle"), styled),
            "destyle": Row(self._stages["destyle"].ask(styled, "destyle"), neutral),
        }


def export(directory: Path, *, style: str, prompts: Prompts, teacher: str, blocks: Staging, seed: int) -> None:
    """Write everything under ``directory``; equal blocks give equal bytes.

    Raises:
        PairsError: The disk is full, or the folder cannot be written to; what stood there is left as it was.
    """
    pairs = blocks.pairs()
    splits = split_documents(pairs, seed=seed)
    documents = {document: splits.get(document, "train") for document in blocks.documents()}
    names = [file_name(role, split, form) for role, split, form in product(_ROLES, SPLITS, _FORMATS)]
    with new_files(directory, [*names, "pairs.jsonl", "dropped.jsonl", "author.jsonl", MANIFEST]) as files:
        for _, block in blocks.blocks():
            if block.drop:
                files["dropped.jsonl"].write(_dropped(block, block.drop))
                continue
            split = documents[block.document]
            for role, row in prompts.rows(block).items():
                for form in _FORMATS:
                    files[file_name(role, split, form)].write(to_json(row, form))
            files["pairs.jsonl"].write(_provenance(block, split))
        # The author's side of everything that is not held out, dropped pairs included: the language model learns from
        # it. A duplicate of a held-out block may stand in a training document; it is held out all the same.
        for text in blocks.author_texts(documents):
            files["author.jsonl"].write(_line({"text": detach(text)[0]}))
        manifest = Manifest(
            schema=SCHEMA,
            style=style,
            teacher=teacher,
            seed=seed,
            prompts=PromptRecords(PromptRecord.of(prompts.restyle), PromptRecord.of(prompts.destyle)),
            documents=documents,
            blocks=len(blocks),
            pairs={split: sum(pairs[document] for document in pairs if splits[document] == split) for split in SPLITS},
            dropped=blocks.dropped(),
            files={name: file.digest.hexdigest() for name, file in files.items() if name != MANIFEST},
        )
        files[MANIFEST].write(json.dumps(asdict(manifest), indent=2, ensure_ascii=False))


def file_name(role: Role, split: Split, form: RowFormat = "prompt_completion") -> str:
    """Where the rows of a split stand, below the pair set's folder."""
    return f"{role}/{split}.jsonl" if form == "prompt_completion" else f"{role}/{split}.messages.jsonl"


def sha256(path: Path) -> str:
    """The digest of a file's bytes, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _provenance(block: AuthorBlock, split: Split) -> str:
    place = {"document": block.document, "start": block.start, "end": block.end, "split": split}
    return _line({**place, "neutral": block.neutral, "styled": block.text})


def _dropped(block: AuthorBlock, drop: Drop) -> str:
    place = {"document": block.document, "start": block.start, "end": block.end}
    return _line({**place, "reason": drop.reason, "detail": drop.detail, "text": block.text})


def _line(value: dict[str, Any]) -> str:
    return json.dumps(value, ensure_ascii=False)
