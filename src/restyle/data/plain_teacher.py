"""A teacher that has nothing to write: the author's texts have plain versions, and each block its place in one."""

from __future__ import annotations

import json
import sqlite3
import weakref
from collections.abc import Iterable, Iterator
from pathlib import PurePosixPath
from typing import Any, Literal

from restyle.data.aligning import Span, counterparts
from restyle.data.documents import SUFFIXES, Document
from restyle.data.recordings import Recording
from restyle.data.teachers import AlwaysOpen
from restyle.errors import DocumentError, PairsError
from restyle.messages import Answer, Ask

__all__ = ["PlainTeacher"]

_BETWEEN_PARTS = "\n\n"
_LISTED = 10  # names in a message
_TABLES = """
PRAGMA journal_mode=OFF;
PRAGMA cache_size=-16384;  -- kibibytes
CREATE TABLE parts (number INTEGER PRIMARY KEY, side TEXT, document TEXT, text TEXT, blocks TEXT);
CREATE INDEX parts_by_document ON parts (side, document);
BEGIN;
"""
_DOCUMENTS = "SELECT document FROM parts WHERE side = ? GROUP BY document ORDER BY min(number)"
_PARTS = "SELECT text, blocks FROM parts WHERE side = ? AND document = ? ORDER BY number"


class PlainTeacher(AlwaysOpen):
    """Answers a block with its counterpart in the plain version of its document.

    Documents belong together by name, suffixes ignored (``essays/nature.txt`` and ``essays/nature.md``), or where there
    is only one on either side. Of a block that stands in several the first counterpart counts. What has none is
    answered with ``finish_reason="unaligned"`` and no text.

    Used in this order: `add` for every part of the author's documents, `align` once, then `answer`. The texts wait in a
    temporary file that is gone with the process.

    Args:
        plain: The plain versions, as `restyle.data.documents.read_documents` yields them.

    Attributes:
        identity: Names all counterparts once `align` has found them, so that the ledger holds no stale ones; before,
            only the kind of teacher.
        system: Empty: nobody is told anything.
    """

    def __init__(self, plain: Iterable[Document]) -> None:
        self.identity, self.system = "plain", ""
        self._connection = sqlite3.connect("", isolation_level=None, check_same_thread=False)
        weakref.finalize(self, self._connection.close)
        self._connection.executescript(_TABLES)
        for document in plain:
            self._add("plain", document.id, document.text, ())

    def add(self, document: str, text: str, blocks: Iterable[Span]) -> None:
        """Take in a document of the author's, or its next part.

        Args:
            document: Its id.
            text: All of it, as `Document.text` has it.
            blocks: Where in ``text`` each block of prose begins and ends, ascending; there may be none.

        Raises:
            PairsError: There is no room for temporary files.
        """
        self._add("author", document, text, blocks)

    def align(self) -> None:
        """Find the counterparts of all blocks, one document after another.

        Raises:
            DocumentError: A plain document is the version of none of the author's.
            PairsError: There is no room for temporary files.
        """
        versions = self._versions()
        try:
            self._neutral = Recording(self._counterparts(versions))
        except sqlite3.Error as error:
            raise _no_room(error) from error
        self.identity = f"plain:{self._neutral.digest[:16]}"

    async def answer(self, ask: Ask) -> Answer:
        """The counterpart of a block."""
        neutral = self._neutral.get(ask.user)
        return Answer("", "unaligned") if neutral is None else Answer(neutral, "stop")

    def _versions(self) -> list[tuple[str, str]]:
        """The author's documents that have a plain version, each with that."""
        author, plain = self._documents("author"), self._documents("plain")
        if len(author) == len(plain) == 1:
            return [(author[0], plain[0])]
        named = {_stem(name): name for name in plain} | {name: name for name in plain}
        versions = [(name, named.get(name) or named.get(_stem(name))) for name in author]
        found = [(name, version) for name, version in versions if version is not None]
        if lonely := sorted(set(plain) - {version for _, version in found}):
            more = f" and {len(lonely) - _LISTED} more" if len(lonely) > _LISTED else ""
            raise DocumentError(
                f"{', '.join(lonely[:_LISTED])}{more}: plain, but no document of the author's has that name, suffix "
                f"aside: name both alike, or leave it out of the plain sources (the author's are "
                f"{', '.join(author[:_LISTED]) or 'none'}{', ...' if len(author) > _LISTED else ''})"
            )
        return found

    def _counterparts(self, versions: list[tuple[str, str]]) -> Iterator[tuple[str, str]]:
        # Backwards, for of twins a recording keeps the last.
        for document, version in reversed(versions):
            text, blocks = self._whole("author", document)
            plain, _ = self._whole("plain", version)
            found = zip(blocks, counterparts(text, blocks, plain), strict=True)
            for (start, end), counterpart in reversed(list(found)):
                if counterpart is not None:
                    yield text[start:end], plain[slice(*counterpart)]

    def _whole(self, side: Literal["author", "plain"], document: str) -> tuple[str, list[Span]]:
        """The text of a document and the places of its blocks, all its parts put together."""
        texts: list[str] = []
        spans: list[Span] = []
        offset = 0
        for text, blocks in self._rows(_PARTS, side, document):
            texts.append(text)
            spans += [(offset + start, offset + end) for start, end in json.loads(blocks)]
            offset += len(text) + len(_BETWEEN_PARTS)
        return _BETWEEN_PARTS.join(texts), spans

    def _documents(self, side: Literal["author", "plain"]) -> list[str]:
        return [name for (name,) in self._rows(_DOCUMENTS, side)]

    def _add(self, side: Literal["author", "plain"], document: str, text: str, blocks: Iterable[Span]) -> None:
        query = "INSERT INTO parts (side, document, text, blocks) VALUES (?, ?, ?, ?)"
        self._rows(query, side, document, text, json.dumps(list(blocks)))

    def _rows(self, query: str, *values: str) -> list[Any]:
        try:
            return self._connection.execute(query, values).fetchall()
        except sqlite3.Error as error:
            raise _no_room(error) from error


def _stem(document: str) -> str:
    """The name without what says the kind of file."""
    path = PurePosixPath(document)
    return str(path.with_suffix("")) if path.suffix.lower() in SUFFIXES else document


def _no_room(error: sqlite3.Error) -> PairsError:
    return PairsError(
        f"the plain versions do not fit into the folder for temporary files ({error}): make room there, or set TMPDIR "
        "to another"
    )
