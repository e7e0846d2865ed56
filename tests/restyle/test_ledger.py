from __future__ import annotations

import re
import sqlite3
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from threading import Barrier

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from restyle.data import ledger as ledger_module
from restyle.data.ledger import Ledger
from restyle.errors import LedgerError
from restyle.messages import Answer, Ask, Turn, Usage

ASK = Ask("system", "user", "destyle")
AGAIN = replace(ASK, after=(Turn("assistant", "first try"), Turn("user", "it lacks 7")))


def rows(path, query):
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(query).fetchall()


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


def test_nothing_in_it_is_a_key(tmp_path, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-very-secret")
    with Ledger(tmp_path / "ledger.db") as ledger:
        ledger.record("openai:gpt", ASK, Answer("neutral"))
    assert not any(b"sk-very-secret" in file.read_bytes() for file in tmp_path.iterdir())


def test_what_an_answer_cost_and_when_it_came_is_kept(tmp_path):
    path = tmp_path / "ledger.db"
    with Ledger(path) as ledger:
        ledger.record("t", ASK, Answer("neutral", usage=Usage(120, 80)))
        ledger.record("t", AGAIN, Answer("better"))
        assert ledger.find("t", ASK).usage == Usage(120, 80)
        assert ledger.find("t", AGAIN).usage is None
    found = rows(path, "SELECT text, after, tokens_read, tokens_written, created_at FROM answers ORDER BY text")
    assert [row[:4] for row in found] == [
        ("better", '[["assistant", "first try"], ["user", "it lacks 7"]]', None, None),
        ("neutral", "[]", 120, 80),
    ]
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", row[4]) for row in found)


def test_turns_after_the_text_make_another_question(tmp_path):
    with Ledger(tmp_path / "ledger.db") as ledger:
        ledger.record("t", ASK, Answer("first"))
        assert ledger.find("t", AGAIN) is None
        ledger.record("t", AGAIN, Answer("second"))
        assert (ledger.find("t", ASK).text, ledger.find("t", AGAIN).text) == ("first", "second")
        assert ledger.find("t", replace(ASK, after=AGAIN.after[:1])) is None


def test_recording_says_which_answer_stands(tmp_path):
    with Ledger(tmp_path / "ledger.db") as one, Ledger(tmp_path / "ledger.db") as two:
        assert one.record("t", ASK, Answer("first")) == Answer("first")
        assert two.record("t", ASK, Answer("second")) == Answer("first")


def test_the_database_of_another_program_is_left_alone(tmp_path):
    path = tmp_path / "ledger.db"
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("CREATE TABLE songs (name TEXT)")
    before = path.read_bytes()
    with pytest.raises(LedgerError, match=r"ledger\.db: a database of another program: move it away, or name another"):
        Ledger(path)
    assert path.read_bytes() == before


def test_a_full_disk_keeps_what_was_answered(tmp_path):
    with Ledger(tmp_path / "ledger.db") as ledger:
        ledger.record("t", ASK, Answer("neutral"))
        ledger._connection.execute("PRAGMA max_page_count=1")
        with pytest.raises(LedgerError, match="the disk is full: make room and run again"):
            ledger.record("t", AGAIN, Answer("neutral" * 10_000))
        kept = len(ledger)
        assert ledger.find("t", ASK) == Answer("neutral")
        ledger._connection.execute("PRAGMA max_page_count=1000")
        ledger.record("t", AGAIN, Answer("better"))
    with Ledger(tmp_path / "ledger.db") as ledger:
        assert len(ledger) == kept + 1


def test_a_ledger_that_another_process_keeps_locked(tmp_path, monkeypatch):
    path = tmp_path / "ledger.db"
    monkeypatch.setattr(ledger_module, "_PATIENCE", 0.05)
    with Ledger(path) as ledger, closing(sqlite3.connect(path)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(LedgerError, match="another run keeps it locked: run again when that has ended"):
            ledger.record("t", ASK, Answer("neutral"))
        other.execute("COMMIT")
        ledger.record("t", ASK, Answer("neutral"))
        assert len(ledger) == 1


def test_a_page_that_is_damaged_is_told_and_not_mended(tmp_path):
    path = tmp_path / "ledger.db"
    with Ledger(path) as ledger:
        ledger.record("t", ASK, Answer("neutral"))
    data = bytearray(path.read_bytes())
    data[4096:8192] = b"\x17" * 4096
    path.write_bytes(data)
    with Ledger(path) as ledger, pytest.raises(LedgerError, match=r"damaged: put a copy .* or save .* \.recover"):
        ledger.find("t", ASK)
    assert path.read_bytes() == bytes(data)


def test_a_transaction_is_whole_or_not_at_all(tmp_path):
    def write(ledger, query):
        with ledger.transaction():
            ledger.record("t", ASK, Answer("neutral"))
            ledger.rows(query)

    with Ledger(tmp_path / "ledger.db") as ledger:
        with pytest.raises(LedgerError, match="no such table"):
            write(ledger, "SELECT 1 FROM nowhere")
        assert len(ledger) == 0
        write(ledger, "SELECT 1")
        assert len(ledger) == 1


def test_runs_that_begin_at_once_make_one_ledger(tmp_path):
    runs = 4
    for attempt in range(20):
        path, together = tmp_path / str(attempt) / "ledger.db", Barrier(runs)

        def begin(number, path=path, together=together):
            together.wait(10)
            with Ledger(path) as ledger:
                ledger.record("teacher", Ask("s", str(number), "destyle"), Answer("a", "stop"))

        with ThreadPoolExecutor(runs) as pool:
            list(pool.map(begin, range(runs)))
        with Ledger(path) as ledger:
            assert len(ledger) == runs
