"""Details of messages: annotations, items of content, calls of tools that come late, reports."""

from __future__ import annotations

import pytest
from langchain_core.messages import AIMessage, AIMessageChunk
from langchain_core.messages.tool import tool_call_chunk
from langchain_core.prompt_values import ChatPromptValue
from langchain_core.runnables.utils import AddableDict

from contract.calls import called, every_way
from contract.models import Listening, Pair
from contract.shapes import SHAPES, Shape, total
from contract.sources import Source, cut, streamed
from contract.wrappings import Given
from scripted import paragraph, paragraphs, summed, uncommon

TEXT = "It was very cold."
STYLED = uncommon(TEXT)
PREAMBLE = paragraphs(3)
IMAGE = {"type": "image_url", "image_url": {"url": "https://example.org/very.png"}}
CITED = {"type": "url_citation", "url": "https://example.org", "title": "very", "start_index": 0, "end_index": 6}
QUOTED = {"type": "citation", "cited_text": "very cold", "start_index": 3, "end_index": 6, "extras": {"n": 1}}
FILE = {"type": "file_citation", "file_id": "f", "index": 3}
UNPLACED = [
    {key: each[key] for key in each if key not in {"start_index", "end_index"}} for each in (CITED, QUOTED, FILE)
]

both = pytest.mark.parametrize("way", ["stream", "astream"])


def listed(*items):
    """Chunks with one item of content each."""
    return [AIMessageChunk(content=[item], id="m") for item in items]


async def whole(way, chunks, restyle):
    source = Source(chunks, pause=0.001)
    return summed([chunk async for chunk in streamed(way, source.runnable | restyle, "go")])


@every_way
async def test_annotations_lose_their_offsets_alone(pair, way):
    text = {"type": "text", "text": TEXT, "annotations": [CITED, QUOTED, FILE], "id": "t"}
    shape = Shape("cited", lambda _: AIMessage([text, IMAGE]))
    for output in await called(way, *Given(shape, chunked=way.chunked).into(pair.restyle())):
        assert output.content == [{**text, "text": STYLED, "annotations": UNPLACED}, IMAGE]


@both
async def test_annotations_that_stream_lose_their_offsets_alone(pair, way):
    chunks = listed(
        {"type": "text", "text": "It was ", "index": 0},
        {"type": "text", "text": "very cold.", "index": 0},
        {"type": "text", "text": "", "annotations": [CITED], "index": 0},
        {"type": "text", "text": "", "annotations": [QUOTED, FILE], "index": 0},
    )
    output = await whole(way, chunks, pair.restyle())
    assert output.content == [{"type": "text", "text": STYLED, "annotations": UNPLACED, "index": 0}]


@every_way
async def test_untouched_texts_keep_their_offsets(pair, way):
    content = [{"type": "text", "text": TEXT, "annotations": [CITED]}]
    call = {"name": "f", "args": {}, "id": "1", "type": "tool_call"}
    shape = Shape("calling", lambda _: AIMessage(content, tool_calls=[call]))
    for output in await called(way, *Given(shape, chunked=way.chunked).into(pair.restyle())):
        assert output.content == content


@every_way
async def test_content_that_core_cannot_read_is_no_trouble(way):
    """Where a citation of OpenAI's has no URL, `content_blocks` may raise a `KeyError`."""
    odd = [{"type": "text", "text": TEXT, "annotations": [{"type": "url_citation"}]}]
    openai = {"model_provider": "openai"}
    reply = lambda text: AIMessage([{**odd[0], "text": uncommon(text)}], response_metadata=openai)  # noqa: E731 - as data
    pair = Pair(Listening(reply=lambda _: AIMessage(odd, response_metadata=openai)), Listening(reply=reply))
    shape = Shape("odd", lambda _: AIMessage(odd, response_metadata=openai))
    for output in await called(way, *Given(shape, chunked=way.chunked).into(pair.restyle())):
        assert output.content == [{**odd[0], "text": STYLED}]


@both
async def test_tokens_without_an_index_are_one_text(pair, way):
    """What leaves may be in other pieces than what came."""
    chunks = listed({"type": "text", "text": "It was "}, {"type": "text", "text": "very cold."})
    output = await whole(way, chunks, pair.restyle())
    assert output.text == STYLED
    assert all(item.keys() == {"type", "text"} for item in output.content)


@both
async def test_items_that_stream_keep_their_other_fields(pair, way):
    """The Responses API has the identifier of its item there."""
    fields = {"type": "text", "index": 0, "id": "msg-item-1", "extras": {"phase": "final_answer"}}
    chunks = listed({**fields, "text": "It was "}, {"type": "text", "text": "very cold.", "index": 0})
    output = await whole(way, chunks, pair.restyle())
    assert output.content == [{**fields, "text": STYLED}]
    (item,) = listed({**fields, "text": TEXT})
    assert total([chunk async for chunk in streamed(way, pair.restyle(), item)]).content == [{**fields, "text": STYLED}]


@both
async def test_strings_in_lists_stay_strings(pair, way):
    output = await whole(way, listed(TEXT), pair.restyle())
    assert output.content == [STYLED]


@both
async def test_a_text_in_a_list_of_one(pair, way):
    """As the newest streams of core end."""
    chunks = listed(*({"type": "text", "text": piece, "index": 0} for piece in cut(PREAMBLE)))
    output = await whole(way, [AIMessageChunk(content="", id="m"), *chunks], pair.restyle())
    assert output.content == [{"type": "text", "text": uncommon(PREAMBLE), "index": 0}]


AFTERWARDS = [AIMessageChunk(content="", id="m")] * 20 + [AIMessageChunk(content="", id="m", chunk_position="last")]
STREAMING = [shape for shape in SHAPES if shape.name in {"chunk", "chunk_list", "answer_chunk"}]


@both
@pytest.mark.parametrize("shape", STREAMING, ids=lambda shape: shape.name)
@pytest.mark.parametrize("on_loss", ["original", "keep"])
async def test_every_chunk_is_of_the_same_message(pair, way, shape, on_loss):
    built = Given(shape, chunked=True).into(pair.restyle(on_loss=on_loss))
    chunks = [undressed(chunk) async for chunk in streamed(way, *built)]
    chunks = [chunk for chunk in chunks if chunk is not None]
    assert len(chunks) > 2
    assert {(type(chunk), chunk.id) for chunk in chunks} == {(AIMessageChunk, "msg-1")}
    *before, last = chunks
    assert last.chunk_position == "last"
    assert (last.usage_metadata["input_tokens"], last.response_metadata["model_name"]) == (7, "very-large")
    for chunk in before:
        said = chunk.chunk_position, chunk.usage_metadata, chunk.response_metadata, chunk.additional_kwargs
        assert said == (None, None, {}, {})


@both
@pytest.mark.parametrize("index", [True, False], ids=["index", "no index"])
@pytest.mark.parametrize("final_only", [False, True], ids=["", "final_only"])
async def test_items_keep_their_order(pair, way, index, final_only):
    items = [{"type": "text", "text": TEXT}, IMAGE, {"type": "text", "text": "A very old lamp."}]
    chunks = listed(*({**item, "index": at} if index else item for at, item in enumerate(items)))
    output = await whole(way, [*chunks, *AFTERWARDS], pair.restyle(final_only=final_only))
    assert output.content == [
        {**item, "text": uncommon(item["text"])} if "text" in item else item for item in summed(chunks).content
    ]


@both
async def test_items_of_one_chunk_keep_their_order(pair, way):
    chunk = AIMessageChunk(content=[{"type": "text", "text": TEXT, "index": 0}, {**IMAGE, "index": 1}], id="m")
    output = total([each async for each in streamed(way, pair.restyle(), chunk)])
    assert output.content == [{"type": "text", "text": STYLED, "index": 0}, {**IMAGE, "index": 1}]


def calling(text):
    """A message that calls a tool in the end."""
    call = [tool_call_chunk(name="f", args='{"q": "very"}', id="1", index=0)]
    chunks = [AIMessageChunk(content=piece, id="m") for piece in cut(text)]
    chunks.append(AIMessageChunk(content="", id="m", tool_call_chunks=call))
    return [*chunks, AIMessageChunk(content="", id="m", chunk_position="last")]


DRESSES = {"message": lambda chunk: chunk, "answer": lambda chunk: AddableDict(answer=chunk)}
dresses = pytest.mark.parametrize("dress", DRESSES.values(), ids=DRESSES)


def undressed(chunk):
    return chunk.get("answer") if isinstance(chunk, dict) else chunk


@both
@dresses
async def test_with_final_only_a_late_call_leaves_all_untouched(pair, way, dress):
    chunks = calling(PREAMBLE)
    source = Source([dress(chunk) for chunk in chunks], pause=0.001)
    chain = source.runnable | pair.restyle(final_only=True)
    outputs = [(undressed(chunk), source.heard) async for chunk in streamed(way, chain, "go")]
    assert summed([chunk for chunk, _ in outputs]) == summed(chunks)
    assert all(heard >= len(chunks) - 1 for chunk, heard in outputs if chunk.content)


@both
@dresses
async def test_without_it_blocks_leave_as_early_as_they_can(pair, way, dress):
    chunks = calling(PREAMBLE)
    source = Source([dress(chunk) for chunk in chunks], pause=0.001)
    outputs = [
        (undressed(chunk), source.heard) async for chunk in streamed(way, source.runnable | pair.restyle(), "go")
    ]
    whole_ = summed([chunk for chunk, _ in outputs])
    *before, last = (paragraph(number) for number in range(3))
    assert whole_.content == uncommon("\n\n".join(before)) + "\n\n" + last
    assert whole_.tool_calls == summed(chunks).tool_calls
    report = whole_.response_metadata["restyle"]["blocks"]
    assert [row["outcome"] for row in report] == ["styled", "styled", "verbatim"]
    assert outputs[0][1] < len(chunks) / 2
    assert pair.style.calls == before


@both
@dresses
async def test_with_final_only_a_final_message_is_restyled_at_its_end(pair, way, dress):
    chunks = [AIMessageChunk(content=piece, id="m") for piece in cut(PREAMBLE)]
    chunks.append(AIMessageChunk(content="", id="m", chunk_position="last"))
    source = Source([dress(chunk) for chunk in chunks], pause=0.001)
    chain = source.runnable | pair.restyle(final_only=True)
    outputs = [(undressed(chunk), source.heard) async for chunk in streamed(way, chain, "go")]
    whole_ = summed([chunk for chunk, _ in outputs])
    assert whole_.content == uncommon(PREAMBLE)
    assert len(whole_.response_metadata["restyle"]["blocks"]) == 3
    assert {heard for _, heard in outputs} == {len(chunks)}


def neutral_of(value):
    value = value["answer"] if isinstance(value, dict) else value
    value = value.messages[-1] if isinstance(value, ChatPromptValue) else value
    return [row.get("neutral") for row in value.response_metadata["restyle"]["blocks"]]


NEUTRAL = [
    Shape("message", lambda say: AIMessage(say(PREAMBLE))),
    Shape("chunk", lambda say: AIMessageChunk(content=say(PREAMBLE)), pieces=lambda: calling(PREAMBLE)[:-2]),
    Shape("prompt", lambda say: ChatPromptValue(messages=[AIMessage(say(PREAMBLE))])),
    Shape("answer", lambda say: {"answer": AIMessage(say(PREAMBLE))}),
]


@every_way
@pytest.mark.parametrize("shape", NEUTRAL, ids=lambda shape: shape.name)
async def test_neutral_texts_are_reported_where_wanted(way, shape):
    def plain(text):
        return text.replace("very", "quite")

    pair = Pair(Listening(reply=plain), Listening(reply=lambda text: text.replace("quite", "uncommon")))
    given = Given(shape, chunked=way.chunked)
    for output in await called(way, *given.into(pair.restyle(include_neutral=True))):
        assert neutral_of(output) == [plain(paragraph(number)) for number in range(3)]
    for output in await called(way, *given.into(pair.restyle())):
        assert neutral_of(output) == [None] * 3
