from __future__ import annotations

import asyncio
import random
import socket
import time
from collections import Counter

import openai
import pytest

from hosts import ask_all, ask_one, host
from restyle import answering, direct_client
from restyle.data import endpoint_teacher
from restyle.data.endpoint_teacher import EndpointTeacher
from restyle.data.teachers import find_teacher
from restyle.data.window import MOST
from restyle.errors import ModelError, PairsError
from restyle.messages import Answer, Ask, Turn, Usage
from restyle.testing import Fault, Sandbox

GOOD = {"choices": [{"message": {"content": "Plain."}, "finish_reason": "stop"}]}


@pytest.fixture(autouse=True)
def _no_time_to_lose(monkeypatch):
    monkeypatch.setattr(endpoint_teacher, "_BACKOFF", (0.01, 0.05))
    monkeypatch.setattr("restyle.data.gate._PAUSES", (0.01, 0.05))


@pytest.fixture(scope="module")
def running():
    with Sandbox() as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(running):
    running.requests.clear()
    running._faults.clear()
    return running


async def test_an_answer_with_what_it_cost():
    with Sandbox(replies={"luna": "Plain words."}) as sandbox:
        answer = await ask_one(EndpointTeacher("luna", sandbox.base_url), "One two three.")
        sent = sum(len(message["content"].split()) for message in sandbox.requests[0].body["messages"])
    assert answer == Answer("Plain words.", "stop")
    assert answer.usage == Usage(sent, 2)


async def test_what_it_is_told_about_its_last_answer_comes_after_the_text(sandbox):
    ask = Ask("Be plain.", "Text.", "destyle", after=(Turn("assistant", "Bad."), Turn("user", "It lacks 7.")))
    async with EndpointTeacher("echo", sandbox.base_url) as teacher:
        assert (await teacher.answer(ask)).text == "It lacks 7."
    assert sandbox.requests[0].body["messages"] == ask.messages


async def test_it_serves_again_after_it_was_closed(sandbox):
    teacher = EndpointTeacher("echo", sandbox.base_url)
    for text in ("Once.", "Twice."):
        assert (await ask_one(teacher, text)).text == text
    with pytest.raises(RuntimeError, match="inside 'async with teacher:' only"):
        await teacher.answer(Ask("", "Text.", "destyle"))


def test_it_serves_in_one_loop_after_another(sandbox):
    teacher = EndpointTeacher("echo", sandbox.base_url)
    assert [asyncio.run(ask_one(teacher, text)).text for text in ("Once.", "Twice.")] == ["Once.", "Twice."]


def test_limits_play_no_part_in_the_identity():
    url = "http://127.0.0.1:1/v1"
    limited = find_teacher("luna", url, concurrency=5, requests_per_minute=10, tokens_per_minute=1000)
    assert limited.identity == EndpointTeacher("luna", url).identity == f"{url}:luna"
    assert (limited.concurrency, EndpointTeacher("luna", url).concurrency) == (5, MOST)


@pytest.mark.parametrize("name", ["concurrency", "requests_per_minute", "tokens_per_minute"])
@pytest.mark.parametrize("value", [0, -1, float("nan")])
def test_a_limit_of_nothing_is_refused(name, value):
    with pytest.raises(PairsError, match=f"{name} is {value}: it must be above 0"):
        find_teacher("luna", "http://127.0.0.1:1/v1", **{name: value})


def test_a_budget_needs_an_endpoint(tmp_path):
    path = tmp_path / "recorded.jsonl"
    path.write_text("")
    for teacher in (path, find_teacher(path)):
        assert find_teacher(teacher, concurrency=5)
        with pytest.raises(PairsError, match="budgets of an endpoint, and this teacher is none"):
            find_teacher(teacher, tokens_per_minute=1000)


@pytest.mark.parametrize(
    "fault",
    [Fault("status", status=status) for status in (408, 409, 429, 500, 502, 503, 504, 529)]
    + [Fault("status", status=503, retry_after=0.01), Fault("drop"), Fault("truncate")],
    ids=lambda fault: f"{fault.kind}-{fault.status}",
)
async def test_what_may_be_gone_the_next_time_is_asked_again(sandbox, fault):
    sandbox.inject(fault, times=3)
    assert (await ask_one(EndpointTeacher("echo", sandbox.base_url))).text == "Text."
    assert len(sandbox.requests) == 4


@pytest.mark.parametrize("fault", [Fault("status", status=500), Fault("status", status=503), Fault("drop")])
async def test_six_failures_are_enough(sandbox, fault):
    sandbox.inject(fault, times=100)
    with pytest.raises(ModelError, match=r"HTTP 50|did not answer"):
        await ask_one(EndpointTeacher("echo", sandbox.base_url))
    assert len(sandbox.requests) == 6


@pytest.mark.parametrize("status", [429, 529])
async def test_a_busy_host_uses_up_no_attempts(sandbox, status):
    sandbox.inject(Fault("status", status=status), times=5)
    sandbox.inject(Fault("status", status=500), times=5)
    sandbox.inject(Fault("status", status=status, retry_after=0.01), times=5)
    assert (await ask_one(EndpointTeacher("echo", sandbox.base_url))).text == "Text."
    assert len(sandbox.requests) == 16


@pytest.mark.parametrize(
    ("status", "says"),
    [(400, "HTTP 400"), (401, "check RESTYLE_API_KEY"), (403, "refused the key"), (404, "is not there"), (422, "422")],
)
async def test_what_will_not_change_is_told_at_once(sandbox, status, says):
    sandbox.inject(Fault("status", status=status), times=10)
    with pytest.raises(ModelError, match=says):
        await ask_one(EndpointTeacher("echo", sandbox.base_url))
    assert len(sandbox.requests) == 1


async def test_no_waiting_fills_an_empty_account():
    error = {"error": {"message": "You exceeded your current quota.", "code": "insufficient_quota"}}
    with (
        host(error, status="429 Too Many Requests") as base_url,
        pytest.raises(ModelError, match="You exceeded your current quota"),
    ):
        await ask_one(EndpointTeacher("luna", base_url))


async def test_a_host_that_only_refuses_is_given_up_for_all(sandbox, monkeypatch):
    monkeypatch.setattr("restyle.data.gate._PATIENCE", 0.2)
    sandbox.inject(Fault("status", status=429), times=10_000)
    answers = await ask_all(EndpointTeacher("echo", sandbox.base_url), ["Text."] * 40)
    for answer in answers:
        assert isinstance(answer, ModelError)
        assert "HTTP 429" in str(answer)
        assert "nothing but refusals" in str(answer)


async def test_a_pause_of_an_hour_is_not_waited_for(sandbox):
    sandbox.inject(Fault("status", status=429, retry_after=3600), times=10)
    with pytest.raises(ModelError, match="HTTP 429"):
        await ask_one(EndpointTeacher("echo", sandbox.base_url))
    assert len(sandbox.requests) == 1


async def test_one_pause_stops_all():
    with Sandbox(latency=0.02) as sandbox:
        sandbox.inject(Fault("status", status=429, retry_after=0.4), times=16)
        asking = asyncio.create_task(ask_all(EndpointTeacher("echo", sandbox.base_url), map(str, range(60))))
        await asyncio.sleep(0.35)
        assert len(sandbox.requests) == 16
        assert {answer.text for answer in await asking} == {str(number) for number in range(60)}
        assert len(sandbox.requests) == 76


async def test_a_host_that_says_nothing_in_time(sandbox, monkeypatch):
    monkeypatch.setattr(answering, "TIMEOUT", 0.1)
    sandbox.inject(Fault("slow", delay=0.5), times=2)
    assert (await ask_one(EndpointTeacher("echo", sandbox.base_url))).text == "Text."
    assert len(sandbox.requests) == 3


async def test_nobody_listens():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(ModelError, match="did not answer"):
        await ask_one(EndpointTeacher("luna", f"http://127.0.0.1:{port}/v1"))


@pytest.mark.parametrize(
    "broken",
    [
        b'{"choices": [{"message": {"conte',
        b"\xff\xfe",
        {"error": {"message": "Overloaded."}},
        {"choices": [None]},
        {"choices": [{"message": 7}]},
    ],
)
async def test_json_that_breaks_off_is_asked_for_again(broken):
    with host(broken, GOOD) as base_url:
        assert await ask_one(EndpointTeacher("luna", base_url)) == Answer("Plain.", "stop")


async def test_something_else_is_no_completion():
    with (
        host(b"<html>Welcome</html>", kind="text/html") as base_url,
        pytest.raises(ModelError, match="is no chat completion"),
    ):
        await ask_one(EndpointTeacher("luna", base_url))


async def test_a_host_that_counts_nothing():
    with host(GOOD) as base_url:
        assert (await ask_one(EndpointTeacher("luna", base_url))).usage is None


async def test_no_error_shows_the_key(monkeypatch):
    monkeypatch.setenv("RESTYLE_API_KEY", "rs-hush")
    error = {"error": {"message": "The key rs-hush may not."}}
    with host(error, status="400 Bad Request") as base_url, pytest.raises(ModelError) as caught:
        await ask_one(EndpointTeacher("luna", base_url))
    assert "rs-hush" not in str(caught.value)
    assert caught.value.__cause__ is None


async def test_through_a_proxy_the_sdk_takes_the_whole_way(monkeypatch):
    with Sandbox(replies={"luna": "Plain."}) as sandbox:
        monkeypatch.setattr(direct_client, "getproxies", lambda: {"http": "somewhere"})
        sandbox.inject(Fault("status", status=429, retry_after=0.01))
        sandbox.inject(Fault("drop"))
        answer = await ask_one(EndpointTeacher("luna", sandbox.base_url))
    assert answer == Answer("Plain.", "stop")
    assert answer.usage is not None


async def test_a_call_that_is_cancelled_gives_its_place_back():
    with Sandbox(latency=0.2) as sandbox:
        async with EndpointTeacher("echo", sandbox.base_url, concurrency=1) as teacher:
            calls = [asyncio.create_task(teacher.answer(Ask("", text, "destyle"))) for text in ("1", "2", "3")]
            await asyncio.sleep(0.05)
            calls[0].cancel()
            calls[1].cancel()
            assert (await asyncio.wait_for(calls[2], 2)).text == "3"


async def test_every_fault_at_once_and_nothing_is_asked_more_often_than_it_was_lost():
    lost = [Fault("status", status=429, retry_after=0.02), Fault("status", status=429), Fault("status", status=500)]
    lost += [Fault("status", status=503), Fault("status", status=529), Fault("drop"), Fault("truncate")]
    told = [Fault(kind) for kind in ("empty", "length", "reasoning", "think", "refusal", "comment")]
    told += [Fault("slow", delay=0.02)]
    texts = [f"Text number {number}, of a few words." for number in range(300)]
    faults = [*lost, *told] * 3  # one request in seven
    order = [*faults, *([None] * (300 - len(faults)))]
    random.Random(7).shuffle(order)
    with Sandbox(latency=0.01) as sandbox:
        for fault in order:
            sandbox.inject(fault or Fault("slow", delay=0.0))
        answers = await ask_all(EndpointTeacher("echo", sandbox.base_url), texts)
        asked = Counter(request.body["messages"][-1]["content"] for request in sandbox.requests)
    assert [type(answer) for answer in answers] == [Answer] * 300
    whole = [answer for text, answer in zip(texts, answers, strict=True) if answer == Answer(text, "stop")]
    assert 300 - 6 * 3 - 3 <= len(whole) <= 300 - 6 * 3 + 3
    assert asked.keys() == set(texts)
    assert asked.total() == 300 + 3 * len(lost)


async def test_limits_that_the_host_tells_are_used_and_kept():
    texts = [f"Text number {number}." for number in range(150)]
    with Sandbox(tokens_per_minute=600_000) as sandbox:
        with openai.OpenAI(base_url=sandbox.base_url, api_key="unused") as client:  # spends nearly all that is saved up
            client.chat.completions.create(model="echo", messages=[{"role": "user", "content": ""}], max_tokens=595_000)
        async with EndpointTeacher("echo", sandbox.base_url) as teacher:
            begin = time.monotonic()
            answers = await asyncio.gather(*(teacher.answer(Ask(teacher.system, text, "destyle")) for text in texts))
            seconds = time.monotonic() - begin
        bodies = [request.body for request in sandbox.requests[1:]]
    assert [answer.text for answer in answers] == texts
    assert len(bodies) <= 153
    tokens = sum(len(message["content"].split()) for body in bodies[:150] for message in body["messages"]) + 3 * 150
    assert tokens > 0.85 * (5_000 + 10_000 * seconds - 6_000)  # a hundredth of the limit stays in reserve
