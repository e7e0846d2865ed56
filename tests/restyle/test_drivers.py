from __future__ import annotations

import asyncio
import random
import threading
import time
from collections.abc import Generator
from contextvars import ContextVar

import pytest

from jobs import Model, Source, ask_for, both, consume
from restyle.drivers import arun, astream, run, stream
from restyle.messages import Answer, Ask

WHO: ContextVar[str] = ContextVar("WHO")


def test_one_flow_is_answered_to_its_end():
    assert run(ask_for(3, times=3), Model().answer) == "<3> <3> <3>"


async def test_one_flow_is_answered_to_its_end_asynchronously():
    assert await arun(ask_for(3, times=3), Model().aanswer) == "<3> <3> <3>"


def judging() -> Generator[Ask, Answer, str]:
    try:
        yield Ask("system", "1", "restyle")
    except Exception as error:  # noqa: BLE001 - whatever was thrown in
        return f"judged {type(error).__name__}"
    return "answered"


@pytest.mark.parametrize("error", [ValueError("x"), StopIteration("x"), StopAsyncIteration("x"), RuntimeError("x")])
async def test_what_a_model_raises_is_the_flows_to_judge(error):
    def answer(_):
        raise error

    async def aanswer(_):
        raise error

    # A StopIteration must not pass for the flow's own end.
    assert run(judging(), answer).startswith("judged")
    assert (await arun(judging(), aanswer)).startswith("judged")


def test_a_flow_that_asks_nothing_needs_no_model():
    def never(_):
        raise AssertionError

    assert run(ask_for(1, times=0), never) == ""


@both
async def test_results_leave_in_order_whatever_the_latencies(kind):
    generator = random.Random(7)
    model = Model(lambda: generator.uniform(0, 0.01))
    results = await consume(Source(100, times=2), model, kind)
    assert results == [f"<{number}> <{number}>" for number in range(100)]
    assert model.peak > 1


@both
async def test_concurrency_is_reached_and_never_exceeded(kind):
    model = Model(lambda: 0.02)
    begin = time.perf_counter()
    await consume(Source(40), model, kind, concurrency=5)
    elapsed = time.perf_counter() - begin
    assert model.peak == 5
    assert elapsed >= 40 / 5 * 0.02
    assert elapsed < 40 * 0.02  # one after the other


@both
async def test_no_flow_waits_for_another(kind):
    """The slow first result holds the others back from leaving, but not from being asked."""
    delays = iter([0.2] + [0.0] * 99)
    model = Model(lambda: next(delays))
    seen = []

    def watch(results):
        seen.append(model.calls)
        return results

    if kind == "sync":
        for result in stream(Source(100).jobs(model), concurrency=4):
            watch(result)
    else:
        async for result in astream(Source(100).ajobs(model), concurrency=4):
            watch(result)
    assert seen[0] >= 8  # twice the concurrency was asked while the first was still waited for


@both
async def test_look_ahead_is_bounded(kind):
    model, source, concurrency = Model(), Source(200), 4
    ahead, count = [], 0
    if kind == "sync":
        for _ in stream(source.jobs(model), concurrency=concurrency):
            count += 1
            time.sleep(0.001)  # noqa: ASYNC251 - it is the sync driver's consumer
            ahead.append(source.taken - count)
    else:
        async for _ in astream(source.ajobs(model), concurrency=concurrency):
            count += 1
            await asyncio.sleep(0.001)
            ahead.append(source.taken - count)
    assert count == 200
    assert max(ahead) <= 2 * concurrency + 1


@both
async def test_nothing_is_taken_before_the_first_result_is_wanted(kind):
    source, model = Source(10), Model()
    results = stream(source.jobs(model)) if kind == "sync" else astream(source.ajobs(model))
    await asyncio.sleep(0.01)
    assert source.taken == model.calls == 0
    await results.aclose() if kind == "async" else results.close()


@both
async def test_a_result_leaves_while_the_source_is_still_running(kind):
    model = Model()
    source = Source(1000)
    if kind == "sync":
        results = stream(source.jobs(model), concurrency=4)
        assert next(results) == "<0>"
        results.close()
    else:
        results = astream(source.ajobs(model), concurrency=4)
        assert await anext(results) == "<0>"
        await results.aclose()
    assert source.taken < 20


@both
async def test_an_empty_source(kind):
    assert await consume(Source(0), Model(), kind) == []


async def test_each_step_may_run_in_a_task_of_its_own():
    """As frameworks do that advance an async generator from whichever task is at hand."""
    model = Model(lambda: 0.001)
    results = astream(Source(10).ajobs(model), concurrency=3)
    got = [await asyncio.create_task(anext(results)) for _ in range(10)]
    with pytest.raises(StopAsyncIteration):
        await anext(results)
    assert got == [f"<{number}>" for number in range(10)]


@both
async def test_context_variables_are_visible_to_every_call(kind):
    seen = []

    def answer(ask):
        seen.append((WHO.get(), threading.current_thread() is threading.main_thread()))
        return Answer(ask.user)

    async def aanswer(ask):
        return answer(ask)

    token = WHO.set("caller")
    try:
        if kind == "sync":
            assert list(stream((ask_for(n), answer) for n in range(20)))
        else:

            async def jobs():
                for number in range(20):
                    yield ask_for(number), aanswer

            assert [result async for result in astream(jobs())]
    finally:
        WHO.reset(token)
    assert {who for who, _ in seen} == {"caller"}
    assert {in_main for _, in_main in seen} == {kind == "async"}


def test_the_source_is_read_in_the_consumers_thread_only():
    threads = set()

    def jobs():
        for number in range(20):
            threads.add(threading.current_thread())
            yield ask_for(number), Model().answer

    list(stream(jobs(), concurrency=3))
    assert threads == {threading.current_thread()}


def test_a_call_cannot_change_the_callers_context():
    WHO.set("caller")

    def answer(ask):
        WHO.set("worker")
        return Answer(ask.user)

    assert list(stream([(ask_for(1), answer)])) == ["1"]
    assert WHO.get() == "caller"
