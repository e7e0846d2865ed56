"""Sentences of two versions of a text, put together: which of the one say what which of the other say.

The beads, the dynamic programme over them and the price of unequal lengths are those of Gale and Church (1993, A
Program for Aligning Sentences in Bilingual Corpora). As both versions are in one language, the words that sentences
share count too, the rarer the more.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from itertools import accumulate, pairwise
from statistics import median
from typing import NamedTuple

from restyle.data.landmarks import Point, corridor, landmarks

__all__ = ["Bead", "Sentence", "align_sentences"]

# Sentences of the author's and of the plain text in a bead: how likely each kind is. Editions leave out and add more
# than the translations of Gale and Church do.
_PRIORS = {
    (1, 1): 0.8,
    (1, 2): 0.045,
    (2, 1): 0.045,
    (1, 3): 0.01,
    (3, 1): 0.01,
    (2, 2): 0.01,
    (1, 0): 0.04,
    (0, 1): 0.04,
}
_BEADS = [(author, plain, -math.log(prior)) for (author, plain), prior in _PRIORS.items()]
_VARIANCE = 6.8  # of a version's length for each character, as in Gale and Church
_STRANGE = 7.0  # what a length costs that one in a thousand versions has
_KEPT = 0.3  # of its words a sentence keeps in the plain version, beside those that are there by chance
_LOST = math.log(1 - _KEPT)
_PRIOR_SENTENCES = 20  # that a text seems to begin with, in which words are the rarer the longer (Zipf 1935)
_BOTH_OPEN, _ONE_OPENS = 1.0, -0.5  # for a bead that begins a paragraph in both texts, in one of them
_STRETCH = 5  # landmarks over which the proportion of the lengths is taken
_REMEMBERED = 4096  # runs of sentences; the search is never wider


class Sentence(NamedTuple):
    """A sentence: its length in characters, the words to compare, and whether it begins a paragraph."""

    length: int
    words: frozenset[str]
    opening: bool


class Bead(NamedTuple):
    """Author's sentences ``[start:end]`` and the plain ones that say the same; either may be none.

    Attributes:
        support: How much its least supported sentence shares with the other side: the mean logarithm of a likelihood
            ratio for each word. Minus infinity where a side is empty, or the lengths do not fit.
    """

    start: int
    end: int
    plain_start: int
    plain_end: int
    support: float

    @property
    def sentences(self) -> int:
        """How many there are on both sides."""
        return self.end - self.start + self.plain_end - self.plain_start


def align_sentences(author: Sequence[Sentence], plain: Sequence[Sentence]) -> list[Bead]:
    """The likeliest beads, in order: together they hold every sentence once.

    Time and memory grow with the longer text, not with the product of both.
    """
    chain = landmarks([sentence.words for sentence in author], [sentence.words for sentence in plain])
    return _Alignment(author, plain, chain).beads()


class _Alignment:
    def __init__(self, author: Sequence[Sentence], plain: Sequence[Sentence], chain: Sequence[Point]) -> None:
        self._author, self._plain = author, plain
        self._steps = corridor(chain, len(author), len(plain))
        self._scale = _scale(author, plain, chain)
        self._gains = _gains(author, plain)
        self._author_run = lru_cache(_REMEMBERED)(lambda start, end: _run(author[start:end]))
        self._plain_run = lru_cache(_REMEMBERED)(lambda start, end: _run(plain[start:end]))

    def beads(self) -> list[Bead]:
        kinds = self._kinds()
        found: list[Bead] = []
        end, plain_end = len(self._author), len(self._plain)
        while end or plain_end:
            author, plain, _ = _BEADS[kinds[end][plain_end - self._steps[end][0]]]
            start, plain_start = end - author, plain_end - plain
            found.append(Bead(start, end, plain_start, plain_end, self._support(start, end, plain_start, plain_end)))
            end, plain_end = start, plain_start
        return found[::-1]

    def _kinds(self) -> list[bytearray]:
        """The kind of the last bead of the best alignment of the first sentences, for each place of the corridor."""
        kinds: list[bytearray] = []
        costs: list[list[float]] = []
        for end, (least, most) in enumerate(self._steps):
            costs.append([])
            kinds.append(bytearray(most - least + 1))
            for plain_end in range(least, most + 1):
                cheapest = math.inf if end or plain_end else 0.0
                for kind, (author, plain, price) in enumerate(_BEADS):
                    start, plain_start = end - author, plain_end - plain
                    if start < 0 or not self._steps[start][0] <= plain_start <= self._steps[start][1]:
                        continue
                    cost = costs[start][plain_start - self._steps[start][0]] + price
                    if author and plain:
                        cost += self._cost(start, end, plain_start, plain_end)
                    if cost < cheapest:
                        cheapest, kinds[end][plain_end - least] = cost, kind
                costs[end].append(cheapest)
            if end > 2:  # noqa: PLR2004 - no bead reaches back farther than three sentences
                costs[end - 3] = []
        return kinds

    def _cost(self, start: int, end: int, plain_start: int, plain_end: int) -> float:
        author, plain = self._author_run(start, end), self._plain_run(plain_start, plain_end)
        shared = sum([self._gains[word] for word in author.words & plain.words])
        cost = _length_cost(author.length * self._scale, plain.length)
        cost -= shared + 0.5 * _LOST * (len(author.words) + len(plain.words))
        if author.opening or plain.opening:
            cost -= _BOTH_OPEN if author.opening and plain.opening else _ONE_OPENS
        return cost

    def _support(self, start: int, end: int, plain_start: int, plain_end: int) -> float:
        if start == end or plain_start == plain_end:
            return -math.inf
        author, plain = self._author_run(start, end), self._plain_run(plain_start, plain_end)
        if _length_cost(author.length * self._scale, plain.length) > _STRANGE:
            return -math.inf
        sides = [(self._author[start:end], plain), (self._plain[plain_start:plain_end], author)]
        return min(self._likeness(sentence.words, other.words) for side, other in sides for sentence in side)

    def _likeness(self, words: frozenset[str], others: frozenset[str]) -> float:
        return _LOST + sum([self._gains[word] for word in words & others]) / max(len(words), 1)


def _run(sentences: Sequence[Sentence]) -> Sentence:
    words = frozenset[str]().union(*(sentence.words for sentence in sentences))
    return Sentence(sum(sentence.length for sentence in sentences), words, sentences[0].opening)


def _gains(author: Sequence[Sentence], plain: Sequence[Sentence]) -> dict[str, float]:
    """What a word counts that both sides have, beyond what it costs on both sides where they do not share it."""
    here, there = _shares(author), _shares(plain)
    return {
        word: 0.5 * (math.log(1 - _KEPT + _KEPT / here[word]) + math.log(1 - _KEPT + _KEPT / there[word])) - _LOST
        for word in here.keys() & there.keys()
    }


def _shares(sentences: Sequence[Sentence]) -> Mapping[str, float]:
    """In what share of the sentences each word stands, as far as so many sentences can say."""
    counts = Counter(word for sentence in sentences for word in sentence.words)
    total = len(sentences) + _PRIOR_SENTENCES
    return {word: (count + _PRIOR_SENTENCES * 0.5 ** len(word)) / total for word, count in counts.items()}


def _scale(author: Sequence[Sentence], plain: Sequence[Sentence], chain: Sequence[Point]) -> float:
    """Characters of the plain text for each of the author's, whatever either leaves out; 1 for too short a text."""
    here, there = _lengths(author), _lengths(plain)
    ratios = [
        (there[after.plain] - there[before.plain]) / (here[after.author] - here[before.author])
        for before, after in pairwise(chain[::_STRETCH])
    ]
    return median(ratios) if ratios else 1.0


def _lengths(sentences: Iterable[Sentence]) -> list[int]:
    return [0, *accumulate(sentence.length for sentence in sentences)]


def _length_cost(expected: float, length: int) -> float:
    """The negative logarithm of the share of versions whose length is farther from the expected one."""
    deviation = abs(expected - length) / math.sqrt(_VARIANCE * (expected + length) / 2)
    tails = math.erfc(deviation / math.sqrt(2))
    return -math.log(tails) if tails else math.inf
