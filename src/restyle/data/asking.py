"""One run of a teacher over staged blocks: what the ledger knows is not asked again, what is new is kept at once."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import aclosing
from dataclasses import replace
from typing import cast

from restyle.data.filters import Drop
from restyle.data.ledger import Ledger
from restyle.data.neutralising import Neutralised, neutralise
from restyle.data.prices import Meter
from restyle.data.staging import AuthorBlock, Staging
from restyle.data.teachers import Teacher
from restyle.drivers import AsyncAnswerFunction, astream
from restyle.errors import ModelError
from restyle.messages import Answer, Ask

__all__ = ["Asking"]

_OF_ONE_BLOCK = frozenset({400, 413, 422})  # HTTP statuses that a text can be the cause of; the next may do better
_HOPELESS = 100  # blocks that failed without an answer to any: then it is not the blocks


class _SpentError(Exception):
    """No further request is to leave."""


class Asking:
    """Has blocks rewritten neutrally.

    Args:
        teacher: Whom to ask.
        ledger: Where answers are kept.
        limit: Blocks to ask the teacher about, at most; None: all.
        meter: Adds up what its answers cost, and says when to stop asking.

    Attributes:
        asked: Answers of the teacher.
        reused: Answers found in the ledger.
    """

    def __init__(self, teacher: Teacher, ledger: Ledger, limit: int | None = None, meter: Meter | None = None) -> None:
        self.asked = self.reused = 0
        self._teacher, self._ledger, self._limit = teacher, ledger, limit
        self._meter = meter or Meter()
        self._new = self._failed = 0
        self._failure: Exception | None = None

    async def settle(
        self, blocks: Staging, *, concurrency: int, on_progress: Callable[[int, int], None] | None = None
    ) -> None:
        """Find out for every block whether it makes a pair.

        A block that the teacher cannot answer is dropped as ``failed``, and asked again in the next run.

        Raises:
            Exception: What the teacher raised, where it is not about one block.
            LedgerError: An answer cannot be kept.
        """
        done, total = 0, len(blocks)
        async with self._teacher, aclosing(astream(self._jobs(blocks), concurrency=concurrency)) as results:
            async for number, block in results:
                blocks.settle(number, block)
                done += 1
                if on_progress is not None:
                    on_progress(done, total)
        if self._failure is not None and not self.asked + self.reused:
            raise self._failure

    async def _jobs(
        self, blocks: Staging
    ) -> AsyncGenerator[tuple[Generator[Ask, Answer, tuple[int, AuthorBlock]], AsyncAnswerFunction], None]:
        for number, block in blocks.blocks():
            yield self._settled(number, block), self._answer

    async def _answer(self, ask: Ask) -> Answer:
        if self._meter.reached:
            raise _SpentError
        answer = await self._teacher.answer(ask)
        self._meter.add(ask, answer)
        return answer

    def _settled(self, number: int, block: AuthorBlock) -> Generator[Ask, Answer, tuple[int, AuthorBlock]]:
        if block.drop is not None:
            return number, block
        try:
            made = yield from self._over_the_ledger(neutralise(block.text, self._teacher.system))
        except _SpentError:
            made = Neutralised(None, Drop("unasked", "the most that it may cost was spent before"), 0)
        except Exception as error:  # noqa: BLE001 - raised again where it is not about this block
            made = Neutralised(None, self._drop_of(error), 0)
        return number, replace(block, neutral=made.neutral, drop=made.drop)

    def _over_the_ledger(self, flow: Generator[Ask, Answer, Neutralised]) -> Generator[Ask, Answer, Neutralised]:
        """The same flow, asking nothing that has an answer."""
        ask, new = next(flow), False
        while True:
            answer = self._ledger.find(self._teacher.identity, ask)
            if answer is not None:
                self.reused += 1
            else:
                if not new and self._new == self._limit:
                    return Neutralised(None, Drop("unasked", f"only {self._limit} new blocks were to be asked"), 0)
                self._new += not new
                new = True
                answer = self._ledger.record(self._teacher.identity, ask, (yield ask))
                self.asked += 1
            try:
                ask = flow.send(answer)
            except StopIteration as stop:
                return cast("Neutralised", stop.value)

    def _drop_of(self, error: Exception) -> Drop:
        """Why the block has no answer; raises what is no fault of its own."""
        status = error.status if isinstance(error, ModelError) else getattr(error, "status_code", None)
        self._failed, self._failure = self._failed + 1, error
        if status not in _OF_ONE_BLOCK or (self._failed >= _HOPELESS and not self.asked + self.reused):
            raise error
        # What SDKs write into their errors is not ours to keep: hosts quote keys.
        return Drop("failed", str(error) if isinstance(error, ModelError) else f"{type(error).__name__}: HTTP {status}")
