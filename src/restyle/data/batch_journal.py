"""What is asked for in batches, written down in the ledger's file before anything leaves."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from restyle.data.ledger import Ledger
from restyle.messages import Answer, Ask, Turn

__all__ = ["BatchJournal", "OpenBatch", "Orphan"]

_WANTED = "CREATE TEMP TABLE IF NOT EXISTS wanted (key TEXT PRIMARY KEY, ask TEXT NOT NULL) WITHOUT ROWID"
_CLAIM = """
INSERT INTO batch_requests (key, tag, ask) SELECT key, ?, ask FROM temp.wanted
WHERE key NOT IN (SELECT key FROM answers) ON CONFLICT (key) DO NOTHING
"""
_OPEN = """
SELECT tag, id, count(key) FROM batches LEFT JOIN batch_requests USING (tag) WHERE teacher = ? AND id IS NOT NULL
GROUP BY tag ORDER BY tag
"""
_PAGE = "SELECT key, ask FROM batch_requests WHERE tag = ? AND key > ? ORDER BY key LIMIT 256"


class OpenBatch(NamedTuple):
    """A batch that the host has accepted: our tag, the host's id, and its requests without an answer."""

    tag: str
    id: str
    requests: int


class Orphan(NamedTuple):
    """A batch without an id: our tag, when it was sent (Unix time; None: never), and its input file's id there."""

    tag: str
    sent_at: float | None
    file: str | None


class BatchJournal:
    """The batches of one teacher that are under way, whichever process has begun them.

    A batch is claimed with its requests, marked as sent before the host hears of it, accepted with the host's id, its
    requests are answered one by one, and then it is closed. What a dead process leaves behind before a batch was
    accepted are orphans. All methods raise a `LedgerError` where the ledger's do.
    """

    def __init__(self, ledger: Ledger, teacher: str) -> None:
        self._ledger, self._teacher = ledger, teacher

    def key(self, ask: Ask) -> str:
        """What a request is called in a batch: the ledger's key, which has the 64 characters that hosts allow."""
        return self._ledger.key(self._teacher, ask)

    def __len__(self) -> int:
        """The requests that the host may have and that have no answer yet."""
        query = "SELECT count(*) FROM batches JOIN batch_requests USING (tag) WHERE teacher = ? AND sent_at IS NOT NULL"
        ((count,),) = self._ledger.rows(query, self._teacher)
        return int(count)

    def __contains__(self, key: object) -> bool:
        """Whether that request is in a batch."""
        return bool(self._ledger.rows("SELECT 1 FROM batch_requests WHERE key = ?", key))

    def claim(self, asks: Iterable[Ask]) -> str | None:
        """Write down a new batch of these requests, all together, and return its tag.

        Those that are in another batch or have an answer by now are left out; None where none is left.
        """
        self._ledger.rows(_WANTED)
        self._ledger.rows("DELETE FROM temp.wanted")
        for ask in asks:  # nobody waits for us yet: asks may take their time
            self._ledger.rows("INSERT OR IGNORE INTO temp.wanted VALUES (?, ?)", self.key(ask), _packed(ask))
        tag = secrets.token_hex(16)
        with self._ledger.transaction():
            self._ledger.rows(_CLAIM, tag)
            if not self._ledger.rows("SELECT 1 FROM batch_requests WHERE tag = ? LIMIT 1", tag):
                return None
            self._ledger.rows("INSERT INTO batches (tag, teacher) VALUES (?, ?)", tag, self._teacher)
        return tag

    def requests(self, tag: str) -> Iterator[tuple[str, Ask]]:
        """The requests of a batch that have no answer, with their keys."""
        key = ""
        while page := self._ledger.rows(_PAGE, tag, key):
            for key, ask in page:
                yield key, _unpacked(ask)

    def sent(self, tag: str, file: str) -> None:
        """From now on the host may have it, with that file for its input."""
        self._ledger.rows("UPDATE batches SET sent_at = ?, file = ? WHERE tag = ?", time.time(), file, tag)

    def accepted(self, tag: str, name: str) -> None:
        """The host has it under that id."""
        self._ledger.rows("UPDATE batches SET id = ? WHERE tag = ?", name, tag)

    def open(self) -> list[OpenBatch]:
        """The batches that the host has accepted."""
        return [OpenBatch(*row) for row in self._ledger.rows(_OPEN, self._teacher)]

    def orphans(self) -> list[Orphan]:
        """The batches of which it is not known whether the host has accepted them."""
        query = "SELECT tag, sent_at, file FROM batches WHERE teacher = ? AND id IS NULL"
        return [Orphan(*row) for row in self._ledger.rows(query, self._teacher)]

    def answered(self, tag: str, key: str, answer: Answer) -> tuple[Ask, Answer] | None:
        """Keep the answer to a request: the ask, and the answer that stands; None where it is in the batch no more."""
        query = "DELETE FROM batch_requests WHERE key = ? AND tag = ? RETURNING ask"
        with self._ledger.transaction():
            for (packed,) in self._ledger.rows(query, key, tag):
                ask = _unpacked(packed)
                return ask, self._ledger.record(self._teacher, ask, answer)
        return None

    def close(self, tag: str) -> list[str]:
        """Forget a batch, and return the keys of its requests that have no answer."""
        with self._ledger.transaction():
            left = self._ledger.rows("DELETE FROM batch_requests WHERE tag = ? RETURNING key", tag)
            self._ledger.rows("DELETE FROM batches WHERE tag = ?", tag)
        return [key for (key,) in left]


def _packed(ask: Ask) -> str:
    return json.dumps([ask.system, ask.user, ask.role, ask.after, ask.schema], ensure_ascii=False)


def _unpacked(text: str) -> Ask:
    system, user, role, after, schema = json.loads(text)
    return Ask(system, user, role, after=tuple(Turn(*turn) for turn in after), schema=schema)
