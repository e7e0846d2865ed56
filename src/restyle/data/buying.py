"""Answers bought by the batch before the run, so that the run finds them in the ledger."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence

from restyle.data.asking import Asking, Progress
from restyle.data.batch_journal import BatchJournal
from restyle.data.batching import Pace, fill
from restyle.data.endpoint_teacher import EndpointTeacher
from restyle.data.filters import Drop
from restyle.data.ledger import Ledger
from restyle.data.prices import Meter
from restyle.data.staging import Staging
from restyle.data.teachers import Teacher
from restyle.errors import PairsError
from restyle.messages import Answer, Ask

__all__ = ["Buying", "check_no_batch"]

_PACE = Pace()


class Buying:
    """Has teachers' hosts answer in batches.

    Args:
        teachers: All behind endpoints.
        blocks: What is to be asked about.
        limit: Blocks to ask about, at most; None: all.
        meter: Adds up what answers cost; a batch is bought whole, so only what it is expected to leave room for is
            asked.
        on_progress: Called with a `Progress` that counts requests instead of blocks.

    Attributes:
        bought: Answers that came.

    Raises:
        PairsError: A teacher is not behind an endpoint.
    """

    def __init__(
        self,
        teachers: Sequence[Teacher],
        blocks: Staging,
        limit: int | None,
        meter: Meter,
        on_progress: Callable[[Progress], None] | None = None,
    ) -> None:
        self.bought = 0
        self._teachers: list[EndpointTeacher] = []
        for teacher in teachers:
            if not isinstance(teacher, EndpointTeacher):
                raise PairsError(f"{teacher.identity} has no Batch API, which is for endpoints: leave batch out")
            self._teachers.append(teacher)
        self._blocks, self._limit, self._meter = blocks, limit, meter
        self._on_progress = on_progress
        self._chosen: set[int] = set()
        self._dear: set[int] = set()
        self._counts = dict.fromkeys(range(len(teachers)), (0, 0))

    async def settle(self, run: Asking) -> None:
        """Buy what has no answer in the ledger of ``run``, repairs included; from then on nobody else is asked.

        Raises:
            ModelError: A host refused a batch, or somebody cancelled one.
        """
        for number, block in self._blocks.blocks():
            if self._limit is not None and len(self._chosen) == self._limit:
                break
            if next(run.pending(block), None):
                self._chosen.add(number)
        try:
            async with asyncio.TaskGroup() as tasks:  # hosts take hours: all at once
                for place, teacher in enumerate(self._teachers):
                    tasks.create_task(self._fill(run, place, teacher))
        except BaseExceptionGroup as group:
            raise group.exceptions[0] from group
        run.forbidden = self._drop

    async def _fill(self, run: Asking, place: int, teacher: EndpointTeacher) -> None:
        def told(done: int, total: int) -> None:
            self._counts[place] = done, total
            if self._on_progress is not None:
                dones, totals = (sum(column) for column in zip(*self._counts.values(), strict=True))
                waiting = totals - dones
                self._on_progress(Progress(dones, totals, self.bought, run.reused, waiting, self._meter.cost))

        def counted(ask: Ask, answer: Answer) -> None:
            self.bought += 1
            self._meter.add(ask, answer, place)

        pending = self._pending
        await fill(teacher, run.ledger, lambda: pending(run, place), on_answer=counted, on_progress=told, pace=_PACE)

    def _pending(self, run: Asking, place: int) -> Iterator[Ask]:
        expected = 0.0
        for number, block in self._blocks.blocks():
            if number in self._chosen:
                for teacher, ask in run.pending(block):
                    if teacher is self._teachers[place]:
                        cost = self._meter.expected(ask, place)
                        if self._meter.allows(expected + cost):
                            expected += cost
                            yield ask
                        else:
                            self._dear.add(number)

    def _drop(self, number: int) -> Drop:
        """What becomes of a block that still has no answer."""
        if number not in self._chosen:
            return Drop("unasked", f"only {self._limit} new blocks were to be asked")
        if number in self._dear:
            return Drop("unasked", "a batch with it was expected to cost more than allowed")
        return Drop("failed", "no batch brought an answer")


def check_no_batch(ledger: Ledger, teachers: Sequence[Teacher]) -> None:
    """Nothing must be under way in a batch that is about to be asked for without one.

    Raises:
        PairsError: Something is.
    """
    for teacher in teachers:
        if waiting := len(BatchJournal(ledger, teacher.identity)):
            raise PairsError(
                f"{waiting} requests to {teacher.identity} are in a batch at its host, and would be paid twice: fetch "
                "them with batch=True (--batch)"
            )
