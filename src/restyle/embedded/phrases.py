"""Phrase pairs: extracted from aligned sentences, refused where they touch facts, scored."""

from __future__ import annotations

import math
from collections import Counter
from itertools import accumulate
from typing import TYPE_CHECKING, NamedTuple

from restyle.embedded.spans import LONGEST, Side, is_safe, spans

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from restyle.embedded.align import Alignment
    from restyle.embedded.casing import Form

__all__ = ["Candidate", "Phrase", "Weights", "extract", "phrase_table"]

_OPTIONS = 8  # kept per source phrase
_DISCOUNT = 0.7  # taken off every count
# A phrase that aligns on its own in fewer than this share of its places is part of something larger ("told" of "told
# me", which is "gave me to understand"), and what it aligns with less often than that is a fragment ("to understand").
_ALONE, _USUAL = 0.2, 0.1
_UNLINKED = math.log(0.05)  # lexical weight of a word without a counterpart


class Phrase(NamedTuple):
    """One way to say a source phrase: its words, its score in nats, how many source words it keeps."""

    target: tuple[str, ...]
    score: float
    kept: int


class Weights(NamedTuple):
    """The weights of a phrase's features in the log-linear score; see `Candidate`.

    Found by coordinate ascent on BLEU, both directions at once, on held-out books of a training text.
    """

    direct: float = 0.35
    inverse: float = 0.25
    lexical: float = 0.05
    lexical_inverse: float = 0.1
    loose: float = -0.05
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
    occurrences = _occurrences(pairs)
    for (source, target), links in zip(pairs, alignments, strict=True):
        left, right = Side(source, [a for a, _ in links]), Side(target, [b for _, b in links])
        forward, backward = lexicon.weights(left.norms, right.norms, links)
        for source_text, i, i_end, j, j_end in spans(left, right, links, occurrences):
            key = (source_text, " ".join(right.norms[j:j_end]))
            source_counts[key[0]] += 1
            target_counts[key[1]] += 1
            if not is_safe(left, right, i, i_end, j, j_end):
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
        seen = occurrences[source_text]
        if source_text != target_text and source_counts[source_text] < _ALONE * seen and count < _USUAL * seen:
            continue
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


def _occurrences(pairs: Iterable[tuple[Sequence[Form], Sequence[Form]]]) -> Counter[str]:
    """How often source phrases stand in the training text; those of several words only if more than once.

    Others hardly ever come again.
    """
    sentences = [[form.norm for form in source] for source, _ in pairs]
    counts = Counter(norm for norms in sentences for norm in norms)
    for length in range(2, LONGEST + 1):
        found: Counter[str] = Counter()
        for norms in sentences:
            for i in range(len(norms) - length + 1):
                if length == 2 or " ".join(norms[i : i + length - 1]) in counts:  # noqa: PLR2004 - two words are a phrase
                    found[" ".join(norms[i : i + length])] += 1
        counts.update({text: count for text, count in found.items() if count > 1})
    return counts


class _Lexicon:
    """Word translation probabilities from the links, both ways."""

    def __init__(self, pairs: Sequence[tuple[Sequence[Form], Sequence[Form]]], alignments: Sequence[Alignment]) -> None:
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
