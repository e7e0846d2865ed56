"""LangChain documents put together by source, as the author's documents."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

from langchain_core.documents import Document

from restyle.data.documents import Document as AuthorDocument
from restyle.errors import DocumentError

__all__ = ["DocumentReader", "SourceIdKey", "content_id", "written_id"]

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
        self._source = ""
        self._texts: list[str] = []  # of the source that is not complete yet
        self._empty = True

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
        self._empty = False
        source = self._source_of(document, place) or content_id(text)
        complete = self._complete() if source != self._source else []
        self._source = source
        self._texts.append(text)
        return complete

    def flush(self) -> list[AuthorDocument]:
        """Return the rest.

        Raises:
            DocumentError: Every document was empty.
        """
        if self._empty:
            raise DocumentError(f"all {self._taken} documents are empty: check what the loader reads")
        return self._complete()

    def _complete(self) -> list[AuthorDocument]:
        texts, self._texts = self._texts, []
        return [AuthorDocument(self._source, "\n\n".join(texts))] if texts else []

    def _source_of(self, document: Document, place: str) -> str | None:
        key = self._key
        found = key(document) if callable(key) else document.metadata.get(key)
        what = "what source_id_key gave" if callable(key) else f"metadata[{key!r}]"
        return written_id(found, f"{place}: {what}") or document.id


def written_id(value: object, place: str) -> str | None:
    """An id as it is written in pair sets; None where there is none.

    Paths under the working directory become relative to it, so that they are the same on every machine; another path
    stays as it is.

    Raises:
        DocumentError: The value is neither a string, a path nor a number.
    """
    if value is None or value == "":
        return None
    if not isinstance(value, str | int | os.PathLike):
        raise DocumentError(f"{place} is of type {type(value).__name__}, which names no source: give a string")
    path = Path(str(value))
    if path.is_absolute() and path.is_relative_to(Path.cwd()):
        return path.relative_to(Path.cwd()).as_posix()
    return str(value)


def content_id(text: str) -> str:
    """The id of a text that has none: the same for the same text, everywhere."""
    return f"sha256:{hashlib.sha256(text.encode(errors='replace')).hexdigest()[:16]}"
