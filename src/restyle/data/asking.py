"""One run of teachers over blocks: what the ledger knows is not asked again, what is new is kept at once."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncGenerator, Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, aclosing
from dataclasses import dataclass, field, replace
from typing import NamedTuple, TypeVar

from restyle.data.filters import Drop
from restyle.data.ledger import Ledger
from restyle.data.neutralising import neutralise
from restyle.data.parameters import extract
from restyle.data.prices import Meter
from restyle.data.staging import AuthorBlock, Variant
from restyle.data.teachers import Teacher
from restyle.drivers import AsyncAnswerFunction, astream
from restyle.errors import ModelError
from restyle.messages import Answer, Ask

__all__ = ["Asking", "Progress"]

R = TypeVar("R")

_OF_ONE_BLOCK = frozenset({400, 413, 422})  # HTTP statuses that a text can be the cause of; the next may do better
_OF_THE_HOST = 500  # and above: of a request, or of the host
_HOPELESS = 100  # blocks that failed without an answer to any: then it is not the blocks
# Steps of the event loop before an answer is looked at: requests that waited for its place at the host leave first, and
# are under way meanwhile.
_ASIDE = 3
_DOWN = 8  # errors of the host's own without an answer between them: then it is not a request

_Result = tuple[int, AuthorBlock]
_Vocabulary = Mapping[str, Sequence[str]]


class Progress(NamedTuple):
    """How far a run is.

    Attributes:
        done: Blocks settled.
        total: All blocks.
        asked: Answers of teachers.
        reused: Answers found in the ledger.
        in_flight: Requests that have no answer yet.
        cost: Dollars so far; None where a price is not known.
    """

    done: int
    total: int
    asked: int
    reused: int
    in_flight: int
    cost: float | None


class _NotAskedError(Exception):
    """A block stays without an answer, for now."""

    def __init__(self, drop: Drop) -> None:
        super().__init__(drop)
        self.drop = drop


@dataclass(slots=True)
class _Turn:
    """Whose turn it is to answer for a block, and whether it was asked about before."""

    teacher: Teacher | None = None
    new: bool = False


@dataclass(slots=True)
class _Record:
    """How one teacher has done so far; what another one answers says nothing about it."""

    answers: int = 0  # of its own or from the ledger
    failed: int = 0
    in_a_row: int = 0  # errors of its host's own since its last answer
    failure: Exception | None = None


@dataclass(slots=True)
class Asking:
    """Has blocks rewritten neutrally.

    Args:
        teachers: Whom to ask about each block; parameters are the first one's affair.
        ledger: Where answers are kept.
        vocabulary: The values that each parameter can have.
        limit: Blocks to ask the teachers about, at most; None: all.
        meter: Adds up what answers cost, and says when to stop asking.
        forbidden: What becomes of a block that would have to be asked about; None: it is asked about.

    Attributes:
        asked: Answers of the teachers.
        reused: Answers found in the ledger.
        in_flight: Requests that have no answer yet.
    """

    teachers: Sequence[Teacher]
    ledger: Ledger
    vocabulary: _Vocabulary = field(default_factory=dict)
    limit: int | None = None
    meter: Meter = field(default_factory=Meter)
    forbidden: Callable[[int], Drop] | None = None
    asked: int = field(default=0, init=False)
    reused: int = field(default=0, init=False)
    in_flight: int = field(default=0, init=False)
    _new: int = field(default=0, init=False)
    _records: defaultdict[str, _Record] = field(default_factory=lambda: defaultdict(_Record), init=False)

    async def settled(
        self, blocks: Iterable[tuple[int, AuthorBlock]], *, concurrency: int
    ) -> AsyncGenerator[tuple[int, AuthorBlock], None]:
        """The blocks with all their variants, in the same order.

        What a teacher cannot answer is dropped as ``failed``, and asked again in the next run.

        Raises:
            Exception: What a teacher raised, where it is not about one block.
            LedgerError: An answer cannot be kept.
        """
        async with AsyncExitStack() as stack:
            for teacher in self.teachers:
                await stack.enter_async_context(teacher)
            results = await stack.enter_async_context(aclosing(astream(self._jobs(blocks), concurrency=concurrency)))
            async for result in results:
                yield result
        for record in self._records.values():
            if record.failure is not None and not record.answers:
                raise record.failure

    def pending(self, block: AuthorBlock) -> Iterator[tuple[Teacher, Ask]]:
        """What would be asked about a block as things stand; nothing is."""
        if block.drop is not None:
            return
        for teacher, flow in self._flows(block):
            ask = next(flow)
            try:
                while (answer := self.ledger.find(teacher.identity, ask)) is not None:
                    ask = flow.send(answer)
            except StopIteration as stop:
                if isinstance(stop.value, Drop):
                    return
                continue
            flow.close()
            yield teacher, ask

    def progress(self, done: int, total: int) -> Progress:
        """How far this run is."""
        # Teachers behind endpoints know better: there, calls wait for their turn.
        in_flight = sum(getattr(teacher, "in_flight", 0) for teacher in self.teachers) or self.in_flight
        return Progress(done, total, self.asked, self.reused, in_flight, self.meter.cost)

    def _flows(self, block: AuthorBlock) -> list[tuple[Teacher, Generator[Ask, Answer, object]]]:
        flows: list[tuple[Teacher, Generator[Ask, Answer, object]]] = []
        if self.vocabulary:
            flows.append((self.teachers[0], extract(block.text, self.vocabulary)))
        return [*flows, *((teacher, neutralise(block.text, teacher.system)) for teacher in self.teachers)]

    async def _jobs(
        self, blocks: Iterable[tuple[int, AuthorBlock]]
    ) -> AsyncGenerator[tuple[Generator[Ask, Answer, _Result], AsyncAnswerFunction], None]:
        for number, block in blocks:
            turn = _Turn()
            yield self._settled(number, block, turn), self._answers(turn)

    def _answers(self, turn: _Turn) -> AsyncAnswerFunction:
        async def answer(ask: Ask) -> Answer:
            assert turn.teacher is not None  # noqa: S101 - set before each ask
            if self.meter.reached:
                raise _NotAskedError(Drop("unasked", "the most that it may cost was spent before"))
            self.in_flight += 1
            try:
                found = await turn.teacher.answer(ask)
            finally:
                self.in_flight -= 1
            self.meter.add(ask, found, self.teachers.index(turn.teacher))
            found = self.ledger.record(turn.teacher.identity, ask, found)
            self.asked += 1
            for _ in range(_ASIDE):  # with the answer kept: it may end here
                await asyncio.sleep(0)
            return found

        return answer

    def _settled(self, number: int, block: AuthorBlock, turn: _Turn) -> Generator[Ask, Answer, _Result]:
        if block.drop is not None:
            return number, block
        if self.vocabulary:
            flow = extract(block.text, self.vocabulary)
            values = yield from self._answered(number, self.teachers[0], flow, turn)
            if isinstance(values, Drop):
                return number, replace(block, drop=values)
            block = replace(block, parameters={**block.parameters, **values})
        variants = []
        for teacher in self.teachers:
            made = yield from self._answered(number, teacher, neutralise(block.text, teacher.system), turn)
            variants.append(
                Variant(teacher.identity, drop=made)
                if isinstance(made, Drop)
                else Variant(teacher.identity, made.neutral, made.drop, words=made.words)
            )
        return number, replace(block, variants=tuple(variants))

    def _answered(
        self, number: int, teacher: Teacher, flow: Generator[Ask, Answer, R], turn: _Turn
    ) -> Generator[Ask, Answer, R | Drop]:
        """What the flow comes to; why it does not, where its block is to be dropped."""
        turn.teacher = teacher
        try:
            return (yield from self._over_the_ledger(number, teacher, flow, turn))
        except _NotAskedError as error:
            return error.drop
        except Exception as error:  # noqa: BLE001 - raised again where it is not about this block
            return _drop_of(error, self._records[teacher.identity])

    def _over_the_ledger(
        self, number: int, teacher: Teacher, flow: Generator[Ask, Answer, R], turn: _Turn
    ) -> Generator[Ask, Answer, R]:
        """The same flow, asking nothing that has an answer."""
        ask, record = next(flow), self._records[teacher.identity]
        while True:
            answer = self.ledger.find(teacher.identity, ask)
            if answer is not None:
                self.reused += 1
            else:
                self._permit(number, turn)
                answer = yield ask  # which is in the ledger by now
                record.in_a_row = 0
            record.answers += 1
            try:
                ask = flow.send(answer)
            except StopIteration as stop:
                result: R = stop.value
                return result

    def _permit(self, number: int, turn: _Turn) -> None:
        """Let the teacher be asked about a block, or not."""
        if self.forbidden is not None:
            raise _NotAskedError(self.forbidden(number))
        if not turn.new and self._new == self.limit:
            raise _NotAskedError(Drop("unasked", f"only {self.limit} new blocks were to be asked"))
        self._new += not turn.new
        turn.new = True


def _drop_of(error: Exception, record: _Record) -> Drop:
    """Why the block has no answer; raises what is no fault of its own."""
    status = error.status if isinstance(error, ModelError) else getattr(error, "status_code", None)
    of_the_host = isinstance(status, int) and status >= _OF_THE_HOST
    record.failed, record.in_a_row, record.failure = record.failed + 1, record.in_a_row + of_the_host, error
    if not of_the_host and status not in _OF_ONE_BLOCK:
        raise error
    if record.in_a_row >= _DOWN or (record.failed >= _HOPELESS and not record.answers):
        raise error
    # What SDKs write into their errors is not ours to keep: hosts quote keys.
    return Drop("failed", str(error) if isinstance(error, ModelError) else f"{type(error).__name__}: HTTP {status}")
