from __future__ import annotations

import sqlite3
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from restyle.data.ledger import Ledger
from restyle.errors import LedgerError
from restyle.messages import Answer, Ask

ASK = Ask("system", "user", "destyle")


def test_an_answer_is_found_by_all_that_made_it(tmp_path):
    with Ledger(tmp_path / "deep/ledger.db") as ledger:
        assert ledger.find("t", ASK) is None
        ledger.record("t", ASK, Answer("neutral", "stop", "thoughts"))
        assert ledger.find("t", ASK) == Answer("neutral", "stop", "thoughts")
        assert ledger.find("other", ASK) is None
        assert ledger.find("t", Ask("other", "user", "destyle")) is None
        assert ledger.find("t", Ask("system", "other", "destyle")) is None
        assert len(ledger) == 1


def test_an_answer_that_stands_stays(tmp_path):
    with Ledger(tmp_path / "ledger.db") as ledger:
        ledger.record("t", ASK, Answer("first"))
        ledger.record("t", ASK, Answer("second"))
        assert ledger.find("t", ASK) == Answer("first")
        assert len(ledger) == 1


def test_it_is_all_there_after_opening_again(tmp_path):
    with Ledger(tmp_path / "ledger.db") as ledger:
        ledger.record("t", ASK, Answer("neutral"))
    with Ledger(tmp_path / "ledger.db") as ledger:
        assert ledger.find("t", ASK) == Answer("neutral")


def test_what_was_recorded_survives_a_process_that_is_killed(tmp_path):
    path = tmp_path / "ledger.db"
    program = f"""
import os, signal
from pathlib import Path
from restyle.data.ledger import Ledger
from restyle.messages import Answer, Ask
ledger = Ledger(Path({str(path)!r}))
for number in range(5):
    ledger.record("t", Ask("system", str(number), "destyle"), Answer("neutral"))
os.kill(os.getpid(), signal.SIGKILL)
"""
    done = subprocess.run([sys.executable, "-c", program], timeout=30, check=False)
    assert done.returncode != 0
    with Ledger(path) as ledger:
        assert len(ledger) == 5


def test_two_runs_can_share_it(tmp_path):
    path = tmp_path / "ledger.db"
    with Ledger(path) as one, Ledger(path) as two:
        one.record("t", ASK, Answer("neutral"))
        assert two.find("t", ASK) == Answer("neutral")
        two.record("t", Ask("system", "second", "destyle"), Answer("other"))
        assert len(one) == 2


def test_it_is_in_wal_mode(tmp_path):
    with Ledger(tmp_path / "ledger.db"):
        connection = sqlite3.connect(tmp_path / "ledger.db")
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        connection.close()


@settings(max_examples=25)
@given(st.tuples(st.text(), st.text(), st.text()), st.tuples(st.text(), st.text(), st.text()))
def test_different_questions_never_share_an_answer(tmp_path_factory, one, two):
    path = tmp_path_factory.mktemp("ledger") / "ledger.db"
    with Ledger(path) as ledger:
        for teacher, system, user in (one, two):
            ledger.record(teacher, Ask(system, user, "destyle"), Answer(repr((teacher, system, user))))
        for teacher, system, user in (one, two):
            found = ledger.find(teacher, Ask(system, user, "destyle"))
            assert found == Answer(repr((teacher, system, user)))


def test_what_is_no_ledger_is_refused_and_left_alone(tmp_path):
    path = tmp_path / "ledger.db"
    path.write_text("These are my notes, not a database. " * 10, "utf-8")
    before = path.read_bytes()
    with pytest.raises(LedgerError, match=r"ledger\.db: cannot be used as a ledger .*move it away, or name another"):
        Ledger(path)
    assert path.read_bytes() == before


def test_a_folder_or_a_file_in_the_way(tmp_path):
    (tmp_path / "ledger.db").mkdir()
    with pytest.raises(LedgerError, match="cannot be used as a ledger"):
        Ledger(tmp_path / "ledger.db")
    (tmp_path / "file").write_text("x", "utf-8")
    with pytest.raises(LedgerError, match="cannot be used as a ledger"):
        Ledger(tmp_path / "file/ledger.db")


def test_a_newer_schema_is_refused_and_left_alone(tmp_path):
    path = tmp_path / "ledger.db"
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA user_version=99")
    connection.close()
    with pytest.raises(LedgerError, match="ledger schema 99, this restyle knows 1: upgrade restyle"):
        Ledger(path)
    connection = sqlite3.connect(path)
    assert connection.execute("PRAGMA user_version").fetchone() == (99,)
    connection.close()


def test_nothing_in_it_is_a_key(tmp_path, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-very-secret")
    with Ledger(tmp_path / "ledger.db") as ledger:
        ledger.record("openai:gpt", ASK, Answer("neutral"))
    assert not any(b"sk-very-secret" in file.read_bytes() for file in tmp_path.iterdir())
