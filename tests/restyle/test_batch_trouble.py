from __future__ import annotations

import asyncio
import socket
import threading
from collections import Counter
from contextlib import contextmanager

import openai
import pytest

from batches import ASKS, QUICK, ask_of, assert_complete, batches_of, buy, fresh, pending_of, texts
from restyle.data import batch_harvest, batch_host, batching
from restyle.data.batch_host import BatchHost
from restyle.data.batch_journal import BatchJournal
from restyle.data.batching import fill
from restyle.data.endpoint_teacher import EndpointTeacher
from restyle.data.ledger import Ledger
from restyle.errors import LedgerError, ModelError
from restyle.testing import Sandbox


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


async def test_requests_that_fail_come_again(sandbox, teacher, ledger):
    sandbox.batches.error_share = 0.3
    await buy(teacher, ledger, asks := [ask_of(number) for number in range(30)])
    assert sum(texts(sandbox).values()) == len(ledger) >= 25
    assert len(batches_of(sandbox)) > 1
    sandbox.batches.error_share = 0.0
    await buy(teacher, ledger, asks)
    assert_complete(sandbox, ledger, teacher, asks)


@pytest.mark.parametrize(("status", "rounds"), [(500, 3), (429, 3), (400, 1), (404, 1)])
async def test_a_request_that_fails_stays_pending_in_the_end(sandbox, teacher, ledger, status, rounds):
    sandbox.batches.error_share, sandbox.batches.error_status = 1.0, status
    await buy(teacher, ledger)
    assert len(batches_of(sandbox)) == rounds
    assert len(ledger) == 0
    assert ledger.rows("SELECT * FROM batch_requests") == []


async def test_an_expired_batch_is_harvested_and_the_rest_bought(sandbox, teacher, ledger):
    sandbox.batches.expires_after = 4
    await buy(teacher, ledger)
    assert_complete(sandbox, ledger, teacher)
    assert [batch.status for batch in batches_of(sandbox)] == ["completed", "expired", "expired"]


async def test_a_batch_that_somebody_cancels(sandbox, teacher, ledger):
    sandbox.batches.delay = 0.4

    def cancel(_done, _total):
        with openai.OpenAI(base_url=sandbox.base_url, api_key="unused") as client:
            for batch in client.batches.list():
                if batch.status in {"validating", "in_progress"}:
                    client.batches.cancel(batch.id)

    with pytest.raises(ModelError, match=r"batch batch-\w+ was cancelled at http.*: what was answered before is kept"):
        await buy(teacher, ledger, on_progress=cancel)
    sandbox.batches.delay = 0.0
    await buy(teacher, ledger)
    assert_complete(sandbox, ledger, teacher)


async def test_a_batch_that_the_host_refuses(sandbox, ledger):
    teacher = EndpointTeacher("nobody", sandbox.base_url)
    with pytest.raises(ModelError, match=r"refused batch .*The model `nobody` does not exist.*without batches"):
        await buy(teacher, ledger)
    assert ledger.rows("SELECT * FROM batch_requests") == []


async def test_more_than_the_queue_holds_waits_for_its_turn(sandbox, teacher, ledger, monkeypatch):
    monkeypatch.setattr(batching, "MOST_REQUESTS", 3)
    monkeypatch.setattr(batching, "_LEAST", 1)
    sandbox.batches.delay, sandbox.batches.enqueued_words = 0.4, 12  # of some 3 a request
    await buy(teacher, ledger)
    assert_complete(sandbox, ledger, teacher)
    statuses = Counter(batch.status for batch in batches_of(sandbox))
    assert statuses["completed"] == 4
    assert 3 <= statuses["failed"] <= 6  # at first, and one for each that has begun since


async def test_batches_become_smaller_where_one_alone_has_no_room(sandbox, teacher, ledger, monkeypatch):
    monkeypatch.setattr(batching, "_LEAST", 2)
    sandbox.batches.enqueued_words = 20
    await buy(teacher, ledger)
    assert_complete(sandbox, ledger, teacher)
    assert [batch.status for batch in batches_of(sandbox)][::-1] == ["failed", "completed", "completed"]
    sandbox.batches.enqueued_words = 1
    with pytest.raises(ModelError, match="has no room for a batch of 2 requests: run it again when other"):
        await buy(teacher, ledger, [ask_of("a"), ask_of("b")])


async def test_lines_that_are_doubled_foreign_or_broken_do_no_harm(sandbox, teacher, ledger, monkeypatch):
    read = BatchHost.read

    async def spoilt(self, file, take):
        lines = []
        await read(self, file, lines.append)
        for line in [b"{", b"[]", b"7", b'{"custom_id": 3}', b'{"custom_id": "\\ud800"}', *lines, *lines]:
            take(line)
            take(line.replace(b'"custom_id": "', b'"custom_id": "f'))

    monkeypatch.setattr(BatchHost, "read", spoilt)
    heard = []
    await buy(teacher, ledger, on_answer=lambda ask, _: heard.append(ask))
    assert_complete(sandbox, ledger, teacher)
    assert len(heard) == len(ASKS)


@contextmanager
def breaking_off(content, times):
    """The base_url of a host that sends the first half of a file so many ``times`` before it sends all of it."""

    def serve():
        for number in range(times + 1):
            connection, _ = listener.accept()
            with connection:
                connection.recv(65536)
                head = f"HTTP/1.1 200 OK\r\ncontent-length: {len(content)}\r\nconnection: close\r\n\r\n"
                connection.sendall(head.encode() + content[: None if number == times else len(content) // 2])

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/v1"
        thread.join(5)


async def test_a_download_that_breaks_off_begins_again():
    lines = [b"x" * 20_000, "\u2028\x85é".encode(), b"", b"last"]
    taken = []
    with breaking_off(b"\n".join(lines), 2) as base_url:
        async with BatchHost("echo", base_url, QUICK) as host:
            await host.read("file-1", taken.append)
    assert taken[-4:] == lines


async def test_a_host_that_is_gone_is_told_after_some_time(teacher, ledger, sandbox, monkeypatch):
    monkeypatch.setattr(batch_host, "_ATTEMPTS", 3)
    gone = EndpointTeacher("echo", "http://127.0.0.1:1/v1")
    with pytest.raises(ModelError, match="did not answer"):
        await buy(gone, ledger)
    assert len(BatchJournal(ledger, gone.identity)) == 0
    await buy(teacher, ledger)
    assert_complete(sandbox, ledger, teacher)


async def test_a_batch_whose_beginning_stays_unknown_is_given_up(sandbox, teacher, ledger, monkeypatch):
    monkeypatch.setattr(BatchHost, "find", lambda *_: asyncio.sleep(0, {}))
    sandbox.batches.lost_responses = 9
    quick = QUICK._replace(settled=0.01)
    with pytest.raises(ModelError, match="HTTP 500"):
        await asyncio.wait_for(fill(teacher, ledger, pending_of(ledger, teacher, ASKS[:1]), pace=quick), 20)
    assert sandbox.batches.lost_responses == 4


async def test_a_batch_of_another_account_is_not_bought_again(sandbox, teacher, ledger):
    journal = BatchJournal(ledger, teacher.identity)
    tag = journal.claim(ASKS)
    journal.sent(tag, "file-1")
    journal.accepted(tag, "batch_elsewhere")
    with pytest.raises(ModelError, match=r"has no batch batch_elsewhere, which holds requests.*use the key"):
        await buy(teacher, ledger)
    assert texts(sandbox) == {}


@pytest.mark.parametrize("age", ["new", "old"])
async def test_answers_that_the_host_has_thrown_away(teacher, ledger, monkeypatch, age):
    async def gone(_self, file, _take):
        if age == "new" or not calls.append(file):
            raise ModelError("gone (HTTP 404)", 404)

    calls = []
    monkeypatch.setattr(batch_harvest, "_KEPT", 1e9 if age == "new" else -10.0)
    monkeypatch.setattr(BatchHost, "read", gone)
    if age == "new":
        with pytest.raises(ModelError, match="gone"):
            await buy(teacher, ledger)
        assert len(BatchJournal(ledger, teacher.identity)) == 10
    else:
        await buy(teacher, ledger)
        assert len(calls) == 3


async def test_no_key_is_kept(tmp_path, monkeypatch):
    monkeypatch.setenv("RESTYLE_API_KEY", "sk-very-secret")
    with Sandbox() as sandbox, Ledger(tmp_path / "ledger.db") as ledger:
        sandbox.batches.delay = 9.0
        teacher = EndpointTeacher("echo", sandbox.base_url)
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(fill(teacher, ledger, pending_of(ledger, teacher), pace=QUICK), 0.5)
        assert len(BatchJournal(ledger, teacher.identity)) == 10
    assert not any(b"sk-very-secret" in file.read_bytes() for file in tmp_path.iterdir())


async def test_a_folder_that_takes_no_lock(teacher, ledger):
    (ledger.path.parent / "ledger.db.batches").mkdir()
    with pytest.raises(LedgerError, match=r"ledger\.db\.batches: cannot be locked"):
        await buy(teacher, ledger)
