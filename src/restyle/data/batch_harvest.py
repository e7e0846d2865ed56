"""Taking over what a batch has brought, line by line, however it ended."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING

from restyle.data.batch_host import BatchHost
from restyle.data.batch_journal import BatchJournal, OpenBatch
from restyle.data.batch_rows import read_line
from restyle.errors import ModelError
from restyle.messages import Answer, Ask

if TYPE_CHECKING:
    from openai.types import Batch, BatchError

__all__ = ["Harvest", "has_ended", "lacks_room"]

_ENDED = frozenset({"completed", "expired", "cancelled", "failed"})
_NO_ROOM = "token_limit_exceeded"  # more tokens would wait in the host's queue than it allows
_FAILURES = 3  # of one request; a refusal counts as all of them
_GONE = 404
_KEPT = 30 * 86400.0  # seconds that hosts keep the files of a batch


class Harvest:
    """Brings answers home, and counts the requests that got none.

    Args:
        journal: Where the answers go.
        host: Where they come from.
        where: What to call the host in errors.
        on_answer: Called with each answer that is new in the ledger.

    Attributes:
        ended: Requests that have come to an end.
    """

    def __init__(
        self, journal: BatchJournal, host: BatchHost, where: str, on_answer: Callable[[Ask, Answer], object] | None
    ) -> None:
        self.ended = 0
        self._journal, self._host, self._where, self._on_answer = journal, host, where, on_answer
        self._failures: Counter[str] = Counter()
        self._refused: set[str] = set()

    def is_hopeless(self, key: str) -> bool:
        """Whether that request was refused, or has failed three times."""
        return key in self._refused or self._failures[key] >= _FAILURES

    async def bring(self, batch: OpenBatch, found: Batch) -> None:
        """Take over what the files of a batch hold that has ended, and close it.

        Raises:
            ModelError: It was refused, or cancelled by somebody; what it has brought is kept.
        """
        for file in (found.output_file_id, found.error_file_id):
            if file:
                await self._read(file, batch.tag, found.created_at)
        self._failures.update(self._journal.close(batch.tag))
        self.ended += batch.requests
        if found.status == "failed":
            said = "; ".join(str(error.message) for error in _errors(found)[:3])[:500] or "it does not say why"
            raise ModelError(f"{self._where} refused batch {batch.id}: {said}. Mend that, or run it without batches")
        if found.status == "cancelled":
            raise ModelError(
                f"batch {batch.id} was cancelled at {self._where}: what was answered before is kept, run it again to "
                "ask for the rest"
            )

    async def _read(self, file: str, tag: str, created_at: float) -> None:
        try:
            await self._host.read(file, lambda line: self._take(tag, line))
        except ModelError as error:
            if error.status != _GONE or time.time() - created_at < _KEPT:
                raise  # else they are gone for good, and have to be asked for again

    def _take(self, tag: str, line: bytes) -> None:
        result = read_line(line)
        if result is not None and result.refused:
            self._refused.add(result.key)
        if result is not None and result.answer is not None:
            kept = self._journal.answered(tag, result.key, result.answer)
            if kept is not None and self._on_answer is not None:
                self._on_answer(*kept)


def has_ended(found: Batch) -> bool:
    """Whether nothing more happens to a batch."""
    return found.status in _ENDED


def lacks_room(found: Batch) -> bool:
    """Whether the host has refused a batch only until others have ended."""
    return found.status == "failed" and _NO_ROOM in (error.code for error in _errors(found))


def _errors(found: Batch) -> list[BatchError]:
    return (found.errors and found.errors.data) or []
