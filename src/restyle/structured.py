"""Structured output is data, not prose: a text that is one JSON object or array passes as it is."""

from __future__ import annotations

import json
import re

from restyle.blocks import Block, Splitter

__all__ = ["AnswerSplitter", "is_structured"]

# How JSON objects and arrays begin, and almost no prose. An array of numbers looks like a citation, and as such it has
# nothing to rewrite either.
_BEGINNING = re.compile(r'\s*(?:\{\s*["}]|\[\s*["\[{\]])')
_UNDECIDED = re.compile(r"\s*[{\[]?\s*\Z")


def is_structured(text: str) -> bool:
    """Whether ``text`` is one JSON object or array."""
    if not _BEGINNING.match(text):
        return False
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


class AnswerSplitter(Splitter):
    """The run-time `Splitter` of a whole answer, which comes out as one verbatim block where it is structured.

    What begins like JSON is held to its end, since only that can tell.
    """

    def __init__(self) -> None:
        super().__init__()
        self._held = ""
        self._prose = False

    def feed(self, text: str) -> list[Block]:
        """Take the next chunk and return the pieces that have become certain."""
        if self._prose:
            return super().feed(text)
        self._held += text
        if _UNDECIDED.match(self._held) or _BEGINNING.match(self._held):
            return []
        return self._release()

    def flush(self) -> list[Block]:
        """Return the rest; the splitter then begins anew at offset 0."""
        if is_structured(self._held):
            text, self._held = self._held, ""
            return _around(text)
        pieces = [*self._release(), *super().flush()]
        self._prose = False
        return pieces

    def _release(self) -> list[Block]:
        self._prose = True
        text, self._held = self._held, ""
        return super().feed(text)


def _around(text: str) -> list[Block]:
    """A verbatim block, and the white space before and after it as gaps."""
    body = text.strip()
    start = text.index(body)
    end = start + len(body)
    pieces = [Block(text[:start], 0, start, "gap"), Block(body, start, end, "code")]
    pieces.append(Block(text[end:], end, len(text), "gap"))
    return [piece for piece in pieces if piece.text]
