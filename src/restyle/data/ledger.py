"""The ledger: every answer that was paid for, kept for good and found again by what was asked."""

from __future__ import annotations

import hashlib
import json
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from restyle.errors import LedgerError
from restyle.messages import Answer, Ask, Usage

__all__ = ["SCHEMA", "SHARDS", "Ledger"]

# What each schema adds to the one before it; a ledger is brought up to date step by step, and keeps its answers.
_STEPS = (
    """
    CREATE TABLE IF NOT EXISTS answers (
        key TEXT PRIMARY KEY,
        teacher TEXT NOT NULL,
        system TEXT NOT NULL,
        user TEXT NOT NULL,
        text TEXT NOT NULL,
        finish_reason TEXT,
        reasoning TEXT NOT NULL,
        created_at TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP
    ) WITHOUT ROWID;
    """,
    """
    ALTER TABLE answers ADD COLUMN after TEXT NOT NULL DEFAULT '[]';
    ALTER TABLE answers ADD COLUMN tokens_read INTEGER;
    ALTER TABLE answers ADD COLUMN tokens_written INTEGER;
    """,
    # What is asked for in batches, see `restyle.data.batch_journal`: a request stands in one open batch at most.
    """
    ALTER TABLE answers ADD COLUMN schema TEXT NOT NULL DEFAULT '';
    CREATE TABLE batches (
        tag TEXT PRIMARY KEY,
        teacher TEXT NOT NULL,
        sent_at REAL,
        file TEXT,
        id TEXT
    ) WITHOUT ROWID;
    CREATE TABLE batch_requests (
        key TEXT PRIMARY KEY,
        tag TEXT NOT NULL,
        ask TEXT NOT NULL
    ) WITHOUT ROWID;
    CREATE INDEX batch_requests_by_tag ON batch_requests (tag);
    """,
)
SCHEMA = len(_STEPS)

SHARDS = "shards"
"""The folder, beside a ledger, of those that the actors of a cluster fill."""

_PATIENCE = 30.0  # seconds to wait for another run's commit
_KEYS = 1  # how keys are made: another number, and every answer would be paid for again

_STATE = """
SELECT user_version, EXISTS (SELECT 1 FROM sqlite_master WHERE name <> 'answers') FROM pragma_user_version
"""
_FIND = "SELECT text, finish_reason, reasoning, tokens_read, tokens_written FROM answers WHERE key = ?"
_COLUMNS = "key, teacher, system, user, after, schema, text, finish_reason, reasoning, tokens_read, tokens_written"
_RECORD = f"""
INSERT INTO answers ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (key) DO NOTHING
"""  # noqa: S608 - only the names above
_ABSORB = f"""
INSERT INTO answers ({_COLUMNS}, created_at) SELECT {_COLUMNS}, created_at FROM other.answers
WHERE true ON CONFLICT (key) DO NOTHING
"""  # noqa: S608 - as above
_ADVICE = {
    sqlite3.SQLITE_FULL: "the disk is full: make room and run again, what was answered before is kept",
    sqlite3.SQLITE_BUSY: "another run keeps it locked: run again when that has ended",
    sqlite3.SQLITE_CORRUPT: (
        "the ledger is damaged: put a copy in its place, or save its answers with sqlite3's .recover; it was left as "
        "it is"
    ),
}


class Ledger:
    """A SQLite file in WAL mode; each answer is committed before it counts.

    An answer is found by all that made it: teacher, system prompt, text, the turns after it and the schema. Change one,
    and only what it touches is asked again; the position of a block in its data set plays no part. Any number of
    processes may use one ledger at once. A commit survives whatever ends the process (``kill -9``); the last ones
    before a power failure may be lost (``synchronous=NORMAL``), those before them not.

    Raises:
        LedgerError: The file is no ledger, is damaged, locked or of a newer schema, or the disk is full.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._connection = sqlite3.connect(path, timeout=_PATIENCE, isolation_level=None)
        except (sqlite3.Error, OSError) as error:
            raise self._failure(error) from error
        try:
            self._open()
        except BaseException as error:
            self._connection.close()
            if isinstance(error, sqlite3.Error):
                raise self._failure(error) from error
            raise

    def _open(self) -> None:
        schema = self._schema()
        self._switch_to_wal()
        self._connection.execute("PRAGMA synchronous=NORMAL")
        if schema == SCHEMA:
            return
        self._connection.execute("BEGIN IMMEDIATE")  # of two runs that find an old ledger, one brings it up to date
        with self._connection:
            for step in _STEPS[self._schema() :]:
                for statement in step.split(";"):
                    self._connection.execute(statement)
            self._connection.execute(f"PRAGMA user_version={SCHEMA}")

    def _switch_to_wal(self) -> None:
        # SQLite does not wait here, as it does elsewhere, for another run that does the same.
        deadline = time.monotonic() + _PATIENCE
        while True:
            try:
                self._connection.execute("PRAGMA journal_mode=WAL")
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                    raise
                time.sleep(0.01)
            else:
                return

    def _schema(self) -> int:
        # One statement, one moment: another run may be making the ledger just now.
        schema, tables = self._connection.execute(_STATE).fetchone()
        if schema > SCHEMA:
            raise LedgerError(f"{self.path}: ledger schema {schema}, this restyle knows {SCHEMA}: upgrade restyle")
        if not schema and tables:
            raise LedgerError(f"{self.path}: a database of another program: move it away, or name another")
        return int(schema)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._connection.close()

    def find(self, teacher: str, ask: Ask) -> Answer | None:
        """The recorded answer of ``teacher`` to ``ask``, or None."""
        return self._find(self.key(teacher, ask))

    def record(self, teacher: str, ask: Ask, answer: Answer) -> Answer:
        """Commit an answer, and return the one that stands: another run's, if that was the first."""
        key, usage = self.key(teacher, ask), answer.usage or (None, None)
        request = (key, teacher, ask.system, ask.user, json.dumps(ask.after, ensure_ascii=False), ask.schema)
        _, written = self._run(_RECORD, *request, answer.text, answer.finish_reason, answer.reasoning, *usage)
        return answer if written else self._find(key) or answer

    def absorb(self, path: Path) -> int:
        """Copy the answers of another ledger that this one lacks, and return how many those were.

        The other is brought up to date first. Batches that it has under way stay its own.

        Raises:
            LedgerError: There is no file at ``path``, or one of the two cannot be used.
        """
        if not path.is_file():
            raise LedgerError(f"{path}: no such ledger: check the path")
        with Ledger(path):
            pass
        self.rows("ATTACH ? AS other", str(path))
        try:
            _, copied = self._run(_ABSORB)
            return copied
        finally:
            self.rows("DETACH other")

    def __len__(self) -> int:
        ((count,),) = self.rows("SELECT count(*) FROM answers")
        return int(count)

    @staticmethod
    def key(teacher: str, ask: Ask) -> str:
        """What the answer of ``teacher`` to ``ask`` is found by: 64 hexadecimal digits."""
        request = [_KEYS, teacher, ask.system, ask.user, *ask.after, *([{"schema": ask.schema}] if ask.schema else [])]
        canonical = json.dumps(request, ensure_ascii=False)
        return hashlib.sha256(canonical.encode()).hexdigest()

    def rows(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        """What a statement returns; for the tables that others keep in this file."""
        return self._run(query, *values)[0]

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """What is written inside is written whole or not at all; other writers wait meanwhile."""
        self.rows("BEGIN IMMEDIATE")
        try:
            yield
            self.rows("COMMIT")
        except BaseException:
            self._connection.rollback()
            raise

    def _find(self, key: str) -> Answer | None:
        for text, finish_reason, reasoning, read, written in self.rows(_FIND, key):
            return Answer(text, finish_reason, reasoning, usage=None if read is None else Usage(read, written))
        return None

    def _run(self, query: str, *values: object) -> tuple[list[tuple[Any, ...]], int]:
        """What a statement returns, and how many rows it wrote."""
        try:
            cursor = self._connection.execute(query, values)
            return cursor.fetchall(), cursor.rowcount
        except sqlite3.Error as error:
            raise self._failure(error) from error

    def _failure(self, error: Exception) -> LedgerError:
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF  # without what SQLite adds to it
        if advice := _ADVICE.get(code):
            return LedgerError(f"{self.path}: {advice} ({error})")
        return LedgerError(f"{self.path}: cannot be used as a ledger ({error}): move it away, or name another")
