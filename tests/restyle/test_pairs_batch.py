"""Pair sets whose answers are bought in batches."""

from __future__ import annotations

import re

import pytest

from batches import QUICK
from pairing import build, contents, lines
from restyle.data import buying
from restyle.data.pairs import estimate_pairs
from restyle.errors import ModelError, PairsError
from restyle.testing import Sandbox
from support import plain_passage
from teaching import ScriptedTeacher


def plainly(messages):
    number = int(re.search(r"number (\d+)", messages[1]["content"])[1])
    if number == 103 and len(messages) == 2:  # which is asked for once more
        return plain_passage(3).replace("103", "many")
    return plain_passage(number - 100)


@pytest.fixture
def sandbox(monkeypatch):
    monkeypatch.setattr(buying, "_PACE", QUICK)
    with Sandbox(replies={"luna": plainly}) as sandbox:
        yield sandbox


@pytest.fixture
def options(sandbox):
    return {"teacher": "luna", "base_url": sandbox.base_url}


def test_it_gives_the_same_files_as_asking_one_by_one(letters, tmp_path, sandbox, options):
    told = []
    made = build(letters[0], **options, out=tmp_path / "batch", batch=True, on_progress=told.append)
    assert (made.asked, len(sandbox.batches.answered), len(sandbox.requests)) == (11, 11, 0)
    assert (told[-1].done, told[-1].total) == (10, 10)
    online = build(letters[0], **options, out=tmp_path / "online")
    assert online.asked == 11
    assert contents(made.directory) == contents(online.directory)
    again = build(letters[0], **options, out=tmp_path / "batch", batch=True)
    assert (again.asked, again.reused, len(sandbox.batches.answered)) == (0, 11, 11)


def test_a_limit_counts_blocks_and_repairs_belong_to_them(letters, tmp_path, sandbox, options):
    made = build(letters[0], **options, out=tmp_path / "pairs", batch=True, limit=4)
    assert len(sandbox.batches.answered) == 5
    assert made.manifest["dropped"] == {"unasked": 6}
    assert sum(made.manifest["pairs"].values()) == 4
    rest = build(letters[0], **options, out=tmp_path / "pairs", batch=True)
    assert (rest.asked, rest.manifest["dropped"]) == (6, {})


def test_only_what_may_be_spent_is_bought(letters, tmp_path, sandbox, options, monkeypatch):
    monkeypatch.setenv("RESTYLE_HOME", str(tmp_path))
    (tmp_path / "prices.toml").write_text("['luna']\nread = 1000\nwritten = 1000\nbatch_discount = 0.5\n", "utf-8")
    whole = estimate_pairs(letters[0], style="author", out=tmp_path / "none", batch=True, **options)
    assert whole.cost == pytest.approx(
        estimate_pairs(letters[0], style="author", out=tmp_path / "none", **options).cost / 2
    )
    made = build(letters[0], **options, out=tmp_path / "pairs", batch=True, max_cost=whole.cost / 2)
    assert 3 <= len(sandbox.batches.answered) <= 7
    assert set(made.manifest["dropped"]) == {"unasked"}
    (detail,) = {row["detail"] for row in lines(made.directory / "dropped.jsonl")}
    assert detail == "a batch with it was expected to cost more than allowed"


def test_what_no_batch_answers_is_a_typed_row(letters, tmp_path, sandbox, options):
    sandbox.batches.error_share = 1.0
    sandbox.batches.error_status = 400
    made = build(letters[0], **options, out=tmp_path / "pairs", batch=True)
    assert made.manifest["dropped"] == {"failed": 10}
    sandbox.batches.error_share = 0.0
    assert build(letters[0], **options, out=tmp_path / "pairs").manifest["dropped"] == {}


def test_what_is_under_way_is_not_asked_without_a_batch(letters, tmp_path, sandbox, options):
    sandbox.batches.enqueued_words = 1  # the host has no room: the run ends, and nothing is under way
    with pytest.raises(ModelError):
        build(letters[0], **options, out=tmp_path / "pairs", batch=True)
    assert build(letters[0], **options, out=tmp_path / "pairs", limit=0).asked == 0
    sandbox.batches.enqueued_words = None
    sandbox.batches.delay = 60
    stopped = RuntimeError("stopped")

    def stop(_):
        raise stopped

    with pytest.raises(RuntimeError, match="stopped"):
        build(letters[0], **options, out=tmp_path / "pairs", batch=True, on_progress=stop)
    with pytest.raises(PairsError, match=r"10 requests to .*luna are in a batch at its host"):
        build(letters[0], **options, out=tmp_path / "pairs")
    assert sandbox.requests == []


def test_only_endpoints_have_batches(letters, tmp_path):
    with pytest.raises(PairsError, match=r"recorded:.* has no Batch API"):
        build(letters[0], letters[1], tmp_path / "pairs", batch=True)


def test_teachers_are_asked_at_once_and_an_error_of_one_is_that_error(letters, tmp_path, options):
    options["teacher"] = ["luna", "openai-of-nobody"]
    with pytest.raises(ModelError, match="openai-of-nobody"):
        build(letters[0], **options, out=tmp_path / "pairs", batch=True)
    with pytest.raises(PairsError, match="scripted has no Batch API"):
        build(letters[0], [ScriptedTeacher()], tmp_path / "pairs", batch=True)
