"""Documents cut into the author's blocks, each with its place, and with a reason where it is of no use."""

from __future__ import annotations

from restyle.blocks import split_blocks
from restyle.data.documents import Document
from restyle.data.export import AuthorBlock
from restyle.data.filters import drop_of_block

__all__ = ["Cutter"]

_BETWEEN_PARTS = len("\n\n")


class Cutter:
    """Collects the blocks of documents; each document is forgotten once it is cut.

    Places count in all the parts of a document, as if blank lines joined them. No block reaches from part to part.

    Args:
        aim: The size wished for, in words.
        minimum: Shorter blocks are dropped.
        maximum: Longer ones, too.

    Attributes:
        blocks: Those so far.
    """

    def __init__(self, *, aim: int, minimum: int, maximum: int) -> None:
        self.blocks: list[AuthorBlock] = []
        self._aim, self._minimum, self._maximum = aim, minimum, maximum
        self._seen: set[str] = set()
        self._starts: dict[str, int] = {}  # where the next part of each document begins

    @property
    def documents(self) -> list[str]:
        """The ids of the documents, in the order they came."""
        return list(self._starts)

    def cut(self, document: Document) -> None:
        """Add the blocks of a document, or of its next part."""
        start = self._starts.get(document.id, 0)
        self._starts[document.id] = start + len(document.text) + _BETWEEN_PARTS
        for block in split_blocks(document.text, aim=self._aim, minimum=self._minimum, maximum=self._maximum):
            if not block.verbatim:
                drop = drop_of_block(block.text, self._minimum, self._maximum, self._seen)
                self._seen.add(block.text)
                self.blocks.append(
                    AuthorBlock(document.id, start + block.start, start + block.end, block.text, drop=drop)
                )
