"""Neutral texts that were recorded, looked up by the author's: on disk, for there may be a million."""

from __future__ import annotations

import hashlib
import json
import sqlite3
import weakref
from collections.abc import Iterable

__all__ = ["Recording"]

_TABLES = """
PRAGMA journal_mode=OFF;
PRAGMA cache_size=-32768;  -- kibibytes
CREATE TABLE recorded (number INTEGER PRIMARY KEY, digest BLOB UNIQUE, text TEXT, neutral TEXT);
BEGIN;
"""
_ADD = """
INSERT INTO recorded (digest, text, neutral) VALUES (?, ?, ?)
ON CONFLICT (digest) DO UPDATE SET neutral = excluded.neutral
"""


class Recording:
    """Texts and their neutral versions, in a temporary file that is gone with the process; of twins the last counts.

    Attributes:
        digest: SHA-256 of all that was recorded, in whatever order.
    """

    def __init__(self, rows: Iterable[tuple[str, str]]) -> None:
        self._connection = sqlite3.connect("", isolation_level=None, check_same_thread=False)
        weakref.finalize(self, self._connection.close)
        self._connection.executescript(_TABLES)
        self._connection.executemany(_ADD, ((_digest(text), text, neutral) for text, neutral in rows))
        self.digest = self._digest_of_all()

    def get(self, text: str) -> str | None:
        """The neutral version of a text, or None."""
        row = self._connection.execute("SELECT neutral FROM recorded WHERE digest = ?", (_digest(text),)).fetchone()
        return row and str(row[0])

    def _digest_of_all(self) -> str:
        # Of one JSON list, sorted as Python sorts strings; SQLite's order, of UTF-8 bytes, is the same.
        digest, comma = hashlib.sha256(b"["), b""
        for row in self._connection.execute("SELECT text, neutral FROM recorded ORDER BY text"):
            digest.update(comma + json.dumps(row, ensure_ascii=False).encode())
            comma = b", "
        digest.update(b"]")
        return digest.hexdigest()


def _digest(text: str) -> bytes:
    return hashlib.blake2b(text.encode(), digest_size=16).digest()
