"""Many inputs under one limit, in order, with their failures in place."""

from __future__ import annotations

import asyncio
import random
import threading
import time

import pytest
from langchain_core.messages import AIMessage
from langchain_core.runnables import RunnableLambda

from langchain_restyle import Restyle
from scripted import Runs, Scripted, paragraph, paragraphs, uncommon

pytestmark = pytest.mark.usefixtures("keeper_home")

INPUTS = [paragraphs(3), "It was very cold.", "", AIMessage("A very old lamp."), "# Very\n\nvery"]


def styled(value):
    return uncommon(value) if isinstance(value, str) else uncommon(value.content)


def over(model, **options):
    return Restyle("keeper", destyle=False, style_model=model, **options)


def texts(outputs):
    return [output if isinstance(output, str) else output.content for output in outputs]


async def test_outputs_stand_where_their_inputs_stood():
    expected = [*map(styled, INPUTS[:-1]), "# Very\n\nuncommon"]
    runnable = over(Scripted())
    assert texts(runnable.batch(INPUTS)) == expected
    assert texts(await runnable.abatch(INPUTS)) == expected
    assert [type(output) for output in runnable.batch(INPUTS)] == [type(value) for value in INPUTS]
    assert runnable.batch([]) == await runnable.abatch([]) == []
    assert sorted(runnable.batch_as_completed(["very", "a very old"])) == [(0, "uncommon"), (1, "a uncommon old")]


async def test_order_is_kept_whoever_finishes_first():
    class Uneven(Scripted):
        def _generate(self, messages, *_, **__):
            time.sleep(random.random() / 100)
            return super()._generate(messages)

        async def _agenerate(self, messages, *_, **__):
            await asyncio.sleep(random.random() / 100)
            return await super()._agenerate(messages)

    inputs = [f"{paragraph(number)}\n\n{paragraph(number + 50)}" for number in range(20)]
    assert over(Uneven()).batch(inputs) == [uncommon(value) for value in inputs]
    assert await over(Uneven()).abatch(inputs) == [uncommon(value) for value in inputs]


@pytest.mark.parametrize(
    ("options", "config", "expected"),
    [
        ({}, None, 12),
        ({}, {"max_concurrency": 3}, 3),
        ({"max_concurrency": 2}, None, 2),
        ({"max_concurrency": 2}, {"max_concurrency": 6}, 6),
    ],
    ids=["default", "config", "field", "config wins"],
)
async def test_one_limit_for_the_blocks_of_all_inputs(options, config, expected):
    class Gathering(Scripted):
        """Nobody answers before as many ask as may."""

        def _generate(self, messages, *_, **__):
            with self._call(messages) as text:
                threads.wait(timeout=10)
                return self._result(text)

        async def _agenerate(self, messages, *_, **__):
            with self._call(messages) as text:
                async with asyncio.timeout(10):
                    await tasks.wait()
                return self._result(text)

    threads, tasks = threading.Barrier(expected), asyncio.Barrier(expected)
    inputs = [paragraphs(3)] * 4
    for call in ("batch", "abatch"):
        model = Gathering()
        outputs = getattr(over(model, **options), call)(inputs, config)
        assert (outputs if call == "batch" else await outputs) == [uncommon(paragraphs(3))] * 4
        assert (model.peak, len(model.calls)) == (expected, 12)


@pytest.mark.parametrize("call", ["invoke", "stream", "ainvoke", "astream"])
async def test_the_limit_holds_for_one_input(call):
    model = Scripted(delay=0.02)
    runnable = over(model)
    config = {"max_concurrency": 2}
    result = getattr(runnable, call)(paragraphs(6), config)
    if call == "ainvoke":
        await result
    elif call == "astream":
        async for _ in result:
            pass
    else:
        list(result)
    assert (model.peak, len(model.calls)) == (2, 6)


def failing(text):
    if "wreck" in text:
        raise ConnectionError("the model is gone")
    return uncommon(text)


async def test_exceptions_stand_in_the_place_of_their_input():
    inputs = ["very old", f"{paragraph(1)}\n\nA wreck.\n\n{paragraph(2)}", 42, "very cold"]
    runnable = over(Scripted(reply=failing))
    for outputs in (
        runnable.batch(inputs, return_exceptions=True),
        await runnable.abatch(inputs, return_exceptions=True),
    ):
        assert [outputs[0], outputs[3]] == ["uncommon old", "uncommon cold"]
        assert isinstance(outputs[1], ConnectionError)
        assert isinstance(outputs[2], TypeError)
    with pytest.raises(ConnectionError, match="the model is gone"):
        runnable.batch(inputs)
    with pytest.raises(ConnectionError, match="the model is gone"):
        await runnable.abatch(inputs)


async def test_exceptions_stand_in_their_place_behind_a_chain():
    chain = RunnableLambda(lambda text: text) | over(Scripted(reply=failing))
    for outputs in (
        chain.batch(["a wreck", "very"], return_exceptions=True),
        await chain.abatch(["a wreck", "very"], return_exceptions=True),
    ):
        assert isinstance(outputs[0], ConnectionError)
        assert outputs[1] == "uncommon"


async def test_runs_of_failed_inputs_end_in_error():
    for call in ("batch", "abatch"):
        runs = Runs()
        chain = over(Scripted(reply=failing))
        outputs = getattr(chain, call)(["a wreck", "very"], {"callbacks": [runs]}, return_exceptions=True)
        if call == "abatch":
            await outputs
        assert [runs.all[run].ended for run in runs.named("Restyle")] == ["error", "end"]


async def test_after_the_first_failure_no_new_call_is_made():
    inputs = ["a wreck", *(paragraph(number) for number in range(30))]
    model = Scripted(reply=failing, delay=0.01)
    with pytest.raises(ConnectionError):
        over(model, max_concurrency=2).batch(inputs)
    await settled(model)
    model = Scripted(reply=failing, delay=0.01)
    with pytest.raises(ConnectionError):
        await over(model, max_concurrency=2).abatch(inputs)
    await settled(model)


async def settled(model):
    """Few calls were made, and at most the one that a thread had already begun goes on."""
    begun = len(model.calls)
    await asyncio.sleep(0.05)
    assert len(model.calls) <= begun + 1
    assert begun < 10


async def test_every_input_has_its_own_config():
    runs = Runs()
    configs = [{"callbacks": [runs], "tags": ["first"]}, {"callbacks": [runs], "run_name": "second"}]
    over(Scripted()).batch(["very", "very"], configs)
    await over(Scripted()).abatch(["very", "very"], configs)
    named = [run for run in runs.all.values() if run.kind == "chain"]
    assert [(run.name, run.tags) for run in named] == [("Restyle", ["first"]), ("second", [])] * 2
    assert ["first" in run.tags for run in runs.all.values() if run.kind == "chat_model"].count(True) == 2


def test_a_failed_batch_leaves_no_thread_though_its_exception_is_kept():
    def reply(text):
        raise ConnectionError(text)

    before = {*threading.enumerate()}
    with pytest.raises(ConnectionError) as kept:
        Restyle("keeper", destyle=False, style_model=Scripted(reply=reply)).batch([paragraph(1), paragraph(2)])
    deadline = time.monotonic() + 5
    while not {*threading.enumerate()} <= before:
        assert time.monotonic() < deadline, kept
        time.sleep(0.001)
