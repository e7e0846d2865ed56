"""What an agent's restyled model counts, reports and leaves behind."""

from __future__ import annotations

import asyncio
import gc
import threading

import pytest
from langchain.agents import create_agent
from langchain_core.callbacks import UsageMetadataCallbackHandler, get_usage_metadata_callback
from langchain_core.messages import AIMessage, ToolMessage

from agents import QUESTION, THREAD, Talker, agent_with, streamed, turn, usage
from langchain_restyle.middleware import RestyleMiddleware
from scripted import ANSWER, Runs, Scripted, paragraphs, uncommon

pytestmark = pytest.mark.usefixtures("keeper_home")

both_ways = pytest.mark.parametrize("way", ["stream", "astream"])


@both_ways
async def test_usage_is_counted_once(way):
    counter, runs = UsageMetadataCallbackHandler(), Runs()
    config = {**THREAD, "callbacks": [counter, runs]}
    agent = agent_with(RestyleMiddleware("keeper"))
    with get_usage_metadata_callback() as from_context:
        await streamed(agent, way, QUESTION, config, stream_mode=["messages", "values"])
    for each in (counter, from_context):
        assert set(each.usage_metadata) == {"talker", "keeper:destyle", "keeper:restyle"}
        assert each.usage_metadata["talker"].items() >= usage(6).items()
    assert {run.ended for run in runs.all.values()} == {"end"}
    answering = [key for key in runs.all if runs.all[key].kind == "chat_model" and not runs.all[key].name]
    assert [ancestors(runs, key) for key in answering] == [["model", "LangGraph"]] * 3
    asked = [key for key in runs.all if str(runs.all[key].name).startswith("restyle:")]
    assert {runs.all[key].name for key in asked} == {"restyle:destyle", "restyle:style"}
    for key in asked:
        assert ancestors(runs, key) == ["Restyle", None, "model", "LangGraph"]
        assert next(parent for parent in answering if parent == runs.all[runs.all[key].parent].parent)


def ancestors(runs, identifier):
    names = []
    while (identifier := runs.all[identifier].parent) is not None:
        names.append(runs.all[identifier].name)
    return names


@both_ways
async def test_a_failure_of_the_agent_s_model_comes_at_its_place(way):
    agent = agent_with(RestyleMiddleware("keeper"), fails_at=3)
    received = []
    with pytest.raises(ConnectionError, match="the talker is gone"):
        await drained(agent, way, received)
    assert {chunk.id for chunk in received if isinstance(chunk, AIMessage)} == {"turn-1", "turn-2"}
    assert len([chunk for chunk in received if isinstance(chunk, ToolMessage)]) == 2


@both_ways
async def test_a_failure_of_the_style_s_model_comes_at_its_place(way):
    def fails_at_the_last(text):
        if "Ingrid" in text:
            raise ConnectionError("the style is gone")
        return uncommon(text)

    middleware = RestyleMiddleware(
        "keeper", destyle=False, style_model=Scripted(reply=fails_at_the_last), final_only=False
    )
    received = []
    with pytest.raises(ConnectionError, match="the style is gone"):
        await drained(agent_with(middleware), way, received)
    said = "".join(chunk.content for chunk in received if chunk.id == "turn-3")
    assert said == uncommon(ANSWER[: ANSWER.index("I remember")])


async def drained(agent, way, received):
    if way == "stream":
        for chunk, _ in agent.stream(QUESTION, THREAD, stream_mode="messages"):
            received.append(chunk)
    else:
        async for chunk, _ in agent.astream(QUESTION, THREAD, stream_mode="messages"):
            received.append(chunk)


def one_long_answer(model):
    middleware = RestyleMiddleware("keeper", destyle=False, style_model=model, max_concurrency=2)
    talker = Talker(turns=(turn(1, paragraphs(40)),))
    return create_agent(talker, middleware=[middleware]), talker


def test_closing_early_leaves_no_thread():
    model = Scripted(delay=0.01)
    agent, talker = one_long_answer(model)
    before = set(threading.enumerate())
    stream = agent.stream(QUESTION, stream_mode="messages")
    next(stream)
    stream.close()
    gc.collect()
    for thread in set(threading.enumerate()) - before:
        thread.join(5)
    assert not set(threading.enumerate()) - before
    assert talker.pulled  # LangGraph lets a node that runs in a thread come to its end


async def test_closing_early_leaves_no_task():
    model = Scripted(delay=0.01)
    agent, _ = one_long_answer(model)
    stream = agent.astream(QUESTION, stream_mode="messages")
    await anext(stream)
    await stream.aclose()
    for _ in range(20):
        await asyncio.sleep(0.01)
    assert asyncio.all_tasks() == {asyncio.current_task()}
    begun = len(model.calls)
    await asyncio.sleep(0.05)
    assert len(model.calls) == begun < 40
