"""What publishers put around a text: Project Gutenberg's licence and credits, and the notes of transcribers."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

__all__ = ["letters", "own_paragraphs", "own_text"]

_GAP = re.compile(r"(\n(?:[ \t]*\n)+)")
_START = re.compile(r"^[ \t]*\*{3}[ \t]*START OF TH(?:E|IS) |\*END\*? ?THE SMALL PRINT", re.IGNORECASE | re.MULTILINE)
_END = re.compile(
    r"^[ \t]*(?:\*{3}[ \t]*END OF TH(?:E|IS) |End of (?:the |this )?Project Gutenberg\b)", re.IGNORECASE | re.MULTILINE
)
_CREDIT = re.compile(r"\s*(?:Produced by|E-?text prepared by|This e-?(?:book|text) was produced by)\s", re.IGNORECASE)
_CREDITED = 5  # paragraphs after the start in which the credits stand
_NOTE = re.compile(r"[\s_*#]*(\[?)[\s_*]*Transcriber(?:[’']?s|s[’'])?[ \t]+Notes?\b", re.IGNORECASE)
_NOTE_LENGTH = 10  # paragraphs in which a note in brackets has to end


def letters(text: str) -> int:
    """The characters of a text, white space aside: what was left out is counted so."""
    return sum(map(len, text.split()))


def own_text(text: str) -> str:
    """The text without boilerplate; what stays is as it was."""
    pieces = [*_GAP.split(text), ""]
    paragraphs, gaps = pieces[::2], pieces[1::2]
    return "".join(paragraphs[index] + gaps[index] for index in _own(paragraphs))


def own_paragraphs(paragraphs: list[str]) -> list[str]:
    """Those paragraphs that are no boilerplate."""
    return [paragraphs[index] for index in _own(paragraphs)]


def _own(paragraphs: list[str]) -> Iterator[int]:
    started = [index for index, paragraph in enumerate(paragraphs) if _START.search(paragraph)]
    inside = not started  # a part of a book may hold its end alone
    credited = -1
    notes = set(_notes(paragraphs))
    for index, paragraph in enumerate(paragraphs):
        if index in started:
            inside, credited = True, index + _CREDITED
        elif _END.search(paragraph):
            inside = False
        elif inside and index not in notes and not (index <= credited and _CREDIT.match(paragraph)):
            yield index


def _notes(paragraphs: list[str]) -> Iterable[int]:
    for index, paragraph in enumerate(paragraphs):
        if found := _NOTE.match(paragraph):
            yield index
            following = range(index, min(index + _NOTE_LENGTH, len(paragraphs)))
            ends = [later for later in following if paragraphs[later].rstrip(" \n_*").endswith("]")]
            if found[1] and ends:
                yield from range(index, ends[0] + 1)
