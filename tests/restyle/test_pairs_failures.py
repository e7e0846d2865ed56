"""What goes wrong while pairs are made: nothing that was answered is lost, and every error says what to do."""

from __future__ import annotations

import asyncio
import errno
import os
import re
import signal
import sqlite3
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from commands import PROGRAM
from pairing import build, contents, lines
from restyle.data.documents import Document
from restyle.data.ledger import Ledger
from restyle.data.new_files import NewFile
from restyle.data.pairs import PairSet
from restyle.data.staging import AuthorBlock, Staging, Variant
from restyle.data.teachers import AlwaysOpen
from restyle.errors import LedgerError, ModelError, PairsError
from restyle.messages import Answer
from restyle.testing import Fault, Sandbox
from support import plain_passage, styled_passage


class Refusing:
    """A teacher that raises for some passages, and answers the others with the plain ones."""

    identity, system = "refusing", "Neutralise."

    def __init__(self, error: Exception | None = None, numbers=()) -> None:
        self.error, self.numbers, self.asked = error, numbers, []

    async def answer(self, ask):
        number = int(re.search(r"number (\d+)", ask.user)[1]) - 100
        self.asked.append(number)
        if self.error is not None and number in self.numbers:
            raise self.error
        return Answer(plain_passage(number), "stop")

    async def __aenter__(self):
        return self

    async def __aexit__(self, *_):
        pass


class BadRequestError(Exception):
    """What SDKs raise, and what hosts say in it."""

    status_code = 400


def no_temporaries(directory):
    return not list(Path(directory).rglob("*.tmp"))


@pytest.mark.parametrize(
    ("error", "detail"),
    [
        (ModelError("model 'm' failed with HTTP 400: the content filter", 400), "model 'm' failed with HTTP 400: the"),
        (ModelError("model 'm' failed with HTTP 413: too long", 413), "too long"),
        (BadRequestError("your key sk-very-secret sent what is filtered"), "BadRequestError: HTTP 400"),
    ],
)
def test_a_block_that_cannot_be_answered_is_a_typed_row_and_asked_again(letters, tmp_path, error, detail):
    made = build(letters[0], Refusing(error, {3, 7}), tmp_path / "pairs")
    assert made.manifest["dropped"] == {"failed": 2}
    assert (made.asked, sum(made.manifest["pairs"].values())) == (8, 8)
    dropped = lines(made.directory / "dropped.jsonl")
    assert {row["text"] for row in dropped} == {styled_passage(3), styled_passage(7)}
    assert all(row["reason"] == "failed" and detail in row["detail"] for row in dropped)
    assert b"sk-very-secret" not in b"".join(contents(made.directory).values())
    teacher = Refusing()
    again = build(letters[0], teacher, tmp_path / "pairs")
    assert sorted(teacher.asked) == [3, 7]
    assert contents(again.directory) == contents(build(letters[0], Refusing(), tmp_path / "other").directory)


@pytest.mark.parametrize(
    "error", [ModelError("the key is refused", 401), ModelError("is the server running?"), RuntimeError("a bug")]
)
def test_what_is_not_about_one_block_stops_the_run(letters, tmp_path, error):
    with pytest.raises(type(error), match=str(error)):
        build(letters[0], Refusing(error, {4}), tmp_path / "pairs", max_concurrency=1)
    assert not (tmp_path / "pairs/manifest.json").exists()
    with Ledger(tmp_path / "pairs/ledger.db") as ledger:
        assert len(ledger) >= 4


def test_where_every_block_fails_it_is_not_the_blocks(letters, tmp_path):
    error = ModelError("failed with HTTP 400: no such parameter", 400)
    with pytest.raises(ModelError, match="no such parameter"):
        build(letters[0], Refusing(error, range(10)), tmp_path / "pairs")
    assert not (tmp_path / "pairs/manifest.json").exists()
    build(letters[0], Refusing(error, range(9)), tmp_path / "pairs")
    # With an answer in the ledger the teacher is known to work.
    assert build(letters[0], Refusing(error, range(9)), tmp_path / "pairs").manifest["dropped"] == {"failed": 9}


def test_of_a_host_that_refuses_everything_not_everything_is_asked(tmp_path):
    teacher = Refusing(ModelError("no such parameter", 400), range(300))
    documents = [Document(str(number), styled_passage(number)) for number in range(300)]
    with pytest.raises(ModelError, match="no such parameter"):
        build(documents, teacher, tmp_path / "pairs", max_concurrency=4)
    assert 100 <= len(teacher.asked) < 120


def test_the_command_writes_the_others_and_fails(letters, tmp_path, command, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RESTYLE_API_KEY", "rs-secret")

    def reply(messages):
        return plain_passage(int(re.search(r"number (\d+)", messages[1]["content"])[1]) - 100)

    with Sandbox(replies={"luna": reply}) as sandbox:
        sandbox.inject(Fault("status", status=400))
        arguments = ["pairs", letters[0].name, "--style", "author", "--teacher", "luna"]
        arguments += ["--base-url", sandbox.base_url]
        done = command(*arguments, "--out", "pairs")
        assert done.status == 1
        assert "error: the teacher could not answer 1 of the blocks: see 'failed' in pairs/dropped.jsonl" in done.err
        assert re.search(r"^dropped: failed +1$", done.out, re.MULTILINE)
        assert sum(PairSet.load("pairs").manifest["pairs"].values()) == 9
        (row,) = lines(Path("pairs/dropped.jsonl"))
        assert "HTTP 400" in row["detail"]
        sent = len(sandbox.requests)
        done = command(*arguments, "--out", "pairs")
        assert (done.status, len(sandbox.requests)) == (0, sent + 1)


def full_after(monkeypatch, cls, pages):
    """Let the databases of a class run full."""
    init = cls.__init__

    def limited(self, *arguments):
        init(self, *arguments)
        (used,) = self._connection.execute("PRAGMA page_count").fetchone()
        self._connection.execute(f"PRAGMA max_page_count={used + pages}")

    monkeypatch.setattr(cls, "__init__", limited)


def test_a_disk_that_is_full_for_the_ledger(letters, tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        full_after(patch, Ledger, pages=1)
        with pytest.raises(LedgerError, match=r"ledger\.db: the disk is full: make room and run again, what was"):
            build(letters[0], Refusing(), tmp_path / "pairs", max_concurrency=1)
    with Ledger(tmp_path / "pairs/ledger.db") as ledger:
        kept = len(ledger)
    assert 0 < kept < 10
    made = build(letters[0], Refusing(), tmp_path / "pairs")
    assert (made.asked, made.reused) == (10 - kept, kept)


def test_a_disk_that_is_full_for_the_blocks(tmp_path, monkeypatch):
    full_after(monkeypatch, Staging, pages=0)
    documents = (Document(str(number), styled_passage(number)) for number in range(100))
    with pytest.raises(PairsError, match=r"do not fit into the folder for temporary files .*set TMPDIR"):
        build(documents, Refusing(), tmp_path / "pairs")


@pytest.mark.parametrize("last", ["restyle/train.jsonl", "pairs.jsonl", "author.jsonl", "manifest.json"])
def test_a_disk_that_is_full_for_the_files(letters, tmp_path, monkeypatch, last):
    made = build(letters[0], Refusing(), tmp_path / "pairs")
    before = contents(made.directory)
    (letters[0] / "zz.md").write_text(styled_passage(50), "utf-8")
    write = NewFile.write

    def full(self, line):
        if self.path == made.directory / last:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        write(self, line)

    with monkeypatch.context() as patch:
        patch.setattr(NewFile, "write", full)
        with pytest.raises(
            PairsError, match=r"files cannot be written \(No space left on device\): make room or choose"
        ):
            build(letters[0], Refusing(), tmp_path / "pairs")
    assert contents(made.directory) == before
    assert no_temporaries(made.directory)
    assert build(letters[0], Refusing(), tmp_path / "pairs").asked == 0


def test_a_folder_that_cannot_be_written_to(letters, tmp_path):
    (tmp_path / "pairs").mkdir()
    (tmp_path / "pairs/restyle").write_text("in the way", "utf-8")
    with pytest.raises(PairsError, match="files cannot be written"):
        build(letters[0], Refusing(), tmp_path / "pairs")
    (tmp_path / "pairs/restyle").unlink()
    assert build(letters[0], Refusing(), tmp_path / "pairs").asked == 0


def test_what_killed_runs_left_is_removed_when_it_is_old(letters, tmp_path):
    made = build(letters[0], Refusing(), tmp_path / "pairs")
    old, fresh = (made.directory / f"restyle/.train.jsonl.{name}.tmp" for name in ("0a", "0b"))
    for path in (old, fresh):
        path.write_text("half", "utf-8")
    os.utime(old, (time.time() - 2 * 24 * 3600,) * 2)
    build(letters[0], Refusing(), tmp_path / "pairs")
    assert (old.exists(), fresh.exists()) == (False, True)


def test_a_ledger_that_is_damaged_is_left_as_it_is(letters, tmp_path):
    build(letters[0], Refusing(), tmp_path / "pairs")
    path = tmp_path / "pairs/ledger.db"
    data = bytearray(path.read_bytes())
    page = int.from_bytes(data[16:18], "big")
    data[page : 2 * page] = b"\x17" * page
    path.write_bytes(data)
    before = path.read_bytes()
    with pytest.raises(LedgerError, match=r"ledger\.db: the ledger is damaged: put a copy in its place, or save"):
        build(letters[0], Refusing(), tmp_path / "pairs")
    assert path.read_bytes() == before


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGINT for one process")
def test_ctrl_c_says_what_it_leaves(letters, tmp_path):
    def reply(messages):
        return plain_passage(int(re.search(r"number (\d+)", messages[1]["content"])[1]) - 100)

    out = tmp_path / "pairs"
    with Sandbox(replies={"luna": reply}, latency=0.2) as sandbox:
        arguments = ["pairs", str(letters[0]), "--style", "author", "--teacher", "luna", "--out", str(out)]
        command = [*PROGRAM, *arguments, "--base-url", sandbox.base_url, "--max-concurrency", "2"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
            deadline = time.monotonic() + 30.0
            while len(sandbox.requests) < 5 and time.monotonic() < deadline:
                time.sleep(0.01)
            process.send_signal(signal.SIGINT)
            said, complaint = process.communicate(timeout=30)
        assert process.returncode == 130
        assert complaint.decode().startswith(f"stopped: what was answered is in {out / 'ledger.db'}; the same command")
        assert (said, b"Traceback" in complaint) == (b"", False)
        connection = sqlite3.connect(out / "ledger.db")
        (kept,) = connection.execute("SELECT count(*) FROM answers").fetchone()
        connection.close()
        assert 2 <= kept <= 6
        assert not (out / "manifest.json").exists()
        made = build(letters[0], "luna", out, base_url=sandbox.base_url)
        assert (made.asked, made.reused) == (10 - kept, kept)


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGINT for one process")
async def test_stopping_the_cell_of_a_notebook_stops_the_run(letters, tmp_path):
    """In a notebook a loop already runs, and does not catch the signal itself."""
    ended = []

    class Stopped(Refusing):
        async def answer(self, ask):
            if self.asked:
                os.kill(os.getpid(), signal.SIGINT)
                await asyncio.sleep(60.0)
            return await super().answer(ask)

        async def __aexit__(self, *_):
            ended.append(True)

    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            build(letters[0], Stopped(), tmp_path / "pairs", max_concurrency=1)
    finally:
        signal.signal(signal.SIGINT, before)
    assert ended
    assert build(letters[0], Refusing(), tmp_path / "pairs").reused == 1


def test_blocks_are_staged_in_order_with_what_became_of_them():
    with Staging() as blocks:
        for number in range(600):
            blocks.add(AuthorBlock(f"{number % 7}", number, number + 1, f"text {number}"))
        for number, block in blocks.blocks():
            blocks.settle(number, replace(block, variants=(Variant("a", "plain"), Variant("b"))))
        staged = [block for _, block in blocks.blocks()]
        assert [block.start for block in staged] == list(range(600))
        assert {block.variants for block in staged} == {(Variant("a", "plain"), Variant("b"))}
        assert (len(blocks), "text 599" in blocks, "text 600" in blocks) == (600, True, False)
        assert blocks.documents() == [str(number) for number in range(7)]


def test_answers_that_come_together_with_an_error_are_kept(letters, tmp_path):
    together = asyncio.Barrier(10)

    class Bursting(AlwaysOpen):
        identity, system = "bursting", "Be plain."

        async def answer(self, ask):
            await together.wait()
            if ask.user == styled_passage(0):
                raise ModelError("no such key", 401)
            return Answer(plain_passage(next(n for n in range(10) if styled_passage(n) == ask.user)), "stop")

    with pytest.raises(ModelError, match="no such key"):
        build(letters[0], Bursting(), tmp_path / "pairs")
    with Ledger(tmp_path / "pairs/ledger.db") as ledger:
        assert len(ledger) == 9
