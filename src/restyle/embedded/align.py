"""Which word stands for which: two lexical translation models, trained to agree."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

__all__ = ["Alignment", "align_words"]

_ROUNDS = 5
_TENSION = 7.0  # how strongly links keep to the diagonal (lambda of Dyer et al. 2013)
_BAND, _BAND_WORDS = 0.35, 4  # farthest from the diagonal that a link may be: share of the sentence, or words
_NULL = 0.004  # what the empty word scores against every link: low, for paraphrase leaves little out
_IDENTICAL, _SAME_STEM, _OTHER = 30.0, 4.0, 1.0  # prior odds that two words are each other's translation
_STEM = 4  # letters
_SMOOTHING = 0.0003
_LINK = 0.2  # posterior of both directions, multiplied, from which on a link is kept
_LONE = 0.35  # posterior from which on a word left over gets a link
_LEFTOVER_ROUNDS = 5
_NULL_LEFTOVER = 0.02


Alignment: TypeAlias = list[tuple[int, int]]
"""Links of one sentence pair: source index, target index, in order."""


def align_words(pairs: Sequence[tuple[Sequence[str], Sequence[str]]]) -> list[Alignment]:
    """Word alignment of sentence pairs.

    IBM model 1 (Brown et al. 1993) in both directions with a prior for the diagonal (``fast_align``, Dyer et al. 2013)
    and for words spelt alike, since both sides are the same language; each expectation step multiplies the posteriors
    of the two directions (alignment by agreement, Liang et al. 2006), which is also the symmetrisation.
    """
    model = _Links(pairs)
    for _ in range(_ROUNDS):
        model.update()
    return model.decisions()


class _Links:
    """Every candidate link of every pair, flat: sentence by sentence, source word by source word."""

    def __init__(self, pairs: Sequence[tuple[Sequence[str], Sequence[str]]]) -> None:
        vocabulary: dict[str, int] = {}
        for source, target in pairs:
            for word in (*source, *target):
                vocabulary.setdefault(word, len(vocabulary))
        stems: dict[str, int] = {}
        stem_of = np.array(
            [stems.setdefault(word[:_STEM], len(stems)) if len(word) >= _STEM else -1 - i for word, i in vocabulary.items()],
            dtype=np.int64,
        )
        size = max(1, len(vocabulary))
        keys: list[NDArray[np.int64]] = []
        near: list[NDArray[np.float32]] = []
        left: list[NDArray[np.int32]] = []
        right: list[NDArray[np.int32]] = []
        self.starts: list[tuple[int, int]] = []  # of each pair's words among all words of its side
        self.ends: list[int] = []  # of each pair's links
        at_source = at_target = end = 0
        for source, target in pairs:
            m, n = len(source), len(target)
            f = np.fromiter((vocabulary[word] for word in source), np.int64, m)
            e = np.fromiter((vocabulary[word] for word in target), np.int64, n)
            offset = np.abs((np.arange(m) + 0.5)[:, None] / m - (np.arange(n) + 0.5)[None, :] / n)
            i, j = np.nonzero(offset <= max(_BAND, _BAND_WORDS / max(m, n)))
            keys.append(f[i] * size + e[j])
            near.append(np.exp(-_TENSION * offset[i, j]).astype(np.float32))
            left.append((i + at_source).astype(np.int32))
            right.append((j + at_target).astype(np.int32))
            end += len(i)
            self.starts.append((at_source, at_target))
            self.ends.append(end)
            at_source, at_target = at_source + m, at_target + n
        self.near, self.left, self.right = map(np.concatenate, (near, left, right))
        distinct, pair = np.unique(np.concatenate(keys), return_inverse=True)
        self.pair = pair.astype(np.int32)
        self.f, self.e = distinct // size, distinct % size
        self.size, self.sources, self.targets = size, at_source, at_target
        alike = np.where(stem_of[self.f] == stem_of[self.e], _SAME_STEM, _OTHER)
        self.alike = np.where(self.f == self.e, _IDENTICAL, alike)
        self._normalise(self.alike)

    def _normalise(self, counts: NDArray[np.float64]) -> None:
        """Maximisation: t(e|f) and t(f|e) from the same expected links."""
        self.forward = counts / np.bincount(self.f, counts, self.size)[self.f]
        self.backward = counts / np.bincount(self.e, counts, self.size)[self.e]

    def _posteriors(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Expectation: how likely each link is, given its target word and given its source word."""
        shares: list[NDArray[np.float64]] = []
        for table, place, places in (
            (self.forward, self.right, self.targets),
            (self.backward, self.left, self.sources),
        ):
            score = table[self.pair] * self.near
            shares.append(score / (np.bincount(place, score, places) + _NULL)[place])
        return shares[0], shares[1]

    def update(self) -> None:
        """One round of expectation maximisation."""
        given_target, given_source = self._posteriors()
        counts = np.bincount(self.pair, given_target * given_source, len(self.f))
        self._normalise(counts + _SMOOTHING * self.alike)

    def decisions(self) -> list[Alignment]:
        """The links that both directions believe in, and for words left over the word that calls for them."""
        given_target, given_source = self._posteriors()
        both = given_target * given_source >= _LINK
        both |= self._leftover(both, self.right, self.f, self.left, self.sources)
        both |= self._leftover(both, self.left, self.e, self.right, self.targets)
        kept = np.flatnonzero(both)
        alignments: list[Alignment] = []
        begin = 0
        for (at_source, at_target), cut in zip(self.starts, np.searchsorted(kept, self.ends), strict=True):
            links = kept[begin:cut]
            here, there = self.left[links] - at_source, self.right[links] - at_target
            alignments.append(list(zip(here.tolist(), there.tolist(), strict=True)))
            begin = int(cut)
        return alignments

    def _leftover(
        self,
        linked: NDArray[np.bool_],
        place: NDArray[np.int32],
        caller: NDArray[np.int64],
        caller_place: NDArray[np.int32],
        caller_places: int,
    ) -> NDArray[np.bool_]:
        """Links of the words of one side that have none yet: "carefully" also stands for the "with a" of "with a steady hand".

        IBM model 1 over these words alone: a word calls for another if it seldom comes without the other left over.
        """
        places = int(place.max()) + 1
        lone = np.flatnonzero(np.bincount(place, linked, places)[place] == 0)
        pair, where, near = self.pair[lone], place[lone], self.near[lone]
        # How often each calling word occurs: once per place, whatever it is linked to.
        word_at = np.zeros(caller_places, dtype=np.int64)
        word_at[caller_place] = caller[self.pair]
        occurs = np.bincount(word_at, minlength=self.size)[caller].astype(np.float64)
        calls = np.full(len(caller), 0.5)
        share = np.zeros(0)
        for _ in range(_LEFTOVER_ROUNDS):
            score = calls[pair] * near
            share = score / (np.bincount(where, score, places)[where] + _NULL_LEFTOVER)
            calls = np.bincount(pair, share, len(caller)) / (occurs + 1.0)
        found = np.zeros(len(linked), dtype=np.bool_)
        found[lone] = share >= _LONE
        return found
