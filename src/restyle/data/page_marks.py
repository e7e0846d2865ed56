"""Page numbers and running heads of plain texts that were pages once."""

from __future__ import annotations

import re
from collections import Counter
from itertools import pairwise

__all__ = ["without_page_marks"]

_GAP = re.compile(r"\n(?:[ \t]*\n)+")
_NUMBER = re.compile(r"[-–—\[( \t]*(?:[Pp]age |PAGE |[Pp]\. ?)?([0-9]{1,4})[-–—\]) \t]*")
_ROMAN = re.compile(r"(?=.)(?:xc|xl|l?x{0,3})(?:ix|iv|v?i{0,3})")  # lower case; in capitals it is a chapter's
_VARYING = re.compile(r"[0-9]+")
_SENTENCE_END = re.compile(r"""[.!?…:]["'”’)\]]*$""")
_REPEATS = 3  # so many pages begin or end with a mark
_HEAD = 10  # words of a running head, at most


def without_page_marks(text: str) -> str:
    """The text without the marks of its pages; in doubt a line stays.

    With form feeds, what goes are heads that three pages begin or end with, and numbers that count the pages; without,
    numbers that stand alone between blank lines, if there are three or more, each greater than the one before.
    """
    pages = [page.strip("\n").split("\n") for page in text.split("\f")] if "\f" in text else []
    for edge in (0, -1, 0, -1):  # a number and a head may stand above each other
        _trim(pages, edge)
    parts = ["\n".join(page) for page in pages if "".join(page).strip()]
    return _joined(parts) if pages else _without_lone_numbers(text)


def _trim(pages: list[list[str]], edge: int) -> None:
    keys = [_key(page[edge], index) if page else "" for index, page in enumerate(pages)]
    counts = Counter(keys)
    for page, key in zip(pages, keys, strict=True):
        if key and counts[key] >= _REPEATS and len(key.split()) <= _HEAD and not _SENTENCE_END.search(key):
            del page[edge]
        while page and not page[edge].strip():
            del page[edge]


def _key(line: str, index: int) -> str:
    """What the marks at an edge of pages have in common."""
    line = line.strip()
    if number := _NUMBER.fullmatch(line):
        return f"page {int(number[1]) - index}"
    return "page" if _ROMAN.fullmatch(line) else _VARYING.sub("#", " ".join(line.casefold().split()))


def _without_lone_numbers(text: str) -> str:
    paragraphs = _GAP.split(text)
    found = {index: int(mark[1]) for index, each in enumerate(paragraphs) if (mark := _NUMBER.fullmatch(each.strip()))}
    if len(found) < _REPEATS or any(after <= before for before, after in pairwise(found.values())):
        return text
    kept, joins = [paragraphs[0]] if 0 not in found else [], False
    for index, paragraph in enumerate(paragraphs[1:], 1):
        if index in found:
            joins = True
        elif joins and kept:
            kept[-1], joins = _joined([kept[-1], paragraph]), False
        else:
            kept.append(paragraph)
    return "\n\n".join(kept)


def _joined(parts: list[str]) -> str:
    """Texts of following pages; a sentence that goes on goes on in its paragraph."""
    text = [parts[0]] if parts else []
    for before, after in pairwise(parts):
        goes_on = not _SENTENCE_END.search(before.rstrip()) and after.lstrip()[:1].islower()
        text += ["\n" if goes_on else "\n\n", after]
    return "".join(text)
