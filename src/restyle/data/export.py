"""A pair set on disk: training files for both directions, what was dropped and why, and a manifest written last."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import product
from pathlib import Path
from typing import Any

from restyle.citations import detach
from restyle.data.counting import thin_values
from restyle.data.filters import Drop
from restyle.data.manifest import MANIFEST, SCHEMA, Manifest, PromptRecord, PromptRecords
from restyle.data.new_files import new_files
from restyle.data.rows import Row, RowFormat, to_json
from restyle.data.splits import SPLITS, Split, split_documents
from restyle.data.staging import AuthorBlock, Staging, Variant
from restyle.messages import Ask, Role
from restyle.prompts import Prompt
from restyle.stage import Stage

__all__ = ["Prompts", "Recipe", "export", "file_name", "sha256"]

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

    @property
    def parameters(self) -> list[str]:
        """The names of the parameters of both."""
        return list(dict.fromkeys([*Prompt(self.restyle).parameters, *Prompt(self.destyle).parameters]))

    def rows(self, block: AuthorBlock, variant: Variant) -> dict[Role, Row]:
        """The training rows of one pair, as inference will ask them.

        The prompt is rendered where inference renders it, and citation markers, which no model sees then, are detached.
        """
        neutral, styled = detach(variant.neutral or "")[0], detach(block.text)[0]
        return {
            "restyle": Row(self._ask("restyle", neutral, block.parameters), styled),
            "destyle": Row(self._ask("destyle", styled, block.parameters), neutral),
        }

    def _ask(self, role: Role, text: str, parameters: Mapping[str, str]) -> Ask:
        stage = self._stages[role]
        return stage.ask(text, role, {name: parameters[name] for name in Prompt(stage.prompt).parameters})


@dataclass(frozen=True, slots=True)
class Recipe:
    """What a pair set is made of, besides its blocks.

    Attributes:
        style: Its name.
        prompts: To train with.
        teachers: The identities of those who wrote the neutral sides.
        seed: Of splits and orders.
        vocabulary: The values that each parameter can have.
        styles: In a set of several, their names, each of which begins its documents' ids (``style/id``). Rows leave in
            an order that mixes them.
        stripped: Characters left out of documents.
    """

    style: str
    prompts: Prompts
    teachers: Sequence[str]
    seed: int = 0
    vocabulary: Mapping[str, Sequence[str]] = field(default_factory=dict)
    styles: Sequence[str] = ()
    stripped: Mapping[str, int] = field(default_factory=dict)


def export(directory: Path, recipe: Recipe, blocks: Staging) -> None:
    """Write everything under ``directory``; equal blocks give equal bytes.

    Raises:
        PairsError: The disk is full, or the folder cannot be written to; what stood there is left as it was.
    """
    pairs = blocks.pairs()
    splits = _splits(pairs, recipe)
    documents = {document: splits.get(document, "train") for document in blocks.documents()}
    names = [file_name(role, split, form) for role, split, form in product(_ROLES, SPLITS, _FORMATS)]
    counts = {name: dict.fromkeys(values, 0) for name, values in recipe.vocabulary.items()}
    as_is = 0
    with new_files(directory, [*names, "pairs.jsonl", "dropped.jsonl", "author.jsonl", MANIFEST]) as files:
        for _, block in blocks.blocks(mixed=recipe.seed if recipe.styles else None):
            split = documents[block.document]
            if block.drop:
                files["dropped.jsonl"].write(_dropped(block, block.drop))
            for variant in block.variants:
                if variant.drop:
                    files["dropped.jsonl"].write(_dropped(block, variant.drop, variant.teacher))
                    continue
                for role, row in recipe.prompts.rows(block, variant).items():
                    for form in _FORMATS:
                        files[file_name(role, split, form)].write(to_json(row, form))
                files["pairs.jsonl"].write(_provenance(block, variant, split))
                as_is += variant.as_is
                if split == "train":
                    for name, value in block.parameters.items():
                        counts[name][value] += 1
        # The author's side of everything that is not held out, dropped pairs included: the language model learns from
        # it. A duplicate of a held-out block may stand in a training document; it is held out all the same.
        for text in blocks.author_texts(documents):
            files["author.jsonl"].write(_line({"text": detach(text)[0]}))
        manifest = Manifest(
            schema=SCHEMA,
            style=recipe.style,
            teachers=list(recipe.teachers),
            seed=recipe.seed,
            prompts=PromptRecords(PromptRecord.of(recipe.prompts.restyle), PromptRecord.of(recipe.prompts.destyle)),
            parameters=counts,
            documents=documents,
            stripped=dict(recipe.stripped),
            blocks=len(blocks),
            pairs={split: sum(pairs[document] for document in pairs if splits[document] == split) for split in SPLITS},
            as_is=as_is,
            dropped=blocks.dropped(),
            warnings=thin_values(counts),
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


def _splits(pairs: Mapping[str, int], recipe: Recipe) -> dict[str, Split]:
    """The split of each document; each style's are dealt by themselves, or one might be held out altogether."""
    splits: dict[str, Split] = {}
    for beginning in [f"{style}/" for style in recipe.styles] or [""]:
        of_style = {document: number for document, number in pairs.items() if document.startswith(beginning)}
        splits |= split_documents(of_style, seed=recipe.seed)
    return splits


def _provenance(block: AuthorBlock, variant: Variant, split: Split) -> str:
    row: dict[str, Any] = {"document": block.document, "start": block.start, "end": block.end, "split": split}
    row["teacher"] = variant.teacher
    if block.parameters:
        row["parameters"] = dict(block.parameters)
    if block.context:
        row["context"] = [{"role": turn.role, "content": turn.text} for turn in block.context]
    if variant.as_is:
        row["as_is"] = True
    if variant.words is not None:
        row["words"] = variant.words._asdict()
    return _line({**row, "neutral": variant.neutral, "styled": block.text})


def _dropped(block: AuthorBlock, drop: Drop, teacher: str | None = None) -> str:
    row: dict[str, Any] = {"document": block.document, "start": block.start, "end": block.end}
    if teacher is not None:
        row["teacher"] = teacher
    return _line({**row, "reason": drop.reason, "detail": drop.detail, "text": block.text})


def _line(value: dict[str, Any]) -> str:
    return json.dumps(value, ensure_ascii=False)
