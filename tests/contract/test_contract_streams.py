"""While a chain still streams, what is done leaves, and what is not ours passes at once."""

from __future__ import annotations

import asyncio
import threading
import time
from contextlib import aclosing

import pytest
from langchain.agents import create_agent
from langchain_core.messages import AIMessage, AIMessageChunk
from langchain_core.runnables import RunnableLambda, RunnableParallel, RunnablePassthrough
from langchain_core.runnables.utils import AddableDict

from agents import QUESTION as ASKED
from agents import TOOLS, Talker
from contract.calls import called, every_way
from contract.models import Listening, Pair
from contract.shapes import DOCUMENTS, QUESTION, Shape, total
from contract.sources import Source, cut, streamed
from contract.wrappings import WRAPPINGS, Given
from restyle.errors import ShapeError
from scripted import ANSWER, aiterated, collected, paragraph, paragraphs, uncommon

TEXT = paragraphs(6)
BUFFERING = {"fallbacks", "branch", "in_branch", "lambda"}  # core's own: they wait for the end of their input
PASSING = [each for each in WRAPPINGS if each.name not in BUFFERING]

both = pytest.mark.parametrize("way", ["stream", "astream"])


def text_of(chunk):
    return chunk.get("text", chunk.get("answer", "")) if isinstance(chunk, dict) else chunk


@both
@pytest.mark.parametrize("wrapping", PASSING, ids=lambda wrapping: wrapping.name)
async def test_blocks_leave_before_the_chain_has_ended(pair, way, wrapping):
    source = Source(cut(TEXT), pause=0.001)
    given = Given(Shape("long", lambda say: say(TEXT)), chunked=True)
    given.source = source.runnable
    heard, texts = [], []
    async for chunk in streamed(way, *wrapping.build(pair.restyle(), given), wrapping.config):
        if text := text_of(chunk):
            heard.append(source.heard)
            texts.append(text)
    assert "".join(texts) == uncommon(TEXT)
    assert heard[0] < len(source.chunks) / 2
    assert len(texts) >= 6


@both
async def test_in_a_rag_chain_that_it_ends(pair, way):
    source = Source(cut(TEXT), pause=0.001)
    chain = (
        RunnablePassthrough.assign(context=RunnableLambda(lambda _: DOCUMENTS)).assign(answer=source.runnable)
        | pair.restyle()
    )
    heard = {}
    chunks = []
    async for chunk in streamed(way, chain, {"input": QUESTION}):
        chunks.append(chunk)
        heard.setdefault(next(iter(chunk)), source.heard)
    assert total(chunks) == {"input": QUESTION, "context": DOCUMENTS, "answer": uncommon(TEXT)}
    assert heard["input"] <= heard["context"] < heard["answer"] < len(source.chunks) / 2


@both
async def test_other_keys_pass_while_the_answer_is_incomplete(pair, way):
    first, second = "It was very ", "cold."
    said = [{"input": QUESTION}, {"answer": first}, {"sources": DOCUMENTS, "score": 1}, {"answer": second}]
    source = Source([AddableDict(each) for each in said], pause=0.02)
    outputs = []
    async for chunk in streamed(way, source.runnable | pair.restyle(), QUESTION):
        assert type(chunk) is AddableDict
        outputs.append((chunk, source.heard))
    assert [chunk for chunk, _ in outputs] == [said[0], said[2], {"answer": "It was uncommon cold."}]
    assert [heard for _, heard in outputs[:2]] == [1, 3]


@both
async def test_what_stands_downstream_gets_the_whole_dictionary(pair, way):
    """Plain dictionaries would not add up: a buffer keeps the last one of them."""
    said = [{"input": QUESTION}, *({"answer": piece} for piece in cut(TEXT)), {"sources": DOCUMENTS}]
    chain = Source([AddableDict(each) for each in said]).runnable | pair.restyle() | RunnableLambda(lambda got: [got])
    outputs = [chunk async for chunk in streamed(way, chain, QUESTION)]
    assert outputs == [[{"input": QUESTION, "answer": uncommon(TEXT), "sources": DOCUMENTS}]]


@both
async def test_two_answers_may_stream_at_once(pair, way):
    pairs = zip(cut(TEXT), cut(paragraphs(12)[len(TEXT) + 2 :]), strict=False)
    said = [AddableDict({key: text}) for texts in pairs for key, text in zip(("answer", "output"), texts, strict=True)]
    outputs = [chunk async for chunk in streamed(way, Source(said).runnable | pair.restyle(), QUESTION)]
    assert total(outputs) == {key: uncommon(text) for key, text in total(said).items()}


@both
@pytest.mark.parametrize("inner", [False, True])
async def test_beside_another_branch(pair, way, inner):
    """The other branch is not held up."""
    source = Source(cut(TEXT), pause=0.001)
    restyle = source.runnable | pair.restyle() if inner else pair.restyle()
    beside = RunnableParallel(text=restyle, same=RunnableLambda(lambda _: "at once"))
    chain = beside if inner else source.runnable | RunnableParallel(text=restyle, same=RunnablePassthrough())
    outputs = [(chunk, source.heard) async for chunk in streamed(way, chain, QUESTION)]
    whole = total([chunk for chunk, _ in outputs])
    assert whole == {"text": uncommon(TEXT), "same": "at once" if inner else TEXT}
    heard = next(heard for chunk, heard in outputs if chunk.get("text"))
    assert heard < len(source.chunks) / 2


UNKNOWN = Shape(
    "unknown", lambda _: {"notes": "very", "topic": "cold"}, pieces=lambda: [{"notes": "v"}, {"topic": "c"}]
)
UPDATE = Shape("update", lambda say: {"model": {"messages": [AIMessage(say("very old"))]}})


@every_way
@pytest.mark.parametrize(
    ("shape", "key", "says"),
    [
        (UNKNOWN, None, r"'notes', 'topic' has not any of answer, output, result, messages: say which with key="),
        (UNKNOWN, "text", r"'notes', 'topic' has not 'text': say which with key="),
        (UPDATE, None, r"agent's nodes \(model\).*RestyleMiddleware"),
    ],
    ids=["no key", "wrong key", "update"],
)
async def test_dictionaries_without_an_answer(pair, way, shape, key, says):
    with pytest.raises(ShapeError, match=says) as caught:
        await called(way, *Given(shape, chunked=way.chunked).into(pair.restyle(key=key)))
    assert isinstance(caught.value, TypeError)
    assert not pair.style.calls


@both
async def test_an_agent_may_be_asked_but_not_streamed(pair, way):
    chain = create_agent(Talker(), TOOLS) | pair.restyle()
    for state in (chain.invoke(ASKED), await chain.ainvoke(ASKED)):
        *before, last = state["messages"]
        assert last.content == uncommon(ANSWER)
        assert (last.id, last.usage_metadata["output_tokens"]) == ("turn-3", 3)
        assert ["restyle" in message.response_metadata for message in before] == [False] * 5
    with pytest.raises(ShapeError, match="RestyleMiddleware"):
        [chunk async for chunk in streamed(way, chain, ASKED)]


@both
async def test_every_chunk_may_be_awaited_in_a_task_of_its_own(pair, way):
    source = Source(cut(TEXT), pause=0.001)
    chunks = streamed(way, source.runnable | pair.restyle(), QUESTION)
    assert "".join(await in_tasks(chunks)) == uncommon(TEXT)
    failing = Pair(style=Listening(reply=fails_at_the_third)).restyle()
    chunks = streamed(way, source.runnable | failing, QUESTION)
    with pytest.raises(ConnectionError, match="the model is gone"):
        await in_tasks(chunks)


async def in_tasks(chunks):
    outputs = []
    while (chunk := await asyncio.wait_for(asyncio.create_task(anext(chunks, None)), timeout=5)) is not None:
        outputs.append(chunk)
    return outputs


def fails_at_the_third(text):
    if text == paragraph(2):
        raise ConnectionError("the model is gone")
    return uncommon(text)


@both
async def test_a_failure_in_the_middle_may_leave_the_original(way):
    chain = Source(cut(TEXT)).runnable | Pair(style=Listening(reply=fails_at_the_third)).restyle(on_error="original")
    expected = uncommon(TEXT).replace(uncommon(paragraph(2)), paragraph(2))
    assert "".join([chunk async for chunk in streamed(way, chain, QUESTION)]) == expected


def test_closing_a_chain_early(pair):
    source = Source(cut(paragraphs(40)))
    outputs = (source.runnable | pair.restyle(max_concurrency=1)).stream(QUESTION)
    assert next(outputs) == uncommon(paragraph(0))
    outputs.close()  # no "cannot re-enter the tee iterator"
    assert len(pair.style.calls) < 10


def test_closing_early_waits_for_nobody():
    """A call in a thread cannot be interrupted, but it need not be waited for."""
    go_on = threading.Event()

    def reply(text):
        if text != paragraph(0) and not go_on.wait(5):
            raise TimeoutError("it was waited for")
        return uncommon(text)

    pair = Pair(style=Listening(reply=reply))
    outputs = pair.restyle().stream(TEXT)
    assert next(outputs) == uncommon(paragraph(0))
    begin = time.monotonic()
    outputs.close()
    assert time.monotonic() - begin < 2
    go_on.set()


async def test_closing_a_chain_early_async(pair):
    before = asyncio.all_tasks()
    source = Source(cut(paragraphs(40)), pause=0.0005)
    async with aclosing((source.runnable | pair.restyle(max_concurrency=1)).astream(QUESTION)) as outputs:
        assert await anext(outputs) == uncommon(paragraph(0))
    async with asyncio.timeout(5):  # core leaves inner generators to the loop, which closes them some turns later
        while asyncio.all_tasks() != before:  # noqa: ASYNC110 - nothing tells when
            await asyncio.sleep(0.001)
    assert source.heard < len(source.chunks)
    assert len(pair.style.calls) < 10


async def test_cancelling_a_consumer():
    never = asyncio.Event()

    class Endless(Listening):
        async def _agenerate(self, messages, *_, **__):
            with self._call(messages):
                await never.wait()

    before = asyncio.all_tasks()
    pair = Pair(style=Endless())
    source = Source(cut(TEXT))
    task = asyncio.create_task(collected((source.runnable | pair.restyle()).astream(QUESTION)))
    async with asyncio.timeout(5):
        while len(pair.style.calls) < 6:  # noqa: ASYNC110 - nothing tells when
            await asyncio.sleep(0.001)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert asyncio.all_tasks() == before
    assert source.closed


def test_upstream_is_read_no_further_than_needed(pair):
    heard = Heard(paragraphs(200))
    outputs = pair.restyle(max_concurrency=1).transform(iter(heard))
    next(outputs)
    time.sleep(0.05)  # nobody reads ahead in a thread
    assert heard.count < len(cut(heard.text)) / 4


class Heard:
    """Text in chunks, counting those that were read."""

    def __init__(self, text):
        self.text, self.count = text, 0

    def __iter__(self):
        for piece in cut(self.text):
            self.count += 1
            yield piece


async def test_upstream_is_read_no_further_than_needed_async(pair):
    heard = Heard(paragraphs(200))
    async with aclosing(pair.restyle(max_concurrency=1).atransform(aiterated(heard))) as outputs:
        await anext(outputs)
        await asyncio.sleep(0.05)  # whatever the pump would read ahead, it has
        assert heard.count < len(cut(heard.text)) / 4


@both
async def test_chunks_of_text_may_be_strings_of_several_classes(pair, way):
    """`AIMessageChunk.text` is a string of LangChain's own class."""
    texts = ["Intro: ", *(AIMessageChunk(content=piece).text for piece in cut(TEXT)), " The very end."]
    outputs = [chunk async for chunk in streamed(way, Source(texts).runnable | pair.restyle(), QUESTION)]
    assert "".join(outputs) == uncommon("".join(texts))
