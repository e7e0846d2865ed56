"""Documents cut into the author's blocks, each with its place, and with a reason where it is of no use."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from restyle.async_blocks import asplit_blocks
from restyle.blocks import Block, split_blocks
from restyle.data.documents import Document
from restyle.data.filters import Drop, drop_of_block
from restyle.data.plain_teacher import PlainTeacher
from restyle.data.staging import AuthorBlock, Staging
from restyle.embedding import as_async_embed, as_embed
from restyle.prompts import NO_PARAMETERS

__all__ = ["Cutter"]

_BETWEEN_PARTS = len("\n\n")

Filter = Callable[[str], Drop | None]


@dataclass(slots=True)
class Cutter:
    """Stages the blocks of documents; each document is forgotten once it is cut.

    Places count in all the parts of a document, as if blank lines joined them. No block reaches from part to part.

    Attributes:
        blocks: Where they go.
        aim: The size wished for, in words.
        minimum: Shorter blocks are dropped.
        maximum: Longer ones, too.
        model: What embeds passages, to find where ideas end; None compares words.
        plain: What finds the counterparts of blocks in a plain version; None where there is none.
        filters: What else drops a block, in this order, once no reason before it has.
        stripped: Characters left out of documents, as not the author's.
    """

    blocks: Staging
    aim: int
    minimum: int
    maximum: int
    model: object | None = None
    plain: PlainTeacher | None = None
    filters: list[Filter] = field(default_factory=list)
    stripped: Counter[str] = field(default_factory=Counter)
    _starts: dict[str, int] = field(default_factory=dict)  # where the next part of each document begins

    @property
    def documents(self) -> list[str]:
        """The ids of the documents, in the order they came."""
        return list(self._starts)

    def cut(self, document: Document, parameters: Mapping[str, str] = NO_PARAMETERS) -> None:
        """Add the blocks of a document, or of its next part, with the values of their prompts' parameters."""
        embed = None if self.model is None else as_embed(self.model)
        found = split_blocks(document.text, aim=self.aim, minimum=self.minimum, maximum=self.maximum, embed=embed)
        self._add(document, parameters, found)

    async def acut(self, document: Document, parameters: Mapping[str, str] = NO_PARAMETERS) -> None:
        """The same, awaiting the model."""
        if self.model is None:
            self.cut(document, parameters)
            return
        embed = as_async_embed(self.model)
        sizes = {"aim": self.aim, "minimum": self.minimum, "maximum": self.maximum}
        self._add(document, parameters, await asplit_blocks(document.text, **sizes, embed=embed))

    def _add(self, document: Document, parameters: Mapping[str, str], found: Iterable[Block]) -> None:
        start = self._starts.get(document.id, 0)
        self._starts[document.id] = start + len(document.text) + _BETWEEN_PARTS
        if document.stripped:
            self.stripped[document.id] += document.stripped
        prose = [block for block in found if not block.verbatim]
        if self.plain is not None:
            self.plain.add(document.id, document.text, [(block.start, block.end) for block in prose])
        for block in prose:
            place = (document.id, start + block.start, start + block.end)
            drop = self._drop(block.text)
            self.blocks.add(AuthorBlock(*place, block.text, document.context, parameters, drop))

    def _drop(self, text: str) -> Drop | None:
        drop = drop_of_block(text, self.minimum, self.maximum, self.blocks)
        for find in self.filters:
            drop = drop or find(text)
        return drop
