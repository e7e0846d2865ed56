"""Faults on demand for the sandbox: an ASGI layer that records chat requests and spoils answers as it is told to."""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from math import ceil
from typing import Any, Literal, NamedTuple, get_args

from restyle.messages import Answer
from restyle.serving.completions import pieces
from restyle.serving.errors import ApiError
from restyle.serving.limits import RateLimits, Refused
from restyle.serving.tuning_rules import TuningRules
from restyle.serving.web import ASGIApp, Message, Receive, Scope, Send, error_response

__all__ = ["CHAT", "Fault", "FaultKind", "FaultyApp", "Injected", "Recorded", "alter"]

_Wire = Literal["status", "drop", "lost", "truncate", "slow"]
_Answer = Literal["empty", "length", "reasoning", "think", "refusal", "comment"]
FaultKind = Literal[_Wire, _Answer]

CHAT = "/v1/chat/completions"
_FAULT = "restyle.fault"  # where a request's fault travels in its ASGI scope
_CODES = {401: "invalid_api_key", 429: "rate_limit_exceeded"}


@dataclass(frozen=True, slots=True)
class Fault:
    """What goes wrong with one request.

    Attributes:
        kind: ``status``: an HTTP error instead of an answer. ``drop``: the connection is closed without an answer, and
            nothing was done. ``lost``: it is closed without an answer after all was done. ``truncate``: it is closed in
            the middle of the answer's bytes. ``slow``: the answer comes ``delay`` seconds later. The others are faults
            of chat answers: ``empty``: no text. ``length``: half of the text, with ``finish_reason="length"``.
            ``reasoning``: the text comes in ``reasoning_content``. ``think``: a ``<think>`` block before the text.
            ``refusal``: "I'm sorry, ..." instead of the text. ``comment``: "Sure, here is ..." before the text.
        status: The HTTP status of kind ``status``.
        retry_after: Seconds for the ``Retry-After`` header of kind ``status``; None sends none.
        delay: Seconds, for kind ``slow``.

    Raises:
        ValueError: There is no such kind.
    """

    kind: FaultKind
    status: int = 429
    retry_after: float | None = None
    delay: float = 1.0

    def __post_init__(self) -> None:
        if self.kind not in get_args(FaultKind):
            raise ValueError(f"no fault is called {self.kind!r}: use one of {', '.join(get_args(FaultKind))}")

    @property
    def is_of_the_wire(self) -> bool:
        """Whether it can happen to any request, not to chat answers alone."""
        return self.kind in get_args(_Wire)

    def alter(self, answer: Answer) -> Answer:
        """The answer as this fault leaves it."""
        words = pieces(answer.text)
        altered = {
            "empty": Answer("", "stop"),
            "length": Answer("".join(words[: len(words) // 2]), "length"),
            "reasoning": Answer("", "stop", reasoning=answer.text),
            "think": Answer(f"<think>The user wants this text rewritten.</think>\n\n{answer.text}", "stop"),
            "refusal": Answer("I'm sorry, but I can't help with that.", "stop"),
            "comment": Answer(f"Sure, here is the rewritten text:\n\n{answer.text}", "stop"),
        }
        return altered.get(self.kind, answer)


@dataclass(frozen=True, slots=True)
class Recorded:
    """A chat request as it came over the wire; ``body`` is empty where ``raw`` is no JSON object."""

    path: str
    body: dict[str, Any]
    raw: bytes
    headers: dict[str, str] = field(repr=False)  # with the caller's key


class Injected(NamedTuple):
    """A fault that waits for a request whose path begins with ``path``; of any method where ``method`` is None."""

    fault: Fault
    path: str = CHAT
    method: str | None = "POST"


@dataclass(frozen=True, slots=True)
class FaultyApp:
    """An application behind a recorder, a latency and a queue of faults.

    Attributes:
        app: The application, created with `alter` for its answers.
        requests: Where every chat request is written down.
        faults: What is still to go wrong; a request suffers the first that waits for it.
        latency: Seconds before every chat answer.
        hang_up: Closes the connection from that client address; ASGI has no message for it.
        limits: What is enforced on chat requests before anything else.
        tuning: Whose paths are played.
    """

    app: ASGIApp
    requests: list[Recorded]
    faults: list[Injected]
    latency: float
    hang_up: Callable[[tuple[str, int]], None]
    limits: RateLimits = field(default_factory=RateLimits)
    tuning: TuningRules = field(default_factory=TuningRules)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection as ASGI has it."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        given = scope
        if self.tuning.host == "azure":
            scope = {**scope, "path": scope["path"].removeprefix("/openai")}
        if (scope["method"], scope["path"]) != ("POST", CHAT):
            fault = self._fault(scope)
            if fault is None:
                await self.app(scope, receive, send)
            else:
                await asyncio.sleep(fault.delay if fault.kind == "slow" else 0.0)
                await self._suffer(fault, scope, _replayed(await _body(receive), receive), send)
            return
        raw = await _body(receive)
        recorded = _recorded(given, raw)
        self.requests.append(recorded)
        if self._is_not_deployed(recorded.body.get("model")):
            error = ApiError(404, "The API deployment for this resource does not exist.", code="DeploymentNotFound")
            await _failure(error, None)(scope, receive, send)
            return
        try:
            self.limits.take(recorded.body)
        except Refused as refused:
            error = ApiError(429, str(refused), code="rate_limit_exceeded")
            headers = {**self.limits.headers(), "retry-after-ms": f"{refused.seconds * 1000:.0f}"}
            await _failure(error, ceil(refused.seconds))(scope, receive, _with_headers(send, headers))
            return
        send = _with_headers(send, self.limits.headers())
        scope[_FAULT] = fault = self._fault(scope)
        await asyncio.sleep(self.latency + (fault.delay if fault and fault.kind == "slow" else 0.0))
        await self._suffer(fault, scope, _replayed(raw, receive), send)

    def _is_not_deployed(self, model: object) -> bool:
        """Whether that is a model tuned at ``azure``, which answers under a deployment's name alone."""
        rules = self.tuning
        return rules.host == "azure" and ".ft-" in str(model) and model not in rules.deployments

    def _fault(self, scope: Scope) -> Fault | None:
        """The first fault that waits for such a request; it waits no more."""
        for number, (fault, path, method) in enumerate(self.faults):
            if scope["path"].startswith(path) and method in {None, scope["method"]}:
                del self.faults[number]
                return fault
        return None

    async def _suffer(self, fault: Fault | None, scope: Scope, receive: Receive, send: Send) -> None:
        kind = fault.kind if fault else None
        if fault and kind == "status":
            error = ApiError(fault.status, f"An injected fault: HTTP {fault.status}.", code=_CODES.get(fault.status))
            await _failure(error, fault.retry_after)(scope, receive, send)
        elif kind in {"drop", "lost", "truncate"}:
            if kind != "drop":
                await _send_half(self.app, scope, receive, send if kind == "truncate" else _nowhere)
            self.hang_up(scope["client"])
            while (await receive())["type"] != "http.disconnect":
                pass
        else:
            await self.app(scope, receive, send)


def alter(scope: Scope, answer: Answer) -> Answer:
    """The answer as the fault of its request leaves it; what `create_app` is to be given as ``alter``."""
    fault: Fault | None = scope[_FAULT]
    return fault.alter(answer) if fault else answer


def _recorded(scope: Scope, raw: bytes) -> Recorded:
    try:
        body = json.loads(raw)
    except (ValueError, RecursionError):
        body = None
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
    return Recorded(scope["path"], body if isinstance(body, dict) else {}, raw, headers)


def _failure(error: ApiError, retry_after: float | None) -> ASGIApp:
    response = error_response(error)
    if retry_after is not None:
        response.headers["retry-after"] = f"{retry_after:g}"
    return response


def _with_headers(send: Send, headers: Mapping[str, str]) -> Send:
    """A ``send`` that adds headers to the answer."""
    added = [(name.encode(), value.encode()) for name, value in headers.items()]

    async def send_with_headers(message: Message) -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": [*message.get("headers", ()), *added]}
        await send(message)

    return send_with_headers


async def _body(receive: Receive) -> bytes:
    chunks = []
    while (message := await receive())["type"] == "http.request":
        chunks.append(message.get("body", b""))
        if not message.get("more_body", False):
            break
    return b"".join(chunks)


def _replayed(raw: bytes, receive: Receive) -> Receive:
    """A ``receive`` that gives the body once more before it goes on."""
    messages: deque[Message] = deque([{"type": "http.request", "body": raw, "more_body": False}])

    async def replay() -> Message:
        return messages.popleft() if messages else await receive()

    return replay


async def _nowhere(_: Message) -> None:
    """Send nothing."""


async def _send_half(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
    """Send the head and the first half of what ``app`` answers."""
    messages: list[Message] = []

    async def keep(message: Message) -> None:
        messages.append(message)

    await app(scope, receive, keep)
    body = b"".join(message.get("body", b"") for message in messages)
    await send(messages[0])
    await send({"type": "http.response.body", "body": body[: len(body) // 2], "more_body": True})
