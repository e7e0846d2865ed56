"""`RestyleChatEngine`: any chat engine, answering in the author's words."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Generator
from contextlib import aclosing, closing
from dataclasses import replace
from typing import Any, Literal, Unpack, cast

from llama_index.core.base.llms.types import ChatMessage
from llama_index.core.base.response.schema import AsyncStreamingResponse, Response, StreamingResponse
from llama_index.core.chat_engine.types import (
    AGENT_CHAT_RESPONSE_TYPE,
    AgentChatResponse,
    BaseChatEngine,
    StreamingAgentChatResponse,
)
from llama_index.core.memory import BaseMemory

from llama_index_restyle.chat_responses import (
    RestyledStreamingChatResponse,
    achunks_of,
    aspoken,
    chunks_of,
    source_nodes_of,
    spoken,
)
from llama_index_restyle.memories import aamend, amend, memory_of
from llama_index_restyle.nesting import wrapping
from llama_index_restyle.options import RestyleOptions
from llama_index_restyle.wrapper import Wrapper
from restyle.style import Style

__all__ = ["RestyleChatEngine"]


class RestyleChatEngine(Wrapper[BaseChatEngine], BaseChatEngine):
    """Answers as the chat engine inside does, in one author's words; see `RestylePostprocessor`.

    The engine inside goes on remembering what it said itself: its words go into the prompts of the next turn, and the
    author's would be taken for a way to talk, and be restyled once more.

    Args:
        chat_engine: Any chat engine.
        style: The name of a style under ``RESTYLE_HOME``, or a card.
        memory: What is remembered of the answers: the ``neutral`` text, or the ``restyled`` one, for engines whose
            memory is what users are shown. A streaming answer is remembered restyled once it is read to its end.
        **options: As for `RestylePostprocessor`.

    Example:
        ``RestyleChatEngine(index.as_chat_engine(), style="keeper").chat("Who lights the lamp?")``

    Raises:
        StyleNotFoundError, StyleNameError, CardError: The style cannot be used.
        ParameterError: A prompt parameter is unknown or missing.
        ChatModelError: A given LLM takes no messages.
        ValueError: ``memory`` is neither, or is ``restyled`` where the engine has no memory that can be reached.
        LossError: While running, where facts did not survive and ``on_loss="raise"``.
    """

    def __init__(
        self,
        chat_engine: BaseChatEngine,
        *,
        style: str | Style,
        memory: Literal["neutral", "restyled"] = "neutral",
        **options: Unpack[RestyleOptions],
    ) -> None:
        if memory not in {"neutral", "restyled"}:
            raise ValueError(f"memory is {memory!r}: choose neutral or restyled")
        self._amended: BaseMemory | None = memory_of(chat_engine) if memory == "restyled" else None
        self._wrap(chat_engine, style, options)
        self.callback_manager = self._postprocessor.callback_manager

    def chat(
        self, message: str, chat_history: list[ChatMessage] | None = None, **kwargs: Any
    ) -> AGENT_CHAT_RESPONSE_TYPE:
        """An answer. Further arguments are those of the engine inside."""
        with self.callback_manager.as_trace("chat"):
            with wrapping(self) as outermost:
                response = self._inner.chat(message, chat_history, **kwargs)
            return self._finished(response) if outermost else response

    def stream_chat(
        self, message: str, chat_history: list[ChatMessage] | None = None, **kwargs: Any
    ) -> StreamingAgentChatResponse:
        """An answer that is rewritten while it comes. Further arguments are those of the engine inside."""
        with self.callback_manager.as_trace("chat"):
            with wrapping(self) as outermost:
                response = self._inner.stream_chat(message, chat_history, **kwargs)
            return cast("StreamingAgentChatResponse", self._finished(response)) if outermost else response

    async def achat(
        self, message: str, chat_history: list[ChatMessage] | None = None, **kwargs: Any
    ) -> AGENT_CHAT_RESPONSE_TYPE:
        """As `chat`, for tasks."""
        with self.callback_manager.as_trace("chat"):
            with wrapping(self) as outermost:
                response = await self._inner.achat(message, chat_history, **kwargs)
            return await self._afinished(response) if outermost else response

    async def astream_chat(
        self, message: str, chat_history: list[ChatMessage] | None = None, **kwargs: Any
    ) -> StreamingAgentChatResponse:
        """As `stream_chat`, for tasks."""
        with self.callback_manager.as_trace("chat"):
            with wrapping(self) as outermost:
                response = await self._inner.astream_chat(message, chat_history, **kwargs)
            return cast("StreamingAgentChatResponse", await self._afinished(response)) if outermost else response

    def reset(self) -> None:
        """Forget the conversation."""
        self._inner.reset()

    @property
    def chat_history(self) -> list[ChatMessage]:
        """The conversation, as the engine inside remembers it."""
        return self._inner.chat_history

    def _finished(self, response: AGENT_CHAT_RESPONSE_TYPE) -> AGENT_CHAT_RESPONSE_TYPE:
        if isinstance(response, StreamingAgentChatResponse):
            return self._streamed(response)
        new = cast("Response", self._postprocessor.postprocess_response(_whole(response)))
        if self._amended is not None:
            amend(self._amended, response.response, str(new))
        return _with(response, new)

    async def _afinished(self, response: AGENT_CHAT_RESPONSE_TYPE) -> AGENT_CHAT_RESPONSE_TYPE:
        if isinstance(response, StreamingAgentChatResponse):
            by_tasks = response.achat_stream is not None or response.chat_stream is None
            return await self._astreamed(response) if by_tasks else self._streamed(response)
        new = cast("Response", await self._postprocessor.apostprocess_response(_whole(response)))
        if self._amended is not None:
            await aamend(self._amended, response.response, str(new))
        return _with(response, new)

    def _streamed(self, response: StreamingAgentChatResponse) -> StreamingAgentChatResponse:
        heard: list[str] = []

        def chunks() -> Generator[str, None, None]:
            with closing(chunks_of(response)) as deltas:
                for delta in deltas:
                    heard.append(delta)
                    yield delta

        def texts() -> Generator[str, None, None]:
            left = []
            with closing(new.response_gen):
                for text in new.response_gen:
                    left.append(text)
                    yield text
            if self._amended is not None:
                amend(self._amended, "".join(heard), "".join(left))

        given = StreamingResponse(chunks(), source_nodes_of(response))
        new = cast("StreamingResponse", self._postprocessor.postprocess_response(given))
        return _streaming(response, new, chat_stream=spoken(texts()))

    async def _astreamed(self, response: StreamingAgentChatResponse) -> StreamingAgentChatResponse:
        heard: list[str] = []

        async def chunks() -> AsyncGenerator[str, None]:
            async with aclosing(achunks_of(response)) as deltas:
                async for delta in deltas:
                    heard.append(delta)
                    yield delta

        async def texts() -> AsyncGenerator[str, None]:
            left = []
            async with aclosing(new.response_gen):
                async for text in new.response_gen:
                    left.append(text)
                    yield text
            if self._amended is not None:
                await aamend(self._amended, "".join(heard), "".join(left))

        given = AsyncStreamingResponse(chunks(), source_nodes_of(response))
        new = cast("AsyncStreamingResponse", await self._postprocessor.apostprocess_response(given))
        return _streaming(response, new, achat_stream=aspoken(texts()))


def _whole(response: AgentChatResponse) -> Response:
    return Response(response.response, source_nodes_of(response), response.metadata)


def _with(response: AgentChatResponse, new: Response) -> AgentChatResponse:
    return replace(
        response,
        response=str(new),
        sources=[*response.sources],
        source_nodes=new.source_nodes,
        metadata=new.metadata,
    )


def _streaming(
    response: StreamingAgentChatResponse, new: StreamingResponse | AsyncStreamingResponse, **streams: Any
) -> RestyledStreamingChatResponse:
    return RestyledStreamingChatResponse(
        sources=[*response.sources],
        source_nodes=new.source_nodes,
        is_writing_to_memory=False,
        metadata=new.metadata,
        inner=response,
        **streams,
    )
