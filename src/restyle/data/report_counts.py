"""What a report remembers of a pair set's rows: numbers, and a few examples."""

from __future__ import annotations

import hashlib
import json
from bisect import insort
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from restyle.data.filters import WordCounts

__all__ = ["Sample", "Seen"]

_EXAMPLES = 12  # pairs shown side by side
_DROPS = 4  # texts shown of each reason


class Sample:
    """The few rows with the smallest hashes: the same ones wherever and in whatever order they come."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._rows: list[tuple[bytes, str]] = []

    def add(self, row: dict[str, Any]) -> None:
        """Keep the row, or not."""
        line = json.dumps(row, sort_keys=True)
        insort(self._rows, (hashlib.sha256(line.encode()).digest(), line))
        del self._rows[self._size :]

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return (json.loads(line) for _, line in self._rows)


@dataclass(slots=True)
class Seen:
    """What is remembered of the rows: numbers, and a few examples."""

    words: Counter[int] = field(default_factory=Counter)  # words of the author's block, in steps of 20: pairs
    ratios: Counter[int] = field(default_factory=Counter)  # neutral to author's words, in steps of 0.05: pairs
    overlaps: Counter[int] = field(default_factory=Counter)  # of the neutral words in the block, in steps of 0.05
    documents: Counter[tuple[str, str]] = field(default_factory=Counter)  # by document and "pairs" or the reason
    teachers: Counter[tuple[str, str]] = field(default_factory=Counter)  # by teacher, the same
    examples: Sample = field(default_factory=lambda: Sample(_EXAMPLES))
    drops: dict[str, Sample] = field(default_factory=dict)

    def add_pair(self, row: dict[str, Any]) -> None:
        """Count a row of ``pairs.jsonl``."""
        words = WordCounts(**row["words"])
        self.words[words.styled // 20] += 1
        self.ratios[20 * words.neutral // max(words.styled, 1)] += 1
        self.overlaps[20 * words.shared // max(words.neutral, 1)] += 1
        self.documents[row["document"], "pairs"] += 1
        self.teachers[row["teacher"], "pairs"] += 1
        self.examples.add(row)

    def add_drop(self, row: dict[str, Any]) -> None:
        """Count a row of ``dropped.jsonl``; one that names no teacher was dropped before any was asked."""
        self.documents[row["document"], row["reason"]] += 1
        if "teacher" in row:
            self.teachers[row["teacher"], row["reason"]] += 1
        self.drops.setdefault(row["reason"], Sample(_DROPS)).add(row)
