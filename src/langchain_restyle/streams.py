"""A chain's chunks in, restyled chunks out, while the chain still streams."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from contextlib import aclosing, closing
from functools import partial
from typing import Any, TypeVar, cast

from langchain_core.messages import AIMessageChunk
from langchain_core.runnables.utils import AddableDict

from langchain_restyle.lanes import Feed, Queue, Voice, whole
from langchain_restyle.shapes import keys_of, missing_key, open_entry, open_value
from langchain_restyle.voices import MessageVoice, StringVoice
from restyle.blocks import Block
from restyle.drivers import aparts, parts
from restyle.jobs import Aside, Delta, Job

V = TypeVar("V", StringVoice, MessageVoice)

__all__ = ["Weaver", "arestyle_stream", "restyle_stream"]


class Weaver:
    """Knows how chunks become jobs, and how results become chunks.

    Args:
        rewrite: The job of a block, and which number it is.
        key: Where a dictionary has the text; None means where chains usually have it.
        final_only: Whether nothing of a message leaves before it is certain that the message calls no tools.
        neutral: Whether the report of a message holds the neutral texts.
    """

    def __init__(
        self, rewrite: Callable[[Block, int], Job[Any, Any, Any]], *, key: str | None, final_only: bool, neutral: bool
    ) -> None:
        self._queue = Queue(rewrite)
        self._key, self._final_only, self._neutral = key, final_only, neutral
        self._voices: dict[tuple[str | None, type], StringVoice | MessageVoice] = {}  # None: not in a dictionary
        self._keys: dict[Any, bool] = {}  # of dictionaries, and whether there was something to rewrite under it

    def feed(self, chunk: Any) -> Feed:
        """Take the next chunk."""
        if not isinstance(chunk, dict):
            yield from self._say(None, chunk, _undressed)
            return
        keys = keys_of(chunk, self._key)
        self._keys.update({key: key in keys for key in chunk if not self._keys.get(key)})
        if others := {key: value for key, value in chunk.items() if key not in keys}:
            yield Aside(AddableDict(others))
        for key in keys:
            yield from self._say(key, chunk[key], partial(_entry, key))

    def end(self) -> Feed:
        """There are no more."""
        for voice in self._voices.values():
            yield from voice.end()
        if self._keys and not any(self._keys.values()):
            raise missing_key(list(self._keys), self._key)

    def out(self, part: Any) -> Iterator[Any]:
        """What leaves for a part that a driver gave."""
        if isinstance(part, Delta):
            yield from self._queue.sinks[0].delta(part.text)
        elif not isinstance(part, Aside):
            yield from self._queue.sinks.popleft().take(part)
        elif isinstance(part.value, Voice):
            yield from part.value.settle()
        else:
            yield part.value

    def close(self) -> Iterator[Any]:
        """What leaves at the end."""
        for voice in self._voices.values():
            yield from voice.close()

    def _say(self, key: str | None, value: Any, dress: Callable[[Any], Any]) -> Feed:
        if isinstance(value, str):  # `message.text` is a subclass of it
            yield from self._voice(key, StringVoice, lambda: StringVoice(self._queue, dress)).feed(str(value))
        elif isinstance(value, AIMessageChunk):
            yield from self._voice(key, MessageVoice, lambda: self._message(dress)).feed(value)
        elif key is None:
            yield from whole(open_value(value, neutral=self._neutral), dress, self._queue)
        else:
            yield from whole(open_entry(value, strict=key == self._key, neutral=self._neutral), dress, self._queue)

    def _voice(self, key: str | None, kind: type[V], make: Callable[[], V]) -> V:
        return cast("V", self._voices.get((key, kind)) or self._voices.setdefault((key, kind), make()))

    def _message(self, dress: Callable[[Any], Any]) -> MessageVoice:
        return MessageVoice(self._queue, dress, final_only=self._final_only, neutral=self._neutral)


def restyle_stream(chunks: Iterator[Any], weaver: Weaver, *, concurrency: int) -> Iterator[Any]:
    """Rewrite what arrives while it arrives; what comes whole leaves whole."""

    def jobs() -> Iterator[Job[Any, Any, Any] | Aside[Any] | None]:
        for chunk in chunks:
            yield from weaver.feed(chunk)
            yield None
        yield from weaver.end()

    with closing(parts(jobs(), concurrency=concurrency)) as results:
        for part in results:
            yield from weaver.out(part)
    yield from weaver.close()


async def arestyle_stream(chunks: AsyncIterator[Any], weaver: Weaver, *, concurrency: int) -> AsyncGenerator[Any, None]:
    """As `restyle_stream`, for tasks."""

    async def jobs() -> AsyncGenerator[Job[Any, Any, Any] | Aside[Any], None]:
        async for chunk in chunks:
            for job in weaver.feed(chunk):
                yield job
        for job in weaver.end():
            yield job

    async with aclosing(aparts(jobs(), concurrency=concurrency)) as results:
        async for part in results:
            for chunk in weaver.out(part):
                yield chunk
    for chunk in weaver.close():
        yield chunk


def _undressed(value: Any) -> Any:
    return value


def _entry(key: str, value: Any) -> AddableDict:
    return AddableDict({key: value})
