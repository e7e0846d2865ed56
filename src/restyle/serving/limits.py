"""Rate limits as hosts enforce them: buckets of requests and tokens, told in the headers of every answer."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

__all__ = ["RateLimits", "Refused"]

_MINUTE = 60.0


class Refused(Exception):  # noqa: N818 - no error of the server: an answer
    """There is no room: what is short, and in how many seconds there will be enough."""

    def __init__(self, kind: str, limit: float, seconds: float) -> None:
        super().__init__(
            f"Rate limit reached on {kind} per minute: Limit {limit:g}. Please try again in {seconds:.3f}s."
        )
        self.seconds = seconds


class RateLimits:
    """A bucket for each limit: full at first, refilled steadily, one minute's worth at most.

    A request counts when it comes in, as hosts count it: one request, the words of its messages, and for the answer
    ``max_tokens`` or, without it, as many words as the last message has. What is refused counts nothing.

    Args:
        requests_per_minute: None means no limit.
        tokens_per_minute: None means no limit.
        clock: The time in seconds.
    """

    def __init__(
        self,
        requests_per_minute: float | None = None,
        tokens_per_minute: float | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        given = {"requests": requests_per_minute, "tokens": tokens_per_minute}
        self._limits = {kind: limit for kind, limit in given.items() if limit is not None}
        self._levels = dict(self._limits)
        self._clock, self._at = clock, clock()

    def take(self, body: Mapping[str, Any]) -> None:
        """Let a request in.

        Raises:
            Refused: It has to come again later.
        """
        now = self._clock()
        for kind, limit in self._limits.items():
            self._levels[kind] = min(limit, self._levels[kind] + (now - self._at) * limit / _MINUTE)
        self._at = now
        amounts = {"requests": 1, "tokens": _tokens(body)}
        for kind, limit in self._limits.items():
            if amounts[kind] > self._levels[kind]:
                raise Refused(kind, limit, (amounts[kind] - self._levels[kind]) * _MINUTE / limit)
        for kind in self._limits:
            self._levels[kind] -= amounts[kind]

    def headers(self) -> dict[str, str]:
        """The ``x-ratelimit-*`` headers, in OpenAI's form."""
        headers = {}
        for kind, limit in self._limits.items():
            missing = (limit - self._levels[kind]) * _MINUTE / limit
            headers[f"x-ratelimit-limit-{kind}"] = f"{limit:.0f}"
            headers[f"x-ratelimit-remaining-{kind}"] = str(int(self._levels[kind]))
            headers[f"x-ratelimit-reset-{kind}"] = _duration(missing)
        return headers


def _tokens(body: Mapping[str, Any]) -> int:
    messages = body.get("messages")
    words = [len(str(_content(message)).split()) for message in messages] if isinstance(messages, list) else []
    limit = body.get("max_completion_tokens") or body.get("max_tokens")
    return sum(words) + (limit if isinstance(limit, int) else sum(words[-1:]))


def _content(message: object) -> object:
    return message.get("content", "") if isinstance(message, dict) else ""


def _duration(seconds: float) -> str:
    """As Go writes it: ``250ms``, ``1.5s``, ``2m30s``."""
    if seconds < 1.0:
        return f"{seconds * 1000:.0f}ms"
    minutes, rest = divmod(seconds, _MINUTE)
    return f"{minutes:.0f}m{rest:.3g}s" if minutes else f"{rest:.3f}".rstrip("0").rstrip(".") + "s"
