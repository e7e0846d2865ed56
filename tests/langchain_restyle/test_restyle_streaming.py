"""Chunks out while chunks still come in; an early end; a failure in its place."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest
from langchain_core.messages import AIMessage, AIMessageChunk
from langchain_core.runnables import RunnableGenerator, RunnableLambda

from langchain_restyle import Restyle
from scripted import Runs, Scripted, collected, paragraph, paragraphs, uncommon

pytestmark = pytest.mark.usefixtures("keeper_home")

COUNT = 6
TEXT = paragraphs(COUNT)


def over(model, **options):
    return Restyle("keeper", destyle=False, style_model=model, **options)


def words(text):
    return [text[at : at + 12] for at in range(0, len(text), 12)]


class Upstream:
    """A model that streams, and remembers how much of it was pulled."""

    def __init__(self, chunks, pause=0.001):
        self.chunks, self.pause, self.pulled = chunks, pause, 0

    def __iter__(self):
        for chunk in self.chunks:
            self.pulled += 1
            time.sleep(self.pause)
            yield chunk

    async def __aiter__(self):
        for chunk in self.chunks:
            self.pulled += 1
            await asyncio.sleep(self.pause)
            yield chunk


@pytest.mark.parametrize("wrap", [str, lambda text: AIMessageChunk(content=text, id="m")], ids=["str", "chunk"])
async def test_blocks_leave_while_the_chain_still_streams(wrap):
    chunks = [wrap(word) for word in words(TEXT)]
    upstream = Upstream(chunks)
    outputs = over(Scripted()).transform(iter(upstream))
    next(outputs)
    assert upstream.pulled < len(chunks) / 2
    rest = list(outputs)
    assert len(rest) >= COUNT - 1
    upstream = Upstream(chunks)
    outputs = over(Scripted()).atransform(aiter(upstream))
    await anext(outputs)
    assert upstream.pulled < len(chunks) / 2
    assert len(await collected(outputs)) == len(rest)


async def test_streaming_survives_the_usual_wrappers():
    runnable = over(Scripted())
    for wrapped in (runnable.with_config(tags=["x"]), runnable.with_types(input_type=str), runnable.with_retry()):
        upstream = Upstream(words(TEXT))

        def speak(_, upstream=upstream):
            yield from upstream

        outputs = (RunnableGenerator(speak) | wrapped).stream("go")
        first = next(outputs)
        assert upstream.pulled < len(upstream.chunks) / 2
        assert first + "".join(outputs) == uncommon(TEXT)


async def test_results_leave_in_order():
    """The first block is the slowest."""

    class SlowFirst(Scripted):
        def _generate(self, messages, *_, **__):
            time.sleep(0.05 if messages[-1].content == paragraph(0) else 0)
            return super()._generate(messages)

        async def _agenerate(self, messages, *_, **__):
            await asyncio.sleep(0.05 if messages[-1].content == paragraph(0) else 0)
            return await super()._agenerate(messages)

    assert "".join(over(SlowFirst()).stream(TEXT)) == uncommon(TEXT)
    assert "".join(await collected(over(SlowFirst()).astream(TEXT))) == uncommon(TEXT)


def threads():
    return [thread for thread in threading.enumerate() if thread.name.startswith("restyle_")]


def test_closing_early_stops_calling():
    model = Scripted(delay=0.01)
    outputs = over(model, max_concurrency=1).stream(paragraphs(40))
    next(outputs)
    outputs.close()
    begun = len(model.calls)
    time.sleep(0.1)
    assert len(model.calls) <= begun + 1  # a call in a thread cannot be interrupted
    assert begun < 5
    assert not threads()


async def test_closing_early_stops_calling_async():
    model = Scripted(delay=0.01)
    outputs = over(model, max_concurrency=1).astream(paragraphs(40))
    await anext(outputs)
    await outputs.aclose()
    assert asyncio.all_tasks() == {asyncio.current_task()}
    begun = len(model.calls)
    await asyncio.sleep(0.1)
    assert len(model.calls) == begun < 5


async def test_cancelling_stops_calling():
    everybody = asyncio.Event()

    class Endless(Scripted):
        async def _agenerate(self, messages, *_, **__):
            self.calls.append(messages[-1].content)
            if len(self.calls) == COUNT:
                everybody.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(over(Endless()).ainvoke(TEXT))
    await everybody.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert asyncio.all_tasks() == {asyncio.current_task()}


def fails_at_the_third(text):
    if text == paragraph(2):
        raise ConnectionError("the model is gone")
    return uncommon(text)


def drain(outputs, received):
    received.extend(outputs)


async def adrain(outputs, received):
    async for output in outputs:
        received.append(output)


async def test_a_failure_is_raised_at_its_place():
    expected = uncommon(f"{paragraph(0)}\n\n{paragraph(1)}\n\n")
    runs = Runs()
    runnable = over(Scripted(reply=fails_at_the_third)).with_config(callbacks=[runs])
    received = []
    with pytest.raises(ConnectionError, match="the model is gone"):
        drain(runnable.stream(TEXT), received)
    assert "".join(received) == expected
    received = []
    with pytest.raises(ConnectionError, match="the model is gone"):
        await adrain(runnable.astream(TEXT), received)
    assert "".join(received) == expected
    assert [runs.all[run].ended for run in runs.named("Restyle")] == ["error", "error"]


async def test_a_failure_upstream_comes_after_what_was_finished():
    def upstream():
        for number in range(3):
            yield f"{paragraph(number)}\n\n"
            time.sleep(0.05)
        raise ConnectionError("upstream is gone")

    async def aupstream():
        for number in range(3):
            yield f"{paragraph(number)}\n\n"
        raise ConnectionError("upstream is gone")

    received = []
    with pytest.raises(ConnectionError, match="upstream is gone"):
        drain(over(Scripted()).transform(upstream()), received)
    assert received[0] == uncommon(paragraph(0))
    received = []
    with pytest.raises(ConnectionError, match="upstream is gone"):
        await adrain(over(Scripted()).atransform(aupstream()), received)
    assert received[0] == uncommon(paragraph(0))


async def test_several_whole_messages_leave_one_by_one():
    messages = [AIMessage("A very old lamp.", id="1"), AIMessage("It was very cold.", id="2")]
    runnable = over(Scripted())
    for outputs in (
        list(runnable.transform(iter(messages))),
        await collected(runnable.atransform(aiter(Upstream(messages)))),
    ):
        assert [(type(output), output.id, output.content) for output in outputs] == [
            (AIMessage, "1", "A uncommon old lamp."),
            (AIMessage, "2", "It was uncommon cold."),
        ]


@pytest.mark.parametrize("text", ["", " ", "\n\n"])
async def test_text_without_words_still_arrives_downstream(text):
    chain = over(Scripted()) | RunnableLambda(lambda received: f"<{received}>")
    assert "".join(chain.stream(text)) == chain.invoke(text) == f"<{text}>"
    assert "".join(await collected(chain.astream(text))) == f"<{text}>"
    assert list(over(Scripted()).transform(iter([]))) == []


async def test_events_show_the_models_and_the_chunks():
    events = [event async for event in over(Scripted()).astream_events(TEXT, version="v2")]
    assert [event["name"] for event in events if event["event"] == "on_chat_model_end"] == ["restyle:style"] * COUNT
    streamed = "".join(event["data"]["chunk"] for event in events if event["event"] == "on_chain_stream")
    assert streamed == uncommon(TEXT)


async def test_the_caller_s_context_reaches_the_model():
    from contextvars import ContextVar

    user = ContextVar("user")

    class Signed(Scripted):
        def _generate(self, messages, *_, **__):
            return self._result(f"{messages[-1].content} ({user.get()})")

        async def _agenerate(self, messages, *_, **__):
            return self._generate(messages)

    user.set("anna")
    runnable = over(Signed(reply=str))
    assert runnable.invoke("very") == await runnable.ainvoke("very") == "very (anna)"
    assert "".join(runnable.stream("very")) == "very (anna)"


async def test_what_leaves_whole_is_asked_for_again_whatever_is_kept():
    """Nothing of it has left early, so the same is done as without a stream."""
    message = AIMessage("In 1866 the winter was very long.")

    class Speaking(Scripted):
        async def _astream(self, *_, **__):
            raise AssertionError("there is nothing to stream it for")
            yield

    for way in ("invoke", "stream"):
        said = iter(["A winter of old.", "In 1866 the winter was uncommon long."])
        restyle = over(Speaking(reply=lambda _, said=said: next(said)), on_loss="keep")
        output = restyle.invoke(message) if way == "invoke" else (await collected(restyle.astream(message)))[-1]
        assert output.content == "In 1866 the winter was uncommon long."
