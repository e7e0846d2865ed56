"""Requests to OpenAI-compatible endpoints with the SDK, whole and streaming.

Imported only where an endpoint is asked: the SDK takes half a second.
"""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from importlib import import_module
from json import JSONDecodeError
from typing import Any, cast

from openai import AsyncOpenAI, DefaultHttpxClient, OpenAI, OpenAIError
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from restyle.answering import client_options, model_error
from restyle.endpoint_client import EndpointClient
from restyle.errors import ModelError
from restyle.loop_clients import client_of_this_loop

__all__ = ["Call"]

# httpx's or httpx2's, as the SDK has it; the older SDK lets them through where a stream breaks.
_BROKEN: type[Exception] = import_module(str(DefaultHttpxClient.__base__.__module__)).HTTPError
_STREAMING: dict[str, Any] = {"stream": True, "stream_options": {"include_usage": True}}


@dataclass(frozen=True, slots=True)
class Call:
    """One request. Every method raises `ModelError` where no answer comes, or where the key of OpenAI is missing.

    Attributes:
        model: The model's name at the endpoint.
        base_url: The endpoint; None means OpenAI's.
        messages: As the body has them.
        options: What else the body holds.
        max_retries: How often a request that failed is sent again, by the SDK.
        timeout: Seconds for an answer, or for the next piece of it.
    """

    model: str
    base_url: str | None
    messages: list[dict[str, str]]
    options: dict[str, Any]
    max_retries: int
    timeout: float

    def whole(self) -> ChatCompletion:
        """The answer, in one piece."""
        with self._failures():
            completion = self._client().chat.completions.create(**self._arguments())
        self._check(came=isinstance(completion, ChatCompletion))  # the SDK hands on whatever is not JSON
        return cast("ChatCompletion", completion)

    async def awhole(self) -> ChatCompletion:
        """The answer, in one piece."""
        with self._failures():
            completion = await self._async_client().chat.completions.create(**self._arguments())
        self._check(came=isinstance(completion, ChatCompletion))
        return cast("ChatCompletion", completion)

    def chunks(self) -> Generator[ChatCompletionChunk, None, None]:
        """The answer as it comes; closing the generator closes the connection."""
        came = False
        with self._failures(), self._client().chat.completions.create(**self._arguments(), **_STREAMING) as stream:
            for chunk in stream:
                came = True
                yield chunk
        self._check(came=came)

    async def achunks(self) -> AsyncGenerator[ChatCompletionChunk, None]:
        """The answer as it comes; closing the generator closes the connection."""
        came = False
        with self._failures():
            request = self._async_client().chat.completions.create(**self._arguments(), **_STREAMING)
            async with await request as stream:
                async for chunk in stream:
                    came = True
                    yield chunk
        self._check(came=came)

    def _arguments(self) -> dict[str, Any]:
        # As `restyle.answering.payload`: what stands in the extra body wins over what stands beside it.
        return {"model": self.model, "messages": self.messages, "extra_body": self.options or None}

    def _client(self) -> OpenAI:
        return _client(self._client_options(), self._key())

    def _async_client(self) -> AsyncOpenAI:
        return _async_client(self._client_options(), self._key(), client_of_this_loop())

    def _client_options(self) -> tuple[tuple[str, Any], ...]:
        options = client_options(self.base_url) | {"timeout": self.timeout, "max_retries": self.max_retries}
        return tuple(options.items())

    def _key(self) -> str | None:
        return os.environ.get("OPENAI_API_KEY") if self.base_url is None else None

    def _check(self, *, came: bool) -> None:
        if not came:
            raise ModelError(
                f"model {self.model!r} at {self.base_url or 'OpenAI'} answered with something else than a chat "
                "completion: is the base_url complete, with its /v1?"
            )

    @contextmanager
    def _failures(self) -> Iterator[None]:
        try:
            yield
        except (OpenAIError, _BROKEN, JSONDecodeError) as error:
            raise model_error(cast("OpenAIError", error), self.model, self.base_url) from None


@lru_cache(maxsize=64)
def _client(options: tuple[tuple[str, Any], ...], _key: str | None) -> OpenAI:
    return OpenAI(**dict(options))


@lru_cache(maxsize=64)
def _async_client(options: tuple[tuple[str, Any], ...], _key: str | None, client: EndpointClient | None) -> AsyncOpenAI:
    return AsyncOpenAI(**dict(options), http_client=client)
