"""Which word stands for which: two lexical translation models, trained to agree."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import numpy as np

from restyle.embedded.guards import is_content

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

__all__ = ["Alignment", "align_words"]

Alignment: TypeAlias = list[tuple[int, int]]
"""Links of one sentence pair: source index, target index, in order."""

_ROUNDS, _LEFTOVER_ROUNDS = 5, 5
_TENSION = 7.0  # how strongly links keep to the diagonal (lambda of Dyer et al. 2013)
_BAND, _BAND_WORDS = 0.35, 4  # farthest from the diagonal that a link may be: share of the sentence, or words
_NULL, _LEFTOVER_NULL = 0.004, 0.02  # what the empty word scores: low, for paraphrase leaves little out
_IDENTICAL, _SAME_STEM, _OTHER = 30.0, 4.0, 1.0  # prior odds that two words are each other's translation
_STEM = 4  # letters
_SMOOTHING = 0.0003  # of the prior, beside the counts
_LINK = 0.2  # posterior of both directions, multiplied, from which on a link is kept
_LONE = 0.35  # posterior from which on a word left over gets a link
_CALLS = 0.1  # share of its places at which a word calls for a content word, from which on that one gets a link
_CHUNK = 1_000_000  # candidate links worked on at a time: 100 MB

Pair: TypeAlias = tuple["Sequence[str]", "Sequence[str]"]


class _Chunk(NamedTuple):
    """Candidate links of some sentence pairs, one after the other, source word by source word.

    Attributes:
        type: which pair of words each link joins.
        near: its prior from the diagonal.
        left: its source word's place among all source words of the chunk.
        right: its target word's place, likewise.
        begins: each sentence pair's first source place and first target place.
        ends: where each sentence pair's links end.
        sources: source words in the chunk.
        targets: target words in the chunk.
    """

    type: NDArray[np.int64]
    near: NDArray[np.float32]
    left: NDArray[np.int32]
    right: NDArray[np.int32]
    begins: list[tuple[int, int]]
    ends: list[int]
    sources: int
    targets: int


class _Side(NamedTuple):
    """One direction: words of one side, each to be explained by a word of the other."""

    place: NDArray[np.int32]
    places: int
    caller: NDArray[np.int64]  # per pair of words, the explaining one
    caller_place: NDArray[np.int32]
    caller_places: int


def align_words(pairs: Sequence[Pair]) -> list[Alignment]:
    """Word alignment of sentence pairs, none of whose sides may be empty.

    IBM model 1 (Brown et al. 1993) in both directions with a prior for the diagonal (``fast_align``, Dyer et al. 2013)
    and for words spelt alike, since both sides are the same language; each expectation step multiplies the posteriors
    of the two directions (alignment by agreement, Liang et al. 2006), which is also the symmetrisation. Words left
    over are then linked to the word that calls for them.
    """
    if not pairs:
        return []
    model = _Model(pairs)
    for _ in range(_ROUNDS):
        model.update()
    return model.links()


class _Model:
    """Translation probabilities of word pairs, with all candidate links."""

    def __init__(self, pairs: Sequence[Pair]) -> None:
        vocabulary: dict[str, int] = {}
        for source, target in pairs:
            for word in (*source, *target):
                vocabulary.setdefault(word, len(vocabulary))
        self._size = len(vocabulary)
        self._chunks = list(_chunks(pairs, vocabulary))
        types = _distinct(np.concatenate([_distinct(chunk.type) for chunk in self._chunks]))
        self._chunks = [chunk._replace(type=np.searchsorted(types, chunk.type)) for chunk in self._chunks]
        self._f, self._e = types // self._size, types % self._size
        stems: dict[str, int] = {}
        stem_of = np.array([stems.setdefault(word[:_STEM].ljust(_STEM), len(stems)) for word in vocabulary])
        self._content = np.array([is_content(word) for word in vocabulary])
        short = np.array([len(word) < _STEM for word in vocabulary])
        same_stem = (stem_of[self._f] == stem_of[self._e]) & ~short[self._f]
        self._alike = np.where(self._f == self._e, _IDENTICAL, np.where(same_stem, _SAME_STEM, _OTHER))
        self._normalise(self._alike)

    def _normalise(self, counts: NDArray[np.float64]) -> None:
        """Maximisation: t(e|f) and t(f|e) from the same expected links."""
        self._forward = counts / np.bincount(self._f, counts, self._size)[self._f]
        self._backward = counts / np.bincount(self._e, counts, self._size)[self._e]

    def _posterior(self, chunk: _Chunk) -> NDArray[np.float64]:
        """Expectation: how likely each link is given its target word, times given its source word."""
        both = np.ones(len(chunk.type))
        for table, place, places in (
            (self._forward, chunk.right, chunk.targets),
            (self._backward, chunk.left, chunk.sources),
        ):
            score = table[chunk.type] * chunk.near
            both *= score / (np.bincount(place, score, places) + _NULL)[place]
        return both

    def update(self) -> None:
        """One round of expectation maximisation."""
        counts = _SMOOTHING * self._alike
        for chunk in self._chunks:
            counts = counts + np.bincount(chunk.type, self._posterior(chunk), len(counts))
        self._normalise(counts)

    def links(self) -> list[Alignment]:
        """The links that both directions believe in, and for words left over the word that calls for them."""
        linked = [self._posterior(chunk) >= _LINK for chunk in self._chunks]
        forward = [_Side(c.right, c.targets, self._f, c.left, c.sources) for c in self._chunks]
        backward = [_Side(c.left, c.sources, self._e, c.right, c.targets) for c in self._chunks]
        for sides in (forward, backward):
            self._link_leftovers(sides, linked)
        alignments: list[Alignment] = []
        for chunk, kept in zip(self._chunks, map(np.flatnonzero, linked), strict=True):
            begin = 0
            for (left, right), end in zip(chunk.begins, np.searchsorted(kept, chunk.ends).tolist(), strict=True):
                chosen = kept[begin:end]
                here, there = chunk.left[chosen] - left, chunk.right[chosen] - right
                alignments.append(list(zip(here.tolist(), there.tolist(), strict=True)))
                begin = end
        return alignments

    def _link_leftovers(self, sides: Sequence[_Side], linked: Sequence[NDArray[np.bool_]]) -> None:
        """Link words that have no link yet: "carefully" also stands for the "with a" of "with a steady hand".

        IBM model 1 over these words alone: a word calls for another if it seldom comes without the other left over.
        """
        occurs = np.zeros(self._size)
        lone: list[NDArray[np.int64]] = []
        for chunk, side, known in zip(self._chunks, sides, linked, strict=True):
            word_at = np.zeros(side.caller_places, dtype=np.int64)
            word_at[side.caller_place] = side.caller[chunk.type]
            occurs += np.bincount(word_at, minlength=self._size)
            lone.append(np.flatnonzero(np.bincount(side.place, known, side.places)[side.place] == 0))
        calls = np.full(len(self._f), 0.5)
        shares: list[NDArray[np.float64]] = []
        for _ in range(_LEFTOVER_ROUNDS):
            shares = []
            counts = np.zeros(len(calls))
            for chunk, side, rest in zip(self._chunks, sides, lone, strict=True):
                score = calls[chunk.type[rest]] * chunk.near[rest]
                total = np.bincount(side.place[rest], score, side.places)[side.place[rest]]
                shares.append(score / (total + _LEFTOVER_NULL))
                counts += np.bincount(chunk.type[rest], shares[-1], len(calls))
            calls = counts / (occurs[sides[0].caller] + 1.0)
        called = self._f if sides[0].caller is self._e else self._e
        for chunk, known, rest, share in zip(self._chunks, linked, lone, shares, strict=True):
            sure = (calls >= _CALLS) | ~self._content[called]
            known[rest] |= (share >= _LONE) & sure[chunk.type[rest]]


def _distinct(numbers: NDArray[np.int64]) -> NDArray[np.int64]:
    """Each number once, in order: ``numpy.unique``, which takes three times as long."""
    ordered = np.sort(numbers)
    return ordered[np.flatnonzero(np.diff(ordered, prepend=-1))]


def _chunks(pairs: Sequence[Pair], vocabulary: dict[str, int]) -> Iterator[_Chunk]:
    """Candidate links: word pairs not far from the diagonal. Their type is the first word's number, times ..., plus."""
    size = len(vocabulary)
    parts: list[tuple[NDArray[np.int64], NDArray[np.float32], NDArray[np.int32], NDArray[np.int32]]] = []
    begins: list[tuple[int, int]] = []
    ends: list[int] = []
    left = right = end = 0
    for index, (source, target) in enumerate(pairs):
        m, n = len(source), len(target)
        f = np.fromiter((vocabulary[word] for word in source), np.int64, m)
        e = np.fromiter((vocabulary[word] for word in target), np.int64, n)
        offset = np.abs((np.arange(m) + 0.5)[:, None] / m - (np.arange(n) + 0.5)[None, :] / n)
        i, j = np.nonzero(offset <= max(_BAND, _BAND_WORDS / max(m, n)))
        near = np.exp(-_TENSION * offset[i, j]).astype(np.float32)
        parts.append((f[i] * size + e[j], near, (i + left).astype(np.int32), (j + right).astype(np.int32)))
        begins.append((left, right))
        left, right, end = left + m, right + n, end + len(i)
        ends.append(end)
        if end >= _CHUNK or index == len(pairs) - 1:
            types, nears, lefts, rights = zip(*parts, strict=True)
            yield _Chunk(
                np.concatenate(types), np.concatenate(nears), np.concatenate(lefts), np.concatenate(rights),
                begins, ends, left, right,
            )  # fmt: skip
            parts, begins, ends = [], [], []
            left = right = end = 0
