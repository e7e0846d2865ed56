"""Where in a plain version of a text each of the author's blocks has its counterpart."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from itertools import chain, pairwise
from typing import TypeAlias

from restyle.data.beads import Bead, Sentence, align_sentences
from restyle.sentences import sentence_spans

__all__ = ["Span", "counterparts"]

Span: TypeAlias = tuple[int, int]

_WORD = re.compile(r"\w+")
_PARAGRAPH_END = re.compile(r"\n[^\S\n]*\n")
_STEM = 5  # letters that tell words apart: "plenteous" is "plenty", and no stemmer is needed
_PAIR = 2  # sentences: one for one
_SUPPORT = 0.04  # what a bead must have for each sentence beyond one to one: the more, the likelier one is absorbed


def counterparts(author: str, blocks: Sequence[Span], plain: str) -> list[Span | None]:
    """For each block ``author[start:end]`` the stretch of ``plain`` that says the same; None where that is not certain.

    A block has a counterpart only where both begin and end together at the ends of sentences, nothing within either is
    without its equal in the other, and the words and lengths bear it out sentence by sentence.

    Args:
        author: The author's text.
        blocks: Ascending, without overlap, each beginning and ending with a sentence.
        plain: The plain version, in the same order; either may leave out or add what it likes.
    """
    spans, plain_spans = _sentences_around(author, blocks), sentence_spans(plain)
    beads = align_sentences(list(_sentences(author, spans)), list(_sentences(plain, plain_spans)))
    sound = _sound(beads)
    starts = {spans[bead.start][0]: number for number, bead in enumerate(beads) if bead.end > bead.start}
    ends = {spans[bead.end - 1][1]: number for number, bead in enumerate(beads) if bead.end > bead.start}
    found: list[Span | None] = []
    for start, end in blocks:
        first, last = starts.get(start), ends.get(end)
        if first is None or last is None or not all(sound[first : last + 1]):
            found.append(None)
        else:
            found.append((plain_spans[beads[first].plain_start][0], plain_spans[beads[last].plain_end - 1][1]))
    return found


def _sentences_around(text: str, blocks: Sequence[Span]) -> list[Span]:
    """The sentences of a text; each block and what lies between two of them is cut on its own."""
    bounds = [0, *chain.from_iterable(blocks), len(text)]
    return [
        (offset + start, offset + end)
        for offset, stop in pairwise(bounds)
        for start, end in sentence_spans(text[offset:stop])
    ]


def _sentences(text: str, spans: Sequence[Span]) -> Iterator[Sentence]:
    before = 0
    for start, end in spans:
        words = frozenset(word[:_STEM] for word in _WORD.findall(text[start:end].lower()))
        opening = not before or _PARAGRAPH_END.search(text, before, start) is not None
        yield Sentence(end - start, words, opening)
        before = end


def _sound(beads: Sequence[Bead]) -> list[bool]:
    """Which beads can be trusted.

    One sentence for one, of fitting lengths, may be worded quite differently where the beads on both sides are certain:
    otherwise both texts would have to have another thing in the same place.
    """
    certain = [True, *(bead.support >= _SUPPORT * (bead.sentences - _PAIR) for bead in beads), True]
    return [
        certain[number] or (certain[number - 1] and certain[number + 1] and _is_fitting_pair(bead))
        for number, bead in enumerate(beads, 1)
    ]


def _is_fitting_pair(bead: Bead) -> bool:
    return bead.sentences == _PAIR and bead.support > -math.inf
