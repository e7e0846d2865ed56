"""Kneser-Ney estimation of an n-gram model, over arrays of word numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

__all__ = ["estimate"]


class _Level(NamedTuple):
    """The n-grams of one length.

    Attributes:
        ids: which of them ends at each place of the text.
        places: where each ends first.
        frequencies: how often each stands in the text.
    """

    ids: NDArray[np.int64]
    places: NDArray[np.int64]
    frequencies: NDArray[np.int64]


def estimate(
    line: Sequence[int], start: int, size: int, order: int
) -> tuple[dict[tuple[int, ...], float], dict[tuple[int, ...], float]]:
    """N-gram probabilities and back-off weights, as natural logarithms.

    Kneser & Ney 1995, in the interpolated form of Chen & Goodman 1998 with one discount per order: below the highest
    order an n-gram counts once per word seen before it, unless it begins a sentence.

    Args:
        line: all sentences, one after the other, each begun by ``start``.
        start: the word that begins sentences and is never predicted.
        size: how many words there are.
        order: length of the longest n-grams, at least 2.
    """
    words = np.array(line, dtype=np.int64)
    levels = _levels(words, start, size, order)
    probabilities: dict[tuple[int, ...], float] = {}
    backoffs: dict[tuple[int, ...], float] = {}
    # The empty n-gram, at whose place every word's context ends.
    nothing = np.zeros(1, dtype=np.int64)
    context, lower = _Level(np.zeros_like(words), nothing, nothing), np.full(1, 1.0 / (size + 1))
    for n, level in enumerate(levels, 1):
        counts = level.frequencies
        if n < order:
            novel = np.bincount(level.ids[levels[n].places], minlength=len(counts))
            counts = np.where(novel > 0, novel, counts)
        predicted = words[level.places] != start
        counts = counts * predicted
        parents = context.ids[level.places - 1]
        totals = np.maximum(np.bincount(parents, counts, len(lower)), 1)
        followers = np.bincount(parents, predicted, len(lower))
        ones, twos = ((counts == many).sum() for many in (1, 2))
        discount = min(0.9, max(0.1, ones / (ones + 2 * twos))) if ones + twos else 0.5
        share = discount * followers / totals
        values = np.maximum(counts - discount, 0) / totals[parents] + share[parents] * lower[context.ids[level.places]]
        kept, used = np.flatnonzero(predicted), np.flatnonzero(followers)
        probabilities.update(_rows(words, level.places[kept], n, values[kept]))
        backoffs.update(_rows(words, context.places[used], n - 1, share[used]))
        context, lower = level, values
    return probabilities, backoffs


def _rows(
    words: NDArray[np.int64], places: NDArray[np.int64], length: int, values: NDArray[np.float64]
) -> Iterator[tuple[tuple[int, ...], float]]:
    """N-grams by their last places, with the logarithms of their values, rounded as they are kept in files."""
    grams = words[places[:, None] + np.arange(1 - length, 1)].tolist()
    return zip(map(tuple, grams), np.log(values).round(3).tolist(), strict=True)


def _levels(words: NDArray[np.int64], start: int, size: int, order: int) -> list[_Level]:
    """The n-grams of every length up to ``order``, none across the beginning of a sentence.

    Where an n-gram would reach back beyond its sentence, ``ids`` has 0 and is never asked.
    """
    begins = np.flatnonzero(words == start)
    depth = np.arange(len(words)) - np.repeat(begins, np.diff(np.append(begins, len(words)))) + 1
    levels: list[_Level] = []
    shorter = np.zeros(len(words), dtype=np.int64)
    for n in range(1, order + 1):
        places = np.flatnonzero(depth >= n)
        keys = shorter[places - 1] * size + words[places]
        _, first, inverse, frequencies = np.unique(keys, return_index=True, return_inverse=True, return_counts=True)
        ids = np.zeros(len(words), dtype=np.int64)
        ids[places] = inverse
        levels.append(_Level(ids, places[first], frequencies))
        shorter = ids
    return levels
