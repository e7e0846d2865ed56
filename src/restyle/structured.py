"""What answers have that documents do not: JSON that passes as it is, and the numbers of several answers in one."""

from __future__ import annotations

import json
import re

from restyle.blocks import Block, Splitter

__all__ = ["AnswerSplitter", "is_structured"]

# What no JSON object or array begins with is prose, and so is what follows a flat array, such as "[1, 2] say".
_MAY_BE_JSON = re.compile(r'\s*(?:\{\s*(?:["}]|\Z)|\[(?:\s*["\[{]|[-+.\d\sE,a-z]*(?:["\[{]|\]?\s*\Z)))')
# What LlamaIndex's "accumulate" modes put before every answer, on the same line.
_NUMBER = re.compile(r"(Response \d+:)( +)")


def is_structured(text: str) -> bool:
    """Whether ``text`` is one JSON object or array."""
    if not _MAY_BE_JSON.match(text):
        return False
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


class AnswerSplitter(Splitter):
    """The run-time `Splitter` of a whole answer, which comes out as one verbatim block where it is structured.

    What begins like JSON is held to its end, since only that can tell. Of ``Response 1: ...`` the number is verbatim.
    """

    def __init__(self) -> None:
        super().__init__()
        self._held = ""
        self._prose = False

    def feed(self, text: str) -> list[Block]:
        """Take the next chunk and return the pieces that have become certain."""
        if self._prose:
            return _numbered(super().feed(text))
        self._held += text
        if not self._held.strip() or _MAY_BE_JSON.match(self._held):
            return []
        return self._release()

    def flush(self) -> list[Block]:
        """Return the rest; the splitter then begins anew at offset 0."""
        if is_structured(self._held):
            text, self._held = self._held, ""
            return _around(text)
        pieces = [*self._release(), *_numbered(super().flush())]
        self._prose = False
        return pieces

    def _release(self) -> list[Block]:
        self._prose = True
        text, self._held = self._held, ""
        return _numbered(super().feed(text))


def _numbered(blocks: list[Block]) -> list[Block]:
    """The blocks, with the number of an answer apart from the answer."""
    return [piece for block in blocks for piece in _without_number(block)]


def _without_number(block: Block) -> list[Block]:
    number = None if block.verbatim else _NUMBER.match(block.text)
    if number is None:
        return [block]
    colon, answer = block.start + number.end(1), block.start + number.end()
    return [
        Block(number[1], block.start, colon, "heading"),
        Block(number[2], colon, answer, "gap"),
        Block(block.text[number.end() :], answer, block.end, "prose"),
    ]


def _around(text: str) -> list[Block]:
    """A verbatim block, and the white space before and after it as gaps."""
    body = text.strip()
    start = text.index(body)
    end = start + len(body)
    pieces = [Block(text[:start], 0, start, "gap"), Block(body, start, end, "code")]
    pieces.append(Block(text[end:], end, len(text), "gap"))
    return [piece for piece in pieces if piece.text]
