"""How many requests and tokens may be sent in a minute: as the user says, and as the host's headers say."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple

__all__ = ["Budgets", "Sent", "seconds_of"]

_Kind = Literal["requests", "tokens"]
_KINDS: tuple[_Kind, _Kind] = ("requests", "tokens")
_MINUTE = 60.0
_DAY = 86_400.0
_CHARACTERS = 4.3  # of English prose in a token, until answers tell; measured with o200k
_PRIOR = 1000.0  # tokens of answers that count as much as that
_BURST = 1.0  # seconds of a given budget that may leave at once: hosts enforce a minute's limit by the second
_RESERVE = 0.01  # of a host's limit, left untouched: its clock and its count of tokens are not quite ours

_ROUNDING = 1e-6  # of a request or a token: less is no reason to wait

_DURATION = re.compile(r"(?:\d+(?:\.\d+)?(?:ms|us|µs|ns|d|h|m|s))+")
_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|us|µs|ns|d|h|m|s)")
_UNITS = {"d": _DAY, "h": 3600.0, "m": _MINUTE, "s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "ns": 1e-9}


class Sent(NamedTuple):
    """A request that left: when, how large it was, and what had left by then, itself included."""

    at: float
    size: int
    tokens: float
    totals: dict[_Kind, float]


@dataclass(slots=True)
class _Bucket:
    """Filled at ``rate`` a second up to ``most``; corrections may leave it in debt."""

    rate: float
    most: float
    level: float
    at: float

    def wait(self, amount: float, now: float) -> float:
        """Seconds until ``amount`` can be taken; what is larger than the bucket may leave when it is full."""
        self._fill(now)
        missing = min(amount, self.most) - self.level
        return missing / self.rate if missing > _ROUNDING else 0.0

    def take(self, amount: float, now: float) -> None:
        """Take ``amount`` out; a negative one goes back in."""
        self._fill(now)
        self.level -= amount

    def _fill(self, now: float) -> None:
        self.level = min(self.most, self.level + self.rate * (now - self.at))
        self.at = now


class Budgets:
    """All budgets of one key at one host; times come from outside, in seconds.

    Args:
        requests_per_minute: What the user allows; None means no limit but the host's.
        tokens_per_minute: The same for tokens, read and written.
        now: The time.
    """

    def __init__(self, requests_per_minute: float | None, tokens_per_minute: float | None, now: float) -> None:
        self._given: dict[_Kind, _Bucket] = {}
        self._learnt: dict[_Kind, _Bucket] = {}
        self._totals: dict[_Kind, float] = dict.fromkeys(_KINDS, 0.0)
        self._newest = 0.0  # the request, by its number, whose headers are known
        self._characters, self._tokens = _CHARACTERS * _PRIOR, _PRIOR
        for kind, limit in zip(_KINDS, (requests_per_minute, tokens_per_minute), strict=True):
            if limit is not None:
                burst = max(1.0, limit / _MINUTE * _BURST)
                self._given[kind] = _Bucket(limit / _MINUTE, burst, burst, now)

    def wait(self, size: int, now: float) -> float:
        """Seconds until a request of ``size`` characters, its expected answer among them, may leave."""
        amounts = self._amounts(size)
        buckets = [*self._given.items(), *self._learnt.items()]
        return max((bucket.wait(amounts[kind], now) for kind, bucket in buckets), default=0.0)

    def leave(self, size: int, now: float) -> Sent:
        """Count a request that leaves."""
        amounts = self._amounts(size)
        for kind in _KINDS:
            self._totals[kind] += amounts[kind]
        for kind, bucket in (*self._given.items(), *self._learnt.items()):
            bucket.take(amounts[kind], now)
        return Sent(now, size, amounts["tokens"], dict(self._totals))

    def correct(self, sent: Sent, tokens: int, now: float) -> None:
        """Replace the estimate of an answered request by what the host counted, and estimate better."""
        self._characters += sent.size
        self._tokens += tokens
        if given := self._given.get("tokens"):  # the host's own are corrected by its headers
            given.take(tokens - sent.tokens, now)

    def learn(self, sent: Sent, headers: Mapping[str, str], now: float) -> None:
        """Take over what the answer's ``x-ratelimit-*`` headers say, unless a later request's are known."""
        if sent.totals["requests"] < self._newest:
            return
        for kind in _KINDS:
            limit = _number(headers.get(f"x-ratelimit-limit-{kind}"))
            remaining = _number(headers.get(f"x-ratelimit-remaining-{kind}"))
            if not limit or remaining is None:
                continue
            self._newest = sent.totals["requests"]
            # A limit may be a day's: how soon it is whole again tells. At its shortest it is a minute's.
            reset = seconds_of(headers.get(f"x-ratelimit-reset-{kind}"))
            rate = limit / _MINUTE
            if reset and reset <= _DAY and remaining < limit:
                rate = min(rate, (limit - remaining) / reset)
            # The host counted when the request came in: what has left since is missing, and so is what grew since.
            reserve = max(1.0, _RESERVE * limit) if limit > 1 else 0.0
            level = remaining - reserve - (self._totals[kind] - sent.totals[kind]) + rate * (now - sent.at)
            self._learnt[kind] = _Bucket(rate, limit - reserve, min(limit - reserve, level), now)

    def _amounts(self, size: int) -> dict[_Kind, float]:
        return {"requests": 1.0, "tokens": size * self._tokens / self._characters}


def seconds_of(value: str | None) -> float | None:
    """A duration as hosts write it: ``6m0s``, ``120ms`` or ``1.5``; None for anything else."""
    if value is not None and _DURATION.fullmatch(value):
        return sum(float(number) * _UNITS[unit] for number, unit in _PART.findall(value))
    return _number(value)


def _number(value: str | None) -> float | None:
    """A count that is not negative."""
    try:
        number = float(value or "")
    except ValueError:
        return None
    return number if 0.0 <= number < math.inf else None
