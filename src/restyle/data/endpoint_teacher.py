"""A teacher behind an endpoint: many requests in flight, and one layer that asks again."""

from __future__ import annotations

import asyncio
import random
from contextlib import AsyncExitStack
from functools import partial
from itertools import count
from types import TracebackType
from typing import Self

from restyle.answering import client_options
from restyle.data.gate import BUSY, PUSH_BACK, Gate, Line, retry_after
from restyle.data.instructions import NEUTRALISE
from restyle.data.replies import Endpoint, Reply
from restyle.data.window import MOST
from restyle.errors import ModelError, PairsError
from restyle.messages import Answer, Ask

__all__ = ["EndpointTeacher"]

_ATTEMPTS = 6  # requests for one answer, without those for which the host only had no time
_BACKOFF = (0.5, 8.0)  # seconds: the first and the longest, each cut by up to a half


class EndpointTeacher:
    """A model behind any OpenAI-compatible endpoint.

    Connections that fail, answers that are cut off, time-outs and HTTP 408, 409, 429, 500, 502, 503, 504 and 529 are
    tried again, six times in all; a host that is busy (429, 529) or says when to come back may be asked any number of
    times, but with ten minutes of nothing else the teacher gives up. All requests share one `restyle.data.gate.Gate`.

    Args:
        model: Its name there.
        base_url: The endpoint; None means OpenAI's.
        concurrency: Requests in flight, at once and at most; None begins low and finds how many bring more, up to 512.
        requests_per_minute: At most; None means as many as the host's headers allow.
        tokens_per_minute: The same for tokens, read and written together.

    Attributes:
        concurrency: How many calls of `answer` it can use at the same time.

    Raises:
        ModelError: There is no key for OpenAI, or ``base_url`` is no endpoint.
        PairsError: A limit is not positive.
    """

    def __init__(
        self,
        model: str,
        base_url: str | None = None,
        *,
        concurrency: int | None = None,
        requests_per_minute: float | None = None,
        tokens_per_minute: float | None = None,
    ) -> None:
        limits = {
            "concurrency": concurrency,
            "requests_per_minute": requests_per_minute,
            "tokens_per_minute": tokens_per_minute,
        }
        for name, limit in limits.items():
            if limit is not None and not limit > 0:
                raise PairsError(f"{name} is {limit}: it must be above 0, or left out")
        self.model, self.base_url = model, base_url
        self.identity = f"{base_url or 'openai'}:{model}"
        self.system = NEUTRALISE
        self.concurrency = concurrency or MOST
        self._new_gate = partial(
            Gate,
            concurrency=concurrency,
            requests_per_minute=requests_per_minute,
            tokens_per_minute=tokens_per_minute,
        )
        self._options = client_options(base_url)
        self._stack = AsyncExitStack()
        self._places = count()
        self._open: tuple[Endpoint, Line] | None = None

    async def __aenter__(self) -> Self:
        endpoint = await self._stack.enter_async_context(Endpoint(self._options, self.model, self.base_url))
        self._open = endpoint, Line(self._new_gate())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open = None
        await self._stack.aclose()

    @property
    def in_flight(self) -> int:
        """Requests that have no answer yet."""
        return self._open[1].gate.window.in_flight if self._open else 0

    async def answer(self, ask: Ask) -> Answer:
        """The neutral version, from the model.

        Raises:
            ModelError: The host refused the request, or asking again did not help.
        """
        if self._open is None:
            raise RuntimeError("an EndpointTeacher answers inside 'async with teacher:' only")
        endpoint, line = self._open
        place, attempts = next(self._places), 0
        while True:
            reply = await _pass(line, place, endpoint, ask)
            if isinstance(reply.result, Answer):
                return reply.result
            if line.gate.gives_up():
                refused = "nothing but refusals and the pauses that they ask for, over ten minutes: run it again later"
                line.break_off(ModelError(f"{reply.result}; {refused}", reply.status))
            if reply.mends and _costs_nothing(reply):
                continue  # to the gate, which knows when, or is broken off
            attempts += 1
            if attempts == _ATTEMPTS or not reply.mends:
                raise reply.result
            await asyncio.sleep(min(_BACKOFF[1], _BACKOFF[0] * 2.0 ** (attempts - 1)) * random.uniform(0.5, 1.0))


async def _pass(line: Line, place: int, endpoint: Endpoint, ask: Ask) -> Reply:
    """Ask once, in turn."""
    # The answer's tokens count, too: about as many as the text's. A schema is read, and allows a short answer only.
    size = sum(len(message["content"]) for message in ask.messages) + len(ask.schema or ask.user)
    sent = await line.pass_gate(place, size)
    reply = None
    try:
        reply = await endpoint.request(ask)
        return reply
    finally:
        if reply is None:  # cancelled
            line.back(sent, None, {})
        else:
            usage = reply.result.usage if isinstance(reply.result, Answer) else None
            line.back(sent, reply.status, reply.headers, usage)


def _costs_nothing(reply: Reply) -> bool:
    """Whether the host was only busy, or said when to come back: no attempt is used up."""
    return reply.status in BUSY or (reply.status in PUSH_BACK and retry_after(reply.headers) is not None)
