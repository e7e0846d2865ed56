"""Parallel blocks cut into parallel sentences."""

from __future__ import annotations

import math
from collections import Counter
from typing import TYPE_CHECKING

from restyle.embedded.casing import plain_word

if TYPE_CHECKING:
    from collections.abc import Sequence

    from restyle.embedded.tokens import Token

__all__ = ["align_sentences"]

# Cost of a bead's shape, in nats: most sentences stand for one (after Gale & Church 1993).
_BEADS = {(1, 1): 0.0, (1, 2): 2.3, (2, 1): 2.3, (2, 2): 4.0}
_LEXICAL = 6.0  # what a bead gains when all its words are shared


def align_sentences(
    sources: Sequence[Sequence[Token]], targets: Sequence[Sequence[Token]]
) -> list[tuple[list[Token], list[Token]]]:
    """Pair the sentences of two texts that say the same in the same order.

    A dynamic programme over beads of 1-1, 1-2, 2-1 and 2-2 sentences, scored by length (Gale & Church 1993) and by
    the words that both sides share. Texts too unequal for such beads become one pair.
    """
    if len(sources) == 1 or len(targets) == 1:
        return [(_join(sources), _join(targets))]
    left = [_words(sentence) for sentence in sources]
    right = [_words(sentence) for sentence in targets]
    ratio = max(1, sum(map(len, right))) / max(1, sum(map(len, left)))
    best: dict[tuple[int, int], tuple[float, tuple[int, int]]] = {(0, 0): (0.0, (0, 0))}
    for i in range(1, len(left) + 1):
        for j in range(1, len(right) + 1):
            moves = [
                (best[i - a, j - b][0] + price + _cost(left[i - a : i], right[j - b : j], ratio), (a, b))
                for (a, b), price in _BEADS.items()
                if (i - a, j - b) in best
            ]
            if moves:
                best[i, j] = min(moves)
    if (len(left), len(right)) not in best:
        return [(_join(sources), _join(targets))]
    pairs: list[tuple[list[Token], list[Token]]] = []
    i, j = len(left), len(right)
    while i:
        a, b = best[i, j][1]
        pairs.append((_join(sources[i - a : i]), _join(targets[j - b : j])))
        i, j = i - a, j - b
    return pairs[::-1]


def _join(sentences: Sequence[Sequence[Token]]) -> list[Token]:
    return [token for sentence in sentences for token in sentence]


def _words(sentence: Sequence[Token]) -> list[str]:
    return [plain_word(token.text) for token in sentence if token.kind not in {"mark", "other"}]


def _cost(left: Sequence[Sequence[str]], right: Sequence[Sequence[str]], ratio: float) -> float:
    """How unlikely it is that these sentences translate each other."""
    here = Counter(word for sentence in left for word in sentence)
    there = Counter(word for sentence in right for word in sentence)
    expected, found = here.total() * ratio, there.total()
    length = (found - expected) ** 2 / (2.0 * (expected + found + 1))
    # Longer words are rarer: weigh them by their length instead of counting a corpus for it.
    shared = sum(count * math.log1p(len(word)) for word, count in (here & there).items())
    total = sum(count * math.log1p(len(word)) for word, count in (here | there).items())
    return length + _LEXICAL * (1.0 - shared / total if total else 1.0) * (len(left) + len(right)) / 2
