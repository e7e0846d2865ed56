"""Documents cut into the author's blocks, each with its place, and with a reason where it is of no use."""

from __future__ import annotations

from restyle.blocks import split_blocks
from restyle.data.documents import Document
from restyle.data.filters import Drop, drop_of_block
from restyle.data.near_duplicates import NearDuplicates
from restyle.data.staging import AuthorBlock, Staging

__all__ = ["Cutter"]

_BETWEEN_PARTS = len("\n\n")


class Cutter:
    """Stages the blocks of documents; each document is forgotten once it is cut.

    Places count in all the parts of a document, as if blank lines joined them. No block reaches from part to part.

    Args:
        blocks: Where they go.
        aim: The size wished for, in words.
        minimum: Shorter blocks are dropped.
        maximum: Longer ones, too.
        near_duplicates: What finds blocks that repeat an earlier one with small changes; None lets them pass.
    """

    def __init__(
        self, blocks: Staging, *, aim: int, minimum: int, maximum: int, near_duplicates: NearDuplicates | None = None
    ) -> None:
        self._near_duplicates = near_duplicates
        self._blocks = blocks
        self._aim, self._minimum, self._maximum = aim, minimum, maximum
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
                drop = drop_of_block(block.text, self._minimum, self._maximum, self._blocks)
                if drop is None and self._near_duplicates and self._near_duplicates.add(block.text) is not None:
                    drop = Drop("near_duplicate", "nearly the same text stands earlier")
                place = (document.id, start + block.start, start + block.end)
                self._blocks.add(AuthorBlock(*place, block.text, drop=drop))
