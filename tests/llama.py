"""LlamaIndex with a script: an LLM, engines over it, and what instrumentation heard."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import contextmanager
from typing import Any

from llama_index.core.base.llms.types import ChatMessage, ChatResponse, CompletionResponse, LLMMetadata, MessageRole
from llama_index.core.base.response.schema import AsyncStreamingResponse, Response, StreamingResponse
from llama_index.core.instrumentation import get_dispatcher
from llama_index.core.instrumentation.event_handlers import BaseEventHandler
from llama_index.core.instrumentation.span import SimpleSpan
from llama_index.core.instrumentation.span_handlers import SimpleSpanHandler
from llama_index.core.llms.callbacks import llm_chat_callback, llm_completion_callback
from llama_index.core.llms.llm import LLM
from llama_index.core.schema import NodeWithScore, TextNode
from pydantic import Field, PrivateAttr

from scripted import uncommon

MARKED_KEY = "sk-marked-key-that-must-not-leak"


class ScriptedLLM(LLM):
    """Answers the last message with what ``reply`` makes of it, and counts the calls.

    It holds a key as real ones do: what shows it is a leak. ``delay`` is seconds before an answer, or before its first
    piece where it streams, and ``piece_delay`` before every further one.
    """

    reply: Callable[[str], str] = uncommon
    delay: float = 0.0
    piece_delay: float = 0.0
    chat_model: bool = True
    api_key: str = MARKED_KEY
    calls: list[list[ChatMessage]] = Field(default_factory=list, exclude=True)
    peak: int = 0
    _in_flight: int = PrivateAttr(default=0)
    _lock: Any = PrivateAttr(default_factory=threading.Lock)

    @classmethod
    def class_name(cls) -> str:
        return "ScriptedLLM"

    @property
    def metadata(self) -> LLMMetadata:
        return LLMMetadata(is_chat_model=self.chat_model, model_name="scripted", context_window=1_000_000)

    @property
    def texts(self) -> list[str]:
        """What was asked, in the order of the calls."""
        return [str(messages[-1].content) for messages in self.calls]

    @contextmanager
    def _call(self, messages: Sequence[ChatMessage]):
        with self._lock:
            self.calls.append(list(messages))
            self._in_flight += 1
            self.peak = max(self.peak, self._in_flight)
        try:
            yield self.reply(messages[-1].content or "")
        finally:
            with self._lock:
                self._in_flight -= 1

    def _response(self, text: str, delta: str | None = None) -> ChatResponse:
        message = ChatMessage(role=MessageRole.ASSISTANT, content=text)
        return ChatResponse(message=message, delta=delta, raw={"choices": [{"finish_reason": "stop"}]})

    @llm_chat_callback()
    def chat(self, messages, **_):
        with self._call(messages) as text:
            time.sleep(self.delay)
            return self._response(text)

    @llm_chat_callback()
    async def achat(self, messages, **_):
        with self._call(messages) as text:
            await asyncio.sleep(self.delay)
            return self._response(text)

    @llm_chat_callback()
    def stream_chat(self, messages, **_):
        def pieces():
            with self._call(messages) as text:
                so_far = ""
                for index, piece in enumerate(pieces_of(text)):
                    time.sleep(self.piece_delay if index else self.delay)
                    so_far += piece
                    yield self._response(so_far, piece)

        return pieces()

    @llm_chat_callback()
    async def astream_chat(self, messages, **_):
        async def pieces():
            with self._call(messages) as text:
                so_far = ""
                for index, piece in enumerate(pieces_of(text)):
                    await asyncio.sleep(self.piece_delay if index else self.delay)
                    so_far += piece
                    yield self._response(so_far, piece)

        return pieces()

    @llm_completion_callback()
    def complete(self, prompt, **_):
        with self._call([ChatMessage(role=MessageRole.USER, content=prompt)]) as text:
            return CompletionResponse(text=text)

    @llm_completion_callback()
    async def acomplete(self, prompt, **_):
        with self._call([ChatMessage(role=MessageRole.USER, content=prompt)]) as text:
            return CompletionResponse(text=text)

    @llm_completion_callback()
    def stream_complete(self, prompt, **_):
        raise NotImplementedError

    @llm_completion_callback()
    async def astream_complete(self, prompt, **_):
        raise NotImplementedError


def pieces_of(text: str) -> list[str]:
    """Words with the white space behind them, as a model's tokens come; together they are the text."""
    words, at = [], 0
    for end in [index for index, character in enumerate(text) if character == " "]:
        words.append(text[at : end + 1])
        at = end + 1
    return [*words, text[at:]] if text[at:] or not words else words


def nodes(*texts: str) -> list[NodeWithScore]:
    """Source nodes with fixed ids and scores, best first."""
    return [
        NodeWithScore(node=TextNode(text=text, id_=f"node-{index}", metadata={"page": index}), score=1.0 - index / 10)
        for index, text in enumerate(texts)
    ]


def drained(response: Response | StreamingResponse) -> str:
    """The text of a response, read as its kind is read."""
    if isinstance(response, StreamingResponse):
        return "".join(response.response_gen)
    return str(response)


async def adrained(response: Response | StreamingResponse | AsyncStreamingResponse) -> str:
    """As `drained`, for tasks."""
    if isinstance(response, AsyncStreamingResponse):
        return "".join([text async for text in response.async_response_gen()])
    return drained(response)


class Spans(SimpleSpanHandler):
    """Every span that was opened, and what became of it."""

    def tree(self) -> dict[str, list[str]]:
        """For every span's name those of its children, in the order in which they ended; roots stand under ``""``."""
        everything: list[SimpleSpan] = [*self.completed_spans, *self.dropped_spans]
        names = {span.id_: span.id_.partition("-")[0] for span in everything}
        found: dict[str, list[str]] = {}
        for span in everything:
            found.setdefault(names.get(span.parent_id or "", ""), []).append(names[span.id_])
        return found


class Events(BaseEventHandler):
    """Every event, in order."""

    seen: list[Any] = Field(default_factory=list)

    @classmethod
    def class_name(cls) -> str:
        return "Events"

    def handle(self, event, **_):
        self.seen.append(event)

    def names(self) -> list[str]:
        return [event.class_name() for event in self.seen]


@contextmanager
def instrumented():
    """The spans and events of what is done inside."""
    root = get_dispatcher()
    spans, events = Spans(), Events()
    root.add_span_handler(spans)
    root.add_event_handler(events)
    try:
        yield spans, events
    finally:
        root.span_handlers.remove(spans)
        root.event_handlers.remove(events)
