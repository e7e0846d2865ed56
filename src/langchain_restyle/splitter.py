"""A document transformer that cuts documents into blocks of one idea each."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from copy import deepcopy
from typing import TYPE_CHECKING, Any

from langchain_core.documents import BaseDocumentTransformer, Document

from restyle.blocks import Splitter, split_blocks
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

    Raises:
        ValueError: unless ``1 <= minimum <= aim <= maximum``.
    """

    def __init__(self, *, aim: int = 180, minimum: int = 40, maximum: int = 400) -> None:
        Splitter(aim=aim, minimum=minimum, maximum=maximum)  # refuses what cannot be, here and not at first use
        self.aim, self.minimum, self.maximum = aim, minimum, maximum

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
        for block in split_blocks(text, aim=self.aim, minimum=self.minimum, maximum=self.maximum):
            place = {"start_index": block.start, "end_index": block.end}
            verbatim = {"verbatim": True} if block.verbatim else {}
            yield Document(page_content=block.text, metadata={**deepcopy(metadata), **place, **verbatim})
