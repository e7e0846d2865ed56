"""The ledger: every answer that was paid for, kept for good and found again by what was asked."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from pathlib import Path
from types import TracebackType
from typing import Self

from restyle.errors import LedgerError
from restyle.messages import Answer, Ask

__all__ = ["SCHEMA", "Ledger"]

SCHEMA = 1

_TABLES = """
CREATE TABLE IF NOT EXISTS answers (
    key TEXT PRIMARY KEY,
    teacher TEXT NOT NULL,
    system TEXT NOT NULL,
    user TEXT NOT NULL,
    text TEXT NOT NULL,
    finish_reason TEXT,
    reasoning TEXT NOT NULL,
    created_at TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP
) WITHOUT ROWID
"""


class Ledger:
    """A SQLite file in WAL mode; each answer is committed before it counts.

    An answer is found by all that made it: teacher, system prompt and text. Change one, and only what it touches is
    asked again; the position of a block in its data set plays no part.

    Raises:
        LedgerError: The file is no ledger, is locked, or is of a newer schema.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._connection = sqlite3.connect(path, timeout=30.0)  # seconds to wait for another run's commit
            try:
                self._open()
            except BaseException:
                self._connection.close()
                raise
        except (sqlite3.DatabaseError, OSError) as error:
            raise LedgerError(f"{path}: cannot be used as a ledger ({error}): move it away, or name another") from error

    def _open(self) -> None:
        (schema,) = self._connection.execute("PRAGMA user_version").fetchone()
        if schema > SCHEMA:
            raise LedgerError(f"{self.path}: ledger schema {schema}, this restyle knows {SCHEMA}: upgrade restyle")
        self._connection.execute("PRAGMA journal_mode=WAL")
        self._connection.execute("PRAGMA synchronous=NORMAL")
        with self._connection:
            self._connection.execute(_TABLES)
            self._connection.execute(f"PRAGMA user_version={SCHEMA}")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._connection.close()

    def find(self, teacher: str, ask: Ask) -> Answer | None:
        """The recorded answer of ``teacher`` to ``ask``, or None."""
        row = self._connection.execute(
            "SELECT text, finish_reason, reasoning FROM answers WHERE key = ?", (_key(teacher, ask),)
        ).fetchone()
        return None if row is None else Answer(*row)

    def record(self, teacher: str, ask: Ask, answer: Answer) -> None:
        """Commit an answer; one that stands already stays."""
        with self._connection:
            self._connection.execute(
                "INSERT OR IGNORE INTO answers (key, teacher, system, user, text, finish_reason, reasoning)"
                " VALUES (?, ?, ?, ?, ?, ?, ?)",
                (
                    _key(teacher, ask),
                    teacher,
                    ask.system,
                    ask.user,
                    answer.text,
                    answer.finish_reason,
                    answer.reasoning,
                ),
            )

    def __len__(self) -> int:
        (count,) = self._connection.execute("SELECT count(*) FROM answers").fetchone()
        return int(count)


def _key(teacher: str, ask: Ask) -> str:
    canonical = json.dumps([SCHEMA, teacher, ask.system, ask.user], ensure_ascii=False)
    return hashlib.sha256(canonical.encode()).hexdigest()
