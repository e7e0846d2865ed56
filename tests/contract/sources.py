"""Chains that stream: they say what they are given to say, whatever they are asked."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import aclosing
from typing import Any

from langchain_core.runnables import Runnable, RunnableConfig, RunnableGenerator

__all__ = ["Source", "cut", "streamed"]


def cut(text: str) -> list[str]:
    """Text in pieces that respect no boundary."""
    return [text[at : at + 23] for at in range(0, len(text), 23)]


class Source:
    """Says chunks and counts those that were heard, with a ``pause`` of so many seconds before each."""

    def __init__(self, chunks: list[Any], pause: float = 0.0) -> None:
        self.chunks, self.pause, self.heard = chunks, pause, 0
        self.closed = False

    @property
    def runnable(self) -> Runnable[Any, Any]:
        return RunnableGenerator(self._say, self._asay)

    def _say(self, asked: Iterator[Any]) -> Iterator[Any]:
        list(asked)
        for chunk in self.chunks:
            time.sleep(self.pause)
            self.heard += 1
            yield chunk

    async def _asay(self, asked: AsyncIterator[Any]) -> AsyncIterator[Any]:
        async for _ in asked:
            pass
        try:
            for chunk in self.chunks:
                await asyncio.sleep(self.pause)
                self.heard += 1
                yield chunk
        finally:
            self.closed = True


async def streamed(
    way: str, runnable: Runnable[Any, Any], value: Any, config: RunnableConfig | None = None
) -> AsyncGenerator[Any, None]:
    """The chunks of ``stream`` or ``astream``."""
    if way == "stream":
        for chunk in runnable.stream(value, config):
            yield chunk
        return
    stream: Any = runnable.astream(value, config)
    async with aclosing(stream) as chunks:
        async for chunk in chunks:
            yield chunk
