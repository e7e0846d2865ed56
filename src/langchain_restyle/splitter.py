"""A document transformer that cuts documents into blocks of one idea each."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from copy import deepcopy
from typing import TYPE_CHECKING, Any

from langchain_core.documents import BaseDocumentTransformer, Document
from langchain_core.embeddings import Embeddings

from restyle.async_blocks import asplit_blocks
from restyle.blocks import Block, Splitter, split_blocks
from restyle.embedding import as_async_embed, as_embed
from restyle.errors import MissingExtraError

if TYPE_CHECKING:
    from langchain_text_splitters import TextSplitter

__all__ = ["SingleIdeaSplitter"]


class SingleIdeaSplitter(BaseDocumentTransformer):
    """Cuts documents where one idea ends; see `restyle.split_blocks`.

    A piece has its document's metadata, and ``start_index`` and ``end_index``: its exact place, in characters, in the
    document's ``page_content``. Code, tables, headings and the like are pieces of their own, with
    ``metadata["verbatim"]`` true. Nothing but white space is lost, and nothing overlaps.

    Args:
        aim: The size wished for, in words.
        minimum: Smaller pieces come about only between verbatim ones.
        maximum: Only a sentence that is longer itself exceeds it.
        embeddings: What tells passages about the same thing; with it fewer pieces reach across the end of an idea. It
            embeds each text once, in passages of up to 128 words. None compares words alone.

    Raises:
        ValueError: unless ``1 <= minimum <= aim <= maximum``.
        EmbeddingError: ``embeddings`` does not embed, or, while splitting, its vectors cannot be compared.
    """

    def __init__(
        self, *, aim: int = 180, minimum: int = 40, maximum: int = 400, embeddings: Embeddings | None = None
    ) -> None:
        Splitter(aim=aim, minimum=minimum, maximum=maximum)  # refuses what cannot be, here and not at first use
        self.aim, self.minimum, self.maximum = aim, minimum, maximum
        self.embeddings = embeddings
        self._embed = None if embeddings is None else as_embed(embeddings)

    def split_text(self, text: str) -> list[str]:
        """The pieces of a text."""
        return [piece.page_content for piece in self._pieces(text, {})]

    def create_documents(
        self, texts: Iterable[str], metadatas: Iterable[dict[Any, Any]] | None = None
    ) -> list[Document]:
        """The pieces of all texts as documents, each with a copy of its text's metadata.

        Raises:
            ValueError: There are not as many metadatas as texts.
        """
        texts = list(texts)
        paired = zip(texts, [{}] * len(texts) if metadatas is None else metadatas, strict=True)
        return [piece for text, metadata in paired for piece in self._pieces(text, metadata)]

    def split_documents(self, documents: Iterable[Document]) -> list[Document]:
        """The pieces of all documents."""
        return [piece for each in documents for piece in self._pieces(each.page_content, each.metadata)]

    def transform_documents(self, documents: Sequence[Document], **kwargs: Any) -> Sequence[Document]:
        """The pieces of all documents."""
        return self.split_documents(documents)

    async def atransform_documents(self, documents: Sequence[Document], **kwargs: Any) -> Sequence[Document]:
        """The pieces of all documents; ``embeddings`` are awaited."""
        if self.embeddings is None:
            return await super().atransform_documents(documents, **kwargs)
        embed = as_async_embed(self.embeddings)
        pieces: list[Document] = []
        for each in documents:
            blocks = await asplit_blocks(
                each.page_content, aim=self.aim, minimum=self.minimum, maximum=self.maximum, embed=embed
            )
            pieces += _documents(blocks, each.metadata)
        return pieces

    def as_text_splitter(self) -> TextSplitter:
        """The same as a `langchain_text_splitters.TextSplitter`, for what takes nothing else.

        Raises:
            MissingExtraError: ``langchain-text-splitters`` is not installed.
        """
        try:
            from langchain_restyle.text_splitter import IdeaTextSplitter  # noqa: PLC0415 - its base is optional
        except ModuleNotFoundError as error:
            if error.name != "langchain_text_splitters":
                raise
            purpose = "SingleIdeaSplitter.as_text_splitter()"
            raise MissingExtraError("langchain-text-splitters", None, purpose) from error
        return IdeaTextSplitter(self)

    def _pieces(self, text: str, metadata: dict[Any, Any]) -> Iterable[Document]:
        blocks = split_blocks(text, aim=self.aim, minimum=self.minimum, maximum=self.maximum, embed=self._embed)
        return _documents(blocks, metadata)


def _documents(blocks: Iterable[Block], metadata: dict[Any, Any]) -> Iterable[Document]:
    for block in blocks:
        place = {"start_index": block.start, "end_index": block.end}
        verbatim = {"verbatim": True} if block.verbatim else {}
        yield Document(page_content=block.text, metadata={**deepcopy(metadata), **place, **verbatim})
