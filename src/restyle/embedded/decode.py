"""The search for the best way to say a sentence, from left to right."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from restyle.embedded.casing import BEGIN, PROTECTED
from restyle.embedded.spans import LONGEST

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from restyle.embedded.lm import LanguageModel
    from restyle.embedded.phrases import Phrase

__all__ = ["Decoder", "Segment"]

_BEAM = 6  # hypotheses extended at each place; twice as many gain nothing


class Segment(NamedTuple):
    """Source tokens ``start`` to ``end`` said as ``target`` (norms)."""

    start: int
    end: int
    target: tuple[str, ...]


class _Option(NamedTuple):
    end: int
    target: tuple[str, ...]
    words: tuple[int, ...]
    score: float


class Decoder:
    """Monotone phrase-based decoding (Koehn, Och and Marcu 2003) with a log-linear score.

    Args:
        table: source phrase -> ways to say it.
        language: the author's language model.
        language_weight: its weight.
        word_weight: nats for every word written, as in the table's scores.
        copy_cost: nats for keeping a word that the training text never kept.
    """

    def __init__(
        self,
        table: Mapping[str, Sequence[Phrase]],
        language: LanguageModel,
        *,
        language_weight: float,
        word_weight: float,
        copy_cost: float,
    ) -> None:
        self._table = table
        self._language = language
        self._language_weight = language_weight
        self._word_weight = word_weight
        self._copy_cost = copy_cost
        self._prepared: dict[str, list[tuple[tuple[str, ...], tuple[int, ...], float, int]]] = {}

    def decode(
        self, norms: Sequence[str], copy_bonus: float, fits: Callable[[int, int, tuple[str, ...]], bool]
    ) -> list[Segment]:
        """The best segments, in order.

        Args:
            norms: the sentence, with `BEGIN` before it.
            copy_bonus: nats for every word kept; the safer, the higher.
            fits: whether source tokens from, to may be said as those norms.
        """
        language, weight = self._language, self._language_weight
        step = language.step
        # Per position: language state -> (score, previous state, previous position, target).
        charts: list[dict[int, tuple[float, int, int, tuple[str, ...]]]] = [{} for _ in range(len(norms) + 1)]
        charts[0][language.start] = (0.0, -1, -1, ())
        for position in range(len(norms)):
            options = self._options(norms, position, copy_bonus, fits)
            beam = sorted(charts[position].items(), key=_by_score)[:_BEAM]
            for state, (score, *_) in beam:
                for end, target, words, gain in options:
                    at, total = state, 0.0
                    for word in words:
                        cost, at = step(at, word)
                        total += cost
                    total = score + gain + weight * total
                    chart = charts[end]
                    known = chart.get(at)
                    if known is None or total > known[0]:
                        chart[at] = (total, state, position, target)
        finals = [(score + weight * step(state, language.end)[0], state) for state, (score, *_) in charts[-1].items()]
        state = max(finals)[1]
        segments: list[Segment] = []
        position = len(norms)
        while position:
            _, previous, begin, target = charts[position][state]
            segments.append(Segment(begin, position, target))
            state, position = previous, begin
        return segments[::-1]

    def _options(
        self, norms: Sequence[str], start: int, copy_bonus: float, fits: Callable[[int, int, tuple[str, ...]], bool]
    ) -> list[_Option]:
        options: list[_Option] = []
        kept = False
        for end in range(start + 1, min(start + LONGEST, len(norms)) + 1):
            text = " ".join(norms[start:end])
            for target, words, score, keeps in self._ways(text):
                if fits(start, end, target):
                    options.append(_Option(end, target, words, score + copy_bonus * keeps))
                    kept = kept or (end == start + 1 and target[0] == text and len(target) == 1)
        if not kept:
            cost = self._word_weight + copy_bonus
            if norms[start] in self._table and norms[start] != PROTECTED:
                cost -= self._copy_cost
            word = (norms[start],)
            options.append(_Option(start + 1, word, self._numbers(word), cost))
        return options

    def _numbers(self, words: Sequence[str]) -> tuple[int, ...]:
        return tuple(self._language.number(word) for word in words if word != BEGIN.norm)

    def _ways(self, text: str) -> list[tuple[tuple[str, ...], tuple[int, ...], float, int]]:
        ways = self._prepared.get(text)
        if ways is None:
            if text not in self._table:
                return []
            ways = self._prepared[text] = [
                (phrase.target, self._numbers(phrase.target), phrase.score, phrase.kept) for phrase in self._table[text]
            ]
        return ways


def _by_score(item: tuple[int, tuple[float, int, int, tuple[str, ...]]]) -> float:
    return -item[1][0]
