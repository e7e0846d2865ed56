"""What may leave in a minute, without host and without waiting: the clock is the test's."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from gates import fill, gate_of, told
from restyle.data.budgets import seconds_of
from restyle.data.gate import retry_after
from restyle.messages import Usage


def test_a_given_budget_is_kept_by_the_second():
    gate, clock = gate_of(concurrency=1000, requests_per_minute=600)
    begin, count = clock.now, 0
    while clock.now < begin + 60.0:
        count += len(fill(gate))
        assert 0.0 < gate.wait(1000) <= 0.1 + 1e-9
        clock.now += gate.wait(1000)
    assert 600 <= count <= 611


def test_a_budget_of_tokens_is_estimated_and_then_corrected():
    gate, clock = gate_of(concurrency=1000, tokens_per_minute=60_000)
    (sent,) = fill(gate, size=4300)  # 1,000 tokens are a second's worth
    clock.now += 0.5
    gate.back(sent, 200, {}, Usage(300, 200))
    assert gate.wait(4300) == 0.0  # what was not used is there again
    begin, count = clock.now, 0
    while clock.now < begin + 60.0:
        clock.now += gate.wait(4300)
        count += 1
        gate.back(gate.leave(4300), 200, {}, Usage(300, 200))  # half of what was thought, and soon thought, too
    assert 115 <= count <= 123


def test_a_text_larger_than_the_budget_leaves_all_the_same():
    gate, clock = gate_of(tokens_per_minute=60)
    gate.leave(4300)
    assert 0.0 < gate.wait(4300) < 1100.0
    clock.now += gate.wait(4300)
    assert gate.wait(4300) == pytest.approx(0.0)


def test_what_the_host_says_is_left_holds_for_all_that_are_under_way():
    gate, clock = gate_of(concurrency=1000)
    first = gate.leave(1000)
    others = [gate.leave(1000) for _ in range(20)]
    clock.now += 1.0
    gate.back(first, 200, told(600, 100, "50s"))
    # 100 were left when the first came in; 20 have gone since, 10 grew, and 6 stay in reserve.
    assert len(fill(gate)) == 84
    assert gate.wait(1000) == pytest.approx(0.1)
    gate.back(others[-1], 200, told(600, 60, "54s"))
    wait = gate.wait(1000)
    gate.back(others[0], 200, told(600, 600, "0s"))  # sent before: older news
    assert gate.wait(1000) == wait


def test_a_limit_of_a_day_is_told_by_how_soon_it_is_whole_again():
    gate, clock = gate_of()
    gate.back(gate.leave(1000), 200, told(14_400, 144, "23h45m36s"))
    clock.now += 1.0
    assert len(fill(gate, most=500)) == 0
    assert 0.0 < gate.wait(1000) <= 6.0


def test_tokens_that_the_host_says_are_left():
    gate, _ = gate_of(concurrency=1000)
    gate.back(gate.leave(4300), 200, told(60_000, 10_600, "49.4s", "tokens"))
    assert len(fill(gate, size=4300)) == 10
    assert 0.0 < gate.wait(4300) <= 1.0


@pytest.mark.parametrize(
    "headers",
    [
        told("many", "some", "soon"),
        told(0, 0, "0s"),
        told("nan", "inf", "-1"),
        told(-5, -5, "-5s"),
        {"x-ratelimit-remaining-requests": "0"},
        {"x-ratelimit-limit-requests": "10"},
    ],
)
def test_headers_that_say_nothing_close_nothing(headers):
    gate, _ = gate_of()
    gate.back(gate.leave(1000), 200, headers)
    assert gate.wait(1000) == 0.0


def test_a_time_of_day_is_no_duration():
    gate, _ = gate_of()
    gate.back(gate.leave(1000), 200, told(60, 0, str(int(time.time()))))
    assert 0.0 < gate.wait(1000) <= 3.0


def test_budgets_of_user_and_host_hold_both():
    gate, clock = gate_of(requests_per_minute=60)
    gate.back(gate.leave(1000), 200, told(6000, 5999, "10ms"))
    assert gate.wait(1000) == pytest.approx(1.0)
    clock.now += 1.0
    gate.back(gate.leave(1000), 200, told(6, 0, "60s"))
    assert gate.wait(1000) == pytest.approx(20.0)  # one in reserve


@pytest.mark.parametrize(
    ("value", "seconds"),
    [("6m0s", 360.0), ("120ms", 0.12), ("1h2m3.5s", 3723.5), ("1.5", 1.5), ("2d", 172_800.0), ("0s", 0.0)]
    + [(value, None) for value in ("", "soon", "-1", "1s later", None, "nan", "inf", "1e999")],
)
def test_durations(value, seconds):
    assert seconds_of(value) == seconds


def test_how_long_a_host_asks_to_wait():
    assert retry_after({"retry-after-ms": "250", "retry-after": "1"}) == 0.25
    assert retry_after({"retry-after": "1.5"}) == 1.5
    later = datetime.now(UTC) + timedelta(seconds=30)
    assert 28.0 < retry_after({"retry-after": format_datetime(later, usegmt=True)}) <= 30.0
    assert retry_after({"retry-after": "Sat, 01 Jan 2000 00:00:00 GMT"}) == 0.0
    assert [retry_after(headers) for headers in ({}, {"retry-after": "soon"}, {"retry-after": "-1"})] == [None] * 3
