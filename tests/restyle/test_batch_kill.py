"""Batches broken off by ``kill -9`` where it hurts, and gone on with: nothing is lost, and nothing bought twice."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
import time
from collections import Counter

import openai
import pytest

from restyle.data.batching import Pace, fill
from restyle.data.endpoint_teacher import EndpointTeacher
from restyle.data.ledger import Ledger
from restyle.messages import Ask
from restyle.testing import Sandbox

ASKS = [Ask("Be plain.", f"Text {number}.", "destyle") for number in range(40)]
PROGRAM = """
import asyncio, os, signal, sys
from pathlib import Path
from restyle.data import batching
from restyle.data.batch_host import BatchHost
from restyle.data.batching import Pace, fill
from restyle.data.endpoint_teacher import EndpointTeacher
from restyle.data.ledger import Ledger
from restyle.messages import Ask

path, base_url, moment = sys.argv[1:]
answers = []

def die(*_, **__):
    os.kill(os.getpid(), signal.SIGKILL)

def count(ask, answer):
    answers.append(answer)
    if moment == "mid harvest" and len(answers) == 17:
        die()

if moment in ("claimed", "sent"):
    setattr(BatchHost, {"claimed": "upload", "sent": "create"}[moment], die)
batching.MOST_REQUESTS = 15
asks = [Ask("Be plain.", f"Text {number}.", "destyle") for number in range(40)]
teacher = EndpointTeacher("echo", base_url)
ledger = Ledger(Path(path))
pending = lambda: (ask for ask in asks if ledger.find(teacher.identity, ask) is None)
progress = die if moment == "under way" else None
asyncio.run(fill(teacher, ledger, pending, on_answer=count, on_progress=progress, pace=Pace(0.05, 0.05, 0.5)))
"""


def run(path, base_url, moment):
    return subprocess.Popen([sys.executable, "-c", PROGRAM, str(path), base_url, moment])


def go_on(path, base_url):
    teacher = EndpointTeacher("echo", base_url)
    with Ledger(path) as ledger:
        pace = Pace(0.02, 0.05, 0.5)

        def pending():
            return (ask for ask in ASKS if ledger.find(teacher.identity, ask) is None)

        asyncio.run(fill(teacher, ledger, pending, pace=pace))
        assert list(pending()) == []
        assert ledger.rows("SELECT * FROM batches") == ledger.rows("SELECT * FROM batch_requests") == []
        return {answer.text for ask in ASKS if (answer := ledger.find(teacher.identity, ask))}


@pytest.mark.parametrize("moment", ["claimed", "sent", "accepted", "under way", "mid harvest"])
def test_what_a_killed_run_has_bought_is_not_bought_again(tmp_path, moment):
    path = tmp_path / "ledger.db"
    with Sandbox() as sandbox:
        sandbox.batches.response_delay = 2.0 if moment == "accepted" else 0.0
        sandbox.batches.delay = 1.5 if moment == "under way" else 0.2  # so that none is over before it is killed
        with run(path, sandbox.base_url, moment) as process:
            if moment == "accepted":  # at the host, and not known here
                with openai.OpenAI(base_url=sandbox.base_url, api_key="unused") as client:
                    deadline = time.monotonic() + 30
                    while not client.batches.list().data:
                        assert time.monotonic() < deadline
                        time.sleep(0.02)
                process.kill()
            assert process.wait(30) == -signal.SIGKILL
        with Ledger(path) as ledger:
            ids = [name for (name,) in ledger.rows("SELECT id FROM batches")]
            kept = len(ledger)
        assert (None in ids, kept) == (moment in {"claimed", "sent", "accepted"}, 17 if moment == "mid harvest" else 0)
        sandbox.batches.response_delay = 0.0
        assert go_on(path, sandbox.base_url) == {ask.user for ask in ASKS}
        bought = Counter(body["messages"][1]["content"] for body in sandbox.batches.answered)
    assert bought == {ask.user: 1 for ask in ASKS}


def test_two_runs_of_which_one_is_killed(tmp_path):
    path = tmp_path / "ledger.db"
    with Sandbox() as sandbox:
        sandbox.batches.delay = sandbox.batches.response_delay = 0.1
        with run(path, sandbox.base_url, "under way") as one, run(path, sandbox.base_url, "to the end") as two:
            # 0 where the other was so quick that nothing was left to be killed in.
            assert one.wait(30) in {-signal.SIGKILL, 0}
            assert two.wait(30) == 0
        bought = Counter(body["messages"][1]["content"] for body in sandbox.batches.answered)
        assert bought == {ask.user: 1 for ask in ASKS}
        assert go_on(path, sandbox.base_url) == {ask.user for ask in ASKS}
        assert len(sandbox.batches.answered) == len(ASKS)
