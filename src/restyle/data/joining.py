"""Texts that follow each other and are of one source, as one document."""

from __future__ import annotations

from restyle.data.documents import Document

__all__ = ["Joiner"]


class Joiner:
    """Takes texts as they come, joins those of one source by blank lines, and forgets what is complete.

    Attributes:
        empty: Whether nothing came yet.
    """

    def __init__(self) -> None:
        self.empty = True
        self._source = ""
        self._texts: list[str] = []  # of the source that is not complete yet

    def add(self, source: str, text: str) -> list[Document]:
        """Take the next text, and return what has become complete."""
        self.empty = False
        complete = self.flush() if source != self._source else []
        self._source = source
        self._texts.append(text)
        return complete

    def flush(self) -> list[Document]:
        """Return the rest; what comes next is a document, or a part of one, by itself."""
        texts, self._texts = self._texts, []
        return [Document(self._source, "\n\n".join(texts))] if texts else []
