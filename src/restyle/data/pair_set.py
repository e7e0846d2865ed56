"""A pair set as it lies on disk: opened, checked, read."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from restyle.data.export import file_name, sha256
from restyle.data.manifest import MANIFEST, read_manifest
from restyle.data.rows import Row, read_rows
from restyle.data.splits import Split
from restyle.errors import PairsError
from restyle.messages import Role

__all__ = ["PairSet"]


@dataclass(frozen=True, slots=True)
class PairSet:
    """A pair set on disk.

    Attributes:
        directory: Where its files are.
        manifest: What ``manifest.json`` says.
        asked: Answers that the run which made it got from the teacher; 0 for a set that was loaded.
        reused: Answers that it found in the ledger.
    """

    directory: Path
    manifest: dict[str, Any]
    asked: int = 0
    reused: int = 0

    @property
    def style(self) -> str:
        """The style that the pairs are for."""
        return str(self.manifest["style"])

    @property
    def digest(self) -> str:
        """SHA-256 of the manifest, which holds the digests of all files."""
        return sha256(self.directory / MANIFEST)

    @property
    def parameters(self) -> dict[str, list[str]]:
        """The values of each parameter of the prompts that occur in the pairs for training."""
        counts: dict[str, dict[str, int]] = self.manifest["parameters"]
        return {name: [value for value, pairs in values.items() if pairs] for name, values in counts.items()}

    @property
    def warnings(self) -> list[str]:
        """What is thin or missing in it, in words."""
        return list(self.manifest["warnings"])

    def prompt(self, role: Role) -> str:
        """The system prompt of one direction, with its ``$parameters``."""
        return str(self.manifest["prompts"][role]["text"])

    def rows(self, role: Role, split: Split) -> list[Row]:
        """The training rows of one direction and split.

        Raises:
            RowError: A row does not fit.
            PairsError: The file is missing, or is not the one that the manifest describes.
        """
        # Rows first: where a line is broken, its number is the better answer than "the file has changed".
        rows = read_rows(self.directory / file_name(role, split), role)
        self._check(file_name(role, split))
        return rows

    def messages_file(self, role: Role, split: Split) -> Path:
        """The file of one direction and split in the format that OpenAI-compatible hosts take.

        Raises:
            PairsError: It is missing, or is not the one that the manifest describes.
        """
        name = file_name(role, split, "messages")
        self._check(name)
        return self.directory / name

    def author_texts(self) -> list[str]:
        """The author's blocks outside the held-out documents, those without a pair included."""
        self._check("author.jsonl")
        lines = (self.directory / "author.jsonl").read_text("utf-8").split("\n")
        return [json.loads(line)["text"] for line in lines if line]

    @classmethod
    def load(cls, directory: str | Path) -> PairSet:
        """Open the pair set under ``directory``.

        Raises:
            PairsError: There is none, it is damaged, or another version of restyle wrote it.
        """
        return cls(Path(directory), read_manifest(Path(directory)))

    def _check(self, name: str) -> None:
        path = self.directory / name
        if not path.is_file():
            raise PairsError(f"{path}: missing from the pair set: make the pairs again, nothing is paid twice")
        if self.manifest["files"].get(name) != sha256(path):
            raise PairsError(
                f"{path}: changed since the manifest was written: make the pairs again, nothing is paid twice"
            )
