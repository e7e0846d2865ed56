"""How runs of a `RestyleWorkflow` end that do not come to their end: failures, cancellations, readers who leave."""

from __future__ import annotations

import asyncio

import pytest
from llama_index.core.agent.workflow import AgentStream
from llama_index.core.workflow import StopEvent, WorkflowRuntimeError
from llama_index.core.workflow.errors import WorkflowCancelledByUser

from llama import ScriptedLLM
from llama_agents import AGENT_WARNINGS, ANSWER, QUESTION, Talker, Turn, agent_of, deltas, scripted, seen, shown
from llama_index_restyle.workflow import RestyleWorkflow
from restyle.errors import LossError
from scripted import paragraphs, uncommon
from support import style_of

pytestmark = AGENT_WARNINGS


def wrapped(agent, style_model, **options):
    return RestyleWorkflow(agent, style=style_of(), destyle=False, style_model=style_model, **options)


def long_answer(count=40, **options):
    return agent_of("function", Talker(turns=[Turn(paragraphs(count))], **options))


async def settled():
    """All that was cancelled has had its time."""
    for _ in range(20):
        await asyncio.sleep(0.01)


async def alone(*models):
    """Nothing is left behind: no task, and no model is called any more."""
    await settled()
    assert asyncio.all_tasks() == {asyncio.current_task()}
    calls = [len(model.calls) for model in models]
    await asyncio.sleep(0.05)
    assert [len(model.calls) for model in models] == calls


async def first_delta(handler):
    """Where the answer begins to leave; the generator stays open."""
    events = handler.stream_events()
    async for event in events:
        if isinstance(event, AgentStream):
            return events
    raise AssertionError("nothing streamed")


@pytest.mark.parametrize("kind", ["function", "react"])
async def test_cancelling_while_the_agent_speaks(kind):
    model = ScriptedLLM(delay=0.01)
    handler = wrapped(agent_of(kind, Talker(turns=[Turn(paragraphs(40))], delay=0.001)), model).run(QUESTION)
    await asyncio.sleep(0.1)
    assert not handler.is_done()
    await handler.cancel_run()
    with pytest.raises(WorkflowCancelledByUser):
        await handler
    events = await seen(handler)
    assert isinstance(events[-1], StopEvent)
    assert not any(isinstance(event, AgentStream) for event in events)
    await alone(model)


async def test_cancelling_while_the_answer_is_rewritten():
    model = ScriptedLLM(delay=0.02)
    handler = wrapped(long_answer(), model, max_concurrency=2).run(QUESTION)
    events = await first_delta(handler)
    await handler.cancel_run()
    assert handler.is_done()
    with pytest.raises(WorkflowCancelledByUser):
        await handler
    rest = [event async for event in events]
    assert isinstance(rest[-1], StopEvent)
    assert rest[-1].result is None
    assert len(model.calls) < 40
    await alone(model)


async def test_cancelling_when_the_agent_has_just_ended():
    model = ScriptedLLM(delay=0.02)
    handler = wrapped(agent_of("react", Talker(turns=[Turn(paragraphs(10))])), model, max_concurrency=1).run(QUESTION)
    await handler._inner
    await handler.cancel_run()
    with pytest.raises(WorkflowCancelledByUser):
        await handler
    await alone(model)


@pytest.mark.parametrize("waits", [0.05, 0.3])  # until the agent speaks; until it is rewritten
async def test_cancelling_who_awaits(waits):
    model = ScriptedLLM(delay=0.05)
    agent = long_answer(delay=0.01) if waits < 0.1 else long_answer()
    handler = wrapped(agent, model, max_concurrency=1).run(QUESTION)
    with pytest.raises(asyncio.TimeoutError):
        await asyncio.wait_for(handler, waits)
    assert handler.is_done()
    assert len(model.calls) < 40
    await alone(model)


async def test_a_run_without_readers_goes_on_as_an_agent_s_does():
    model = ScriptedLLM(delay=0.001)
    handler = wrapped(long_answer(5), model).run(QUESTION)
    events = await first_delta(handler)
    await events.aclose()
    assert str(await handler) == uncommon(paragraphs(5))
    assert len(model.calls) == 5
    await alone(model)
    assert (await seen(handler))[-1].result is await handler  # what was not read is there yet


async def test_a_failure_of_the_agent_s_model_shows_nothing_of_the_answer():
    model = ScriptedLLM()
    handler = wrapped(agent_of("function", Talker(turns=[Turn(ANSWER)], fails_after=150)), model).run(QUESTION)
    events = await seen(handler)
    assert isinstance(events[-1], StopEvent)
    assert not shown(events)
    with pytest.raises((ConnectionError, WorkflowRuntimeError), match="the talker is gone"):  # core 0.13 wraps it
        await handler
    await alone(model)


async def test_an_agent_that_comes_to_no_end():
    handler = wrapped(scripted("function"), model := ScriptedLLM()).run(QUESTION, max_iterations=2)
    assert isinstance((await seen(handler))[-1], StopEvent)
    with pytest.raises(WorkflowRuntimeError, match="Max iterations of 2 reached"):
        await handler
    await alone(model)


@pytest.mark.parametrize("kind", ["function", "react"])
async def test_a_failure_of_the_style_s_model_comes_at_its_place(kind):
    def fails_at_the_last(text):
        if "1802" in text:
            raise ConnectionError("the style is gone")
        return uncommon(text)

    handler = wrapped(scripted(kind), model := ScriptedLLM(reply=fails_at_the_last)).run(QUESTION)
    received = []

    async def read():
        async for event in handler.stream_events():
            received.append(event)  # noqa: PERF401 - those before the error, too

    with pytest.raises(ConnectionError, match="the style is gone"):
        await read()
    assert deltas(received).rstrip() == uncommon(paragraphs(2))
    assert not shown(received)
    with pytest.raises(ConnectionError):
        await handler
    await alone(model)


async def test_facts_that_do_not_survive():
    lossy = ScriptedLLM(reply=lambda text: text.replace("1801", "1901"))
    kept = await wrapped(scripted("function"), lossy).run(QUESTION)
    assert str(kept) == ANSWER
    outcomes = [row["outcome"] for row in kept.response.additional_kwargs["restyle"]["blocks"]]
    assert outcomes == ["styled", "original", "styled"]
    handler = wrapped(scripted("function"), lossy, on_loss="raise").run(QUESTION)
    with pytest.raises(LossError, match="1801"):
        await handler
    await alone(lossy)
