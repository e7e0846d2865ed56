"""Clients, connections and streams of an `EndpointLLM`: several loops, many threads, readers who leave."""

from __future__ import annotations

import asyncio
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing, suppress

import pytest
from llama_index.core.callbacks import CallbackManager, LlamaDebugHandler
from llama_index.core.llms import ChatMessage

from llama_endpoints import MESSAGES, USER, Watched, last_of
from llama_index_restyle.endpoint_llm import EndpointLLM
from restyle import loop_clients

LONG = [ChatMessage("very cold " * 200)]


def test_it_works_in_one_event_loop_after_another_and_leaves_nothing(echo, watched):
    before = watched.connections
    for _ in range(3):
        assert asyncio.run(echo.achat(MESSAGES)).message.content == USER
        assert asyncio.run(last_of(echo)).message.content == USER
    assert not loop_clients._CLIENTS
    assert wait_until(lambda: watched.connections <= before)


def test_it_works_in_several_event_loops_and_threads_at_once(echo):
    async def ask():
        return await asyncio.gather(*(echo.acomplete(f"In 18{number}.") for number in range(10, 40)))

    expected = [f"In 18{number}." for number in range(10, 40)]
    with ThreadPoolExecutor(6) as pool:
        loops = [pool.submit(asyncio.run, ask()) for _ in range(3)]
        assert [each.text for each in pool.map(echo.complete, expected)] == expected
        assert [[each.text for each in loop.result()] for loop in loops] == [expected] * 3


@pytest.fixture(scope="module")
def slow_server():
    with Watched(word_latency=0.02) as server:
        yield server


@pytest.fixture
def slow(slow_server):
    """A model that takes seconds, and a handler that keeps every event with the frames of its exception."""
    manager = CallbackManager([LlamaDebugHandler(print_trace_on_end=False)])
    return EndpointLLM(model="echo", base_url=slow_server.base_url, callback_manager=manager)


def wait_until(condition):
    deadline = time.monotonic() + 3
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.001)
    return condition()


@pytest.mark.parametrize("method", ["stream_chat", "stream_complete"])
def test_a_reader_who_leaves_closes_the_connection(method, slow, slow_server):
    threads = {*threading.enumerate()}
    stream = getattr(slow, method)(LONG if method == "stream_chat" else LONG[0].content)
    assert next(stream).delta
    assert slow_server.connections == 1
    stream.close()
    assert wait_until(lambda: not slow_server.connections)
    assert {*threading.enumerate()} == threads


@pytest.mark.parametrize("leave", ["close", "cancel"])
@pytest.mark.parametrize("method", ["astream_chat", "astream_complete"])
def test_a_task_that_leaves_closes_the_connection(method, leave, slow, slow_server):
    async def read(begun):
        stream = await getattr(slow, method)(LONG if method == "astream_chat" else LONG[0].content)
        async with aclosing(stream):
            async for _ in stream:
                begun.set()
                if leave == "close":
                    break

    async def main():
        begun = asyncio.Event()
        task = asyncio.create_task(read(begun))
        await begun.wait()
        assert slow_server.connections == 1
        if leave == "cancel":
            task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        assert await asyncio.to_thread(wait_until, lambda: not slow_server.connections)
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(main())


def test_a_stream_that_nobody_reads_asks_nothing(echo, watched):
    echo.stream_chat(MESSAGES)
    asyncio.run(echo.astream_chat(MESSAGES))
    assert not watched.requests
