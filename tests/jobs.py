"""Jobs for the drivers: flows, models that take their time, and sources that count what is taken."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Generator
from contextlib import aclosing

import pytest

from restyle.drivers import astream, stream
from restyle.messages import Answer, Ask


class Upstream(Exception):  # noqa: N818 - a name for what the source raises
    pass


def ask_for(number: int, times: int = 1) -> Generator[Ask, Answer, str]:
    """A flow that asks ``times`` and returns what it heard."""
    heard = []
    for _ in range(times):
        answer = yield Ask("system", str(number), "restyle")
        heard.append(answer.text)
    return " ".join(heard)


class Model:
    """Answers after a while, counting what is in flight; number ``fails`` raises."""

    def __init__(self, delay=lambda: 0.0, fails: int | None = None) -> None:
        self.delay, self.fails = delay, fails
        self.lock = threading.Lock()
        self.in_flight = self.peak = self.calls = self.cancelled = 0

    def _enter(self) -> None:
        with self.lock:
            self.calls += 1
            self.in_flight += 1
            self.peak = max(self.peak, self.in_flight)

    def _leave(self, ask: Ask) -> Answer:
        with self.lock:
            self.in_flight -= 1
        if ask.user == str(self.fails):
            raise TimeoutError(ask.user)
        return Answer(f"<{ask.user}>")

    def answer(self, ask: Ask) -> Answer:
        self._enter()
        time.sleep(self.delay())
        return self._leave(ask)

    async def aanswer(self, ask: Ask) -> Answer:
        self._enter()
        try:
            await asyncio.sleep(self.delay())
        except asyncio.CancelledError:
            self.cancelled += 1
            self.in_flight -= 1
            raise
        return self._leave(ask)


class Source:
    """Jobs, counting how many were taken; ``breaks`` is where it raises."""

    def __init__(self, count: int, *, breaks: int | None = None, times: int = 1) -> None:
        self.count, self.breaks, self.times = count, breaks, times
        self.taken = 0
        self.closed = False

    def jobs(self, model: Model):
        try:
            for number in range(self.count):
                if number == self.breaks:
                    raise Upstream(number)
                self.taken += 1
                yield ask_for(number, self.times), model.answer
        finally:
            self.closed = True

    async def ajobs(self, model: Model):
        try:
            for number in range(self.count):
                await asyncio.sleep(0)
                if number == self.breaks:
                    raise Upstream(number)
                self.taken += 1
                yield ask_for(number, self.times), model.aanswer
        finally:
            self.closed = True


async def consume(source: Source, model: Model, kind: str, concurrency: int = 8, into: list | None = None) -> list[str]:
    """All results of either driver."""
    results: list[str] = [] if into is None else into
    if kind == "sync":
        for result in stream(source.jobs(model), concurrency=concurrency):
            results.append(result)  # noqa: PERF402 - the caller sees what came before an exception
    else:
        async with aclosing(astream(source.ajobs(model), concurrency=concurrency)) as stream_:
            async for result in stream_:
                results.append(result)  # noqa: PERF401 - as above
    return results


def wait_for(condition) -> bool:
    end = time.monotonic() + 5
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.002)
    return True


both = pytest.mark.parametrize("kind", ["sync", "async"])
