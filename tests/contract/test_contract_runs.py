"""What tracers, counters and the models themselves see of a call, in every way to make one."""

from __future__ import annotations

from contextvars import ContextVar

import pytest
from langchain_core.callbacks import UsageMetadataCallbackHandler, get_usage_metadata_callback
from langchain_core.messages import AIMessage
from langchain_core.runnables import RunnableLambda, RunnableSerializable

from contract.calls import called, every_way
from contract.models import Counted, Listening, Pair
from contract.shapes import Shape
from contract.sources import cut, streamed
from contract.wrappings import Given
from langchain_restyle import Restyle
from scripted import Runs, paragraph, paragraphs, uncommon

COUNT = 3
THREE = Shape("three", lambda say: say(paragraphs(COUNT)), blocks=COUNT, pieces=lambda: cut(paragraphs(COUNT)))

both = pytest.mark.parametrize("way", ["stream", "astream"])


@pytest.fixture
def call(way):
    """Calls a `Restyle` with three blocks, in every way; gives the number of times that they were worked on."""

    async def calling(runnable, **config):
        outputs = await called(way, *Given(THREE, chunked=way.chunked).into(runnable), config)
        assert set(outputs) == {uncommon(paragraphs(COUNT))}
        return way.times

    return calling


def test_it_is_a_runnable_with_fields():
    assert issubclass(Restyle, RunnableSerializable)
    assert Restyle("author").get_name() == "Restyle"
    assert Restyle("author", name="author's words").get_name() == "author's words"


@every_way
async def test_model_runs_are_named_and_tagged_children(pair, call):
    runs = Runs()
    times = await call(pair.restyle(), callbacks=[runs], tags=["mine"])
    families = [runs.children(parent) for parent in runs.named("Restyle")]
    assert len(families) == times
    for family in families:
        seen = {
            (run.kind, run.name, run.asked, tag)
            for run in family
            for tag in run.tags
            if tag.startswith("restyle:block:")
        }
        assert seen == {
            ("chat_model", f"restyle:{role}", paragraph(number), f"restyle:block:{number}")
            for role in ("destyle", "style")
            for number in range(COUNT)
        }
        assert len(family) == 2 * COUNT
        assert all({run.name, "mine"} <= set(run.tags) for run in family)
    assert {run.ended for run in runs.all.values()} == {"end"}


@every_way
async def test_a_run_s_own_name_does_not_rename_its_children(pair, call):
    runs = Runs()
    times = await call(pair.restyle(name="author's words"), callbacks=[runs])
    assert len(runs.named("author's words")) == times
    await call(pair.restyle().with_config(run_name="mine", tags=["t"]), callbacks=[runs])
    (first, *_) = parents = runs.named("mine")
    assert len(parents) == times
    assert {run.name for run in runs.children(first)} == {"restyle:destyle", "restyle:style"}
    assert "t" in runs.all[first].tags


@every_way
async def test_a_call_inside_a_function_belongs_to_its_run(pair, way):
    """Where no config is handed on, the surrounding one counts."""
    restyle, runs = pair.restyle(), Runs()
    function = RunnableLambda(restyle.invoke, restyle.ainvoke, name="function")
    ambient = RunnableLambda(lambda text: restyle.invoke(text), name="function")  # noqa: PLW0108 - no config to hand on
    for runnable in (function, ambient):
        outputs = await called(way, runnable, paragraphs(COUNT), {"callbacks": [runs], "tags": ["mine"]})
        assert set(outputs) == {uncommon(paragraphs(COUNT))}
    parents = runs.named("Restyle")
    assert len(parents) == 2 * way.times
    assert {runs.all[runs.all[parent].parent].name for parent in parents} == {"function"}
    assert all("mine" in run.tags for run in runs.all.values())


async def test_events_tell_the_same(pair):
    config = {"metadata": {"user": "anna"}, "tags": ["mine"], "run_name": "author"}
    events = [event async for event in pair.restyle().astream_events(paragraphs(COUNT), config, version="v2")]
    (root,) = {event["run_id"] for event in events if event["event"] == "on_chain_start"}
    models = [event for event in events if event["event"] == "on_chat_model_end"]
    assert sorted(event["name"] for event in models) == ["restyle:destyle"] * COUNT + ["restyle:style"] * COUNT
    for event in models:
        assert event["parent_ids"] == [root]
        assert event["metadata"]["user"] == "anna"
        assert {event["name"], "mine"} < set(event["tags"])
    assert {event["name"] for event in events if event["run_id"] == root} == {"author"}


@every_way
async def test_calls_of_the_models_are_counted_once(call):
    pair = Pair(Counted(reply=str, model="small"), Counted(model="large"))
    with get_usage_metadata_callback() as ambient:
        times = await call(pair.restyle())
    given = UsageMetadataCallbackHandler()
    await call(pair.restyle(), callbacks=[given])
    for counter in (ambient, given):
        assert set(counter.usage_metadata) == {"small", "large"}
        for usage in counter.usage_metadata.values():
            assert usage["input_tokens"] == 3 * COUNT * times
            assert usage["output_tokens"] == 2 * COUNT * times


@every_way
async def test_the_caller_s_context_reaches_the_models(way):
    user: ContextVar[str] = ContextVar("user")
    pair = Pair(style=Listening(reply=lambda text: f"{text} Signed: {user.get()}."))
    user.set("anna")
    signed = Shape("signed", lambda say: say("It was very cold."), pieces=lambda: cut("It was very cold."))
    outputs = await called(way, *Given(signed, chunked=way.chunked).into(pair.restyle(on_loss="keep")))
    assert set(outputs) == {"It was very cold. Signed: anna."}


@both
async def test_a_stream_keeps_the_context_in_which_it_began(way):
    user: ContextVar[str] = ContextVar("user")
    pair = Pair(style=Listening(reply=lambda text: f"{text} Signed: {user.get()}."))
    user.set("anna")
    outputs = []
    async for chunk in streamed(way, pair.restyle(on_loss="keep", max_concurrency=1), paragraphs(8)):
        outputs.append(chunk)
        user.set("ben")
    assert "".join(outputs).count("Signed: anna.") == 8


@every_way
async def test_a_failure_ends_the_run(way):
    def fail(_):
        raise ConnectionError("the model is gone")

    runs = Runs()
    short = Shape("short", lambda say: say("It was very cold."), pieces=lambda: cut("It was very cold."))
    runnable = Pair(style=Listening(reply=fail)).restyle()
    with pytest.raises(ConnectionError, match="the model is gone"):
        await called(way, *Given(short, chunked=way.chunked).into(runnable), {"callbacks": [runs]})
    parents = runs.named("Restyle")
    assert {runs.all[parent].ended for parent in parents} == {"error"}
    ends = {(run.name, run.ended) for parent in parents for run in runs.children(parent) if run.ended}
    assert ends >= {("restyle:destyle", "end"), ("restyle:style", "error")}


class Stop(BaseException):
    """Not an error: somebody wants all of it to end."""


@every_way
async def test_what_is_no_error_is_nothing_to_fall_back_from(pair, call):
    def stop(_):
        raise Stop

    # A chat model will not do: some versions of core lose such an exception in `agenerate`.
    runnable = pair.restyle(style_model=RunnableLambda(stop), on_error="original")
    with pytest.raises(Stop):
        await call(runnable)


@every_way
async def test_the_message_s_own_usage_is_left_alone(way):
    usage = {"input_tokens": 7, "output_tokens": 5, "total_tokens": 12}
    counted = Shape("counted", lambda say: AIMessage(say("It was very cold."), usage_metadata=usage))
    pair = Pair(Counted(reply=str), Counted())
    for output in await called(way, *Given(counted, chunked=way.chunked).into(pair.restyle())):
        assert output.usage_metadata == usage
