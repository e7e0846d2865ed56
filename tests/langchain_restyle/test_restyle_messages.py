"""Messages come out as they came in, but for their text."""

from __future__ import annotations

import pytest
from langchain_core.messages import AIMessage, AIMessageChunk
from langchain_core.messages.tool import tool_call_chunk

from langchain_restyle import Restyle
from scripted import Scripted, aiterated, collected, paragraph, summed, uncommon

pytestmark = pytest.mark.usefixtures("keeper_home")

TEXT = "It was very cold [1]."
CALL = {"name": "search", "args": {"q": "very cold"}, "id": "call-1", "type": "tool_call"}
USAGE = {"input_tokens": 7, "output_tokens": 5, "total_tokens": 12}


@pytest.fixture
def runnable():
    return Restyle("keeper", destyle=False, style_model=Scripted())


def outcomes(message):
    return [row["outcome"] for row in message.response_metadata["restyle"]["blocks"]]


@pytest.mark.parametrize("shape", [AIMessage, AIMessageChunk])
async def test_everything_but_the_text_stays(runnable, shape):
    message = shape(
        content=TEXT,
        id="msg-1",
        name="answerer",
        additional_kwargs={"extra": 1},
        response_metadata={"model_name": "m", "finish_reason": "stop"},
        usage_metadata=USAGE,
    )
    before = message.model_copy(deep=True)
    for output in (runnable.invoke(message), await runnable.ainvoke(message), *runnable.batch([message])):
        assert type(output) is shape
        assert output.content == uncommon(TEXT)
        report = output.response_metadata.pop("restyle")
        assert report == {"blocks": [{"start": 0, "end": len(TEXT), "outcome": "styled", "asks": 1}]}
        assert output.model_copy(update={"content": TEXT}) == before
    assert message == before


@pytest.mark.parametrize(
    "message",
    [
        AIMessage(TEXT, tool_calls=[CALL]),
        AIMessage(TEXT, invalid_tool_calls=[{**CALL, "args": "{", "error": "bad", "type": "invalid_tool_call"}]),
        AIMessage([{"type": "text", "text": TEXT}, CALL]),
        AIMessage([{"type": "text", "text": TEXT}, {"type": "tool_use", "id": "1", "name": "f", "input": {}}]),
        AIMessageChunk(content=TEXT, tool_call_chunks=[tool_call_chunk(name="f", args="{", id="1", index=0)]),
    ],
    ids=["tool calls", "invalid tool calls", "in the content", "Anthropic's", "chunk"],
)
async def test_messages_that_call_tools_pass_untouched(runnable, message):
    assert runnable.invoke(message) is message
    assert await runnable.ainvoke(message) is message
    assert runnable.batch([message])[0] is message
    (streamed,) = [summed(output) if len(output) > 1 else output[0] for output in [list(runnable.stream(message))]]
    assert streamed.content == message.content or streamed.text == message.text
    assert streamed.tool_calls == message.tool_calls
    assert not runnable.style_model.calls


async def test_a_streamed_tool_call_passes_untouched(runnable):
    chunks = [
        AIMessageChunk(content="Let me look, it is ", id="m"),
        AIMessageChunk(content="very important.", id="m"),
        AIMessageChunk(content="", id="m", tool_call_chunks=[tool_call_chunk(name="f", args='{"q"', id="1", index=0)]),
        AIMessageChunk(
            content="", id="m", tool_call_chunks=[tool_call_chunk(name=None, args=": 1}", id=None, index=0)]
        ),
        AIMessageChunk(content="", id="m", response_metadata={"finish_reason": "tool_calls"}, chunk_position="last"),
    ]
    for outputs in (list(runnable.transform(iter(chunks))), await collected(runnable.atransform(aiterated(chunks)))):
        assert summed(outputs) == summed(chunks)
    assert not runnable.style_model.calls


async def test_only_text_items_change(runnable):
    image = {"type": "image_url", "image_url": {"url": "data:very"}}
    reasoning = {"type": "reasoning", "reasoning": "very odd"}
    content = [
        reasoning,
        {"type": "text", "text": TEXT, "index": 3},
        image,
        "A very old one.",
        {"type": "text", "text": ""},
    ]
    message = AIMessage(content, id="m")
    for output in (runnable.invoke(message), await runnable.ainvoke(message)):
        assert output.content == [
            reasoning,
            {"type": "text", "text": uncommon(TEXT), "index": 3},
            image,
            "A uncommon old one.",
            {"type": "text", "text": ""},
        ]
        assert output.content[0] is message.content[0]
        assert output.content[2] is message.content[2]
        assert outcomes(output) == ["styled", "styled"]


async def test_streamed_list_content_keeps_its_other_items(runnable):
    reasoning = {"type": "reasoning", "reasoning": "very odd", "index": 0}
    image = {"type": "image", "url": "https://example.org/very"}
    chunks = [
        AIMessageChunk(content="", id="m"),
        AIMessageChunk(content=[reasoning], id="m"),
        AIMessageChunk(content=[{"type": "text", "text": "It was ", "index": 1}], id="m"),
        AIMessageChunk(content=[{"type": "text", "text": "very cold.", "index": 1}], id="m"),
        AIMessageChunk(content=[image], id="m"),
    ]
    for outputs in (list(runnable.transform(iter(chunks))), await collected(runnable.atransform(aiterated(chunks)))):
        whole = summed(outputs)
        assert whole.text == "It was uncommon cold."
        assert [item for item in whole.content if item.get("type") != "text"] == [reasoning, image]
        assert {"type": "text", "text": "It was uncommon cold.", "index": 1} in whole.content


@pytest.mark.parametrize("content", ["", " \n", [], [{"type": "reasoning", "reasoning": "very odd"}]])
def test_messages_without_text_are_no_trouble(runnable, content):
    message = AIMessage(content, id="m")
    output = runnable.invoke(message)
    assert (output.content, output.id) == (content, "m")
    streamed = list(runnable.stream(AIMessageChunk(content=content, id="m")))
    assert summed(streamed).content == content


async def test_streams_say_metadata_and_usage_once(runnable):
    words = f"{paragraph(1)}\n\n{paragraph(2)}".split(" ")
    chunks = [AIMessageChunk(content=word if n == 0 else f" {word}", id="lc_run-1") for n, word in enumerate(words)]
    metadata = {"model_name": "gpt", "finish_reason": "stop"}
    chunks.append(AIMessageChunk(content="", id="lc_run-1", response_metadata=metadata))
    chunks.append(AIMessageChunk(content="", id="lc_run-1", usage_metadata=USAGE, chunk_position="last"))
    for outputs in (list(runnable.transform(iter(chunks))), await collected(runnable.atransform(aiterated(chunks)))):
        assert len(outputs) > 2
        assert {(type(chunk), chunk.id) for chunk in outputs} == {(AIMessageChunk, "lc_run-1")}
        assert [chunk.chunk_position for chunk in outputs] == [None] * (len(outputs) - 1) + ["last"]
        assert [bool(chunk.response_metadata or chunk.usage_metadata) for chunk in outputs[:-1]] == [False] * (
            len(outputs) - 1
        )
        whole = summed(outputs)
        assert outcomes(whole) == ["styled", "styled"]
        whole.response_metadata.pop("restyle")
        assert whole == summed(chunks).model_copy(update={"content": uncommon(summed(chunks).content)})


async def test_a_real_model_s_stream_keeps_id_metadata_and_usage(model, runnable):
    text = f"{paragraph(1)}\n\n{paragraph(2)}"
    counting = model.model_copy(update={"stream_usage": True})
    chain = counting | runnable
    plain = summed(counting.stream(text))
    for outputs in (list(chain.stream(text)), await collected(chain.astream(text))):
        whole = summed(outputs)
        assert whole.content == uncommon(text)
        assert whole.usage_metadata == plain.usage_metadata
        assert whole.usage_metadata["output_tokens"] == len(text.split())
        report = whole.response_metadata.pop("restyle")
        assert [row["outcome"] for row in report["blocks"]] == ["styled", "styled"]
        assert whole.response_metadata == plain.response_metadata
        assert {type(chunk.id) for chunk in outputs} == {str}
        assert len({chunk.id for chunk in outputs}) == 1


def test_a_model_that_does_not_stream_delivers_one_message(runnable):
    chain = Scripted(reply=lambda text: AIMessage(text, id="given")) | runnable
    (output,) = chain.stream(TEXT)
    assert type(output) is AIMessage
    assert (output.content, output.id) == (uncommon(TEXT), "given")
