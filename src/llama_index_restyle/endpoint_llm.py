"""An LLM behind an OpenAI-compatible endpoint: any model name, and exactly the messages that are given."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import aclosing, closing
from typing import TYPE_CHECKING, Any, Self

from llama_index.core.base.llms.types import (
    ChatMessage,
    ChatResponse,
    ChatResponseAsyncGen,
    ChatResponseGen,
    LLMMetadata,
)
from llama_index.core.constants import DEFAULT_CONTEXT_WINDOW
from pydantic import ConfigDict, Field, model_validator

from llama_index_restyle.chat_llm import ChatLLM, response_of, text_of
from restyle.answering import TIMEOUT, parse
from restyle.stage import Stage

if TYPE_CHECKING:
    from openai.types.chat import ChatCompletion, ChatCompletionChunk

    from llama_index_restyle.endpoint_calls import Call

__all__ = ["EndpointLLM"]


class EndpointLLM(ChatLLM):
    """Chat completions of any OpenAI-compatible endpoint.

    The body of a request holds the model's name, the messages and ``request``, and nothing is added but what a call is
    given beside its messages (``temperature``, ``stop``, ...; it wins over ``request``) and what makes a stream one.
    The key comes from the environment with every call: ``RESTYLE_API_KEY`` for a ``base_url``, ``OPENAI_API_KEY`` for
    OpenAI's. It may be used from any number of threads and event loops.

    Usage is in ``response.raw["usage"]``, why the model stopped in ``response.raw["choices"][0]["finish_reason"]``, as
    the endpoint has them; of a stream, in its last response. What the model said beside its answer is in the message's
    ``additional_kwargs["reasoning_content"]``.

    Example:
        ``EndpointLLM(model="author", base_url="http://localhost:8000/v1").chat(messages)``

    Raises:
        ModelError: On a call, where no answer came or OpenAI is meant and ``OPENAI_API_KEY`` is not set.
        ShapeError: On a call, where a message holds something other than text.
    """

    model_config = ConfigDict(hide_input_in_errors=True)  # a refused field may hold a key

    model: str
    """Its name at the endpoint; no name is refused or read for a meaning."""

    base_url: str | None = None
    """``http(s)://host[:port]/path``; None means OpenAI's."""

    request: dict[str, Any] = Field(default_factory=dict)
    """Options for the body of every request, sent as they stand."""

    context_window: int = Field(default=DEFAULT_CONTEXT_WINDOW, gt=0)
    """Tokens that prompt and answer may have together. LlamaIndex packs contexts by it; it is not sent."""

    max_retries: int = Field(default=2, ge=0)
    """How often the SDK sends a request again that failed; nothing else does."""

    timeout: float = Field(default=TIMEOUT, gt=0)
    """Seconds for an answer, or for the next piece of it."""

    @classmethod
    def class_name(cls) -> str:
        """The class's name in what is serialized."""
        return "restyle_endpoint"

    @property
    def metadata(self) -> LLMMetadata:
        """A chat model of that name."""
        return LLMMetadata(context_window=self.context_window, is_chat_model=True, model_name=self.model)

    @model_validator(mode="after")
    def _check(self) -> Self:
        Stage("unused", self.model, self.base_url, request=self.request)  # a card has the same fields and rules
        return self

    def _chat(self, messages: Sequence[ChatMessage], options: dict[str, Any]) -> ChatResponse:
        return _response(self._call(messages, options).whole())

    async def _achat(self, messages: Sequence[ChatMessage], options: dict[str, Any]) -> ChatResponse:
        return _response(await self._call(messages, options).awhole())

    def _stream(self, messages: Sequence[ChatMessage], options: dict[str, Any]) -> ChatResponseGen:
        so_far = _SoFar()
        with closing(self._call(messages, options).chunks()) as chunks:
            for chunk in chunks:
                if response := so_far.add(chunk):
                    yield response
        yield so_far.last()

    async def _astream(self, messages: Sequence[ChatMessage], options: dict[str, Any]) -> ChatResponseAsyncGen:
        so_far = _SoFar()
        async with aclosing(self._call(messages, options).achunks()) as chunks:
            async for chunk in chunks:
                if response := so_far.add(chunk):
                    yield response
        yield so_far.last()

    def _call(self, messages: Sequence[ChatMessage], options: dict[str, Any]) -> Call:
        from llama_index_restyle.endpoint_calls import Call  # noqa: PLC0415 - half a second that only a call pays

        sent = [{"role": message.role.value, "content": text_of(message)} for message in messages]
        return Call(self.model, self.base_url, sent, self.request | options, self.max_retries, self.timeout)


class _SoFar:
    """What has come of a stream."""

    def __init__(self) -> None:
        self._text = ""
        self._reasoning = ""
        self._finish_reason: str | None = None
        self._raw: dict[str, Any] = {}

    def add(self, chunk: ChatCompletionChunk) -> ChatResponse | None:
        """What is to be shown of the chunk, if it adds to the text."""
        raw = _as_sent(chunk)
        self._raw |= {key: value for key, value in raw.items() if value is not None}  # usage is null until it is known
        if not chunk.choices:
            return None
        choice = chunk.choices[0]
        self._finish_reason = choice.finish_reason or self._finish_reason
        # There are hosts that leave out the delta of a last choice.
        self._reasoning += getattr(choice.delta, "reasoning_content", None) or ""
        delta = getattr(choice.delta, "content", None) or getattr(choice.delta, "refusal", None) or ""
        self._text += delta
        return response_of(self._text, raw, delta=delta, reasoning=self._reasoning) if delta else None

    def last(self) -> ChatResponse:
        """What is known at the end."""
        choice = {"index": 0, "finish_reason": self._finish_reason}
        return response_of(self._text, self._raw | {"choices": [choice]}, delta="", reasoning=self._reasoning)


def _response(completion: ChatCompletion) -> ChatResponse:
    answer = parse(completion)
    return response_of(answer.text, _as_sent(completion), reasoning=answer.reasoning)


def _as_sent(answer: ChatCompletion | ChatCompletionChunk) -> dict[str, Any]:
    return answer.to_dict(warnings=False)  # hosts send more and other things than the SDK's types know
