from __future__ import annotations

import asyncio
import io
import json
from dataclasses import replace

import pytest

from batches import ASKS, QUICK, ask_of, assert_complete, batches_of, buy, fresh, pending_of
from restyle.data import batch_host, batching
from restyle.data.batch_host import BatchHost
from restyle.data.batch_journal import BatchJournal
from restyle.data.batch_rows import request_line
from restyle.data.batching import fill
from restyle.data.endpoint_teacher import EndpointTeacher
from restyle.data.ledger import Ledger
from restyle.messages import Answer, Turn, Usage
from restyle.testing import Sandbox

SCHEMA = json.dumps({"type": "object", "properties": {"tone": {"type": "string"}}})


@pytest.fixture(scope="module")
def running():
    with Sandbox() as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(running):
    return fresh(running)


@pytest.fixture
def teacher(sandbox):
    return EndpointTeacher("echo", sandbox.base_url)


@pytest.fixture
def ledger(tmp_path):
    with Ledger(tmp_path / "ledger.db") as ledger:
        yield ledger


async def test_what_is_pending_is_bought_once(sandbox, teacher, ledger):
    heard, progress, requests = [], [], len(sandbox.requests)
    await buy(teacher, ledger, on_answer=lambda *kept: heard.append(kept), on_progress=lambda *at: progress.append(at))
    assert_complete(sandbox, ledger, teacher)
    assert {ask.user: answer.text for ask, answer in heard} == {ask.user: ask.user for ask in ASKS}
    assert len(heard) == len(ASKS)
    assert all(answer.usage == Usage(4, 2) for _, answer in heard)
    assert progress[-1] == (10, 10)
    assert all(done <= total == 10 for done, total in progress)
    await buy(teacher, ledger)
    assert len(batches_of(sandbox)) == 1
    assert len(sandbox.requests) == requests


async def test_nothing_is_submitted_where_nothing_is_pending(sandbox, teacher, ledger):
    await buy(teacher, ledger, [])
    assert batches_of(sandbox) == []


async def test_a_batch_asks_what_is_asked_without_one(sandbox, teacher, ledger):
    turns = (Turn("assistant", "Bad.\u2028"), Turn("user", "It lacks 7."))
    asks = [ask_of(1), ask_of(2, schema=SCHEMA), ask_of(3, after=turns), ask_of("\u2028\x85 é—")]
    await buy(teacher, ledger, asks)
    sandbox.requests.clear()
    async with teacher:
        online = [await teacher.answer(ask) for ask in asks]
    assert [ledger.find(teacher.identity, ask) for ask in asks] == online
    assert sorted(map(json.dumps, sandbox.batches.answered)) == sorted(
        json.dumps(sent.body) for sent in sandbox.requests
    )
    assert ledger.rows("SELECT schema FROM answers WHERE schema <> ''") == [(SCHEMA,)]


async def test_answers_that_lead_to_further_asks(sandbox, teacher, ledger):
    again = [replace(ask, after=(Turn("assistant", "Bad."), Turn("user", f"Again {ask.user}"))) for ask in ASKS]

    def pending():
        for first, second in zip(ASKS, again, strict=True):
            for ask in (first, second):
                if ledger.find(teacher.identity, ask) is None:
                    yield ask
                    break

    await asyncio.wait_for(fill(teacher, ledger, pending, pace=QUICK), 20)
    assert len(sandbox.batches.answered) == 20
    assert all(ledger.find(teacher.identity, ask).text == f"Again {ask.user}" for ask in again)


async def test_the_limits_of_one_file_are_kept(sandbox, teacher, ledger, monkeypatch):
    monkeypatch.setattr(batching, "MOST_REQUESTS", 4)
    await buy(teacher, ledger)
    assert_complete(sandbox, ledger, teacher)
    assert sorted(batch.request_counts.total for batch in batches_of(sandbox)) == [2, 4, 4]


async def test_equal_asks_are_one_request(sandbox, teacher, ledger):
    await buy(teacher, ledger, [*ASKS, *ASKS])
    assert_complete(sandbox, ledger, teacher)


@pytest.mark.parametrize("host_keeps_metadata", [True, False])
async def test_what_was_begun_without_our_knowing_is_found(sandbox, teacher, ledger, monkeypatch, host_keeps_metadata):
    monkeypatch.setattr(batch_host, "_PAGE", 2)
    journal = BatchJournal(ledger, teacher.identity)
    tag = journal.claim(ASKS)
    lines = b"".join(request_line(key, "echo", ask) for key, ask in journal.requests(tag))
    async with BatchHost("echo", sandbox.base_url, QUICK) as host:
        file = await host.upload(io.BytesIO(lines), "input.jsonl")
        journal.sent(tag, file)
        await host.create(file, tag if host_keeps_metadata else "")
        for number in range(5):
            await host.create(await host.upload(io.BytesIO(b"{}"), "input.jsonl"), f"another's {number}")
    await buy(teacher, ledger)
    assert_complete(sandbox, ledger, teacher)
    assert len(batches_of(sandbox)) == 6


async def test_a_lost_answer_does_not_begin_a_batch_twice(sandbox, teacher, ledger):
    sandbox.batches.lost_responses = 1
    await buy(teacher, ledger)
    assert_complete(sandbox, ledger, teacher)
    assert len(batches_of(sandbox)) == 1


async def test_a_batch_may_come_up_late_in_the_list(sandbox, teacher, ledger, monkeypatch):
    async def late(self, tags):
        calls.append(tags)
        return {} if len(calls) < 4 else await find(self, tags)

    calls, find = [], BatchHost.find
    monkeypatch.setattr(BatchHost, "find", late)
    sandbox.batches.lost_responses = 1
    await buy(teacher, ledger)
    assert_complete(sandbox, ledger, teacher)
    assert len(calls) == 4


def test_what_is_answered_or_in_another_batch_is_not_claimed(ledger):
    journal = BatchJournal(ledger, "t")
    ledger.record("t", ASKS[0], Answer("neutral"))
    first, second = journal.claim(ASKS[:3]), journal.claim(ASKS[:5])
    assert {ask for _, ask in journal.requests(first)} == {*ASKS[1:3]}
    assert {ask for _, ask in journal.requests(second)} == {*ASKS[3:5]}
    assert journal.claim(ASKS[:5]) is None
    assert sorted(journal.orphans()) == sorted([(first, None, None), (second, None, None)])
    assert BatchJournal(ledger, "other").orphans() == []


async def test_what_never_came_to_be_is_submitted_again(sandbox, teacher, ledger):
    journal = BatchJournal(ledger, teacher.identity)
    journal.sent(journal.claim(ASKS[:4]), "file-1")
    journal.claim(ASKS[4:6])
    assert len(journal) == 4
    await buy(teacher, ledger)
    assert_complete(sandbox, ledger, teacher)


async def test_what_was_not_sent_and_is_not_wanted_any_more_is_not_bought(sandbox, teacher, ledger):
    BatchJournal(ledger, teacher.identity).claim([ask_of("old")])
    await buy(teacher, ledger)
    assert_complete(sandbox, ledger, teacher)


async def test_what_is_under_way_is_harvested_although_it_is_not_wanted_any_more(sandbox, teacher, ledger):
    sandbox.batches.delay = 0.3
    with pytest.raises(asyncio.TimeoutError):
        await asyncio.wait_for(fill(teacher, ledger, pending_of(ledger, teacher), pace=QUICK), 0.3)
    await buy(teacher, ledger, [])
    assert_complete(sandbox, ledger, teacher)


async def test_it_can_be_stopped_and_goes_on(sandbox, teacher, ledger):
    sandbox.batches.delay = 0.2
    task = asyncio.create_task(buy(teacher, ledger))
    await asyncio.sleep(0.2)
    assert len(BatchJournal(ledger, teacher.identity).open()) == 1
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await buy(teacher, ledger)
    assert_complete(sandbox, ledger, teacher)
    assert len(batches_of(sandbox)) == 1


async def test_runs_at_the_same_time_buy_nothing_twice(sandbox, teacher, tmp_path):
    sandbox.batches.delay, sandbox.batches.response_delay = 0.1, 0.1
    with Ledger(tmp_path / "ledger.db") as one, Ledger(tmp_path / "ledger.db") as two:
        await asyncio.gather(buy(teacher, one, ASKS[:7]), buy(teacher, two, ASKS[3:]))
        assert_complete(sandbox, one, teacher)
