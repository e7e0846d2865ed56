"""`RestyledChatModel` is a chat model like the one inside it, but for its voice."""

from __future__ import annotations

from contextvars import ContextVar
from functools import partial

import pytest
from langchain_core.language_models import FakeListChatModel, GenericFakeChatModel
from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.output_parsers import StrOutputParser
from langchain_core.runnables import RunnableLambda
from langchain_core.tracers.run_collector import RunCollectorCallbackHandler

from agents import FINAL, PREAMBLE, TOOLS, TURNS, Talker, all_ways, ask, restyled, turn, usage
from langchain_restyle.facade import RestyledChatModel
from restyle.errors import ShapeError
from scripted import ANSWER, Scripted, collected, paragraph, paragraphs, summed, uncommon

pytestmark = pytest.mark.usefixtures("keeper_home")


def wrapped(name):
    talker = Talker(turns=FINAL)
    return {
        "model": talker,
        "bound": talker.bind(mood="calm"),
        "tools": talker.bind_tools(TOOLS),
        "config": talker.with_config(tags=["x"]),
        "retry": talker.with_retry(),
        "fallbacks": talker.with_fallbacks([Talker(turns=FINAL)]),
        "whole": Scripted(reply=lambda _: FINAL[0].model_copy()),
        "lambda": RunnableLambda(lambda _: FINAL[0].model_copy()),
        "generator": RunnableLambda(lambda _: FINAL[0].model_copy()) | RunnableLambda(lambda message: message),
    }[name]


@pytest.mark.parametrize(
    "name", ["model", "bound", "tools", "config", "retry", "fallbacks", "whole", "lambda", "generator"]
)
async def test_every_way_gives_the_same(name, styled):
    model = RestyledChatModel(wrapped(name), "keeper")
    for message in await all_ways(model):
        assert message.content == styled
        assert message.id == "turn-3"
        assert message.usage_metadata == usage(3)
        assert message.response_metadata["model_name"] == "talker"
        assert message.response_metadata["finish_reason"] == "stop"
        assert message.response_metadata["restyle"]["blocks"]
    assert {type(model.invoke("Is it safe?")), type(await model.ainvoke("Is it safe?"))} == {AIMessage}


async def test_blocks_leave_while_the_inner_model_still_speaks():
    for astream in (False, True):
        talker = Talker(turns=(turn(1, paragraphs(6)),), pace=0.002)
        model = restyled(talker)
        pulled, chunks = [], []
        if astream:
            async for chunk in model.astream("Go."):
                pulled.append(talker.pulled)
                chunks.append(chunk)
        else:
            for chunk in model.stream("Go."):
                pulled.append(talker.pulled)
                chunks.append(chunk)
        assert pulled[0] < pulled[-1] / 3
        assert [chunk.chunk_position for chunk in chunks] == [None] * (len(chunks) - 1) + ["last"]
        assert {chunk.id for chunk in chunks} == {"turn-1"}
        assert summed(chunks).content == uncommon(paragraphs(6))


@pytest.mark.parametrize(
    "inner",
    [Scripted(reply=lambda _: paragraphs(3)), Talker(turns=(turn(1, paragraphs(3)),), disable_streaming=True)],
    ids=["not implemented", "disabled"],
)
async def test_blocks_leave_one_by_one_though_the_inner_model_speaks_at_once(inner):
    for chunks in (list(restyled(inner).stream("Go.")), await collected(restyled(inner).astream("Go."))):
        assert len([chunk for chunk in chunks if chunk.content]) > 2
        assert summed(chunks).content == uncommon(paragraphs(3))


@pytest.mark.parametrize("whole", [True, False])
async def test_messages_that_call_tools_pass_untouched(whole):
    calls = [*TURNS[0].tool_calls, *TURNS[1].tool_calls]
    talker = Talker(turns=(turn(1, "Very well.", *calls),), disable_streaming=whole)
    for message in await all_ways(restyled(talker)):
        assert message.content == "Very well."
        assert message.tool_calls == calls
        assert message.usage_metadata == usage(1)
        assert "restyle" not in message.response_metadata
    pieces = [chunk.tool_call_chunks for chunk in restyled(talker).stream("Go.") if chunk.tool_call_chunks]
    assert [len(piece) for piece in pieces] == ([2] if whole else [1] * 4)


ITEMS = [
    {"type": "reasoning", "reasoning": "A very hard question.", "index": 0},
    {"type": "text", "text": "It was very cold [1].", "index": 1},
    {"type": "image", "url": "https://example.org/very", "index": 2},
]


async def test_what_is_no_text_passes_untouched():
    inner = Talker(turns=(AIMessage(ITEMS, id="m"),))
    expected = [ITEMS[0], {**ITEMS[1], "text": "It was uncommon cold [1]."}, ITEMS[2]]
    for message in await all_ways(restyled(inner)):
        assert message.content == expected


@pytest.mark.parametrize("bound", [True, False])
async def test_what_answers_a_schema_passes_untouched(bound):
    talker = Talker(turns=(turn(1, "It was very cold."),))
    setting = {"response_format": {"type": "json_schema", "json_schema": {"name": "weather"}}}
    model = restyled(talker.bind(**setting)) if bound else restyled(talker).bind(**setting)
    for message in await all_ways(model):
        assert message.content == "It was very cold."
    assert all(settings == setting for _, settings in talker.seen)
    for message in await all_ways(restyled(talker).bind(response_format={"type": "text"})):
        assert "uncommon cold" in message.content


async def test_settings_reach_the_inner_model():
    talker = Talker(turns=(turn(1, "Very well."),))
    await all_ways(restyled(talker.bind(mood="calm")).bind(temperature=0.2), stop=["zzz"])
    assert len(talker.seen) == 7
    assert all(settings == {"mood": "calm", "temperature": 0.2, "stop": ["zzz"]} for _, settings in talker.seen)
    seen = []
    restyled(RunnableLambda(lambda messages: seen.append(messages) or AIMessage("Very well."))).invoke("Go.")
    assert seen == [[HumanMessage("Go.")]]


async def test_ids_are_the_provider_s_or_the_run_s():
    model = restyled(Talker(turns=(AIMessage("Very well."),)))
    messages = await all_ways(model)
    assert len({message.id for message in messages}) == len(messages)
    runs = RunCollectorCallbackHandler()
    message = model.invoke("Go.", {"callbacks": [runs]})
    assert str(runs.traced_runs[0].id) in message.id
    chunks = list(model.stream("Go.", {"callbacks": [runs]}))
    assert {chunk.id for chunk in chunks} == {f"lc_run--{runs.traced_runs[1].id}"}


async def test_the_caller_s_context_reaches_the_inner_model():
    user = ContextVar("user")

    def answer(_):
        return AIMessage(f"A very old friend of {user.get()}.")

    user.set("Anna")
    for message in await all_ways(restyled(RunnableLambda(answer))):
        assert message.content == "A uncommon old friend of Anna."


async def test_an_inner_model_that_gives_no_message_is_refused():
    for inner in (RunnableLambda(lambda _: "A very old boat."), Talker() | StrOutputParser()):
        model = restyled(inner)
        for way in ("invoke", "ainvoke", "stream", "astream"):
            with pytest.raises(ShapeError, match="must answer with an AIMessage, not"):
                await ask(model, way)


async def test_over_an_endpoint(model, sandbox, styled):
    counting = RestyledChatModel(model.model_copy(update={"stream_usage": True}), "keeper")
    for message in await all_ways(counting, ANSWER, stop=["zzz"]):
        assert message.content == styled
        assert message.usage_metadata["output_tokens"] == len(ANSWER.split())
        assert message.response_metadata["model_name"] == "echo"
        assert message.response_metadata["finish_reason"] == "stop"
    assert [request.body["stop"] for request in sandbox.requests] == [["zzz"]] * 7


def test_other_fakes_of_langchain_stream():
    model = restyled(FakeListChatModel(responses=["It was very cold."]))
    assert "".join(chunk.content for chunk in model.stream("How?")) == "It was uncommon cold."
    model = restyled(GenericFakeChatModel(messages=iter([AIMessage("It was very cold.")] * 2)))
    assert "".join(chunk.content for chunk in model.stream("How?")) == "It was uncommon cold."
    assert model.invoke("How?").content == "It was uncommon cold."


async def test_a_text_before_a_call_leaves_early_unless_held_back():
    for final_only in (True, False):
        model = restyled(Talker(turns=TURNS[:1]), final_only=final_only)
        for chunks in (list(model.stream("Go.")), await collected(model.astream("Go."))):
            whole = summed(chunks)
            assert whole.tool_calls == TURNS[0].tool_calls
            assert (whole.content == PREAMBLE) == final_only
            assert whole.content.startswith(paragraph(0) if final_only else uncommon(paragraph(0)))


@pytest.fixture(params=["model", "environment"])
def newer(request, monkeypatch):
    """A model that gives its content as a list of blocks."""
    if request.param == "model":
        return partial(Talker, output_version="v1")
    monkeypatch.setenv("LC_OUTPUT_VERSION", "v1")
    return Talker


async def test_the_newer_content_streams_too(newer, styled):
    for message in await all_ways(RestyledChatModel(newer(turns=FINAL), "keeper")):
        assert message.text == styled
        assert [item["type"] for item in message.content] == ["text"]


@pytest.mark.parametrize("final_only", [True, False])
async def test_the_newer_content_streams_beside_calls_too(newer, final_only):
    talker = newer(turns=TURNS[:1])
    model = restyled(talker, final_only=final_only, style_model=Scripted(delay=0.02))
    original = summed(list(talker.stream("Go.")))
    for chunks in (list(model.stream("Go.")), await collected(model.astream("Go."))):
        whole = summed(chunks)
        assert whole.tool_calls == original.tool_calls
        assert not any(isinstance(item, str) for item in whole.content)
        assert whole.text.startswith(paragraph(0) if final_only else uncommon(paragraph(0)))
        assert whole == original or not final_only
