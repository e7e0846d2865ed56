"""The splitter as a `langchain_text_splitters.TextSplitter`: imported only where that package is wanted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from langchain_core.documents import Document
from langchain_text_splitters import TextSplitter

if TYPE_CHECKING:
    from langchain_restyle.splitter import SingleIdeaSplitter

__all__ = ["IdeaTextSplitter"]


class IdeaTextSplitter(TextSplitter):
    """Cuts as its `SingleIdeaSplitter` does, with the same metadata; chunk sizes are words."""

    def __init__(self, splitter: SingleIdeaSplitter) -> None:
        super().__init__(
            chunk_size=splitter.maximum,
            chunk_overlap=0,
            length_function=_words,
            add_start_index=True,
            strip_whitespace=False,
        )
        self._splitter = splitter

    def split_text(self, text: str) -> list[str]:
        """The pieces of a text."""
        return self._splitter.split_text(text)

    def create_documents(self, texts: list[str], metadatas: list[dict[Any, Any]] | None = None) -> list[Document]:
        """The pieces of all texts as documents; their places are known, not searched for."""
        return self._splitter.create_documents(texts, metadatas or None)

    async def atransform_documents(self, documents: Sequence[Document], **kwargs: Any) -> Sequence[Document]:
        """The pieces of all documents; the splitter's ``embeddings`` are awaited."""
        return await self._splitter.atransform_documents(documents, **kwargs)


def _words(text: str) -> int:
    return len(text.split())
