"""``POST /v1/chat/completions``: the last user message, rewritten; whole or as server-sent events.

Tokens are words here: usage and ``max_tokens`` count runs of characters between white space.
"""

from __future__ import annotations

import asyncio
import json
import re
import secrets
import time
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Any

from restyle.errors import RestyleError
from restyle.messages import Answer
from restyle.serving.errors import ApiError, invalid_type, missing_parameter
from restyle.serving.models import Messages, Models, text_of
from restyle.serving.web import Request, Response, Scope, StreamingResponse, in_thread, json_response, read_object

__all__ = ["Alter", "ChatCompletions", "pieces"]

Alter = Callable[[Scope, Answer], Answer]

_ROLES = ("system", "assistant", "user", "function", "tool", "developer")
_PIECE = re.compile(r"\s*\S+|\s+")


def pieces(text: str) -> list[str]:
    """``text`` word by word, each with the white space before it; together they are the text."""
    return _PIECE.findall(text)


@dataclass(frozen=True, slots=True)
class _Call:
    """A request that has been checked; ``limit`` is the most words of the answer, or None."""

    model: str
    messages: Messages
    limit: int | None
    stream: bool
    include_usage: bool


class ChatCompletions:
    """The endpoint.

    Args:
        models: Who answers.
        pool: Where answers are made, so that the event loop stays free.
        alter: Changes an answer before it is sent; the sandbox makes its faults with it.
        word_latency: Seconds that each word of an answer takes to come, as from a model that decodes.
    """

    def __init__(
        self, models: Models, pool: Executor, *, alter: Alter | None = None, word_latency: float = 0.0
    ) -> None:
        self._models = models
        self._pool = pool
        self._alter = alter
        self._word_latency = word_latency

    async def answer(self, request: Request) -> Response:
        """Answer one request."""
        call = _checked(await read_object(request))
        if self._models.is_instant(call.model):
            answer = self._answer(call)
        else:
            answer = await in_thread(self._pool, self._answer, call)
        if self._alter is not None:
            answer = self._alter(request.scope, answer)
        head = {"id": f"chatcmpl-{secrets.token_hex(12)}", "created": int(time.time()), "model": call.model}
        if call.stream:
            return StreamingResponse(self._events(call, answer, head), media_type="text/event-stream")
        if self._word_latency:
            await asyncio.sleep(self._word_latency * _words(answer))
        return json_response(_completion(call, answer, head))

    def _answer(self, call: _Call) -> Answer:
        try:
            text = self._models.answerer(call.model)(call.messages)
        except ApiError:
            raise
        except RestyleError as error:
            raise ApiError(500, f"{call.model}: {error}", code="model_failed") from error
        except Exception as error:  # a scripted reply may raise anything, and the client is to see it
            raise ApiError(500, f"{call.model}: {type(error).__name__}: {error}", code="model_failed") from error
        if call.limit is not None and len(text.split()) > call.limit:
            return Answer("".join(pieces(text)[: call.limit]), "length")
        return Answer(text, "stop")

    async def _events(self, call: _Call, answer: Answer, head: dict[str, Any]) -> AsyncIterator[bytes]:
        clock = asyncio.get_running_loop().time
        begin = clock()
        head |= {"object": "chat.completion.chunk"}
        tail: dict[str, Any] = {"usage": None} if call.include_usage else {}
        for number, (delta, reason) in enumerate(_deltas(answer)):
            # A schedule, not a pause: pauses would add up their own inaccuracy.
            if self._word_latency and (wait := begin + number * self._word_latency - clock()) > 0:
                await asyncio.sleep(wait)
            choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": reason}
            yield _event({**head, "choices": [choice], **tail})
        if call.include_usage:
            yield _event({**head, "choices": [], "usage": _usage(call, answer)})
        yield b"data: [DONE]\n\n"


def _deltas(answer: Answer) -> Iterator[tuple[dict[str, str], str | None]]:
    yield {"role": "assistant", "content": ""}, None
    for piece in pieces(answer.reasoning):
        yield {"reasoning_content": piece}, None
    for piece in pieces(answer.text):
        yield {"content": piece}, None
    yield {}, answer.finish_reason


def _event(content: dict[str, Any]) -> bytes:
    return f"data: {json.dumps(content, separators=(',', ':'))}\n\n".encode()


def _completion(call: _Call, answer: Answer, head: dict[str, Any]) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": answer.text, "refusal": None}
    if answer.reasoning:
        message["reasoning_content"] = answer.reasoning
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": answer.finish_reason}
    return {**head, "object": "chat.completion", "choices": [choice], "usage": _usage(call, answer)}


def _usage(call: _Call, answer: Answer) -> dict[str, int]:
    prompt, completion = sum(len(text_of(message).split()) for message in call.messages), _words(answer)
    return {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}


def _words(answer: Answer) -> int:
    return len(answer.text.split()) + len(answer.reasoning.split())


def _checked(body: dict[str, Any]) -> _Call:
    for name in ("model", "messages"):
        if name not in body:
            raise missing_parameter(name)
    model, messages, stream = body["model"], body["messages"], body.get("stream") or False
    if not isinstance(model, str):
        raise invalid_type("model", "a string", model)
    if not isinstance(messages, list):
        raise invalid_type("messages", "an array of objects", messages)
    if not messages:
        message = "Invalid 'messages': empty array. Expected an array with minimum length 1, but got an empty array."
        raise ApiError(400, message, param="messages", code="empty_array")
    for index, message in enumerate(messages):
        _check_message(message, f"messages[{index}]")
    if not isinstance(stream, bool):
        raise invalid_type("stream", "a boolean", stream)
    options = body.get("stream_options") or {}
    if not isinstance(options, dict):
        raise invalid_type("stream_options", "an object", options)
    if body.get("n") not in (None, 1):
        raise ApiError(400, "Invalid 'n': this server answers with one choice.", param="n", code="unsupported_value")
    return _Call(model, messages, _limit(body), stream, bool(options.get("include_usage")))


def _check_message(message: Any, name: str) -> None:  # noqa: ANN401 - whatever JSON holds
    if not isinstance(message, dict):
        raise invalid_type(name, "an object", message)
    if "role" not in message:
        raise missing_parameter(f"{name}.role")
    if message["role"] not in _ROLES:
        supported = ", ".join(f"'{role}'" for role in _ROLES)
        text = f"Invalid value: '{message['role']}'. Supported values are: {supported}."
        raise ApiError(400, text, param=f"{name}.role", code="invalid_value")
    content = message.get("content")
    if content is None or isinstance(content, str):
        return
    if not isinstance(content, list):
        raise invalid_type(f"{name}.content", "one of a string or array of objects", content)
    for index, part in enumerate(content):
        place = f"{name}.content[{index}]"
        if not isinstance(part, dict):
            raise invalid_type(place, "an object", part)
        if part.get("type") != "text":
            text = f"Invalid value: '{part.get('type')}'. Supported values are: 'text'."
            raise ApiError(400, text, param=f"{place}.type", code="invalid_value")
        if not isinstance(part.get("text"), str):
            raise invalid_type(f"{place}.text", "a string", part.get("text"))


def _limit(body: dict[str, Any]) -> int | None:
    for name in ("max_completion_tokens", "max_tokens"):
        if (value := body.get(name)) is None:
            continue
        if not isinstance(value, int) or isinstance(value, bool):
            raise invalid_type(name, "an integer", value)
        if value < 1:
            message = f"Invalid '{name}': integer below minimum value. Expected a value >= 1, but got {value} instead."
            raise ApiError(400, message, param=name, code="integer_below_min_value")
        return value
    return None
