"""Four drivers that answer flows: sync and async, one flow (`run`, `arun`) and many.

Flows run concurrently, their results leave in order, and no flow waits for another. Look-ahead is bounded: a driver
takes a new job only while fewer than ``2 * concurrency`` flows that ask wait. When the consumer stops, what is left is
cancelled: an async call at once, a call in a thread (which nothing can interrupt) after its current answer.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Callable, Generator, Iterable, Iterator
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from contextlib import aclosing
from contextvars import copy_context
from dataclasses import dataclass, field
from threading import Event
from typing import Any, Generic, TypeAlias, TypeVar, cast

from restyle.jobs import (
    AnswerFunction,
    AnyFlow,
    Aside,
    AsyncAnswerFunction,
    AsyncSpeakFunction,
    Delta,
    Job,
    SpeakFunction,
    arun,
    run,
)
from restyle.messages import Answer, Ask
from restyle.reveal import Reveal

__all__ = ["AnswerFunction", "AsyncAnswerFunction", "aparts", "arun", "astream", "parts", "run", "stream"]

R = TypeVar("R")
P = TypeVar("P")
_AGAIN = 1.0  # seconds until a task that has not heard of its cancellation is told again: time enough to clean up
# None brings nothing: it lets leave what is ready, where the source has been read without a new job.
_Jobs: TypeAlias = Iterable[Job[R, AnswerFunction, SpeakFunction] | Aside[P] | None]
_AsyncJobs: TypeAlias = AsyncGenerator[Job[R, AsyncAnswerFunction, AsyncSpeakFunction] | Aside[P], None]


def stream(
    jobs: Iterable[tuple[AnyFlow[R], AnswerFunction] | None], *, concurrency: int = 32
) -> Generator[R, None, None]:
    """Answer many flows in worker threads, each in a copy of the caller's context, and yield results in order.

    The consumer's thread pulls ``jobs``: a source that is still streaming is read between two results, and no other
    thread touches it; a source that yields None from time to time lets results leave while there is no new job. An
    exception, a flow's or the source's, is raised at its place, after the results before it.
    """
    return cast("Generator[R, None, None]", parts((job and Job(*job) for job in jobs), concurrency=concurrency))


async def astream(
    jobs: AsyncGenerator[tuple[AnyFlow[R], AsyncAnswerFunction], None], *, concurrency: int = 32
) -> AsyncGenerator[R, None]:
    """As `stream`, with tasks: one pump reads ``jobs`` ahead of the consumer, at most ``concurrency`` flows run."""

    async def whole() -> AsyncGenerator[Job[R, AsyncAnswerFunction, AsyncSpeakFunction], None]:
        async with aclosing(jobs):
            async for job in jobs:
                yield Job(*job)

    results = cast("AsyncGenerator[R, None]", aparts(whole(), concurrency=concurrency))
    async with aclosing(results):
        async for result in results:
            yield result


@dataclass(slots=True, eq=False)
class _Running(Generic[R]):
    """A flow under way, and what of its answer may leave before its result."""

    asks: bool = True
    deltas: deque[str] = field(default_factory=deque)
    result: Future[R] | asyncio.Task[R] | None = None

    def done(self) -> bool:
        return self.result is not None and self.result.done()

    def take(self) -> R:
        return cast("Future[R]", self.result).result()


class _Line(Generic[R]):
    """The flows under way, in order; ``news`` is set whenever something of them may leave."""

    def __init__(self, news: Event | asyncio.Event) -> None:
        self.news = news
        self.waiting: deque[_Running[R]] = deque()
        self.asking = 0  # how many of them ask: the others are done, and only wait for their turn

    def start(self, flow: AnyFlow[R]) -> tuple[_Running[R], Ask | None]:
        """Put a flow in line, and return its first ask, if it has any."""
        running: _Running[R] = _Running()
        self.waiting.append(running)
        result: Future[R] = Future()
        try:
            ask = next(flow)
        except StopIteration as stop:
            result.set_result(stop.value)
        except Exception as error:  # noqa: BLE001 - it comes in its turn
            result.set_exception(error)
        else:
            self.asking += 1
            return running, ask
        running.asks, running.result = False, result
        return running, None

    def is_full(self, most: int, others: int = 0) -> bool:
        """Whether ``most`` flows that ask wait, or, with ``others``, far more of what only takes memory."""
        return self.asking >= most or len(self.waiting) + others >= 16 * most

    def reveal(self, running: _Running[R], ask: Ask) -> Reveal | None:
        """Shows the answer that comes, if it may be shown and nothing stands before it."""
        if not ask.showable or self.waiting[0] is not running:
            return None

        def show(text: str) -> None:
            running.deltas.append(text)
            self.news.set()

        return Reveal(ask, show)

    def leaving(self) -> Iterator[R | Delta]:
        """What can leave by now."""
        while self.waiting:
            head = self.waiting[0]
            done = head.done()  # before its deltas are taken: after them, more may have come
            while head.deltas:
                yield Delta(head.deltas.popleft())
            if not done:
                return
            self.waiting.popleft()
            self.asking -= head.asks
            yield head.take()


def parts(jobs: _Jobs[R, P], *, concurrency: int = 32) -> Generator[R | Delta | Aside[P], None, None]:
    """As `stream`, and in between the asides of the source, and the deltas of the flow that is next to leave."""
    news, stopped = Event(), Event()
    line: _Line[R] = _Line(news)
    pool = ThreadPoolExecutor(concurrency, thread_name_prefix="restyle")
    finished = False

    def begin(job: Job[R, AnswerFunction, SpeakFunction]) -> None:
        running, begun = line.start(job.flow)
        if begun is None:
            return

        def answer(ask: Ask) -> Answer:
            if stopped.is_set():
                raise CancelledError
            if job.speak and (reveal := line.reveal(running, ask)):
                return reveal.end(job.speak(ask, reveal.feed))
            return job.answer(ask)

        running.result = future = pool.submit(copy_context().run, run, job.flow, answer, begun)
        future.add_done_callback(lambda _: news.set())

    try:
        for job in _to_its_end(jobs):
            if isinstance(job, Aside):
                yield job
            elif job is not None:
                begin(job)
            yield from _leaving(line, news, lambda: line.is_full(2 * concurrency))
        yield from _leaving(line, news, lambda: bool(line.waiting))
        finished = True
    finally:
        stopped.set()
        pool.shutdown(wait=finished, cancel_futures=True)


def _leaving(line: _Line[R], news: Event, too_many: Callable[[], bool]) -> Iterator[R | Delta]:
    """What can leave, and more as long as too many wait."""
    while True:
        news.clear()
        yield from line.leaving()
        if not too_many():
            return
        news.wait()


async def aparts(jobs: _AsyncJobs[R, P], *, concurrency: int = 32) -> AsyncGenerator[R | Delta | Aside[P], None]:
    """As `parts`, with tasks: see `astream`."""
    if concurrency < 1:  # a gate without places would wait for ever
        raise ValueError(f"concurrency is {concurrency}: at least one request must be in flight")
    pump: _Pump[R, P] = _Pump(concurrency)
    pumping = asyncio.create_task(pump.run(jobs))
    pumping.add_done_callback(lambda _: pump.news.set())
    try:
        while True:
            pump.news.clear()
            ended = pumping.done()  # before anything is taken: after it, more may have come
            for part in pump.leaving():
                yield part
            if ended and not pump.line.waiting:
                break
            await pump.news.wait()
        await pumping  # what the source raised comes after the results before it
    finally:
        # No TaskGroup or timeout may stay open across a yield: each `anext` can run in a task of its own.
        await _end([pumping, *pump.end()])


class _Pump(Generic[R, P]):
    """Reads jobs ahead of the consumer and starts them, as long as there is room."""

    def __init__(self, concurrency: int) -> None:
        self.news = asyncio.Event()
        self.line: _Line[R] = _Line(self.news)
        self._asides: deque[Aside[P]] = deque()
        self._most = 2 * concurrency
        self._room = asyncio.Event()
        self._gate = asyncio.Semaphore(concurrency)
        self._ended = False

    async def run(self, jobs: _AsyncJobs[R, P]) -> None:
        async with aclosing(jobs):
            async for job in jobs:
                if self._ended:  # the cancellation was swallowed on its way
                    return
                while self.line.is_full(self._most, len(self._asides)):
                    self._room.clear()
                    await self._room.wait()
                if isinstance(job, Aside):
                    self._asides.append(job)
                else:
                    self._start(job)
                self.news.set()

    def leaving(self) -> Iterator[R | Delta | Aside[P]]:
        """What can leave by now; it makes room."""
        while self._asides:
            yield self._asides.popleft()
            self._room.set()
        for part in self.line.leaving():
            yield part
            self._room.set()

    def end(self) -> list[asyncio.Task[Any]]:
        """Start no further call; return what is still under way."""
        self._ended = True
        return [running.result for running in self.line.waiting if isinstance(running.result, asyncio.Task)]

    def _start(self, job: Job[R, AsyncAnswerFunction, AsyncSpeakFunction]) -> None:
        running, begun = self.line.start(job.flow)
        if begun is not None:
            running.result = asyncio.create_task(self._answer(job, running, begun))
            running.result.add_done_callback(lambda _: self.news.set())

    async def _answer(
        self, job: Job[R, AsyncAnswerFunction, AsyncSpeakFunction], running: _Running[R], begun: Ask
    ) -> R:
        async def answer(ask: Ask) -> Answer:
            if self._ended:  # as above
                raise asyncio.CancelledError
            if job.speak and (reveal := self.line.reveal(running, ask)):
                return reveal.end(await job.speak(ask, reveal.feed))
            return await job.answer(ask)

        async with self._gate:
            return await arun(job.flow, answer, begun)


async def _end(tasks: list[asyncio.Task[Any]]) -> None:
    """Cancel tasks and wait for their end.

    Once is not enough: `asyncio.wait_for`, which clients wrap around every chunk of a stream, loses a cancellation that
    comes together with its result (Python 3.11, bpo-37658).
    """
    left: set[asyncio.Task[Any]] = {*tasks}
    while left:
        for task in left:
            task.cancel()
        _, left = await asyncio.wait(left, timeout=_AGAIN)
    await asyncio.gather(*tasks, return_exceptions=True)  # so that none of their exceptions is lost unseen


def _to_its_end(jobs: _Jobs[R, P]) -> Iterator[Job[R, AnswerFunction, SpeakFunction] | Aside[P] | None]:
    """The jobs, and where their source raises, a flow that raises the same."""
    try:
        yield from jobs
    except Exception as error:  # noqa: BLE001 - whatever it is, the consumer gets it, but in order
        yield Job(_raising(error), _nobody)


def _raising(error: Exception) -> AnyFlow[R]:
    yield from ()  # it asks nothing
    raise error


def _nobody(ask: Ask) -> Answer:
    raise AssertionError(ask)
