"""Nodes put together to the text that they were cut from, as far as it can be known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from llama_index.core.schema import BaseNode, TextNode

from llama_index_restyle.node_parser import BLOCK_GAP
from restyle.markup import MarkupReader

__all__ = ["Piece", "stretches"]

_WHITE_SPACE = 4  # characters that a splitter may have stripped between two chunks; more are missing text
_OVERLAP = 20  # characters; fewer may be the same by chance


@dataclass(frozen=True, slots=True)
class Piece:
    """A text and its place in the text that it was cut from; the place is None where it is not known.

    ``gap`` is the white space before it, where the parser kept it.
    """

    text: str
    place: tuple[int, int] | None
    gap: str | None = None

    @classmethod
    def of(cls, node: BaseNode, text: str) -> Self:
        """The piece that a node with this text is."""
        gap = node.metadata.get(BLOCK_GAP)
        place = None
        if isinstance(node, TextNode) and node.start_char_idx is not None and node.end_char_idx is not None:
            place = (node.start_char_idx, node.end_char_idx)
        return cls(text, place, gap if isinstance(gap, str) else None)


def stretches(pieces: Sequence[Piece]) -> list[str]:
    """What pieces of one text are together, without repetition: one stretch, or several where text is missing.

    They are put in order by their places. What overlaps stands once. White space of up to four characters between them
    is restored in its length: exactly what it was where `SingleIdeaNodeParser` cut, line feeds or a blank elsewhere.

    Where a place is not known, or places contradict the texts or each other (other parsers count a chained chunk's
    places from that chunk's beginning, and some find repeated text where it stands first), all are joined as they
    came: without what an end of at least 20 characters has in common with the next beginning, else by blank lines.
    """
    placed = [(piece.place, piece) for piece in pieces if piece.place]
    if len(placed) < len(pieces):
        return _joined(pieces)
    whole: list[str] = []
    text, covered = "", 0
    for (start, end), piece in sorted(placed, key=lambda each: each[0]):
        missing = start - covered if text else 0
        if end - start != len(piece.text) or (text and end <= covered):
            return _joined(pieces)
        if missing < 0:
            if not piece.text.startswith(text[missing:]):
                return _joined(pieces)
            text += piece.text[-missing:]
        elif piece.gap is not None and len(piece.gap) == missing:
            text += piece.gap + piece.text
        elif missing <= _WHITE_SPACE:
            text += _white_space(text, piece.text, missing) + piece.text
        else:
            whole.append(text)
            text = piece.text
        covered = end
    return [*whole, text] if text else []


def _joined(pieces: Sequence[Piece]) -> list[str]:
    text = ""
    for piece in pieces:
        if common := _common(text, piece.text):
            text += piece.text[common:]
        else:
            text += ("\n\n" if text else "") + piece.text
    return [text]


def _common(before: str, after: str) -> int:
    """How much of the end of ``before`` is the beginning of ``after``, if that is no chance."""
    head, tail = after[:_OVERLAP], before[-len(after) :]
    if len(head) < _OVERLAP:
        return 0
    at = tail.find(head)
    while at >= 0 and not after.startswith(tail[at:]):
        at = tail.find(head, at + 1)
    return len(tail) - at if at >= 0 else 0


def _white_space(before: str, after: str, size: int) -> str:
    if size != 1:
        return "\n" * size
    # A line feed alone parts a heading or a list item from its neighbour; within prose it would look odd.
    lines = (before[before.rfind("\n") + 1 :], after.partition("\n")[0])
    return " " if all(MarkupReader().is_prose(line) for line in lines) else "\n"
