"""Fifty readers who leave after the first output: no thread, task or connection stays, no further model is asked."""

from __future__ import annotations

import asyncio
import gc
import threading
import time
from contextlib import aclosing, suppress
from itertools import cycle

import openai
import pytest
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.output_parsers import StrOutputParser
from langchain_core.runnables import RunnableGenerator
from langchain_openai import ChatOpenAI

from langchain_restyle import Restyle
from restyle import Stage, Style
from restyle.prompts import DESTYLE_PROMPT, RESTYLE_PROMPT
from restyle.testing import Sandbox
from scripted import Scripted, paragraph

ROUNDS = 50
CONCURRENCY = 2
BLOCKS = [paragraph(number)[:206] for number in range(12)]  # as short as a block can be that leaves by itself
TEXT = "\n\n".join(BLOCKS)

places = pytest.mark.parametrize("place", ["bare", "sequence"])


def pause(text):
    """Seconds for an answer: when the first block has left, the others are half way."""
    return 0.001 if text.startswith(BLOCKS[0][:20]) else 0.006


def neutral(messages):
    text = messages[-1]["content"]
    time.sleep(pause(text))
    return text


class Slow(Scripted):
    """A model in this process."""

    def _generate(self, messages, *_, **__):
        with self._call(messages) as text:
            time.sleep(pause(text))
            return self._result(text)

    async def _agenerate(self, messages, *_, **__):
        with self._call(messages) as text:
            await asyncio.sleep(pause(text))
            return self._result(text)


class Begun(BaseCallbackHandler):
    """Counts the calls of chat models as they begin: at the server they are heard of later."""

    run_inline = True  # and not in a thread, some time later

    def __init__(self):
        self.count = 0

    def on_chat_model_start(self, *_, **__):
        self.count += 1


class Heard:
    """A runnable whose calls are counted. No binding: that would close what it streams a little later."""

    def __init__(self, runnable, begun):
        self._runnable, self._config = runnable, {"callbacks": [begun]}

    def stream(self, text):
        return self._runnable.stream(text, self._config)

    def astream(self, text):
        return self._runnable.astream(text, self._config)


class Watched(Sandbox):
    """A sandbox whose open connections can be counted."""

    def _server(self, state):
        self.server = super()._server(state)
        return self.server

    @property
    def connections(self):
        return len(self.server.server_state.connections)


@pytest.fixture(scope="module")
def servers(trained_keeper):
    """Where the style's models are, and where the application's is."""
    with (
        Watched(home=trained_keeper, replies={"neutral": neutral}, word_latency=0.0002) as styles,
        Watched(replies={"application": "\n\n".join(BLOCKS[:3])}) as application,
    ):
        yield styles, application


class Scene:
    """What is left early, and what can be counted of it.

    Rounds alternate between blocks that leave whole and answers that leave while they come.
    """

    def __init__(self, kind, place, servers, client=None):
        self._servers = servers
        model = Slow()
        url = servers[0].base_url if kind == "http" else None
        models = {} if url else {"style_model": model, "destyle_model": model}
        card = Style("keeper", Stage(RESTYLE_PROMPT, "keeper:restyle", url), Stage(DESTYLE_PROMPT, "neutral", url))
        runnables = [
            Restyle(card, on_loss=each, max_concurrency=CONCURRENCY, **models) for each in ("original", "keep")
        ]
        if place == "sequence":
            upstream = application(servers[1].base_url, client) if url else RunnableGenerator(spoken, aspoken)
            runnables = [upstream | runnable for runnable in runnables]
        self._begun = Begun()
        self.runnables = cycle([Heard(runnable, self._begun) for runnable in runnables])
        self.threads, self.connected = {*threading.enumerate()}, self.connections

    @property
    def calls(self):
        return self._begun.count

    @property
    def connections(self):
        return sum(server.connections for server in self._servers)

    def settled(self):
        """Whether nothing is left but pools: the server's threads, the loop's, and the connections of clients.

        The style's client has two of these, for answers that come whole and for those that stream.
        """
        threads = {thread for thread in threading.enumerate() if not thread.name.startswith(("restyle-", "asyncio_"))}
        return threads <= self.threads and self.connections <= self.connected + 2 * CONCURRENCY + 1


def application(url, client):
    return ChatOpenAI(base_url=url, model="application", api_key="none", http_async_client=client) | StrOutputParser()


def spoken(_):
    for block in BLOCKS:
        time.sleep(0.0005)
        yield f"{block}\n\n"


async def aspoken(_):
    for block in BLOCKS:
        await asyncio.sleep(0.0005)
        yield f"{block}\n\n"


@pytest.fixture
def quick_gc():
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


def few(late, place):
    """Whether calls were begun after the end only where a thread was about to begin one that moment.

    A sequence of langchain-core hears of its end at once, and its last step a few turns of the event loop later.
    """
    return max(late) <= CONCURRENCY and sum(late) <= ROUNDS / (10 if place == "bare" else 1)


def close(runnable):
    outputs = runnable.stream(TEXT)
    next(outputs)
    outputs.close()


def abandon(runnable):
    outputs = runnable.stream(TEXT)
    next(outputs)
    del outputs
    gc.collect()


@places
@pytest.mark.parametrize("kind", ["in process", "http"])
@pytest.mark.parametrize("leave", [close, abandon])
@pytest.mark.usefixtures("quick_gc")
def test_sync(leave, kind, place, servers):
    scene, late = Scene(kind, place, servers), []
    for _ in range(ROUNDS):
        leave(next(scene.runnables))
        begun = scene.calls
        deadline = time.monotonic() + 5
        while not scene.settled():
            assert time.monotonic() < deadline
            time.sleep(0.001)
        late.append(scene.calls - begun)
    assert few(late, place), late
    begun = scene.calls
    time.sleep(0.1)
    assert scene.calls == begun


async def aclose(runnable):
    async with aclosing(runnable.astream(TEXT)) as outputs:
        await anext(outputs)


async def break_(runnable):
    outputs = runnable.astream(TEXT)
    async for _ in outputs:
        break
    await outputs.aclose()


async def aabandon(runnable):
    outputs = runnable.astream(TEXT)
    await anext(outputs)
    del outputs
    gc.collect()


async def cancel(runnable):
    begun = asyncio.Event()

    async def consume():
        async for _ in runnable.astream(TEXT):
            begun.set()

    task = asyncio.create_task(consume())
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


@places
@pytest.mark.parametrize(
    ("leave", "kind"),
    [
        *((leave, kind) for kind in ("in process", "http") for leave in (aclose, break_, cancel)),
        (aabandon, "in process"),
    ],
)
@pytest.mark.usefixtures("quick_gc")
# Seen rarely, on a busy machine: a sequence leaves httpx's streams to the garbage collector, which comes as they end.
@pytest.mark.filterwarnings(
    "ignore:Exception ignored in.*(Response.aiter_raw|Stream.__aiter__):pytest.PytestUnraisableExceptionWarning"
)
async def test_async(leave, kind, place, servers, caplog):
    async with openai.DefaultAsyncHttpxClient() as client:
        scene, late = Scene(kind, place, servers, client), []
        for _ in range(ROUNDS):
            await leave(next(scene.runnables))
            begun = scene.calls
            if place == "bare" and kind == "in process" and leave is not aabandon:  # clients have closers of their own
                assert asyncio.all_tasks() == {asyncio.current_task()}
            deadline = time.monotonic() + 5
            while not (scene.settled() and asyncio.all_tasks() == {asyncio.current_task()}):
                assert time.monotonic() < deadline
                await asyncio.sleep(0.001)
            late.append(scene.calls - begun)
        assert few(late, place), late
        begun = scene.calls
        await asyncio.sleep(0.1)
        assert scene.calls == begun
    assert [record for record in caplog.records if record.name == "asyncio" and record.levelname == "ERROR"] == []


@pytest.mark.parametrize("leave", [aclose, cancel])
def test_the_connections_of_a_loop_end_with_it(leave, servers):
    scene = Scene("http", "bare", servers)
    for _ in range(6):
        asyncio.run(leave(next(scene.runnables)))
    deadline = time.monotonic() + 5
    while scene.connections > scene.connected:
        assert time.monotonic() < deadline
        time.sleep(0.001)


async def test_an_upstream_that_misses_its_cancellation_is_left_too():
    """As langchain-openai's streams do now and then on Python 3.11, whose `asyncio.wait_for` swallows it."""

    async def deaf():
        for number in range(1000):
            with suppress(asyncio.CancelledError):
                await asyncio.sleep(0.001)
            yield f"{paragraph(number)}\n\n"

    runnable = Restyle(Style("keeper", Stage(RESTYLE_PROMPT, "unused")), style_model=Scripted())
    outputs = runnable.atransform(deaf())
    await anext(outputs)
    await asyncio.wait_for(outputs.aclose(), 2)
    assert asyncio.all_tasks() == {asyncio.current_task()}
