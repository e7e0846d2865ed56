"""When the next request may leave: one gate for all that talk to the same host.

`Gate` is the policy and does no I/O; `Line` lets those who wait through it, in their order.
"""

from __future__ import annotations

import asyncio
import math
import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from heapq import heappop, heappush

from restyle.data.budgets import Budgets, Sent, seconds_of
from restyle.data.replies import OK, TIMED_OUT
from restyle.data.window import Window
from restyle.messages import Usage

__all__ = ["BUSY", "PUSH_BACK", "Gate", "Line", "retry_after"]

BUSY = frozenset({429, 529})
PUSH_BACK = BUSY | {503}

_PATIENCE = 600.0  # seconds of nothing but refusals
_PAUSES = (0.5, 30.0)  # seconds: the first pause and the longest, where the host does not say how long
_SPREAD = 0.25  # of a pause: the time over which requests come back after it ...
_LONGEST_SPREAD = 1.0  # ... in seconds, at most


class Gate:
    """Concurrency, budgets and pauses.

    Args:
        concurrency: Requests in flight; None finds how many by trying.
        requests_per_minute: At most; None means as many as the host's headers allow.
        tokens_per_minute: The same for tokens, read and written.
        clock: The time in seconds.
    """

    def __init__(
        self,
        *,
        concurrency: int | None = None,
        requests_per_minute: float | None = None,
        tokens_per_minute: float | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.window = Window(concurrency)
        self._clock = clock
        self._budgets = Budgets(requests_per_minute, tokens_per_minute, clock())
        self._closed_until = -math.inf
        self._spread, self._spread_until = 0.0, -math.inf
        self._refused_since: float | None = None
        self._pauses = 0  # in a row

    def wait(self, size: int) -> float:
        """Seconds until a request of ``size`` characters may leave: 0.0 now, infinity when another has come back."""
        if self.window.is_full():
            return math.inf
        now = self._clock()
        return max(0.0, self._closed_until - now, self._budgets.wait(size, now))

    def leave(self, size: int) -> Sent:
        """One request leaves."""
        now = self._clock()
        self.window.in_flight += 1
        if now < self._spread_until:  # after a pause they do not come back all at once
            self._closed_until = now + random.uniform(0.0, 2.0 * self._spread / self.window.limit)
        return self._budgets.leave(size, now)

    def back(self, sent: Sent, status: int | None, headers: Mapping[str, str], usage: Usage | None = None) -> None:
        """It is back, with an HTTP status, or with None: nothing came that says anything about the host."""
        now = self._clock()
        self.window.in_flight -= 1
        self._budgets.learn(sent, headers, now)
        if status == OK:
            self.window.answered(sent.at, now)
            self._refused_since, self._pauses = None, 0
            if usage is not None:
                self._budgets.correct(sent, sum(usage), now)
        elif status == TIMED_OUT:
            self.window.pushed_back(sent.at, now)
        elif status in PUSH_BACK:
            self._pause(sent, retry_after(headers), now)

    def gives_up(self) -> bool:
        """Whether refusals, and nothing else, have taken ten minutes, the pause that is due now included."""
        if self._refused_since is None:
            return False
        return max(self._clock(), self._closed_until) - self._refused_since > _PATIENCE

    def _pause(self, sent: Sent, asked: float | None, now: float) -> None:
        if self._refused_since is None:
            self._refused_since = now
        first = self.window.pushed_back(sent.at, now)
        if asked is not None:
            seconds = asked * random.uniform(1.0, 1.1)
        elif first:
            seconds = min(_PAUSES[1], _PAUSES[0] * 2.0 ** min(self._pauses, 10)) * random.uniform(0.5, 1.0)
        else:
            return
        self._pauses += first
        if now + seconds > self._closed_until:
            self._closed_until = now + seconds
            self._spread = min(_LONGEST_SPREAD, _SPREAD * seconds)
            self._spread_until = self._closed_until + self._spread


@dataclass(order=True, slots=True)
class _Waiting:
    place: int
    size: int = field(compare=False)
    turn: asyncio.Future[Sent] = field(compare=False)


class Line:
    """Those who wait at a gate, by their places: who has to go again keeps the old one, or all behind would wait."""

    def __init__(self, gate: Gate) -> None:
        self.gate = gate
        self._waiting: list[_Waiting] = []
        self._timer: asyncio.TimerHandle | None = None
        self._broken: Exception | None = None

    async def pass_gate(self, place: int, size: int) -> Sent:
        """Wait for the turn of ``place``; what comes out goes to `back`, whatever happens.

        Raises:
            Exception: What `break_off` was given.
        """
        if self._broken is not None:
            raise self._broken
        loop = asyncio.get_running_loop()
        turn: asyncio.Future[Sent] = loop.create_future()
        heappush(self._waiting, _Waiting(place, size, turn))
        self._let_through()
        try:
            return await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled() and turn.exception() is None:
                self.back(turn.result(), None, {})  # let through, and cancelled before it knew
            raise

    def back(self, sent: Sent, status: int | None, headers: Mapping[str, str], usage: Usage | None = None) -> None:
        """As `Gate.back`; whoever may leave now leaves."""
        self.gate.back(sent, status, headers, usage)
        self._let_through()

    def break_off(self, error: Exception) -> None:
        """Nobody passes any more: all get that error."""
        self._broken = error
        for waiting in self._waiting:
            if not waiting.turn.done():
                waiting.turn.set_exception(error)
        self._waiting.clear()
        self._let_through()

    def _let_through(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        while self._waiting:
            first = self._waiting[0]
            if not first.turn.done():
                seconds = self.gate.wait(first.size)
                if seconds > 0.0:
                    if seconds < math.inf:
                        self._timer = asyncio.get_running_loop().call_later(seconds, self._let_through)
                    return
                first.turn.set_result(self.gate.leave(first.size))
            heappop(self._waiting)


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds that a host asks to wait: ``retry-after-ms``, or ``Retry-After`` in seconds or as a date (RFC 9110)."""
    milliseconds = seconds_of(headers.get("retry-after-ms"))
    if milliseconds is not None:
        return milliseconds / 1000.0
    value = headers.get("retry-after")
    seconds = seconds_of(value)
    if seconds is not None or value is None:
        return seconds
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - time.time())
    except (ValueError, OverflowError):
        return None
