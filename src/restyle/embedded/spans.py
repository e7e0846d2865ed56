"""Spans of an aligned sentence pair that may become phrases, and whether they keep what has to be kept."""

from __future__ import annotations

from itertools import accumulate
from typing import TYPE_CHECKING

from restyle.embedded.casing import BEGIN
from restyle.embedded.guards import is_barrier, is_content, is_negation, pinned

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Iterator, Sequence

    from restyle.embedded.align import Alignment
    from restyle.embedded.casing import Form

__all__ = ["LONGEST", "Side", "is_safe", "spans"]

LONGEST = 5  # tokens of a source phrase
_LONGEST_TARGET = 6


def _sums(flags: Iterable[bool]) -> list[int]:
    return list(accumulate(flags, initial=0))


class Side:
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
        self.words = _sums(norm != BEGIN.norm and (norm[0].isalpha() or norm[0] in "<'") for norm in self.norms)
        self.pins = [pinned(form) for form in forms]
        self.pinned = _sums(pin is not None for pin in self.pins)


def is_safe(left: Side, right: Side, i: int, i_end: int, j: int, j_end: int) -> bool:
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


def spans(
    left: Side, right: Side, links: Alignment, repeated: Container[str]
) -> Iterator[tuple[str, int, int, int, int]]:
    """Spans that no link leaves, that hold a link and no barrier: source text, from, to, target from, to.

    Args:
        left: the source side.
        right: the target side.
        links: their word alignment.
        repeated: the source texts of two words or more that are worth while.
    """
    forward: list[list[int]] = [[] for _ in left.norms]
    lowest, highest = [len(left.norms)] * len(right.norms), [-1] * len(right.norms)
    for a, b in links:
        forward[a].append(b)
        lowest[b] = min(lowest[b], a)
        highest[b] = max(highest[b], a)
    for i in range(len(left.norms)):
        low, high = len(right.norms), -1
        for end in range(i + 1, min(i + LONGEST, len(left.norms)) + 1):
            text = " ".join(left.norms[i:end])
            if left.barred[end - 1] or (end - 1 > i and (left.raised[end - 1] or text not in repeated)):
                break
            low, high = min([low, *forward[end - 1]]), max([high, *forward[end - 1]])
            inside = slice(low, high + 1)
            if high - low >= _LONGEST_TARGET or min(lowest[inside], default=i) < i:
                break
            if high >= 0 and max(highest[inside]) < end:
                yield from ((text, i, end, j, j_end) for j, j_end in _widened(right, low, high + 1))


def _widened(side: Side, start: int, end: int) -> Iterator[tuple[int, int]]:
    """The span, and the same with a word without links on one side or on both."""
    starts = (start, start - 1) if start and not side.has_link[start - 1] else (start,)
    ends = (end, end + 1) if end < len(side.norms) and not side.has_link[end] else (end,)
    for j in starts:
        for j_end in ends:
            if j_end - j <= _LONGEST_TARGET and not (any(side.barred[j:j_end]) or any(side.raised[j + 1 : j_end])):
                yield j, j_end
