"""How many requests may be in flight: found by trying, taken back when the host pushes back."""

from __future__ import annotations

import math
import sys

__all__ = ["MOST", "Window"]


def _open_files() -> float:
    """How many files this process may have open, connections among them: 256 on macOS, 1,024 on most Linux systems."""
    if sys.platform == "win32":
        return math.inf
    from resource import RLIM_INFINITY, RLIMIT_NOFILE, getrlimit  # noqa: PLC0415 - not on Windows

    soft, _ = getrlimit(RLIMIT_NOFILE)
    return math.inf if soft == RLIM_INFINITY else soft


MOST = int(min(512, _open_files() // 2))
"""Requests in flight where the number is found, not given: beyond 512 one process is busy, not the host."""

_START = 16  # requests in flight at the beginning
_STEP = 4  # more of them for every round trip, once doubling has found the neighbourhood
_WORTH = 1.1  # times the answers per second that doubling must bring to go on: a queue grows, too, but brings nothing
_SLOW = 2.0  # times the quickest round trip: the host queues, and more requests would only wait there


class Window:
    """A limit that doubles every round trip, then grows by steps, and is halved on push-back (AIMD, as in TCP).

    A host of one's own may queue instead of pushing back, until answers time out. So the limit grows only as long as
    it brings more answers per second, and answers do not get slow.

    Args:
        given: The limit to begin with and never to exceed; None begins low and may find `MOST`.
    """

    def __init__(self, given: int | None = None) -> None:
        self.limit = given or _START
        self.in_flight = 0
        self._most = given or MOST
        self._doubles = given is None
        self._halved_at = -math.inf
        self._was_full = False
        self._began: float | None = None  # this round: as many answers as the limit
        self._answers, self._seconds = 0, 0.0
        self._quickest, self._rate = math.inf, 0.0

    def is_full(self) -> bool:
        """Whether the next request has to wait; a window that was never full has no reason to grow."""
        full = self.in_flight >= self.limit
        self._was_full |= full
        return full

    def answered(self, sent: float, now: float) -> None:
        """An answer came to a request sent at that time."""
        self._began = sent if self._began is None else self._began
        self._answers += 1
        self._seconds += now - sent
        if self._answers >= self.limit:
            self._grow(self._answers / max(now - self._began, 1e-9), self._seconds / self._answers)
            self._begin_round(now)

    def pushed_back(self, sent: float, now: float) -> bool:
        """The host refused a request sent at that time; whether it is the first refusal of this round trip."""
        if sent <= self._halved_at:  # it left before the limit was halved: all that were in flight say the same
            return False
        self._halved_at = now
        self.limit = max(1, self.limit // 2)
        self._doubles = False
        self._begin_round(now)
        return True

    def _grow(self, rate: float, seconds: float) -> None:
        self._quickest = min(self._quickest, seconds)
        if not self._was_full:
            return
        self._doubles = self._doubles and rate > _WORTH * self._rate
        self._rate = rate
        if self._doubles:
            self.limit = min(self._most, 2 * self.limit)
        elif seconds < _SLOW * self._quickest:
            self.limit = min(self._most, self.limit + _STEP)

    def _begin_round(self, now: float) -> None:
        self._began, self._answers, self._seconds, self._was_full = now, 0, 0.0, False
