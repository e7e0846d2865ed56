"""Asking an endpoint through its Batch API: what is pending is bought in batches, and the ledger filled with it."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from tempfile import TemporaryFile
from typing import TYPE_CHECKING

from restyle.data.batch_harvest import Harvest, has_ended, lacks_room
from restyle.data.batch_host import BatchHost, Pace
from restyle.data.batch_journal import BatchJournal
from restyle.data.batch_rows import MOST_REQUESTS, Packing, request_line
from restyle.data.endpoint_teacher import EndpointTeacher
from restyle.data.ledger import Ledger
from restyle.errors import LedgerError, ModelError
from restyle.messages import Answer, Ask

if TYPE_CHECKING:
    from openai.types import Batch

__all__ = ["Pace", "fill"]

_UNKNOWN = 5  # times one after the other that nobody knows whether the host has begun a batch
_LEAST = 100  # requests for which a host should have room


async def fill(
    teacher: EndpointTeacher,
    ledger: Ledger,
    pending: Callable[[], Iterable[Ask]],
    *,
    on_answer: Callable[[Ask, Answer], object] | None = None,
    on_progress: Callable[[int, int], object] | None = None,
    pace: Pace = Pace(),  # noqa: B008 - a tuple
) -> None:
    """Buy answers in batches until nothing is pending, or what is has failed three times.

    What earlier calls have left at the host, in this process or another, is harvested first and never bought again,
    wherever they were broken off: a batch is written down in the ledger's file with all its requests before the host
    hears of it, and looked for in the host's list by our tag or its input file where its id is not known. Whatever ends
    this call, the batches go on at the host, and the next call harvests them. Calls on one ledger may run at once.

    A request that the host refuses (HTTP 4xx) stays pending: whoever asks it outside of batches gets to see the error.

    Args:
        teacher: Whom to ask; it need not be open.
        ledger: Where the answers go.
        pending: The asks that the ledger has no answer to, in the same order each time. It is called again whenever
            there are new answers, for these may lead to further asks.
        on_answer: Called with each answer that is new in the ledger.
        on_progress: Called with the requests that have come to an end and with all of them, whenever the host is asked.
        pace: How often that is.

    Raises:
        ModelError: The host refuses a batch, has no Batch API, does not answer, or somebody has cancelled the batch.
        LedgerError: An answer cannot be kept.
    """
    async with BatchHost(teacher.model, teacher.base_url, pace) as host:
        await _Filling(teacher, ledger, pending, host, pace, on_answer, on_progress).run()


class _Filling:
    def __init__(
        self,
        teacher: EndpointTeacher,
        ledger: Ledger,
        pending: Callable[[], Iterable[Ask]],
        host: BatchHost,
        pace: Pace,
        on_answer: Callable[[Ask, Answer], object] | None,
        on_progress: Callable[[int, int], object] | None,
    ) -> None:
        self._teacher, self._pending, self._host, self._pace = teacher, pending, host, pace
        self._on_progress = on_progress
        self._where = teacher.base_url or "OpenAI"
        self._journal = BatchJournal(ledger, teacher.identity)
        self._harvest = Harvest(self._journal, host, self._where, on_answer)
        self._lock = ledger.path.with_name(f"{ledger.path.name}.batches")
        # A host without room for all is sent one batch at a time, and none until another one has ended.
        self._most, self._one_by_one, self._waits = MOST_REQUESTS, False, False
        self._more = True  # whether there may be something to submit
        self._unknown = 0

    async def run(self) -> None:
        known: set[str] = set()
        pause = self._pace.first
        while True:
            await self._look()
            self._more |= bool(known - self._tags())  # new answers, perhaps through another process
            if self._more and not self._waits:
                await self._submit()
            tags = self._tags()
            if not tags and not self._more:
                return
            pause = min(self._pace.longest, 2.0 * pause) if tags == known else self._pace.first
            known = tags
            await asyncio.sleep(pause)

    def _tags(self) -> set[str]:
        return {batch.tag for batch in self._journal.open()}

    async def _look(self) -> None:
        """Look after the batches at the host."""
        batches = [(batch, await self._host.retrieve(batch.id)) for batch in self._journal.open()]
        ended = [(batch, found) for batch, found in batches if has_ended(found)]
        full = [batch for batch, found in ended if lacks_room(found)]
        for batch, found in ended:
            if batch in full:
                self._journal.close(batch.tag)
            else:
                await self._harvest.bring(batch, found)
        others = len(batches) - len(full)
        if full:
            self._one_by_one = True
            if not others:
                self._halve(min(batch.requests for batch in full))
        if not others or len(ended) > len(full):
            self._waits = False
        elif full:
            self._waits = True
        if self._on_progress is not None and batches:
            rest = [(batch.requests, _done(found)) for batch, found in batches if not has_ended(found)]
            done, total = sum(min(pair) for pair in rest), sum(requests for requests, _ in rest)
            self._on_progress(self._harvest.ended + done, self._harvest.ended + total)

    def _halve(self, refused: int) -> None:
        self._most = refused // 2
        if self._most < _LEAST:
            raise ModelError(
                f"{self._where} has no room for a batch of {refused} requests: run it again when other "
                "batches of this account have ended, or without batches"
            )

    async def _submit(self) -> None:
        with _alone(self._lock) as alone:
            if not alone:
                return  # another process does, and we look again later at what it leaves
            unclear = await self._adopt()
            packing = Packing(self._wanted(), self._teacher.model)
            while packing and not (unclear and self._unknown):
                if tag := self._journal.claim(packing.batch(self._most)):
                    unclear |= not await self._send(tag)
                    if self._one_by_one:
                        break
            self._more = unclear or bool(packing)

    async def _adopt(self) -> bool:
        """Find what has begun without our knowing: whether some of it may still come up in the host's list."""
        orphans, unclear = self._journal.orphans(), False
        files = {orphan.tag: orphan.file for orphan in orphans if orphan.file is not None}
        found = await self._host.find(files) if files else {}
        for tag, sent_at, _ in orphans:
            if tag in found:
                self._journal.accepted(tag, found[tag])
                self._unknown = 0
            elif sent_at is None or not 0.0 <= time.time() - sent_at < self._pace.settled:
                self._journal.close(tag)  # it never came to be: what is still wanted is pending
            else:
                unclear = True
        return unclear

    def _wanted(self) -> Iterator[Ask]:
        for ask in self._pending():
            key = self._journal.key(ask)
            if not self._harvest.is_hopeless(key) and key not in self._journal:
                yield ask

    async def _send(self, tag: str) -> bool:
        """Submit a batch that was claimed: whether the host is known to have it."""
        try:
            with TemporaryFile() as file:
                for key, ask in self._journal.requests(tag):
                    file.write(request_line(key, self._teacher.model, ask))
                uploaded = await self._host.upload(file, f"restyle-{tag}.jsonl")
            self._journal.sent(tag, uploaded)
            begun = await self._host.create(uploaded, tag)
        except ModelError:
            self._journal.close(tag)
            raise
        if isinstance(begun, ModelError):
            self._unknown += 1
            if self._unknown == _UNKNOWN:
                raise begun
            return False
        self._journal.accepted(tag, begun)
        self._unknown = 0
        return True


@contextmanager
def _alone(path: Path) -> Iterator[bool]:
    """Whether no other process submits; then none can until the end. A dead one's lock is gone with it."""
    with ExitStack() as stack:
        alone = True
        try:
            lock = stack.enter_context(closing(sqlite3.connect(path, timeout=0.0, isolation_level=None)))
            lock.execute("BEGIN EXCLUSIVE")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY:
                raise LedgerError(f"{path}: cannot be locked ({error}): make its folder writable") from error
            alone = False
        yield alone


def _done(found: Batch) -> int:
    return found.request_counts.completed + found.request_counts.failed if found.request_counts else 0
