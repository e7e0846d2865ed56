"""Pairs of more blocks than memory holds, and of as many as one cares to pay for now."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import subprocess
import sys
import threading
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from pairing import build, contents, lines
from restyle.data.documents import Document
from restyle.data.export import Prompts, Recipe, export
from restyle.data.filters import Drop
from restyle.data.recordings import Recording
from restyle.data.staging import AuthorBlock, Staging, Variant
from restyle.data.teachers import RecordedTeacher
from restyle.errors import PairsError
from restyle.messages import Answer, Usage
from support import plain_passage, styled_passage, write_rows

RECIPE = Recipe("author", Prompts("In your style, please.", "Plainly, please."), ["t"])


class Telling:
    """A teacher that answers with the plain passage, or with what it is told to say first."""

    identity, system = "telling", "Neutralise."

    def __init__(self, first=None) -> None:
        self.first, self.asks = dict(first or {}), []

    async def answer(self, ask):
        self.asks.append(ask)
        await asyncio.sleep(0)
        number = int(re.search(r"number (\d+)", ask.user)[1]) - 100
        return Answer(self.first.pop(number, plain_passage(number)), "stop")

    async def __aenter__(self):
        return self

    async def __aexit__(self, *_):
        pass


def peak_of_a_set(folder, count):
    """The most bytes that Python held while so many blocks were staged and written."""
    tracemalloc.start()
    try:
        with Staging() as blocks:
            for number in range(count):
                blocks.add(AuthorBlock(f"{number % 5}.md", number, number + 9, styled_passage(number)))
            for number, block in blocks.blocks():
                drop = Drop("facts", "lost") if number % 4 == 0 else None
                variant = Variant("t", plain_passage(number), drop)
                blocks.settle(number, replace(block, variants=(variant,)))
            export(folder, RECIPE, blocks)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_memory_does_not_grow_with_the_blocks(tmp_path):
    few, many = peak_of_a_set(tmp_path / "few", 600), peak_of_a_set(tmp_path / "many", 2400)
    assert len(lines(tmp_path / "many/pairs.jsonl")) == 1800
    texts = 2400 * len(styled_passage(0))
    assert many - few < texts / 4


def test_a_duplicate_of_a_held_out_block_is_held_out_of_many(tmp_path):
    with Staging() as blocks:
        for number in range(300):
            blocks.add(AuthorBlock(f"{number % 6}.md", number, number + 9, styled_passage(number)))
        for number, block in blocks.blocks():
            blocks.settle(number, replace(block, variants=(Variant("t", plain_passage(number)),)))
        for number in range(300):
            drop = Drop("duplicate", "the same text stands earlier")
            blocks.add(AuthorBlock("collection.md", number, number + 9, styled_passage(number), drop=drop))
        export(tmp_path, RECIPE, blocks)
    held_out = {row["styled"] for row in lines(tmp_path / "pairs.jsonl") if row["split"] != "train"}
    learnt = [row["text"] for row in lines(tmp_path / "author.jsonl")]
    assert len(held_out) == 100
    assert set(learnt) == {styled_passage(number) for number in range(300)} - held_out
    assert len(learnt) == 400


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_a_killed_run_leaves_no_staged_blocks(tmp_path):
    program = """
import os, signal
from restyle.data.staging import AuthorBlock, Staging
blocks = Staging()
blocks._connection.execute("PRAGMA cache_size=10")
for number in range(2000):
    blocks.add(AuthorBlock("a.md", number, number, f"{number} " * 100))
assert any(os.environ["SQLITE_TMPDIR"] in os.readlink(f"/proc/self/fd/{fd}") for fd in os.listdir("/proc/self/fd")[:-1])
os.kill(os.getpid(), signal.SIGKILL)
"""
    environment = os.environ | {"SQLITE_TMPDIR": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", program], env=environment, timeout=60, check=False)
    assert done.returncode == -signal.SIGKILL
    assert list(tmp_path.iterdir()) == []


def test_a_limit_asks_about_so_many_and_says_what_is_left_out(letters, tmp_path):
    teacher = Telling()
    made = build(letters[0], teacher, tmp_path / "pairs", limit=4)
    assert [ask.user for ask in teacher.asks] == [styled_passage(number) for number in range(4)]
    assert (made.asked, sum(made.manifest["pairs"].values())) == (4, 4)
    assert made.manifest["dropped"] == {"unasked": 6}
    assert {row["detail"] for row in lines(made.directory / "dropped.jsonl")} == {"only 4 new blocks were to be asked"}
    more = build(letters[0], Telling(), tmp_path / "pairs", limit=4)
    assert (more.asked, more.reused, more.manifest["dropped"]) == (4, 4, {"unasked": 2})
    none = build(letters[0], Telling(), tmp_path / "pairs", limit=0)
    assert (none.asked, none.reused, none.manifest["dropped"]) == (0, 8, {"unasked": 2})
    whole = build(letters[0], Telling(), tmp_path / "pairs", limit=4)
    assert (whole.asked, whole.manifest["dropped"]) == (2, {})
    assert contents(whole.directory) == contents(build(letters[0], Telling(), tmp_path / "at-once").directory)


def test_a_block_that_is_asked_about_again_counts_once(letters, tmp_path):
    teacher = Telling({0: "", 2: styled_passage(2)})
    made = build(letters[0], teacher, tmp_path / "pairs", limit=3)
    assert (made.asked, made.manifest["dropped"]) == (5, {"unasked": 7})
    assert [len(ask.messages) for ask in teacher.asks].count(4) == 2


def test_a_rejected_answer_is_kept_and_its_repair_too(letters, tmp_path):
    teacher = Telling(dict.fromkeys(range(5), ""))
    made = build(letters[0], teacher, tmp_path / "pairs")
    assert (made.asked, made.manifest["dropped"]) == (15, {})
    again = build(letters[0], Telling(), tmp_path / "pairs")
    assert (again.asked, again.reused) == (0, 15)
    assert contents(again.directory) == contents(build(letters[0], Telling(), tmp_path / "other").directory)


def test_a_limit_below_nothing(letters, tmp_path):
    with pytest.raises(ValueError, match="limit is -1: give the number of blocks"):
        build(letters[0], Telling(), tmp_path / "pairs", limit=-1)


class Priced(Telling):
    """Every answer costs a dollar."""

    model = "luna"

    async def answer(self, ask):
        return replace(await super().answer(ask), usage=Usage(5, 10))


def test_nothing_is_asked_once_the_most_it_may_cost_is_spent(letters, tmp_path, home):
    home.mkdir()
    (home / "prices.toml").write_text('["luna"]\nread = 0\nwritten = 100_000\n', "utf-8")
    made = build(letters[0], Priced({0: ""}), tmp_path / "pairs", max_cost=3.0, max_concurrency=1)
    assert (made.asked, made.manifest["dropped"]) == (3, {"unasked": 8})
    again = build(letters[0], Priced(), tmp_path / "pairs", max_cost=100.0)
    assert (again.asked, again.reused, again.manifest["dropped"]) == (8, 3, {})


@pytest.mark.usefixtures("home")
def test_a_cost_cannot_be_watched_without_a_price(letters, tmp_path):
    with pytest.raises(PairsError, match=r"max_cost is 3\.0, but the model has no price"):
        build(letters[0], Priced(), tmp_path / "pairs", max_cost=3.0)
    with pytest.raises(PairsError, match=r"max_cost is 3\.0, but the model has no price"):
        build(*letters, tmp_path / "pairs", max_cost=3.0)
    assert not (tmp_path / "pairs").exists()


def test_blocks_that_nearly_repeat_another_are_dropped_and_never_learnt_from(tmp_path):
    documents = [Document(f"{number}.md", f"{styled_passage(0)} {'And so it was. ' * number}") for number in range(4)]
    teacher = Telling()
    made = build(documents, teacher, tmp_path / "pairs", near_duplicates=0.7)
    assert made.manifest["dropped"]["near_duplicate"] >= 1
    asked = {ask.user for ask in teacher.asks}
    nearly = {row["text"] for row in lines(made.directory / "dropped.jsonl") if row["reason"] == "near_duplicate"}
    assert asked.isdisjoint(nearly)
    assert nearly.isdisjoint(made.author_texts())


def test_the_limit_of_the_command(letters, tmp_path, command):
    arguments = ["pairs", str(letters[0]), "--style", "author", "--teacher", str(letters[1])]
    done = command(*arguments, "--out", str(tmp_path / "pairs"), "--limit", "7")
    assert done.status == 0
    assert re.search(r"^answered by the teacher now +7$", done.out, re.MULTILINE)
    assert re.search(r"^dropped: unasked +3$", done.out, re.MULTILINE)


def test_runs_at_once_over_one_ledger_give_the_same_files(letters, tmp_path):
    start = threading.Barrier(3)

    def run(_):
        start.wait()
        return build(letters[0], Telling(), tmp_path / "pairs", max_concurrency=2).manifest

    with ThreadPoolExecutor(3) as pool:
        one, two, three = pool.map(run, range(3))
    assert one == two == three
    assert contents(tmp_path / "pairs") == contents(build(letters[0], Telling(), tmp_path / "alone").directory)
    again = build(letters[0], Telling(), tmp_path / "pairs")
    assert (again.asked, again.reused) == (0, 10)


def test_a_recording_is_known_by_what_it_holds(tmp_path):
    rows = [{"text": f"text {number}", "neutral": f"plain {number}"} for number in range(50)]
    rows += [{"text": "\U0001f600 and \uffff", "neutral": "é"}, {"text": "text 7", "neutral": "the last one counts"}]
    one = RecordedTeacher(write_rows(tmp_path / "one.jsonl", rows))
    other = RecordedTeacher(write_rows(tmp_path / "other.jsonl", [rows[-1], *rows[:7], *rows[8:-1]]))
    assert one.identity == other.identity
    assert (
        one.identity == "recorded:b8954c1f8028f035"
    )  # as it always was: another, and every answer would be asked for again
    recording = Recording((row["text"], row["neutral"]) for row in rows)
    assert (recording.get("text 7"), recording.get("text 8"), recording.get("text")) == (
        "the last one counts",
        "plain 8",
        None,
    )


def test_documents_are_staged_while_they_are_read(tmp_path, monkeypatch):
    staged = []

    def sources():
        for number in range(4):
            yield Document(str(number), styled_passage(number))
            staged.append(number)

    add = Staging.add
    monkeypatch.setattr(Staging, "add", lambda self, block: (staged.append(block.text), add(self, block)))
    build(sources(), Telling(), tmp_path / "pairs")
    assert staged == [what for number in range(4) for what in (styled_passage(number), number)]
