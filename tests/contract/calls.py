"""The ways to call a Runnable, each of them giving whole outputs."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from inspect import isawaitable
from typing import Any

import pytest
from langchain_core.runnables import Runnable, RunnableConfig

from contract.shapes import total
from scripted import collected

__all__ = ["ASYNC_WAYS", "SYNC_WAYS", "Way", "called", "every_way"]


@dataclass(frozen=True)
class Way:
    """One way.

    Attributes:
        name: Of its tests.
        call: Gives the outputs for one input.
        times: How often the input is worked on.
        whole: Whether the output is made in one piece.
        chunked: Whether the input is to arrive in pieces.
    """

    name: str
    call: Callable[[Runnable[Any, Any], Any, RunnableConfig], list[Any] | Awaitable[list[Any]]]
    times: int = 1
    whole: bool = True
    chunked: bool = False


def _invoke(runnable, value, config):
    return [runnable.invoke(value, config)]


def _batch(runnable, value, config):
    return runnable.batch([value, value], config)


def _stream(runnable, value, config):
    return [total(list(runnable.stream(value, config)))]


async def _ainvoke(runnable, value, config):
    return [await runnable.ainvoke(value, config)]


async def _abatch(runnable, value, config):
    return await runnable.abatch([value, value], config)


async def _astream(runnable, value, config):
    return [total(await collected(runnable.astream(value, config)))]


async def _events(runnable, value, config):
    """What the outermost run streamed, and what it ended with."""
    events = [event async for event in runnable.astream_events(value, config, version="v2") if not event["parent_ids"]]
    chunks = [event["data"]["chunk"] for event in events if event["event"] == "on_chain_stream"]
    (output,) = [event["data"]["output"] for event in events if event["event"] == "on_chain_end"]
    return [total(chunks), output]


SYNC_WAYS = [
    Way("invoke", _invoke),
    Way("batch", _batch, times=2),
    Way("stream", _stream, whole=False),
    Way("transform", _stream, whole=False, chunked=True),
]

ASYNC_WAYS = [
    Way("ainvoke", _ainvoke),
    Way("abatch", _abatch, times=2),
    Way("astream", _astream, whole=False),
    Way("atransform", _astream, whole=False, chunked=True),
    Way("events", _events, whole=False),
    Way("events_chunked", _events, whole=False, chunked=True),
]

every_way = pytest.mark.parametrize("way", [*SYNC_WAYS, *ASYNC_WAYS], ids=lambda way: way.name)


async def called(way: Way, runnable: Runnable[Any, Any], value: Any, config: RunnableConfig | None = None) -> list[Any]:
    """The outputs of any way."""
    outputs = way.call(runnable, value, config or {})
    return await outputs if isawaitable(outputs) else outputs
