"""Chat engines' responses: what they say while they come, their source nodes, and a new one that streams."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Generator
from contextlib import aclosing, closing, suppress
from dataclasses import dataclass, field
from queue import Empty
from typing import Any, get_args

from llama_index.core.base.llms.types import ChatMessage, ChatResponse, MessageRole
from llama_index.core.base.response.schema import RESPONSE_TYPE, Response, StreamingResponse
from llama_index.core.chat_engine.types import AGENT_CHAT_RESPONSE_TYPE, StreamingAgentChatResponse
from llama_index.core.schema import NodeWithScore

from restyle.errors import ShapeError

__all__ = [
    "RestyledStreamingChatResponse",
    "achunks_of",
    "aspoken",
    "chunks_of",
    "source_nodes_of",
    "spoken",
]

_PAUSE = 0.01  # seconds until somebody who was not told looks again


@dataclass
class RestyledStreamingChatResponse(StreamingAgentChatResponse):
    """A streaming response in the author's words. The engine inside writes to memory, this only speaks.

    A stream that has failed raises the same error each time it is read. One that is closed early ends its calls, and
    waits until the engine inside has said and remembered all it has to say.

    Attributes:
        metadata: ``metadata["restyle"]`` tells of every block, as soon as it has left.
        inner: The response of the engine inside.
    """

    metadata: dict[str, Any] | None = None
    inner: StreamingAgentChatResponse | None = field(default=None, repr=False, compare=False)

    @property
    def response_gen(self) -> Generator[str, None, None]:
        """The text, block by block.

        Raises:
            ShapeError: It can only be read by tasks.
        """
        if self.exception is not None:
            raise self.exception
        if self.chat_stream is None:
            raise ShapeError("this response is read by tasks: async for text in response.async_response_gen()")
        try:
            yield from super().response_gen
            self.is_done = True
        except Exception as error:
            self.exception = error  # a second reading would take what had come for the whole
            raise
        finally:
            self.chat_stream.close()
            if self.inner is not None and self.inner.is_writing_to_memory:
                with suppress(Exception):  # it has been raised where the text was read
                    deque(chunks_of(self.inner), maxlen=0)

    async def async_response_gen(self) -> AsyncGenerator[str, None]:
        """The text, block by block.

        Raises:
            ShapeError: It can only be read without ``await``.
        """
        if self.exception is not None:
            raise self.exception
        if self.achat_stream is None:
            raise ShapeError("this response is read without await: for text in response.response_gen")
        try:
            async with aclosing(super().async_response_gen()) as texts:
                async for text in texts:
                    yield text
            self.is_done = True
        except Exception as error:
            self.exception = error  # as above
            raise
        finally:
            await self.achat_stream.aclose()
            if self.inner is not None and (writer := self.inner.awrite_response_to_history_task) is not None:
                await asyncio.wait([writer])  # unlike `await`, hands no cancellation on


# The queues are read here, and not by the properties of LlamaIndex's class. Those poll without a pause, or notice the
# end only a tenth of a second later (and in old versions lose what came meanwhile), and an error takes with it what was
# said before it.


def chunks_of(response: StreamingAgentChatResponse) -> Generator[str, None, None]:
    """What the engine says, while it comes; an empty text now and then, so that what is ready may leave."""
    if not response.is_writing_to_memory:
        with closing(response.response_gen) as deltas, closing(response.chat_stream or deltas):
            yield from deltas
        return
    while True:
        ended = response.is_done or response.exception is not None  # looked at first: after it, more may have come
        try:
            delta = response.queue.get(timeout=0 if ended else _PAUSE)
        except Empty:
            if ended:
                break
            delta = ""
        yield delta or ""
    if response.exception is not None:
        raise response.exception


async def achunks_of(response: StreamingAgentChatResponse) -> AsyncGenerator[str, None]:
    """As `chunks_of`, for tasks."""
    if not response.is_writing_to_memory:
        async with aclosing(response.async_response_gen()) as deltas, aclosing(response.achat_stream or deltas):
            async for delta in deltas:
                yield delta
        return
    response._ensure_async_setup()
    queue, news, writer = response.aqueue, response.new_item_event, response.awrite_response_to_history_task
    assert queue is not None and news is not None  # noqa: PT018, S101 - that is what was set up
    ended = False
    while not ended:
        news.clear()
        ended = response.is_done or response.exception is not None or (writer is not None and writer.done())
        while not queue.empty():
            yield queue.get_nowait() or ""
        if not ended:
            with suppress(TimeoutError):
                async with asyncio.timeout(_PAUSE):
                    await news.wait()
    if response.exception is not None:
        raise response.exception
    if writer is not None and writer.done():
        writer.result()  # raises where it was cancelled


def spoken(texts: Generator[str, None, None]) -> Generator[ChatResponse, None, None]:
    """The texts as a chat model would say them."""
    so_far = ""
    with closing(texts):
        for text in texts:
            so_far += text
            yield _said(so_far, text)


async def aspoken(texts: AsyncGenerator[str, None]) -> AsyncGenerator[ChatResponse, None]:
    """As `spoken`, for tasks."""
    so_far = ""
    async with aclosing(texts):
        async for text in texts:
            so_far += text
            yield _said(so_far, text)


def _said(so_far: str, delta: str) -> ChatResponse:
    return ChatResponse(message=ChatMessage(role=MessageRole.ASSISTANT, content=so_far), delta=delta)


def source_nodes_of(response: AGENT_CHAT_RESPONSE_TYPE) -> list[NodeWithScore]:
    """The source nodes, in order.

    LlamaIndex collects them from its tools' responses, but passes over two kinds of response: those are seen to here.
    """
    given = [each.raw_output for each in response.sources if isinstance(each.raw_output, get_args(RESPONSE_TYPE))]
    collected = [node for each in given if isinstance(each, Response | StreamingResponse) for node in each.source_nodes]
    if response.source_nodes != collected:  # the engine has set them itself
        return [*response.source_nodes]
    return [node for each in given for node in each.source_nodes]
