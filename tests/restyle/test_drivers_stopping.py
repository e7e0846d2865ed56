"""Exceptions, early ends and cancellation: nothing goes on, and nothing is left behind."""

from __future__ import annotations

import asyncio
import random
import threading
import time

import pytest

from jobs import Model, Source, Upstream, ask_for, both, consume, wait_for
from restyle.drivers import astream, stream


@both
async def test_an_exception_comes_at_its_place_in_order(kind):
    generator = random.Random(3)
    model = Model(lambda: generator.uniform(0, 0.01), fails=17)
    got: list[str] = []
    with pytest.raises(TimeoutError, match="17"):
        await consume(Source(60), model, kind, into=got)
    assert got == [f"<{number}>" for number in range(17)]


@both
async def test_what_the_source_raises_comes_after_the_results_before_it(kind):
    model = Model(lambda: 0.005)
    got: list[str] = []
    source = Source(60, breaks=17)
    with pytest.raises(Upstream):
        await consume(source, model, kind, into=got)
    assert got == [f"<{number}>" for number in range(17)]
    assert source.closed


@both
async def test_a_source_that_raises_at_once(kind):
    with pytest.raises(Upstream):
        await consume(Source(5, breaks=0), Model(), kind)


def test_early_close_starts_no_further_call_and_leaves_no_thread():
    before = set(threading.enumerate())
    model, source = Model(lambda: 1.0), Source(1000)
    results = stream(source.jobs(model), concurrency=4)
    assert next(results) == "<0>"
    begin = time.perf_counter()
    results.close()
    assert time.perf_counter() - begin < 0.5  # it waits for nobody: the calls in flight take a second
    calls = model.calls
    assert wait_for(lambda: set(threading.enumerate()) <= before)
    assert model.calls == calls
    assert model.in_flight == 0
    assert source.closed


def test_early_close_ends_a_long_flow_after_its_current_answer():
    before = set(threading.enumerate())
    model = Model(lambda: 0.01)

    def jobs():
        yield ask_for(0), model.answer
        while True:
            yield ask_for(1, times=10_000), model.answer

    results = stream(jobs(), concurrency=2)
    next(results)
    results.close()
    assert wait_for(lambda: set(threading.enumerate()) <= before)
    assert model.calls <= 8


async def test_early_close_cancels_calls_and_leaves_no_task():
    model, source = Model(lambda: 30.0), Source(1000)
    delays = iter([0.0])
    model.delay = lambda: next(delays, 30.0)
    results = astream(source.ajobs(model), concurrency=4)
    assert await anext(results) == "<0>"
    await asyncio.sleep(0.01)
    assert model.in_flight == 4
    calls = model.calls
    await results.aclose()
    assert asyncio.all_tasks() == {asyncio.current_task()}
    assert (model.calls, model.in_flight, model.cancelled) == (calls, 0, 4)
    assert source.closed


@both
async def test_after_an_exception_nothing_goes_on(kind):
    before = set(threading.enumerate())
    model = Model(lambda: 0.005, fails=3)
    source = Source(1000)
    with pytest.raises(TimeoutError):
        await consume(source, model, kind, concurrency=2)
    assert wait_for(lambda: set(threading.enumerate()) <= before)
    assert asyncio.all_tasks() == {asyncio.current_task()}
    assert source.taken < 20
    assert model.in_flight == 0


async def test_cancelling_the_consumer_cancels_everything():
    model = Model(lambda: 30.0)
    task = asyncio.create_task(consume(Source(100), model, "async", concurrency=4))
    await asyncio.sleep(0.02)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert asyncio.all_tasks() == {asyncio.current_task()}
    assert (model.in_flight, model.cancelled) == (0, 4)


@both
@pytest.mark.parametrize("concurrency", [0, -1])
async def test_without_any_concurrency_it_refuses_instead_of_waiting_for_ever(kind, concurrency):
    with pytest.raises(ValueError):  # noqa: PT011 - one of the two is the standard library's
        await asyncio.wait_for(consume(Source(2), Model(), kind, concurrency), 2)
