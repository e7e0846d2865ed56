"""Chat engines' streams, rewritten while they come: errors surface, and whoever leaves early leaves nothing behind."""

from __future__ import annotations

import asyncio
import gc
import threading
import time

import pytest
from llama_index.core import Settings
from pydantic import Field

from llama import ScriptedLLM
from llama_chats import MEMORIES, MODES, Fixed, chatting, wrapped
from scripted import paragraph, paragraphs, uncommon

TEXT = paragraphs(3)
STYLED = uncommon(TEXT)
FIRST = uncommon(paragraph(0))


class Breaking(ScriptedLLM):
    """Breaks off in the middle of its third block."""

    def stream_chat(self, messages, **kwargs):
        return self._broken(super().stream_chat(messages, **kwargs))

    async def astream_chat(self, messages, **kwargs):
        return self._abroken(await super().astream_chat(messages, **kwargs))

    def _broken(self, responses):
        for response in responses:
            if len(response.message.content) > len(paragraphs(2)) + 20:
                raise ConnectionError("the line is dead")
            yield response

    async def _abroken(self, responses):
        async for response in responses:
            if len(response.message.content) > len(paragraphs(2)) + 20:
                raise ConnectionError("the line is dead")
            yield response


@pytest.fixture(autouse=True)
def _settings(monkeypatch):
    monkeypatch.setattr(Settings, "_llm", None)


@pytest.fixture(params=MODES)
def mode(request):
    return request.param


_STANDING: set[threading.Thread] = set()


@pytest.fixture(autouse=True)
def _standing():
    """The threads that other tests' servers have."""
    _STANDING.clear()
    _STANDING.update(threading.enumerate())


def left_over(*, writers=False):
    """Threads of ours, and with them the writers of the engines inside."""
    gc.collect()
    prefixes = ("restyle", "Thread-") if writers else "restyle"
    return [thread.name for thread in {*threading.enumerate()} - _STANDING if thread.name.startswith(prefixes)]


def others():
    """Tasks beside this one."""
    return asyncio.all_tasks() - {asyncio.current_task()}


class Halting(ScriptedLLM):
    """Says nothing more after its first block and a word, until it is told to go on."""

    go_on: threading.Event = Field(default_factory=threading.Event, exclude=True)

    def _halts(self, response):
        return response.message.content == paragraph(0) + "\n\nIn " and not self.go_on.is_set()

    def stream_chat(self, messages, **kwargs):
        def halting():
            for response in ScriptedLLM.stream_chat(self, messages, **kwargs):
                yield response
                if self._halts(response):
                    assert self.go_on.wait(10)

        return halting()

    async def astream_chat(self, messages, **kwargs):
        async def halting():
            async for response in await ScriptedLLM.astream_chat(self, messages, **kwargs):
                yield response
                if self._halts(response):
                    assert await asyncio.to_thread(self.go_on.wait, 10)

        return halting()


async def test_a_block_leaves_while_the_engine_pauses(mode):
    llm = Halting(reply=lambda _: TEXT)
    engine = wrapped(MODES[mode](llm, MEMORIES["buffer"](), Fixed()), delay=0.02)
    response = await engine.astream_chat("Who?")
    texts = response.async_response_gen()
    assert await anext(texts) == FIRST
    assert len(response.metadata["restyle"]["blocks"]) == 1
    assert str(response) == ""
    llm.go_on.set()
    assert FIRST + "".join([text async for text in texts]) == STYLED
    assert len(response.metadata["restyle"]["blocks"]) == 3
    llm.go_on.clear()

    def read():
        response = engine.stream_chat("Who?")
        texts = response.response_gen
        if (
            not response.inner.is_writing_to_memory
        ):  # an old core reads the model where the text is read: one halts both
            llm.go_on.set()
        assert next(texts) == FIRST
        llm.go_on.set()
        assert FIRST + "".join(texts) == STYLED

    await asyncio.to_thread(read)


async def test_streams_can_be_read_in_every_way_that_they_have(capsys):
    inner, _ = chatting("simple", TEXT)
    engine = wrapped(inner)
    response = engine.stream_chat("Who?")
    response.print_response_stream()
    aresponse = await engine.astream_chat("Who?")
    await aresponse.aprint_response_stream()
    assert capsys.readouterr().out == STYLED * 2
    for read in (response, aresponse):
        assert str(read) == read.response == read.unformatted_response == STYLED
        assert read.is_done
        assert read.exception is None
    assert "".join(response.response_gen) == STYLED
    assert "".join([text async for text in aresponse.async_response_gen()]) == STYLED
    with pytest.raises(TypeError, match="read by tasks"):
        next(aresponse.response_gen)


@pytest.mark.filterwarnings(
    "ignore::pytest.PytestUnhandledThreadExceptionWarning"
)  # LlamaIndex's writer raises as well
async def test_an_error_in_the_middle_comes_after_what_was_said_each_time(mode):
    inner = MODES[mode](Breaking(reply=lambda _: TEXT, piece_delay=0.001), MEMORIES["buffer"](), Fixed())
    response = wrapped(inner).stream_chat("Who?")
    got = []
    for _ in range(3):
        with pytest.raises(ConnectionError, match="the line is dead"):
            got.extend(response.response_gen)
    assert "".join(got).startswith(uncommon(paragraphs(2)))
    assert response.exception is not None
    assert not response.is_done
    assert response.response == ""
    assert TEXT not in [message.content for message in inner.chat_history]
    _wait_for(lambda: not left_over(writers=True))


async def test_an_error_in_the_middle_reaches_tasks_each_time(mode):
    inner = MODES[mode](Breaking(reply=lambda _: TEXT, piece_delay=0.001), MEMORIES["buffer"](), Fixed())
    response = await wrapped(inner).astream_chat("Who?")
    got = []
    for _ in range(3):
        with pytest.raises(ConnectionError, match="the line is dead"):
            got.extend([text async for text in _heard(response, got)])
    assert "".join(got).startswith(uncommon(paragraphs(2)))
    assert response.response == ""
    assert TEXT not in [message.content for message in inner.chat_history]
    assert not others()


async def _heard(response, got):
    async for text in response.async_response_gen():
        got.append(text)
    yield ""


async def test_an_error_of_a_style_model_surfaces_and_the_engine_remembers(mode):
    def upset(_):
        raise ConnectionError("style model")

    inner, _ = chatting(mode, TEXT)
    engine = wrapped(inner, style_model=ScriptedLLM(reply=upset))
    for _ in range(2):
        response = engine.stream_chat("Who?")
        with pytest.raises(ConnectionError, match="style model"):
            list(response.response_gen)
    aresponse = await engine.astream_chat("Who?")
    with pytest.raises(ConnectionError, match="style model"):
        [text async for text in aresponse.async_response_gen()]
    if aresponse.inner.is_writing_to_memory and response.inner.is_writing_to_memory:  # as all do but in old cores
        assert [message.content for message in inner.chat_history] == ["Who?", TEXT] * 3
    assert not others()
    _wait_for(lambda: not left_over())


async def test_a_writer_that_is_cancelled_leaves_nobody_waiting():
    inner, _ = chatting("simple", TEXT, piece_delay=0.004)
    response = await wrapped(inner).astream_chat("Who?")
    texts = response.async_response_gen()
    assert await anext(texts) == FIRST

    async def read():
        return [text async for text in texts]

    response.inner.awrite_response_to_history_task.cancel()
    reading = asyncio.create_task(read())
    await asyncio.wait([reading], timeout=5)
    assert reading.cancelled()
    assert not others()


def test_a_reader_who_leaves_early_leaves_no_thread_and_the_engine_remembers():
    inner, _ = chatting("simple", TEXT, piece_delay=0.0005)
    engine = wrapped(inner, delay=0.01, max_concurrency=2)
    for turn in range(5):
        response = engine.stream_chat("Who?")
        texts = response.response_gen
        assert next(texts) == FIRST
        texts.close()
        assert len(inner.chat_history) == 2 * (turn + 1)
        _wait_for(lambda: not left_over())  # while the response is there
        assert not response.is_done
    assert [message.content for message in inner.chat_history[1::2]] == [TEXT] * 5
    unread = engine.stream_chat("Who?")
    del unread
    _wait_for(lambda: len(inner.chat_history) == 12)


async def test_a_task_that_leaves_early_leaves_no_task_and_the_engine_remembers():
    inner, _ = chatting("simple", TEXT, piece_delay=0.0005)
    engine = wrapped(inner, delay=0.01, max_concurrency=2)
    for turn in range(5):
        texts = (await engine.astream_chat("Who?")).async_response_gen()
        assert await anext(texts) == FIRST
        await texts.aclose()
        assert len(inner.chat_history) == 2 * (turn + 1)
        assert not others()
    assert [message.content for message in inner.chat_history[1::2]] == [TEXT] * 5


async def test_a_task_that_is_cancelled_leaves_the_writer_to_its_work():
    inner, _ = chatting("simple", TEXT, piece_delay=0.002)
    response = await wrapped(inner).astream_chat("Who?")

    async def read():
        return [text async for text in response.async_response_gen()]

    reading = asyncio.create_task(read())
    await asyncio.sleep(0.05)
    while not reading.done():  # however often it is told
        reading.cancel()
        await asyncio.sleep(0.01)
    assert reading.cancelled()
    await asyncio.wait([response.inner.awrite_response_to_history_task])
    assert [message.content for message in inner.chat_history] == ["Who?", TEXT]
    assert not others()


async def test_many_conversations_at_once_get_their_own_answers():
    async def converse(number):
        inner, _ = chatting("simple", f"{1000 + number} was a very cold year.", piece_delay=0.001)
        response = await wrapped(inner).astream_chat("When?")
        return "".join([text async for text in response.async_response_gen()])

    answers = await asyncio.gather(*(converse(number) for number in range(50)))
    assert answers == [f"{1000 + number} was a uncommon cold year." for number in range(50)]
    assert not others()


def _wait_for(condition):
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)
