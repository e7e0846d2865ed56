"""What leaves between results: the pieces of the answer that is next, and what passes the flows by."""

from __future__ import annotations

import asyncio
import random
import threading
from contextlib import aclosing, closing
from contextvars import ContextVar

import pytest

from jobs import Upstream, both
from restyle.drivers import aparts, parts
from restyle.jobs import Aside, Delta, Job
from restyle.messages import Answer, Ask

WHO: ContextVar[str] = ContextVar("WHO", default="nobody")
COUNT = 4  # pieces of an answer


def pieces_of(number):
    """Each long enough to be shown as it comes, and without white space at its ends."""
    return [f"{number}.{piece}-{'word ' * 20}." for piece in range(COUNT)]


def text_of(number):
    return "".join(pieces_of(number))


def deltas_of(number):
    return [Delta(piece) for piece in pieces_of(number)]


def heard(number):
    return Answer(text_of(number), "stop")


def shown(number):
    return Answer(text_of(number), "stop", shown=text_of(number))


def asking(number, shows):
    answers = []
    for showable in shows:
        answer = yield Ask("system", str(number), "restyle", showable=showable)
        answers.append(answer)
    return answers


async def until(condition):
    for _ in range(5000):
        if condition():
            return True
        await asyncio.sleep(0.001)
    return False


class Speaker:
    """A model that says its answers piece by piece.

    It pauses after each; ``holds`` are the numbers that wait after their first; piece ``fails`` never comes.
    """

    def __init__(self, kind, pause=lambda: 0.0, *, holds=(), fails=None):
        self.kind, self.pause, self.holds, self.fails = kind, pause, {*holds}, fails
        self.spoken, self.answered, self.seen = [], [], set()
        self.in_flight = 0

    def job(self, number, *, shows=(True,), flow=None):
        flow = flow or asking(number, shows)
        if self.kind == "async":
            return Job(flow, self.answer, self.speak)
        return Job(
            flow, lambda ask: asyncio.run(self.answer(ask)), lambda ask, show: asyncio.run(self.speak(ask, show))
        )

    async def answer(self, ask):
        return await self._say(ask, lambda _: None, self.answered)

    async def speak(self, ask, show):
        return await self._say(ask, show, self.spoken)

    async def _say(self, ask, show, log):
        number = int(ask.user)
        log.append(number)
        self.seen.add((WHO.get(), threading.current_thread() is threading.main_thread()))
        self.in_flight += 1
        try:
            for at, piece in enumerate(pieces_of(number)):
                if at == self.fails:
                    raise ConnectionError("the model is gone")
                show(piece)
                await asyncio.sleep(self.pause())
                assert await until(lambda: number not in self.holds)
            return Answer(text_of(number), "stop")
        finally:
            self.in_flight -= 1


async def drive(kind, items, concurrency=4):
    """The parts that either driver gives."""

    async def aitems():
        for item in items:
            await asyncio.sleep(0)
            yield item

    if kind == "sync":
        with closing(parts(items, concurrency=concurrency)) as results:
            for part in results:
                yield part
    else:
        async with aclosing(aparts(aitems(), concurrency=concurrency)) as results:
            async for part in results:
                yield part


async def collect(results, into=None):
    received = [] if into is None else into
    async for part in results:
        received.append(part)
    return received


def counted(items, taken):
    for item in items:
        taken.append(item)
        yield item


@both
async def test_the_head_s_answer_leaves_as_it_comes(kind):
    speaker = Speaker(kind, holds=[0])
    results = drive(kind, [speaker.job(0)])
    first = await anext(results)  # the answer is far from its end
    speaker.holds.clear()
    assert [first, *await collect(results)] == [*deltas_of(0), [shown(0)]]


@both
async def test_who_was_not_the_head_when_the_answer_began_shows_nothing(kind):
    """Not even once it has become the head."""
    speaker = Speaker(kind, holds=[0, 1])
    results = drive(kind, [speaker.job(0), speaker.job(1), Aside("both have begun")])
    received = []
    while Aside("both have begun") not in received:
        received.append(await anext(results))
    assert await until(lambda: speaker.answered == [1])
    speaker.holds.remove(0)
    while [shown(0)] not in received:
        received.append(await anext(results))
    assert [part for part in received if isinstance(part, Delta)] == deltas_of(0)
    speaker.holds.clear()
    assert await collect(results) == [[heard(1)]]
    assert (speaker.spoken, speaker.answered) == ([0], [1])


@both
async def test_only_asks_that_may_be_shown_are_spoken(kind):
    speaker = Speaker(kind)
    received = await collect(drive(kind, [speaker.job(7, shows=(False, True, False))]))
    assert received == [*deltas_of(7), [heard(7), shown(7), heard(7)]]
    assert (speaker.spoken, speaker.answered) == ([7], [7, 7])
    assert await collect(drive(kind, [speaker.job(1)._replace(speak=None)])) == [[heard(1)]]


@both
@pytest.mark.parametrize("concurrency", [1, 3, 16])
async def test_deltas_come_between_the_result_before_and_their_own(kind, concurrency):
    generator = random.Random(concurrency)
    speaker = Speaker(kind, lambda: generator.choice([0.0, 0.002]))
    shows = [generator.choices([True, False], k=2) for _ in range(60)]
    items = [Aside(n) if n % 5 == 4 else speaker.job(n, shows=shows[n]) for n in range(60)]
    heard, results, asides = "", [], []
    for part in await collect(drive(kind, items, concurrency)):
        if isinstance(part, Aside):
            asides.append(part.value)
        elif isinstance(part, Delta):
            heard += part.text
        else:
            assert heard == "".join(answer.shown for answer in part)
            results.append(part[0].text)
            heard = ""
    assert heard == ""
    assert results == [text_of(number) for number in range(60) if number % 5 != 4]
    assert asides == list(range(4, 60, 5))
    assert speaker.spoken


@both
async def test_asides_leave_while_the_head_waits(kind):
    speaker = Speaker(kind, holds=[0])
    results = drive(kind, [Aside(1), speaker.job(0), speaker.job(1), Aside(2), Aside(3)])
    received = []
    while Aside(3) not in received:
        received.append(await anext(results))
    assert [part for part in received if part != deltas_of(0)[0]] == [Aside(1), Aside(2), Aside(3)]
    speaker.holds.clear()
    *_, first, last = await collect(results)
    assert [first, last] == [[shown(0)], [heard(1)]]


@both
async def test_look_ahead_is_bounded_with_asides_in_it(kind):
    """Flows that ask fill it; what does not ask has a bound of its own, far off."""
    speaker, concurrency = Speaker(kind), 4
    items = [speaker.job(n, shows=[False]) if n % 3 == 0 else Aside(n) for n in range(150)]
    parts, flows = 0, 0
    async for part in drive(kind, counted(items, taken := []), concurrency):
        parts += 1
        flows += not isinstance(part, Aside)
        await asyncio.sleep(0.001)
        assert sum(isinstance(item, Job) for item in taken) - flows <= 2 * concurrency + 1
    assert parts == len(taken) == 150


@both
async def test_look_ahead_is_bounded_without_any_flow_that_asks(kind):
    taken, concurrency = [], 1
    outputs = drive(kind, counted([Aside(n) for n in range(500)], taken), concurrency)
    await anext(aiter(outputs))
    await asyncio.sleep(0.02)
    assert len(taken) <= 32 * concurrency + 2
    await outputs.aclose()


@both
async def test_a_head_that_waits_lets_asides_pass_and_bounds_the_flows(kind):
    speaker, concurrency = Speaker(kind, holds=[0]), 2
    items = [speaker.job(0), *(Aside(n) for n in range(30)), *(speaker.job(n) for n in range(1, 50))]
    reading = collect(drive(kind, counted(items, taken := []), concurrency), into=(received := []))
    consumer = asyncio.create_task(asyncio.to_thread(asyncio.run, reading))
    assert await until(lambda: len(received) == 31)  # one is the head's first piece
    await asyncio.sleep(0.02)
    assert len(received) == 31
    assert len(taken) <= 31 + 2 * concurrency
    speaker.holds.clear()
    await consumer
    assert len([part for part in received if not isinstance(part, Delta)]) == 30 + 50


@both
async def test_a_model_that_fails_while_it_speaks(kind):
    """What was shown stays shown, and the exception, if the flow lets it through, comes at its place."""

    def forgiving():
        try:
            yield Ask("system", "0", "restyle", showable=True)
        except ConnectionError as error:
            return str(error)

    speaker = Speaker(kind, fails=2)
    with pytest.raises(ConnectionError):
        await collect(drive(kind, [speaker.job(0), speaker.job(1)]), into=(received := []))
    assert received == deltas_of(0)[:2]
    received = await collect(drive(kind, [speaker.job(0, flow=forgiving())]))
    assert received == [*deltas_of(0)[:2], "the model is gone"]


@both
async def test_a_source_that_fails_comes_after_deltas_asides_and_results(kind):
    speaker = Speaker(kind, lambda: 0.002)

    def items():
        yield speaker.job(0)
        yield Aside("aside")
        raise Upstream

    with pytest.raises(Upstream):
        await collect(drive(kind, items()), into=(received := []))
    received.remove(Aside("aside"))
    assert received == [*deltas_of(0), [shown(0)]]


@both
async def test_an_early_close_while_an_answer_comes(kind):
    before = set(threading.enumerate())
    speaker = Speaker(kind, lambda: 0.01)
    items = (speaker.job(n, shows=(True, True)) for n in range(1000))
    results = drive(kind, counted(items, taken := []), concurrency=2)
    assert await anext(results) == deltas_of(0)[0]
    await results.aclose()
    assert asyncio.all_tasks() == {asyncio.current_task()}
    assert kind == "sync" or speaker.in_flight == 0
    assert await until(lambda: speaker.in_flight == 0)  # in a thread, the current answer still comes to its end
    assert await until(lambda: set(threading.enumerate()) <= before)
    assert (speaker.spoken, speaker.answered) in (([0], []), ([0], [1]))
    assert len(taken) <= 5


async def test_cancelling_the_consumer_ends_an_answer_that_comes():
    speaker = Speaker("async", holds=[0])
    task = asyncio.create_task(collect(drive("async", [speaker.job(0), speaker.job(1)])))
    assert await until(lambda: speaker.spoken)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert asyncio.all_tasks() == {asyncio.current_task()}
    assert speaker.in_flight == 0


@both
async def test_context_variables_are_visible_while_it_speaks(kind):
    speaker = Speaker(kind)
    token = WHO.set("caller")
    try:
        await collect(drive(kind, [speaker.job(n) for n in range(5)]))
    finally:
        WHO.reset(token)
    assert speaker.spoken[0] == 0
    assert speaker.seen == {("caller", kind == "async")}
