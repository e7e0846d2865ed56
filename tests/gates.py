"""Gates with a clock of the test's own, and hosts' headers."""

from __future__ import annotations

from restyle.data.gate import Gate


class Clock:
    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


def gate_of(**options):
    clock = Clock()
    return Gate(clock=clock, **options), clock


def fill(gate, size=1000, most=10_000):
    """Let out all that may leave now."""
    sent = []
    while len(sent) < most and gate.wait(size) == 0.0:
        sent.append(gate.leave(size))
    return sent


def round_trip(gate, clock, seconds=1.0, status=200, **headers):
    """All that may leave goes out, and comes back after so many seconds; how many they were."""
    sent = fill(gate)
    clock.now += seconds
    for one in sent:
        gate.back(one, status, headers)
    return len(sent)


def told(limit, remaining, reset, kind="requests"):
    return {
        f"x-ratelimit-limit-{kind}": str(limit),
        f"x-ratelimit-remaining-{kind}": str(remaining),
        f"x-ratelimit-reset-{kind}": reset,
    }
