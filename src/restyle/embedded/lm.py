"""The author's language: an n-gram model that says how well words follow each other."""

from __future__ import annotations

import math
from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = ["LanguageModel"]

_ORDER = 4
_START, _END = "<s>", "</s>"
_UNKNOWN = math.log(1e-6)  # a word never seen, whatever stands before it
_DIGITS = 3  # of the scores kept: as many as the file holds, so that a model and its file agree
_REMEMBERED = 2_000_000  # transitions kept in memory


class LanguageModel:
    """Interpolated Kneser-Ney of order 4, in back-off form.

    Kneser & Ney 1995, in the interpolated form of Chen & Goodman 1998 with one discount per order.

    Args:
        words: the vocabulary.
        probabilities: n-gram of word numbers -> natural log of its probability.
        backoffs: context of word numbers -> natural log of the weight of the shorter context.
    """

    def __init__(
        self,
        words: Sequence[str],
        probabilities: dict[tuple[int, ...], float],
        backoffs: dict[tuple[int, ...], float],
    ) -> None:
        self.words = list(words)
        self.probabilities = probabilities
        self.backoffs = backoffs
        self._numbers = {word: number for number, word in enumerate(self.words)}
        self._contexts: list[tuple[int, ...]] = [()]
        self._states: dict[tuple[int, ...], int] = {(): 0}
        self._steps: dict[tuple[int, int], tuple[float, int]] = {}
        self.start = self._state((self._numbers[_START],))
        self.end = self._numbers[_END]

    @classmethod
    def train(cls, sentences: Iterable[Sequence[str]]) -> LanguageModel:
        """Count n-grams in sentences of norms."""
        numbers: dict[str, int] = {_START: 0, _END: 1}
        counts: list[Counter[tuple[int, ...]]] = [Counter() for _ in range(_ORDER)]
        for sentence in sentences:
            line = [0, *(numbers.setdefault(word, len(numbers)) for word in sentence), 1]
            for n in range(1, _ORDER + 1):
                counts[n - 1].update(zip(*(line[k:] for k in range(n)), strict=False))
        del counts[0][0,]
        # Below the highest order, and unless it starts a sentence, an n-gram counts once per word seen before it.
        for n in range(_ORDER - 1):
            novel = Counter(gram[1:] for gram in counts[n + 1])
            counts[n] = Counter({gram: novel[gram] or count for gram, count in counts[n].items()})
        probabilities: dict[tuple[int, ...], float] = {}
        backoffs: dict[tuple[int, ...], float] = {}
        uniform = 1.0 / (len(numbers) + 1)
        plain: dict[tuple[int, ...], float] = {}
        for table in counts:
            ones = sum(count == 1 for count in table.values())
            twos = sum(count == 2 for count in table.values())  # noqa: PLR2004 - counts of counts, by their definition
            discount = min(0.9, max(0.1, ones / (ones + 2 * twos))) if ones + twos else 0.5
            totals: Counter[tuple[int, ...]] = Counter()
            kinds: Counter[tuple[int, ...]] = Counter()
            for gram, count in table.items():
                totals[gram[:-1]] += count
                kinds[gram[:-1]] += 1
            share = {context: discount * kinds[context] / total for context, total in totals.items()}
            for gram, count in table.items():
                context = gram[:-1]
                lower = plain[gram[1:]] if context else uniform
                plain[gram] = (count - discount) / totals[context] + share[context] * lower
                probabilities[gram] = round(math.log(plain[gram]), _DIGITS)
            for context, weight in share.items():
                backoffs[context] = round(math.log(weight), _DIGITS)
        return cls(list(numbers), probabilities, backoffs)

    @classmethod
    def from_rows(
        cls, words: Sequence[str], rows: Iterable[tuple[Sequence[int], float, Sequence[int], Sequence[float]]]
    ) -> LanguageModel:
        """The model that `rows` described."""
        probabilities: dict[tuple[int, ...], float] = {}
        backoffs: dict[tuple[int, ...], float] = {}
        for context, backoff, following, values in rows:
            key = tuple(context)
            backoffs[key] = backoff
            probabilities.update({(*key, word): value for word, value in zip(following, values, strict=True)})
        return cls(words, probabilities, backoffs)

    def rows(self) -> list[tuple[tuple[int, ...], float, list[int], list[float]]]:
        """Per context: its words, its back-off, the words that follow and their probabilities."""
        following: dict[tuple[int, ...], list[int]] = {context: [] for context in self.backoffs}
        for gram in self.probabilities:
            following[gram[:-1]].append(gram[-1])
        return [
            (context, backoff, words, [self.probabilities[(*context, word)] for word in words])
            for (context, backoff), words in zip(self.backoffs.items(), following.values(), strict=True)
        ]

    def number(self, word: str) -> int:
        """The number of a word; -1 for one never seen."""
        return self._numbers.get(word, -1)

    def step(self, state: int, word: int) -> tuple[float, int]:
        """Natural log of the probability of ``word`` after ``state``, and the state that follows."""
        key = (state, word)
        known = self._steps.get(key)
        if known is None:
            if len(self._steps) >= _REMEMBERED:
                self._steps.clear()
            known = self._steps[key] = self._step(self._contexts[state], word)
        return known

    def _step(self, context: tuple[int, ...], word: int) -> tuple[float, int]:
        if word < 0:
            return _UNKNOWN, 0
        following = (*context, word)[-(_ORDER - 1) :]
        while following and following not in self.backoffs:
            following = following[1:]
        total = 0.0
        for begin in range(len(context) + 1):
            found = self.probabilities.get((*context[begin:], word))
            if found is not None:
                return total + found, self._state(following)
            total += self.backoffs.get(context[begin:], 0.0)
        return _UNKNOWN, 0

    def _state(self, context: tuple[int, ...]) -> int:
        if context not in self._states:
            self._states[context] = len(self._contexts)
            self._contexts.append(context)
        return self._states[context]
