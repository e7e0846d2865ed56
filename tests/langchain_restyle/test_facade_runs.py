"""Whoever watches a restyled model sees one run of a model, and what belongs to it."""

from __future__ import annotations

import asyncio
from collections import Counter
from unittest.mock import MagicMock

import pytest
from langchain_core.callbacks import BaseCallbackHandler, UsageMetadataCallbackHandler, get_usage_metadata_callback
from langchain_core.output_parsers import StrOutputParser
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.runnables import RunnableLambda
from langchain_core.tracers.context import collect_runs, tracing_v2_enabled
from langsmith import Client

from agents import FINAL, Talker, ask, restyled, strings, turn, usage
from langchain_restyle.facade import RestyledChatModel
from scripted import Runs, Scripted, collected, paragraphs

pytestmark = pytest.mark.usefixtures("keeper_home")


async def test_a_run_stands_for_the_inner_model_s():
    for way in ("invoke", "ainvoke", "stream", "astream"):
        runs, counter = Runs(), UsageMetadataCallbackHandler()
        model = RestyledChatModel(Talker(turns=FINAL), "keeper").with_config(callbacks=[runs, counter], tags=["mine"])
        with get_usage_metadata_callback() as from_context, collect_runs() as collected_runs:
            await ask(model, way)
        assert [run.name for run in runs.all.values()].count("restyle:style") == 3
        (own,) = [key for key, run in runs.all.items() if run.parent is None]
        (restyle,) = [key for key, run in runs.all.items() if run.parent == own]
        assert runs.all[own].kind == "chat_model"
        assert (runs.all[restyle].name, runs.all[restyle].kind) == ("Restyle", "chain")
        assert {run.name for run in runs.children(restyle)} == {"restyle:destyle", "restyle:style"}
        assert len(runs.all) == 8
        for run in runs.all.values():
            assert run.ended == "end"
            assert "mine" in run.tags
            assert ("nostream" in run.tags) == (run.parent is not None)
        for each in (counter, from_context):
            assert each.usage_metadata["talker"].items() >= usage(3).items()
            assert set(each.usage_metadata) == {"talker", "keeper:destyle", "keeper:restyle"}
        (collected_run,) = collected_runs.traced_runs
        assert collected_run.name == "RestyledChatModel"


async def test_a_trace_of_langsmith_s_has_one_run_for_both():
    client = MagicMock(spec=Client, tracing_queue=None)
    chain = RunnableLambda(lambda question: question) | RestyledChatModel(Talker(turns=FINAL), "keeper")
    with tracing_v2_enabled(client=client):
        for way in ("invoke", "ainvoke", "stream", "astream"):
            await ask(chain, way)
    runs = [call.kwargs for call in client.create_run.call_args_list]
    names = {run["id"]: run["name"] for run in runs}
    assert Counter((run["name"], names.get(run.get("parent_run_id"))) for run in runs) == {
        ("RunnableSequence", None): 4,
        ("RunnableLambda", "RunnableSequence"): 4,
        ("RestyledChatModel", "RunnableSequence"): 4,
        ("Restyle", "RestyledChatModel"): 4,
        ("restyle:destyle", "Restyle"): 12,
        ("restyle:style", "Restyle"): 12,
    }


async def test_whoever_streams_sees_one_model_only():
    for model in (
        RestyledChatModel(Talker(turns=FINAL), "keeper"),
        RestyledChatModel(Talker(turns=FINAL), "keeper", disable_streaming=True),
        RestyledChatModel(Talker(turns=FINAL, disable_streaming=True), "keeper"),
    ):

        def answer(question, model=model):
            return model.invoke(question)

        for runnable in (model, RunnableLambda(answer) | StrOutputParser()):
            events = await collected(runnable.astream_events("Is it safe?", version="v2"))
            assert not any("strong last night" in each for each in strings(events))
            models = {event["name"] for event in events if event["event"].startswith("on_chat_model")}
            assert models == {"RestyledChatModel"}


async def test_a_model_that_asks_another_one_is_not_overheard():
    class Asking(Talker):
        def _generate(self, messages, *_, **__):
            return ChatResult(generations=[ChatGeneration(message=Talker(turns=FINAL).invoke(messages))])

        def _stream(self, messages, *_, **__):
            for chunk in Talker(turns=FINAL).stream(messages):
                yield ChatGenerationChunk(message=chunk)

    runs = Runs()
    chain = RunnableLambda(lambda question: question) | RestyledChatModel(Asking(), "keeper")
    for _ in range(2):
        events = await collected(chain.astream_events("Is it safe?", {"callbacks": [runs]}, version="v2"))
        assert not any("strong last night" in each for each in strings(events))
    chain.invoke("Is it safe?", {"callbacks": [runs]})
    assert len([run for run in runs.all.values() if run.kind == "chat_model"]) == 3 * 7


def test_the_inner_model_s_own_callbacks_hear_it():
    class Ends(BaseCallbackHandler):
        texts = ()

        def on_llm_end(self, response, **_):
            self.texts = (*self.texts, response.generations[0][0].text)

    ends = Ends()
    restyled(Talker(turns=(turn(1, "Very well."),), callbacks=[ends])).invoke("Go.")
    assert ends.texts == ("Very well.",)


async def test_failures_come_at_their_place():
    model = restyled(Talker(turns=(turn(1, paragraphs(3)),), fails_at=1))
    for way in ("invoke", "ainvoke", "stream", "astream"):
        runs = Runs()
        with pytest.raises(ConnectionError, match="the talker is gone"):
            await ask(model.with_config(callbacks=[runs]), way)
        assert {run.ended for run in runs.all.values()} == {"error"}


async def test_closing_early_reads_no_further():
    for way in ("stream", "astream"):
        talker = Talker(turns=(turn(1, paragraphs(40)),))
        style = Scripted(delay=0.005)
        model = restyled(talker, style_model=style, max_concurrency=2)
        if way == "stream":
            chunks = model.stream("Go.")
            next(chunks)
            chunks.close()
        else:
            chunks = model.astream("Go.")
            await anext(chunks)
            await chunks.aclose()
            for _ in range(10):
                await asyncio.sleep(0)
        pulled, begun = talker.pulled, len(style.calls)
        await asyncio.sleep(0.05)
        assert talker.pulled == pulled < 2442 / 2
        assert len(style.calls) <= begun + 1 < 20
        assert asyncio.all_tasks() == {asyncio.current_task()}
