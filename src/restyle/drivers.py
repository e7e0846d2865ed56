"""Four drivers that answer flows: sync and async, one flow and many.

Flows run concurrently, their results leave in order, and no flow waits for another. Look-ahead is bounded: a driver
takes a new job only while fewer than ``2 * concurrency`` results wait. When the consumer stops, what is left is
cancelled: an async call at once, a call in a thread (which nothing can interrupt) after its current answer.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, Iterable, Iterator
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from contextlib import aclosing
from contextvars import copy_context
from functools import partial
from threading import Event
from typing import TypeAlias, TypeVar

from restyle.messages import Answer, Ask

__all__ = ["AnswerFunction", "AsyncAnswerFunction", "arun", "astream", "run", "stream"]

R = TypeVar("R")
AnyFlow: TypeAlias = Generator[Ask, Answer, R]
AnswerFunction: TypeAlias = Callable[[Ask], Answer]
AsyncAnswerFunction: TypeAlias = Callable[[Ask], Awaitable[Answer]]


def run(flow: AnyFlow[R], answer: AnswerFunction) -> R:
    """Answer one flow to its end. What ``answer`` raises is thrown into the flow, whose policy decides."""
    resume: Callable[[], Ask] = partial(next, flow)
    while True:
        # Only the flow itself may end the loop: a StopIteration out of `answer` must not look like its end.
        try:
            ask = resume()
        except StopIteration as stop:
            return stop.value  # type: ignore[no-any-return]  # typeshed cannot know a generator's return type here
        try:
            resume = partial(flow.send, answer(ask))
        except Exception as error:  # noqa: BLE001 - whatever a model raises is the flow's to judge
            resume = partial(flow.throw, error)


async def arun(flow: AnyFlow[R], answer: AsyncAnswerFunction) -> R:
    """As `run`, awaiting each answer."""
    resume: Callable[[], Ask] = partial(next, flow)
    while True:
        try:
            ask = resume()
        except StopIteration as stop:
            return stop.value  # type: ignore[no-any-return]  # as above
        try:
            resume = partial(flow.send, await answer(ask))
        except Exception as error:  # noqa: BLE001 - as above
            resume = partial(flow.throw, error)


def stream(jobs: Iterable[tuple[AnyFlow[R], AnswerFunction]], *, concurrency: int = 32) -> Iterator[R]:
    """Answer many flows in worker threads, each in a copy of the caller's context, and yield results in order.

    The consumer's thread pulls ``jobs``: a source that is still streaming is read between two results, and no other
    thread touches it. An exception, a flow's or the source's, is raised at its place, after the results before it.
    """
    waiting: deque[Future[R]] = deque()
    stopped = Event()
    pool = ThreadPoolExecutor(concurrency, thread_name_prefix="restyle")
    finished = False
    try:
        for flow, answer in _to_its_end(jobs):
            waiting.append(pool.submit(copy_context().run, run, flow, _until(stopped, answer)))
            while waiting and (waiting[0].done() or len(waiting) >= 2 * concurrency):
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
        finished = True
    finally:
        stopped.set()
        pool.shutdown(wait=finished, cancel_futures=True)


async def astream(
    jobs: AsyncGenerator[tuple[AnyFlow[R], AsyncAnswerFunction], None], *, concurrency: int = 32
) -> AsyncGenerator[R, None]:
    """As `stream`, with tasks: one pump reads ``jobs`` ahead of the consumer, at most ``concurrency`` flows run."""
    if concurrency < 1:  # a gate without places would wait for ever
        raise ValueError(f"concurrency is {concurrency}: at least one request must be in flight")
    results: asyncio.Queue[asyncio.Task[R] | None] = asyncio.Queue(maxsize=2 * concurrency)
    gate = asyncio.Semaphore(concurrency)
    tasks: set[asyncio.Task[R]] = set()

    async def gated(flow: AnyFlow[R], answer: AsyncAnswerFunction) -> R:
        async with gate:
            return await arun(flow, answer)

    async def pump() -> None:
        try:
            async with aclosing(jobs):
                async for flow, answer in jobs:
                    task = asyncio.create_task(gated(flow, answer))
                    tasks.add(task)
                    await results.put(task)
        except Exception:
            await results.put(None)  # what the source raised comes after the results before it: see below
            raise
        await results.put(None)

    pumping = asyncio.create_task(pump())
    try:
        while (task := await results.get()) is not None:
            # Shielded: cancelling this task alone would free its place at the gate, and start one more call.
            result = await asyncio.shield(task)
            tasks.discard(task)  # only now: a task that failed unseen must stay for the gather below to hear of it
            yield result
        await pumping
    finally:
        # No TaskGroup or timeout may stay open across a yield: each `anext` can run in a task of its own.
        left = [pumping, *tasks]
        for each in left:
            each.cancel()
        await asyncio.gather(*left, return_exceptions=True)


def _to_its_end(
    jobs: Iterable[tuple[AnyFlow[R], AnswerFunction]],
) -> Generator[tuple[AnyFlow[R], AnswerFunction], None, None]:
    """The jobs, and where their source raises, a flow that raises the same."""
    try:
        yield from jobs
    except Exception as error:  # noqa: BLE001 - whatever it is, the consumer gets it, but in order
        yield _raising(error), _nobody


def _raising(error: Exception) -> AnyFlow[R]:
    yield from ()  # it asks nothing
    raise error


def _nobody(ask: Ask) -> Answer:
    raise AssertionError(ask)


def _until(stopped: Event, answer: AnswerFunction) -> AnswerFunction:
    def answer_unless_stopped(ask: Ask) -> Answer:
        if stopped.is_set():
            raise CancelledError
        return answer(ask)

    return answer_unless_stopped
