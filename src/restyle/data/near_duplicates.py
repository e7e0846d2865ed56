"""Texts that stand twice with small changes: another edition, a scan, a letter sent to two people.

MinHash with banded locality-sensitive hashing (Broder 1997; Leskovec et al., Mining of Massive Datasets, chapter 3)
finds candidates, and their true similarity decides. Equal texts in equal order give equal results on every machine.
"""

from __future__ import annotations

import math
import re
import sqlite3
import zlib
from array import array
from weakref import finalize

from restyle.errors import PairsError

__all__ = ["THRESHOLD", "NearDuplicates"]

THRESHOLD = 0.8  # share of the runs of words of two texts that both have

_ROWS = 3  # values in a band
_MISSED = 1e-4  # of the pairs that are just as similar as the threshold; of closer ones far less
# In prose one or two texts have a key; form letters would all have it and be candidates of each other.
_CROWD = 3  # texts that a key is remembered of; those behind them are found by their other keys
_COMPARED = 20  # candidates, of those that share most keys
_SEED = 1

_WORD = re.compile(r"[^\W_]+")
# On disk: in memory, an index of the keys takes a kilobyte for each text.
_TABLES = """
PRAGMA journal_mode=OFF;
PRAGMA cache_size=-32768;  -- kibibytes
CREATE TABLE texts (place INTEGER PRIMARY KEY, words TEXT);
CREATE TABLE bands (key INTEGER, place INTEGER, PRIMARY KEY (key, place)) WITHOUT ROWID;
BEGIN;
"""
_CANDIDATES = """
SELECT place, words FROM texts JOIN (
    SELECT place FROM bands WHERE key IN ({keys}) GROUP BY place ORDER BY count(*) DESC, place LIMIT ?
) USING (place) ORDER BY place
"""
_REMEMBER = "INSERT INTO bands VALUES (?, ?)"
_REMEMBER_FEW = "INSERT INTO bands SELECT ?1, ?2 WHERE (SELECT count(*) FROM bands WHERE key = ?1) < ?3"


class NearDuplicates:
    """The texts so far, one by one; of those that are near-duplicates, only the first is kept to compare others with.

    They are in a temporary file, as `restyle.data.staging` is: the words of each, and about 250 bytes. Where very many
    are somewhat alike, as form letters are, a text is compared with the twenty that seem closest.

    Args:
        threshold: The least Jaccard similarity of their runs of three words that makes two texts near-duplicates, from
            0.5 to 1; letter case and punctuation do not count.

    Raises:
        ValueError: ``threshold`` is out of its range.
    """

    def __init__(self, threshold: float = THRESHOLD) -> None:
        if not 0.5 <= threshold <= 1:  # noqa: PLR2004 - the range that the docstring names
            raise ValueError(f"threshold is {threshold}: give a similarity from 0.5 to 1")
        self._threshold = threshold
        # As many bands as it takes for a pair at the threshold to agree in one of them, but for _MISSED.
        self._bands = math.ceil(math.log(_MISSED) / math.log1p(-(min(threshold, 0.99) ** _ROWS)))
        self._candidates = _CANDIDATES.format(keys=",".join("?" * (self._bands + 1)))
        self._count = 0
        # Made in one thread and filled in another, where a loop already runs; never in both at once.
        self._connection = sqlite3.connect("", isolation_level=None, check_same_thread=False)
        finalize(self, self._connection.close)
        self._connection.executescript(_TABLES)

    def add(self, text: str) -> int | None:
        """The index, from 0, of the earliest text kept that ``text`` repeats; None where it is kept itself.

        Raises:
            PairsError: There is no room for the temporary file.
        """
        place, self._count = self._count, self._count + 1
        words = _WORD.findall(text.lower())
        if not words:  # nothing to compare
            return None
        runs = _runs(words)
        keys = self._keys(runs)
        alone = True
        try:
            for earlier, others in self._connection.execute(self._candidates, [*keys, _COMPARED]):
                if self._are_near(runs, _runs(others.split(" "))):
                    return int(earlier)
                alone = False
            self._connection.execute("INSERT INTO texts VALUES (?, ?)", (place, " ".join(words)))
            if alone:  # as most are: without counting it takes a third of the time
                self._connection.executemany(_REMEMBER, [(key, place) for key in keys])
            else:
                self._connection.executemany(_REMEMBER_FEW, [(key, place, _CROWD) for key in keys])
        except sqlite3.Error as error:
            raise PairsError(
                f"what finds near-duplicates does not fit into the folder for temporary files ({error}): make room "
                "there, set TMPDIR to another, or look for none"
            ) from error
        return None

    def _keys(self, runs: set[tuple[str, ...]]) -> list[int]:
        """The text's keys, one of each band and one more; the same in every process."""
        from rensa import RMinHash  # type: ignore[import-untyped]  # noqa: PLC0415 - importing this module stays cheap

        sketch = RMinHash(self._bands * _ROWS, _SEED)
        sketch.update(map(" ".join, runs))
        values = array("I", sketch.digest())
        # All values are a key, too, so that a text with the same runs is found in any crowd.
        parts = [values, *(values[start : start + _ROWS] for start in range(0, len(values), _ROWS))]
        return [number << 32 | zlib.crc32(part) for number, part in enumerate(parts)]

    def _are_near(self, runs: set[tuple[str, ...]], others: set[tuple[str, ...]]) -> bool:
        shared = len(runs & others)
        return shared >= self._threshold * (len(runs) + len(others) - shared)


def _runs(words: list[str]) -> set[tuple[str, ...]]:
    """The distinct runs of three words; fewer words are one run."""
    return set(zip(words, words[1:], words[2:], strict=False)) or {tuple(words)}
