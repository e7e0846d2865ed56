"""Texts that stand twice with small changes: another edition, a scan, a letter sent to two people.

MinHash with banded locality-sensitive hashing (Broder 1997; Leskovec et al., Mining of Massive Datasets, chapter 3)
finds candidates, and their true similarity decides. Equal texts in equal order give equal results on every machine.
"""

from __future__ import annotations

import hashlib
import math
import re
import zlib
from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    _Numbers: TypeAlias = NDArray[np.uint64]

__all__ = ["THRESHOLD", "NearDuplicates", "near_duplicates"]

THRESHOLD = 0.8  # share of the runs of words of two texts that both have

_SHINGLE = 3  # words in a run
_ROWS = 3  # values in a band
_MISSED = 1e-4  # of the pairs that are just as similar as the threshold; of closer ones far less
_COMPARED = 100  # candidates; prose has one or two, form letters that are somewhat alike would have them all
_RECENT = 4096  # texts that are looked up in a dictionary, before they go to a sorted array

_WORD = re.compile(r"[^\W_]+")
_LOW = (1 << 32) - 1


def near_duplicates(texts: Iterable[str], *, threshold: float = THRESHOLD) -> dict[int, int]:
    """Which texts repeat an earlier one: the index of each, and the index of the first one kept that it repeats.

    Texts are compared with those kept only, so no two that stay are near-duplicates. Read once; what is remembered of
    a text is 4 bytes for each of its words and a few hundred more.

    Args:
        texts: In the order in which earlier ones stay.
        threshold: The least Jaccard similarity of their runs of three words that makes two texts near-duplicates, from
            0.5 to 1; letter case and punctuation do not count.

    Raises:
        ValueError: ``threshold`` is out of its range.
    """
    index = NearDuplicates(threshold)
    found = ((place, index.add(text)) for place, text in enumerate(texts))
    return {place: earlier for place, earlier in found if earlier is not None}


class NearDuplicates:
    """The texts so far, one by one, for a caller that does not have them all: see `near_duplicates`.

    Raises:
        ValueError: ``threshold`` is out of its range.
    """

    def __init__(self, threshold: float = THRESHOLD) -> None:
        import numpy as np  # noqa: PLC0415 - importing this module stays cheap

        if not 0.5 <= threshold <= 1:  # noqa: PLR2004 - the range that the docstring names
            raise ValueError(f"threshold is {threshold}: give a similarity from 0.5 to 1")
        self._threshold = threshold
        # As many bands as it takes for a pair at the threshold to agree in one of them, but for _MISSED.
        self._bands = math.ceil(math.log(_MISSED) / math.log1p(-(min(threshold, 0.99) ** _ROWS)))
        constants = _constants(_SHINGLE + _ROWS + self._bands * (1 + 2 * _ROWS))
        parts = np.split(
            np.array(constants, np.uint64),
            np.cumsum([_SHINGLE, _ROWS, self._bands, self._bands * _ROWS]),
        )
        self._word_factors, self._row_factors, self._band_terms = parts[:3]
        self._factors, self._terms = parts[3][:, None], parts[4][:, None]
        self._shingles: list[bytes] = []  # of each text that is kept; nothing of the others
        self._recent: dict[int, list[int]] = {}  # band key: texts
        self._sorted: list[_Numbers] = []  # a band key above and a text below, in 64 bits; arrays of falling size
        self._unsorted: list[_Numbers] = []  # the same of the recent texts

    def add(self, text: str) -> int | None:
        """The index of the earliest text kept that ``text`` repeats; None where it is kept itself."""
        place = len(self._shingles)
        shingles = self._shingles_of(text)
        if not shingles.size:  # nothing to compare
            self._shingles.append(b"")
            return None
        keys = self._keys(shingles)
        for earlier in self._candidates(keys):
            if self._is_near(shingles, earlier):
                self._shingles.append(b"")
                return earlier
        self._shingles.append(shingles.astype("<u4").tobytes())
        self._remember(keys, place)
        return None

    def _shingles_of(self, text: str) -> _Numbers:
        """The runs of words as distinct numbers of 32 bits, sorted."""
        import numpy as np  # noqa: PLC0415 - as above

        words = [zlib.crc32(word.encode()) for word in _WORD.findall(text.lower())]
        run = min(_SHINGLE, len(words))  # a text of two words is one run
        if not run:
            return np.empty(0, np.uint64)
        numbers = np.array(words, np.uint64)
        count = len(words) - run + 1
        mixed = np.zeros(count, np.uint64)
        for offset in range(run):
            mixed += numbers[offset : offset + count] * self._word_factors[offset : offset + 1]
        distinct: _Numbers = np.unique(mixed >> np.uint64(32))
        return distinct

    def _keys(self, shingles: _Numbers) -> _Numbers:
        """The text's key in each band, in the upper 32 bits."""
        import numpy as np  # noqa: PLC0415 - as above

        least = (shingles * self._factors + self._terms).min(axis=1).reshape(self._bands, _ROWS)
        keys: _Numbers = (least * self._row_factors).sum(axis=1, dtype=np.uint64) + self._band_terms
        return keys & ~np.uint64(_LOW)

    def _candidates(self, keys: _Numbers) -> list[int]:
        """The kept texts that share a band's key, earliest first; of very many those that share most."""
        found: Counter[int] = Counter()
        for key in keys.tolist():
            found.update(self._recent.get(key, ()))
        for entries in self._sorted:
            starts, ends = entries.searchsorted(keys), entries.searchsorted(keys | _LOW, side="right")
            for band in (starts < ends).nonzero()[0].tolist():
                found.update((entries[starts[band] : ends[band]] & _LOW).tolist())
        closest = sorted(found, key=lambda place: (-found[place], place))
        return sorted(closest[:_COMPARED])

    def _is_near(self, shingles: _Numbers, earlier: int) -> bool:
        import numpy as np  # noqa: PLC0415 - as above

        others = np.frombuffer(self._shingles[earlier], "<u4")
        if min(len(shingles), len(others)) < self._threshold * max(len(shingles), len(others)):
            return False
        shared = np.intersect1d(shingles, others, assume_unique=True).size
        return bool(shared >= self._threshold * (len(shingles) + len(others) - shared))

    def _remember(self, keys: _Numbers, place: int) -> None:
        import numpy as np  # noqa: PLC0415 - as above

        for key in keys.tolist():
            self._recent.setdefault(key, []).append(place)
        self._unsorted.append(keys | np.uint64(place))
        if len(self._unsorted) < _RECENT:
            return
        self._sorted.append(np.sort(np.concatenate(self._unsorted)))
        self._unsorted.clear()
        self._recent.clear()
        # Arrays of like size are merged: there are never more of them than doublings of _RECENT.
        while len(self._sorted) > 1 and self._sorted[-2].size <= self._sorted[-1].size:
            self._sorted.append(np.sort(np.concatenate([self._sorted.pop(), self._sorted.pop()]), kind="stable"))


def _constants(count: int) -> list[int]:
    """Odd numbers of 64 bits, the same on every machine and with every version of numpy."""
    digests = (hashlib.sha256(f"near-duplicates {number}".encode()).digest() for number in range(count))
    return [int.from_bytes(digest[:8], "big") | 1 for digest in digests]
