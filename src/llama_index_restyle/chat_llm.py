"""What the models of this package have in common: they chat, and a completion is a chat of one message."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Generator, Sequence
from contextlib import aclosing, closing
from typing import Any, TypeVar

from llama_index.core.base.llms.types import (
    ChatMessage,
    ChatResponse,
    ChatResponseAsyncGen,
    ChatResponseGen,
    CompletionResponse,
    CompletionResponseAsyncGen,
    CompletionResponseGen,
    MessageRole,
    TextBlock,
)
from llama_index.core.llms.callbacks import llm_chat_callback, llm_completion_callback
from llama_index.core.llms.llm import LLM

from restyle.errors import ShapeError

__all__ = ["ChatLLM", "response_of", "text_of"]

R = TypeVar("R", ChatResponse, CompletionResponse)


class ChatLLM(LLM):
    """LlamaIndex's eight methods over the four ways of chatting that a subclass has.

    Core's decorators tell callback managers and event handlers of every call. A stream inside theirs they leave to the
    garbage collector when its reader stops; here it is closed with it.
    """

    def _chat(self, messages: Sequence[ChatMessage], options: dict[str, Any]) -> ChatResponse:
        raise NotImplementedError  # not abstract: core would make a span of what implements it

    async def _achat(self, messages: Sequence[ChatMessage], options: dict[str, Any]) -> ChatResponse:
        raise NotImplementedError

    def _stream(self, messages: Sequence[ChatMessage], options: dict[str, Any]) -> ChatResponseGen:
        raise NotImplementedError

    def _astream(self, messages: Sequence[ChatMessage], options: dict[str, Any]) -> ChatResponseAsyncGen:
        raise NotImplementedError

    @llm_chat_callback()
    def chat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponse:
        """Answer, in one piece."""
        return self._chat(messages, kwargs)

    @llm_chat_callback()
    async def achat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponse:
        """Answer, in one piece."""
        return await self._achat(messages, kwargs)

    def stream_chat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponseGen:
        """Answer as it comes; usage and finish reason are in the last response."""
        stream = self._stream(messages, kwargs)
        told = llm_chat_callback()(lambda *_, **__: stream)
        return _both(told(self, messages, **kwargs), stream)

    async def astream_chat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponseAsyncGen:
        """Answer as it comes; usage and finish reason are in the last response."""
        stream = self._astream(messages, kwargs)
        told = llm_chat_callback()(_returning(stream))
        return _aboth(await told(self, messages, **kwargs), stream)

    @llm_completion_callback()
    def complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> CompletionResponse:  # noqa: FBT001, FBT002 - core's signature
        """Answer ``prompt`` as the only message."""
        return _completion(self._chat(_messages(prompt), kwargs))

    @llm_completion_callback()
    async def acomplete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> CompletionResponse:  # noqa: FBT001, FBT002 - as above
        """Answer ``prompt`` as the only message."""
        return _completion(await self._achat(_messages(prompt), kwargs))

    def stream_complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> CompletionResponseGen:  # noqa: FBT001, FBT002 - as above
        """Answer ``prompt`` as the only message, as it comes."""
        stream = _completions(self._stream(_messages(prompt), kwargs))
        told = llm_completion_callback()(lambda *_, **__: stream)
        return _both(told(self, prompt, **kwargs), stream)

    async def astream_complete(
        self,
        prompt: str,
        formatted: bool = False,  # noqa: FBT001, FBT002 - as above
        **kwargs: Any,
    ) -> CompletionResponseAsyncGen:
        """Answer ``prompt`` as the only message, as it comes."""
        stream = _acompletions(self._astream(_messages(prompt), kwargs))
        told = llm_completion_callback()(_returning(stream))
        return _aboth(await told(self, prompt, **kwargs), stream)


def text_of(message: ChatMessage) -> str:
    """The text of a message, byte for byte; several text blocks are lines, as in LlamaIndex.

    Raises:
        ShapeError: The message holds something other than text, or nothing at all.
    """
    for block in message.blocks:
        if not isinstance(block, TextBlock):
            raise ShapeError(
                f"a {message.role.value} message holds a {type(block).__name__}: this model takes text alone"
            )
    if message.content is None:
        raise ShapeError(f"a {message.role.value} message has no text: give it as ChatMessage(content=...)")
    return message.content


def response_of(text: str, raw: dict[str, Any], *, delta: str | None = None, reasoning: str = "") -> ChatResponse:
    """A response of LlamaIndex's.

    Args:
        text: All of the answer so far.
        raw: A chat completion or a chunk of one as OpenAI has it, ``choices[0]["finish_reason"]`` and ``usage``
            included where they are known. There core's `TokenCountingHandler` finds the usage.
        delta: What has come since the last response; None where the answer is whole.
        reasoning: What the model said beside its answer.
    """
    additional = {"reasoning_content": reasoning} if reasoning else {}
    message = ChatMessage(role=MessageRole.ASSISTANT, content=text, additional_kwargs=additional)
    usage = {key: value for key, value in (raw.get("usage") or {}).items() if isinstance(value, int)}
    return ChatResponse(message=message, raw=raw, delta=delta, additional_kwargs=usage)


def _messages(prompt: str) -> list[ChatMessage]:
    return [ChatMessage(role=MessageRole.USER, content=prompt)]


def _completion(response: ChatResponse) -> CompletionResponse:
    return CompletionResponse(
        text=response.message.content or "",
        additional_kwargs={**response.message.additional_kwargs, **response.additional_kwargs},
        raw=response.raw,
        delta=response.delta,
    )


def _completions(stream: ChatResponseGen) -> CompletionResponseGen:
    with closing(stream):
        for response in stream:
            yield _completion(response)


async def _acompletions(stream: ChatResponseAsyncGen) -> CompletionResponseAsyncGen:
    async with aclosing(stream):
        async for response in stream:
            yield _completion(response)


def _returning(stream: AsyncGenerator[R, None]) -> Any:
    async def returning(*_: Any, **__: Any) -> AsyncGenerator[R, None]:
        return stream

    return returning


def _both(told: Generator[R, None, None], stream: Generator[R, None, None]) -> Generator[R, None, None]:
    """``told``, core's generator over ``stream``; both end together."""
    with closing(stream):
        yield from told


async def _aboth(told: AsyncGenerator[R, None], stream: AsyncGenerator[R, None]) -> AsyncGenerator[R, None]:
    async with aclosing(stream), aclosing(told):
        async for response in told:
            yield response
