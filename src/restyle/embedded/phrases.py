"""Phrase pairs: extracted from aligned sentences, refused where they touch facts, scored."""

from __future__ import annotations

import math
from collections import Counter
from itertools import accumulate
from typing import TYPE_CHECKING, NamedTuple

from restyle.embedded.guards import is_barrier, is_content, is_negation, pinned

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from restyle.embedded.align import Alignment
    from restyle.embedded.casing import Form

__all__ = ["LONGEST", "Candidate", "Phrase", "Weights", "extract", "phrase_table"]

LONGEST = 5  # tokens of a source phrase
_LONGEST_TARGET = 6
_RARE = 3  # phrases of so many words are learnt only from two places on: those of one place hardly ever come again
_OPTIONS = 12  # kept per source phrase
_DISCOUNT = 0.7
_UNLINKED = math.log(0.05)  # lexical weight of a word without a counterpart


class Phrase(NamedTuple):
    """One way to say a source phrase: its words, its score in nats, how many source words it keeps."""

    target: tuple[str, ...]
    score: float
    kept: int


class Weights(NamedTuple):
    """The weights of a phrase's features in the log-linear score; see `Candidate`."""

    direct: float = 0.25
    inverse: float = 0.3
    lexical: float = 0.15
    lexical_inverse: float = 0.15
    loose: float = -0.1
    loose_target: float = -0.1
    phrase: float = 0.05
    word: float = 0.05


class Candidate(NamedTuple):
    """A phrase pair with its features.

    Attributes:
        source: its source side, norms joined by spaces.
        target: its target side, likewise.
        features: log p(target|source), log p(source|target), the lexical weights both ways, words without a
            counterpart on the source side and on the target side, 1, target words.
    """

    source: str
    target: str
    features: tuple[float, ...]


def phrase_table(candidates: Iterable[Candidate], weights: Weights) -> dict[str, list[Phrase]]:
    """Source phrase -> the best ways to say it, best first."""
    table: dict[str, list[Phrase]] = {}
    for source, target, features in candidates:
        score = sum(weight * feature for weight, feature in zip(weights, features, strict=True))
        words = tuple(target.split(" "))
        kept = len(words) if source == target else (Counter(source.split(" ")) & Counter(words)).total()
        table.setdefault(source, []).append(Phrase(words, round(score, 3), kept))
    for source, phrases in table.items():
        phrases.sort(key=lambda phrase: (-phrase.score, phrase.target))
        table[source] = phrases[:_OPTIONS]
    return table


def extract(
    pairs: Sequence[tuple[Sequence[Form], Sequence[Form]]], alignments: Sequence[Alignment]
) -> Iterator[Candidate]:
    """Phrase pairs that keep what has to be kept.

    Extraction after Koehn, Och and Marcu 2003: every pair of spans that no link leaves. Relative frequencies in both
    directions are discounted by a constant (Chen, Kuhn and Foster 2011), so that what was seen once is doubted;
    lexical weights, in both directions, come from the links.
    """
    lexicon = _Lexicon(pairs, alignments)
    joint: Counter[tuple[str, str]] = Counter()
    details: dict[tuple[str, str], tuple[float, float, int, int]] = {}
    source_counts: Counter[str] = Counter()
    target_counts: Counter[str] = Counter()
    repeated = _repeated(pairs)
    for (source, target), links in zip(pairs, alignments, strict=True):
        left, right = _Side(source, [a for a, _ in links]), _Side(target, [b for _, b in links])
        forward, backward = lexicon.weights(left.norms, right.norms, links)
        for i, i_end, j, j_end in _spans(left, right, links):
            source_text = " ".join(left.norms[i:i_end])
            if i_end - i >= _RARE and source_text not in repeated:
                continue
            key = (source_text, " ".join(right.norms[j:j_end]))
            source_counts[key[0]] += 1
            target_counts[key[1]] += 1
            if not _is_safe(left, right, i, i_end, j, j_end):
                continue
            joint[key] += 1
            if key not in details:
                details[key] = (
                    forward[j_end] - forward[j],
                    backward[i_end] - backward[i],
                    left.loose[i_end] - left.loose[i],
                    right.loose[j_end] - right.loose[j],
                )
    for key, count in joint.items():
        source_text, target_text = key
        yield Candidate(
            source_text,
            target_text,
            (
                math.log((count - _DISCOUNT) / source_counts[source_text]),
                math.log((count - _DISCOUNT) / target_counts[target_text]),
                *details[key],
                1,
                target_text.count(" ") + 1,
            ),
        )


def _repeated(pairs: Iterable[tuple[Sequence[Form], Sequence[Form]]]) -> set[str]:
    """Source phrases of several words that stand in more than one place."""
    seen: set[str] = set()
    twice: set[str] = set()
    for source, _ in pairs:
        norms = [form.norm for form in source]
        for length in range(_RARE, LONGEST + 1):
            texts = [" ".join(norms[i:i+length]) for i in range(len(norms) - length + 1)]
            twice.update(text for text in texts if text in seen)
            seen.update(texts)
    return twice


def _sums(flags: Iterable[bool]) -> list[int]:
    return list(accumulate(flags, initial=0))


class _Side:
    """One side of a sentence pair, with running sums over whatever the guards ask of its spans."""

    def __init__(self, forms: Sequence[Form], linked: Iterable[int]) -> None:
        self.norms = [form.norm for form in forms]
        has_link = [False] * len(forms)
        for index in linked:
            has_link[index] = True
        self.has_link = has_link
        self.barred = [is_barrier(norm) for norm in self.norms]
        # The sentence's own capital, behind its beginning, may be lent to any word; one inside may not be moved.
        self.raised = [form.raised and index > 1 for index, form in enumerate(forms)]
        self.loose = _sums(not has for has in has_link)
        self.dropped = _sums(not has and is_content(norm) for has, norm in zip(has_link, self.norms, strict=True))
        self.negations = _sums(is_negation(form.key) for form in forms)
        self.words = _sums(norm[0].isalpha() or norm[0] in "<'" for norm in self.norms)
        self.pins = [pinned(form) for form in forms]
        self.pinned = _sums(pin is not None for pin in self.pins)


def _is_safe(left: _Side, right: _Side, i: int, i_end: int, j: int, j_end: int) -> bool:
    """Facts kept in their order, no content word without a counterpart, words said as words."""
    if left.dropped[i_end] != left.dropped[i] or right.dropped[j_end] != right.dropped[j]:
        return False
    if left.negations[i_end] - left.negations[i] != right.negations[j_end] - right.negations[j]:
        return False
    if (left.words[i_end] == left.words[i]) != (right.words[j_end] == right.words[j]):
        return False
    if left.pinned[i_end] == left.pinned[i] and right.pinned[j_end] == right.pinned[j]:
        return True
    return [pin for pin in left.pins[i:i_end] if pin] == [pin for pin in right.pins[j:j_end] if pin]


def _spans(left: _Side, right: _Side, links: Alignment) -> Iterator[tuple[int, int, int, int]]:
    """Spans (source from, to, target from, to) that no link leaves, that hold a link and no barrier."""
    forward: list[list[int]] = [[] for _ in left.norms]
    size = len(right.norms)
    lowest, highest = [len(left.norms)] * size, [-1] * size
    for a, b in links:
        forward[a].append(b)
        lowest[b] = min(lowest[b], a)
        highest[b] = max(highest[b], a)
    for i in range(len(left.norms)):
        low, high = size, -1
        for end in range(i + 1, min(i + LONGEST, len(left.norms)) + 1):
            if left.barred[end - 1] or (end - 1 > i and left.raised[end - 1]):
                break
            for b in forward[end - 1]:
                low, high = min(low, b), max(high, b)
            if high < 0:
                continue
            if high - low >= _LONGEST_TARGET:
                break
            if min(lowest[low : high + 1]) < i:
                break
            if max(highest[low : high + 1]) >= end:
                continue
            yield from (
                (i, end, j, j_end)
                for j in ((low, low - 1) if low and not right.has_link[low - 1] else (low,))
                for j_end in ((high + 1, high + 2) if high + 1 < size and not right.has_link[high + 1] else (high + 1,))
                if j_end - j <= _LONGEST_TARGET
                and not any(right.barred[j:j_end])
                and not any(right.raised[j + 1 : j_end])
            )


class _Lexicon:
    """Word translation probabilities from the links, both ways."""

    def __init__(
        self, pairs: Sequence[tuple[Sequence[Form], Sequence[Form]]], alignments: Sequence[Alignment]
    ) -> None:
        self._joint: Counter[tuple[str, str]] = Counter()
        self._source: Counter[str] = Counter()
        self._target: Counter[str] = Counter()
        for (source, target), links in zip(pairs, alignments, strict=True):
            self._joint.update((source[a].norm, target[b].norm) for a, b in links)
            self._source.update(source[a].norm for a, _ in links)
            self._target.update(target[b].norm for _, b in links)

    def weights(self, f: Sequence[str], e: Sequence[str], links: Alignment) -> tuple[list[float], list[float]]:
        """Running sums over target words of log p(word|its links), and over source words the other way."""
        given_source: list[list[float]] = [[] for _ in e]
        given_target: list[list[float]] = [[] for _ in f]
        for a, b in links:
            count = self._joint[f[a], e[b]]
            given_source[b].append(count / self._source[f[a]])
            given_target[a].append(count / self._target[e[b]])
        return (_running(given_source), _running(given_target))


def _running(shares: Iterable[Sequence[float]]) -> list[float]:
    return list(accumulate((math.log(sum(s) / len(s)) if s else _UNLINKED for s in shares), initial=0.0))
