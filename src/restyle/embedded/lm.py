"""The author's language: an n-gram model that says how well words follow each other."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = ["LanguageModel"]

_ORDER = 4
_START, _END = "<s>", "</s>"
_UNKNOWN = math.log(1e-6)  # a word never seen, whatever stands before it
_REMEMBERED = 2_000_000  # transitions kept in memory


class LanguageModel:
    """An n-gram model of order 4 in back-off form; see `estimate` for how it is learnt.

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
        self._contexts = list(backoffs)
        self._states = {context: state for state, context in enumerate(self._contexts)}
        self._steps: dict[tuple[int, int], tuple[float, int]] = {}
        self.start = self._states[self._numbers[_START],]
        self.end = self._numbers[_END]

    @classmethod
    def train(cls, sentences: Iterable[Sequence[str]]) -> LanguageModel:
        """Learn from sentences of norms."""
        from restyle.embedded.counting import estimate  # noqa: PLC0415 - numpy: needed to train, not to rewrite

        numbers: dict[str, int] = {_START: 0, _END: 1}
        line: list[int] = []
        for sentence in sentences:
            line += [0, *(numbers.setdefault(word, len(numbers)) for word in sentence), 1]
        return cls(list(numbers), *estimate(line, 0, len(numbers), _ORDER))

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
            return _UNKNOWN, self._states[()]
        following = (*context, word)[-(_ORDER - 1) :]
        while following and following not in self.backoffs:
            following = following[1:]
        total = 0.0
        for begin in range(len(context) + 1):
            found = self.probabilities.get((*context[begin:], word))
            if found is not None:
                return total + found, self._states[following]
            total += self.backoffs.get(context[begin:], 0.0)
        return _UNKNOWN, self._states[()]
