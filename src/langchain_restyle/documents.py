"""LangChain documents put together by source, as the author's documents."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

from langchain_core.documents import Document

from restyle.data.documents import Document as AuthorDocument
from restyle.data.identifiers import content_id, written_id
from restyle.data.joining import Joiner
from restyle.errors import DocumentError

__all__ = ["DocumentReader", "SourceIdKey"]

SourceIdKey: TypeAlias = str | Callable[[Document], Any]


class DocumentReader:
    """Takes documents as they come; consecutive ones of one source (a file's pages, a page's elements) become one.

    The source is ``metadata["source"]``, else the document's id, else a hash of its text. What it names is dealt to
    train, valid or test as a whole, even where its parts do not stand together. Empty documents are skipped.

    Args:
        source_id_key: Another metadata key, or a function that gives a document's source.
    """

    def __init__(self, source_id_key: SourceIdKey = "source") -> None:
        self._key = source_id_key
        self._taken = 0
        self._joiner = Joiner()

    def feed(self, document: object) -> list[AuthorDocument]:
        """Take the next document, and return what has become complete.

        Raises:
            DocumentError: It is none, or its source is no name.
        """
        place = f"sources[{self._taken}]"
        self._taken += 1
        if not isinstance(document, Document):
            raise DocumentError(
                f"{place} is of type {type(document).__name__}, those before it are LangChain documents"
            )
        text = document.page_content.removeprefix("\ufeff")
        if not text.strip():
            return []
        return self._joiner.add(self._source_of(document, place) or content_id(text), text)

    def flush(self) -> list[AuthorDocument]:
        """Return the rest.

        Raises:
            DocumentError: Every document was empty.
        """
        if self._joiner.empty:
            raise DocumentError(f"all {self._taken} documents are empty: check what the loader reads")
        return self._joiner.flush()

    def _source_of(self, document: Document, place: str) -> str | None:
        key = self._key
        found = key(document) if callable(key) else document.metadata.get(key)
        what = "what source_id_key gave" if callable(key) else f"metadata[{key!r}]"
        return written_id(found, f"{place}: {what}") or document.id
