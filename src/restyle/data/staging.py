"""The blocks of one run on their way to the files: in order, and on disk instead of in memory."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from hashlib import blake2b
from types import TracebackType
from typing import Any, Self

from restyle.data.filters import Drop
from restyle.errors import PairsError

__all__ = ["AuthorBlock", "Staging"]

_TABLES = """
PRAGMA journal_mode=OFF;
PRAGMA cache_size=-65536;  -- kibibytes
CREATE TABLE blocks (
    number INTEGER PRIMARY KEY, document TEXT, start INTEGER, end INTEGER, text TEXT, neutral TEXT, reason TEXT,
    detail TEXT, digest BLOB
);
CREATE INDEX blocks_by_text ON blocks (digest);
CREATE TABLE held_out (digest BLOB PRIMARY KEY) WITHOUT ROWID;
BEGIN;
"""
_ADD = "INSERT INTO blocks (document, start, end, text, reason, detail, digest) VALUES (?, ?, ?, ?, ?, ?, ?)"
_PAGE = """
SELECT number, document, start, end, text, neutral, reason, detail FROM blocks WHERE number > ? ORDER BY number
LIMIT 256
"""
_NOT_HELD_OUT = """
SELECT text FROM blocks
WHERE reason IS NOT 'near_duplicate' AND NOT EXISTS (SELECT 1 FROM held_out WHERE held_out.digest = blocks.digest)
ORDER BY number
"""


@dataclass(frozen=True, slots=True)
class AuthorBlock:
    """A block of the author's and what became of it: a pair (``neutral``) or a drop."""

    document: str
    start: int
    end: int
    text: str
    neutral: str | None = None
    drop: Drop | None = None


class Staging:
    """A private database in a temporary file that is gone with the process, however that ends.

    It is where SQLite puts such files: in ``SQLITE_TMPDIR`` or ``TMPDIR``, else ``/var/tmp`` or ``/tmp``. Its methods
    raise a `PairsError` where there is no room left.
    """

    def __init__(self) -> None:
        # Filled in the caller's thread, and read in another where a loop already runs; never in both at once.
        self._connection = sqlite3.connect("", isolation_level=None, check_same_thread=False)
        self._connection.executescript(_TABLES)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._connection.close()

    def add(self, block: AuthorBlock) -> None:
        """Put a block behind those before it; it may be dropped already."""
        reason, detail = _columns(block.drop)
        place = (block.document, block.start, block.end)
        self._rows(_ADD, *place, block.text, reason, detail, _digest(block.text))

    def settle(self, number: int, block: AuthorBlock) -> None:
        """Write down what became of a block."""
        values = (block.neutral, *_columns(block.drop), number)
        self._rows("UPDATE blocks SET neutral = ?, reason = ?, detail = ? WHERE number = ?", *values)

    def blocks(self) -> Iterator[tuple[int, AuthorBlock]]:
        """The blocks with their numbers, in the order they came; they may be settled meanwhile."""
        number = 0
        while page := self._rows(_PAGE, number):
            for number, document, start, end, text, neutral, reason, detail in page:
                drop = Drop(reason, detail) if reason else None
                yield number, AuthorBlock(document, start, end, text, neutral, drop)

    def documents(self) -> list[str]:
        """The documents that have blocks, in the order of their first ones."""
        return [name for (name,) in self._rows("SELECT document FROM blocks GROUP BY document ORDER BY min(number)")]

    def pairs(self) -> dict[str, int]:
        """The number of pairs of each document that has any."""
        return dict(self._rows("SELECT document, count(*) FROM blocks WHERE reason IS NULL GROUP BY document"))

    def dropped(self) -> dict[str, int]:
        """The number of drops by reason."""
        query = "SELECT reason, count(*) FROM blocks WHERE reason IS NOT NULL GROUP BY reason ORDER BY reason"
        return dict(self._rows(query))

    def author_texts(self, splits: Mapping[str, str]) -> Iterator[str]:
        """The texts of all blocks but for those that stand in a document of another split than ``train``.

        Nor those that nearly repeat another one, which may stand there.
        """
        for document, split in splits.items():
            if split != "train":
                query = "INSERT OR IGNORE INTO held_out SELECT digest FROM blocks WHERE document = ?"
                self._rows(query, document)
        for (text,) in self._connection.execute(_NOT_HELD_OUT):
            yield text

    def __contains__(self, text: object) -> bool:
        """Whether a block of that text was added."""
        return bool(self._rows("SELECT 1 FROM blocks WHERE digest = ? LIMIT 1", _digest(str(text))))

    def __len__(self) -> int:
        return int(self._rows("SELECT count(*) FROM blocks")[0][0])

    def _rows(self, query: str, *values: object) -> list[Any]:
        try:
            return self._connection.execute(query, values).fetchall()
        except sqlite3.Error as error:
            raise PairsError(
                f"the blocks do not fit into the folder for temporary files ({error}): make room there, or set TMPDIR "
                "to another"
            ) from error


def _columns(drop: Drop | None) -> tuple[str | None, str | None]:
    return (drop.reason, drop.detail) if drop else (None, None)


def _digest(text: str) -> bytes:
    return blake2b(text.encode(), digest_size=16).digest()
