"""Ledgers of other schemas, and the answers of other ledgers."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from contextlib import closing
from dataclasses import replace

import pytest

from restyle.data.ledger import SCHEMA, Ledger
from restyle.errors import LedgerError
from restyle.messages import Answer, Ask, Turn, Usage

ASK = Ask("system", "user", "destyle")
AGAIN = replace(ASK, after=(Turn("assistant", "first try"), Turn("user", "it lacks 7")))

# As schema 1 was; the key is that of teacher "t" and `ASK`. Whatever else changes, it must still be found.
KEY = "1f03558d588e21efe42122d90fdffa56ca190dd3bb7647a5d9961743b32cc44d"
FIRST_SCHEMA = """
CREATE TABLE answers (
    key TEXT PRIMARY KEY, teacher TEXT NOT NULL, system TEXT NOT NULL, user TEXT NOT NULL, text TEXT NOT NULL,
    finish_reason TEXT, reasoning TEXT NOT NULL, created_at TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP
) WITHOUT ROWID
"""
SECOND_SCHEMA = """
ALTER TABLE answers ADD COLUMN after TEXT NOT NULL DEFAULT '[]';
ALTER TABLE answers ADD COLUMN tokens_read INTEGER;
ALTER TABLE answers ADD COLUMN tokens_written INTEGER;
UPDATE answers SET tokens_read = 3, tokens_written = 4;
PRAGMA user_version=2;
"""


def write_first_schema(path, version=1):
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute(FIRST_SCHEMA)
        values = (KEY, "t", "system", "user", "neutral", "stop", "thoughts", "2026-11-01 12:00:00")
        connection.execute("INSERT INTO answers VALUES (?, ?, ?, ?, ?, ?, ?, ?)", values)
        connection.execute(f"PRAGMA user_version={version}")


def write_second_schema(path):
    write_first_schema(path)
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(SECOND_SCHEMA)


def rows(path, query):
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(query).fetchall()


def test_a_newer_schema_is_refused_and_left_alone(tmp_path):
    path = tmp_path / "ledger.db"
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA user_version=99")
    connection.close()
    with pytest.raises(LedgerError, match="ledger schema 99, this restyle knows 3: upgrade restyle"):
        Ledger(path)
    connection = sqlite3.connect(path)
    assert connection.execute("PRAGMA user_version").fetchone() == (99,)
    connection.close()


@pytest.mark.parametrize("version", [1, 0], ids=["schema 1", "schema 1, killed while it was made"])
def test_answers_of_the_first_schema_are_kept(tmp_path, version):
    path = tmp_path / "ledger.db"
    write_first_schema(path, version)
    for _ in range(2):
        with Ledger(path) as ledger:
            assert ledger.find("t", ASK) == Answer("neutral", "stop", "thoughts")
            ledger.record("t", AGAIN, Answer("better", usage=Usage(1, 2)))
            assert ledger.find("t", AGAIN).usage == Usage(1, 2)
            assert len(ledger) == 2
    assert rows(path, "PRAGMA user_version") == [(SCHEMA,)]
    assert rows(path, f"SELECT created_at FROM answers WHERE key = '{KEY}'") == [("2026-11-01 12:00:00",)]


def test_processes_that_find_an_old_ledger_at_once_lose_nothing(tmp_path):
    path = tmp_path / "ledger.db"
    write_first_schema(path)
    program = f"""
import sys
from pathlib import Path
from restyle.data.ledger import Ledger
from restyle.messages import Answer, Ask
sys.stdin.read(1)
with Ledger(Path({str(path)!r})) as ledger:
    for number in range(150):
        ask = Ask("system", str(number), "destyle")
        stands = ledger.record("t", ask, Answer(sys.argv[1]))
        assert stands == ledger.find("t", ask)
"""
    command = [sys.executable, "-c", program]
    processes = [subprocess.Popen([*command, name], stdin=subprocess.PIPE) for name in ("one", "two", "three")]
    for process in processes:
        process.stdin.write(b"!")
        process.stdin.flush()
    for process in processes:
        process.communicate(timeout=60)
    assert [process.returncode for process in processes] == [0, 0, 0]
    with Ledger(path) as ledger:
        assert len(ledger) == 151
        assert ledger.find("t", ASK) == Answer("neutral", "stop", "thoughts")


def test_answers_of_the_second_schema_are_kept(tmp_path):
    path = tmp_path / "ledger.db"
    write_second_schema(path)
    with Ledger(path) as ledger:
        found = ledger.find("t", ASK)
        assert (found, found.usage) == (Answer("neutral", "stop", "thoughts"), Usage(3, 4))
        ledger.record("t", replace(ASK, schema="{}"), Answer("[]"))
    assert rows(path, "PRAGMA user_version") == [(SCHEMA,)]
    assert rows(path, "SELECT text, schema FROM answers ORDER BY text") == [("[]", "{}"), ("neutral", "")]
    assert rows(path, "SELECT * FROM batches JOIN batch_requests USING (tag)") == []


@pytest.mark.parametrize("write", [write_first_schema, write_second_schema, None])
def test_what_another_ledger_knows_is_taken_over(tmp_path, write):
    path = tmp_path / "shards/its o'clock?.db"
    path.parent.mkdir()
    if write:
        write(path)
    with Ledger(path) as other:
        other.record("t", ASK, Answer("neutral", "stop", "thoughts"))
        other.record("t", replace(AGAIN, schema="{}"), Answer("better", usage=Usage(1, 2)))
        other.record("t", Ask("system", "both", "destyle"), Answer("theirs"))
    with Ledger(tmp_path / "ledger.db") as ledger:
        ledger.record("t", Ask("system", "both", "destyle"), Answer("ours"))
        assert [ledger.absorb(path), ledger.absorb(path), len(ledger)] == [2, 0, 3]
        assert ledger.find("t", ASK) == Answer("neutral", "stop", "thoughts")
        assert ledger.find("t", replace(AGAIN, schema="{}")).usage == Usage(1, 2)
        assert ledger.find("t", Ask("system", "both", "destyle")) == Answer("ours")
        assert ledger.absorb(ledger.path) == 0
    query = "SELECT teacher, system, user, after, schema, created_at FROM answers WHERE text <> 'ours' ORDER BY key"
    assert rows(tmp_path / "ledger.db", query) == rows(path, query.replace("ours", "theirs"))


def test_what_cannot_be_taken_over_is_told(tmp_path):
    (tmp_path / "notes.db").write_text("no database " * 100, "utf-8")
    with Ledger(tmp_path / "ledger.db") as ledger:
        with pytest.raises(LedgerError, match=r"nowhere\.db: no such ledger: check the path"):
            ledger.absorb(tmp_path / "nowhere.db")
        assert not (tmp_path / "nowhere.db").exists()
        with pytest.raises(LedgerError, match=r"notes\.db: cannot be used as a ledger"):
            ledger.absorb(tmp_path / "notes.db")
        with Ledger(tmp_path / "other.db") as other:
            other.record("t", ASK, Answer("neutral"))
        assert ledger.absorb(tmp_path / "other.db") == 1
