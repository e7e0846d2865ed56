"""The gate's policy, without host and without waiting: the clock is the test's."""

from __future__ import annotations

import asyncio
import math
import subprocess
import sys
import time
from heapq import heappop, heappush

import pytest

from gates import fill, gate_of, round_trip
from restyle.data.gate import Gate, Line
from restyle.data.window import MOST


def test_it_begins_low_and_doubles_every_round_trip_up_to_512():
    gate, clock = gate_of()
    expected = [16, 32, 64, 128, 256, 512, 512]
    assert [round_trip(gate, clock) for _ in expected] == [min(number, MOST) for number in expected]


@pytest.mark.skipif(sys.platform == "win32", reason="there is no such limit")
@pytest.mark.parametrize(("files", "most"), [(256, 128), (1024, 512), (-1, 512)])
def test_it_leaves_half_of_the_files_that_may_be_open(files, most):
    program = f"""
import resource
resource.getrlimit = lambda kind: ({files}, -1)
from restyle.data.window import MOST
print(MOST)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert int(done.stdout) == most


def test_a_given_number_holds_at_once_and_is_never_exceeded():
    gate, clock = gate_of(concurrency=100)
    assert [round_trip(gate, clock) for _ in range(3)] == [100, 100, 100]
    assert len(fill(gate)) == 100
    assert gate.wait(1000) == math.inf  # only an answer makes room


def test_what_is_not_needed_does_not_grow():
    gate, clock = gate_of()
    for _ in range(200):
        sent = [gate.leave(1000) for _ in range(8)]
        clock.now += 1.0
        for one in sent:
            gate.back(one, 200, {})
    assert len(fill(gate)) == 16


def test_refusals_halve_it_once_for_a_round_trip_and_then_it_grows_by_steps():
    gate, clock = gate_of(concurrency=100)
    first = fill(gate)
    for status in (429, 503, 529):
        clock.now += 1.0
        gate.back(first.pop(), status, {"retry-after": "0"})
    assert gate.window.limit == 50
    for one in first:
        gate.back(one, 200, {})
    clock.now += 60.0
    second = fill(gate, most=50)
    clock.now += 1.0
    gate.back(second.pop(), 429, {"retry-after": "0"})
    assert gate.window.limit == 25
    for one in second:
        gate.back(one, 200, {})
    limits = []
    for _ in range(30):
        clock.now += 60.0
        round_trip(gate, clock)
        limits.append(gate.window.limit)
    assert limits[:3] == [29, 33, 37]
    assert limits[-1] == 100


def test_it_never_closes_for_good():
    gate, clock = gate_of()
    for _ in range(20):
        clock.now += 60.0
        round_trip(gate, clock, status=503)
    clock.now += 60.0
    assert len(fill(gate)) == 1


def test_other_failures_say_nothing_about_the_load_but_a_time_out_does():
    gate, clock = gate_of(concurrency=64)
    for status in (None, 500, 502, 404):
        round_trip(gate, clock, status=status)
    assert (gate.window.limit, gate.wait(0)) == (64, 0.0)
    round_trip(gate, clock, status=408)
    assert (gate.window.limit, gate.wait(0)) == (32, 0.0)


def test_a_host_that_only_queues_gets_no_more_than_it_can_work_on():
    gate, clock = gate_of()
    free, under_way, most = [clock.now] * 4, [], 0.0  # it works on four at a time, ten seconds each
    for _ in range(1000):
        for sent in fill(gate):
            begin = max(heappop(free), clock.now)
            heappush(free, begin + 10.0)
            heappush(under_way, (begin + 10.0, sent.totals["requests"], sent))
        clock.now, _, sent = heappop(under_way)
        most = max(most, clock.now - sent.at)
        gate.back(sent, 200, {})
    assert most <= 80.0  # seconds: far from a time-out


def test_a_host_that_gets_slower_but_does_more_gets_more():
    gate, clock = gate_of()
    for _ in range(6):
        round_trip(gate, clock, seconds=1.0 + gate.window.limit / 100)
    assert gate.window.limit == MOST


def test_one_pause_holds_for_all_and_ends_a_little_at_a_time():
    gate, clock = gate_of(concurrency=100)
    sent = fill(gate)
    clock.now += 1.0
    gate.back(sent[0], 429, {"Retry-After": "20", "retry-after": "20"})
    gate.back(sent[1], 429, {"retry-after": "2"})  # the longer one stands
    for one in sent[2:]:
        gate.back(one, 200, {})
    assert 20.0 <= gate.wait(1000) <= 22.0
    clock.now += gate.wait(1000)
    begin, times = clock.now, []
    while len(times) < 50:
        clock.now += gate.wait(1000)
        gate.leave(1000)
        times.append(clock.now - begin)
    assert 0.5 < times[-1] < 2.0
    assert len(set(times)) > 25


def test_pauses_of_hosts_that_say_nothing_grow_once_for_a_round_trip():
    gate, clock = gate_of(concurrency=4)
    pauses = []
    for _ in range(10):
        round_trip(gate, clock, status=429)
        pauses.append(gate.wait(0))
        clock.now += 120.0
    assert 0.25 <= pauses[0] <= 0.5
    assert 1.0 <= pauses[2] <= 2.0
    assert 15.0 <= pauses[-1] <= 30.0
    round_trip(gate, clock)
    round_trip(gate, clock, status=429)
    assert gate.wait(0) <= 0.5


def test_it_gives_up_after_ten_minutes_of_refusals_and_at_once_on_a_longer_pause():
    gate, clock = gate_of()
    for _ in range(10):
        round_trip(gate, clock, status=429)
        assert not gate.gives_up()
        clock.now += 50.0
    round_trip(gate, clock)
    clock.now += 3600.0  # nothing to do is no refusal
    round_trip(gate, clock, status=429)
    assert not gate.gives_up()
    clock.now += 601.0
    assert gate.gives_up()
    gate, clock = gate_of()
    round_trip(gate, clock, status=429, **{"retry-after": "3600"})
    assert gate.gives_up()


async def test_all_pass_in_their_order_and_who_comes_again_comes_first():
    line, passed = Line(Gate(concurrency=1)), []

    async def pass_line(place):
        sent = await line.pass_gate(place, 10)
        passed.append(place)
        await asyncio.sleep(0)
        line.back(sent, 200, {})

    held = await line.pass_gate(0, 10)
    tasks = [asyncio.create_task(pass_line(place)) for place in (5, 6, 7, 1)]
    await asyncio.sleep(0.01)
    assert passed == []
    line.back(held, 200, {})
    await asyncio.gather(*tasks)
    assert passed == [1, 5, 6, 7]


async def test_whoever_stops_waiting_takes_no_place_with_him():
    line = Line(Gate(concurrency=1))
    held = await line.pass_gate(0, 10)
    waiting = [asyncio.create_task(line.pass_gate(place, 10)) for place in (1, 2)]
    await asyncio.sleep(0)
    waiting[0].cancel()  # while it waits
    await asyncio.sleep(0)
    line.back(held, 200, {})
    waiting[1].cancel()  # let through, and does not know yet
    await asyncio.gather(*waiting, return_exceptions=True)
    assert line.gate.window.in_flight == 0
    await asyncio.wait_for(line.pass_gate(3, 10), 1)


async def test_a_budget_wakes_those_who_wait():
    line = Line(Gate(concurrency=100, requests_per_minute=60 * 200))
    begin = time.monotonic()
    await asyncio.gather(*(line.pass_gate(place, 10) for place in range(100)))
    assert time.monotonic() - begin < 0.4  # a second's worth at once is more than that
    line = Line(Gate(concurrency=100, requests_per_minute=60))
    await line.pass_gate(0, 10)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(line.pass_gate(1, 10), 0.1)


async def test_once_broken_off_nobody_passes():
    line = Line(Gate(concurrency=1))
    await line.pass_gate(0, 10)
    waiting = asyncio.create_task(line.pass_gate(1, 10))
    await asyncio.sleep(0)
    line.break_off(ValueError("enough"))
    for one in (waiting, line.pass_gate(2, 10)):
        with pytest.raises(ValueError, match="enough"):
            await one
