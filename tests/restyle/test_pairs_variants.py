"""Several teachers, who each write a neutral version of every block."""

from __future__ import annotations

from collections import Counter

import pytest

from pairing import build, contents, lines
from restyle.data import endpoint_teacher
from restyle.data.pairs import estimate_pairs
from restyle.errors import ModelError, TeacherMissingError
from restyle.testing import Sandbox
from support import plain_passage, styled_passage
from teaching import ScriptedTeacher, number_of, plain


def other(text: str) -> str:
    """What another teacher makes of a text."""
    return plain(text).replace("a terrible sight", "an awful sight")


def luna() -> ScriptedTeacher:
    return ScriptedTeacher("luna")


def sol(reply=lambda ask: other(ask.user)) -> ScriptedTeacher:
    return ScriptedTeacher("sol", reply)


def test_every_block_is_a_pair_with_each_of_them(letters, tmp_path):
    made = build(letters[0], [luna(), sol()], tmp_path / "pairs")
    assert (made.asked, made.manifest["teachers"], made.manifest["dropped"]) == (20, ["luna", "sol"], {})
    assert (made.manifest["blocks"], sum(made.manifest["pairs"].values())) == (10, 20)
    rows = lines(made.directory / "pairs.jsonl")
    assert [(row["teacher"], row["styled"]) for row in rows] == [
        (teacher, styled_passage(number)) for number in range(10) for teacher in ("luna", "sol")
    ]
    for row in rows:
        assert row["split"] == made.manifest["documents"][row["document"]]
        assert ("an awful sight" in row["neutral"]) == (row["teacher"] == "sol")
    for split in ("train", "valid", "test"):
        asked = [row.ask.user for row in made.rows("restyle", split)]
        assert asked == [row["neutral"] for row in rows if row["split"] == split]
        assert [row.answer for row in made.rows("destyle", split)] == asked


def test_what_one_cannot_do_the_other_may(letters, tmp_path):
    losing = sol(lambda ask: "Nothing of it is left." if number_of(ask) == 3 else other(ask.user))
    made = build(letters[0], [luna(), losing], tmp_path / "pairs")
    assert made.manifest["dropped"] == {"facts": 1}
    (dropped,) = lines(made.directory / "dropped.jsonl")
    assert (dropped["teacher"], dropped["text"]) == ("sol", styled_passage(3))
    made_of = [row["teacher"] for row in lines(made.directory / "pairs.jsonl") if row["styled"] == styled_passage(3)]
    assert made_of == ["luna"]
    assert styled_passage(3) in made.author_texts() or made.manifest["documents"][dropped["document"]] != "train"


def test_who_joins_later_is_asked_alone(letters, tmp_path):
    build(letters[0], luna(), tmp_path / "pairs")
    first, second = luna(), sol()
    made = build(letters[0], [first, second], tmp_path / "pairs")
    assert (len(first.asks), len(second.asks), made.asked, made.reused) == (0, 10, 10, 10)
    again = build(letters[0], [luna(), sol()], tmp_path / "pairs")
    assert (again.asked, again.reused) == (0, 20)
    at_once = build(letters[0], [luna(), sol()], tmp_path / "at-once")
    assert contents(again.directory) == contents(at_once.directory)


def test_a_limit_counts_blocks_and_not_teachers(letters, tmp_path):
    made = build(letters[0], [luna(), sol()], tmp_path / "pairs", limit=3)
    assert (made.asked, sum(made.manifest["pairs"].values())) == (6, 6)
    rows = lines(made.directory / "pairs.jsonl")
    assert Counter(row["styled"] for row in rows) == {styled_passage(number): 2 for number in range(3)}


def test_recordings_and_models_together(letters, tmp_path):
    sources, recorded = letters
    made = build(sources, [recorded, sol()], tmp_path / "pairs")
    recording, second = made.manifest["teachers"]
    assert (recording[:9], second) == ("recorded:", "sol")
    assert Counter(row["teacher"] for row in lines(made.directory / "pairs.jsonl")) == {recording: 10, "sol": 10}


@pytest.mark.parametrize("teachers", [[luna(), sol(), luna()], ["openai:m", "m"], ["recorded.jsonl"] * 2])
def test_nobody_is_named_twice(letters, tmp_path, monkeypatch, teachers):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    with pytest.raises(TeacherMissingError, match=r"the teacher '.+' is named twice, and has one answer: name another"):
        build(letters[0], teachers, tmp_path / "pairs", base_url="http://127.0.0.1:1/v1")
    assert not (tmp_path / "pairs").exists()


def test_nobody_at_all(letters, tmp_path):
    with pytest.raises(TeacherMissingError, match="somebody must write the neutral side"):
        build(letters[0], [], tmp_path / "pairs")


def test_an_estimate_adds_up_whom_it_takes(letters, tmp_path, home):
    options = {"style": "author", "out": tmp_path / "pairs"}
    home.mkdir()
    (home / "prices.toml").write_text('["dear"]\nread = 10\nwritten = 30\n["cheap"]\nread = 1\nwritten = 3\n', "utf-8")
    first, second = (ScriptedTeacher(name, model=name) for name in ("dear", "cheap"))
    dear, cheap, both = (
        estimate_pairs(letters[0], teacher=teacher, **options) for teacher in (first, second, [first, second])
    )
    assert (dear.blocks, dear.requests, both.blocks, both.requests) == (10, 10, 10, 20)
    assert (both.read, both.written) == (dear.read + cheap.read, dear.written + cheap.written)
    assert both.cost == dear.cost + cheap.cost == pytest.approx(11 * cheap.cost)
    assert not (tmp_path / "pairs").exists()
    assert first.asks == second.asks == []
    build(letters[0], first, tmp_path / "pairs")
    assert estimate_pairs(letters[0], teacher=[first, second], **options) == cheap
    assert estimate_pairs(letters[0], teacher=[first, sol()], **options).cost is None


def down(numbers=range(1000), status=503):
    """A reply of a host that fails for some passages."""
    error = ModelError(f"the host failed with HTTP {status}", status)
    return lambda ask: error if number_of(ask) in numbers else other(ask.user)


def test_an_error_of_the_host_s_own_costs_one_block(letters, tmp_path):
    made = build(letters[0], sol(down({2, 5})), tmp_path / "pairs")
    assert (made.asked, made.manifest["dropped"]) == (8, {"failed": 2})
    assert {row["detail"] for row in lines(made.directory / "dropped.jsonl")} == {"the host failed with HTTP 503"}
    again = sol()
    assert build(letters[0], again, tmp_path / "pairs").manifest["dropped"] == {}
    assert sorted(map(number_of, again.asks)) == [2, 5]


def test_a_host_that_is_down_ends_the_run(letters, tmp_path):
    teacher = sol(down(range(1, 9)))
    with pytest.raises(ModelError, match="HTTP 503"):
        build(letters[0], teacher, tmp_path / "pairs", max_concurrency=1)
    assert len(teacher.asks) <= 10  # eight in a row, and what was under way
    assert build(letters[0], sol(down(range(1, 8))), tmp_path / "pairs").manifest["dropped"] == {"failed": 7}


@pytest.mark.parametrize("status", [503, 400])
def test_that_one_teacher_answers_does_not_hide_that_another_never_does(tmp_path, letters, status):
    refusing = sol(down(status=status))
    with pytest.raises(ModelError, match=f"HTTP {status}"):
        build(letters[0], [luna(), refusing], tmp_path / "pairs", max_concurrency=1)
    assert build(letters[0], luna(), tmp_path / "pairs").reused >= 8


def test_a_request_that_the_host_fails_again_and_again(letters, tmp_path, monkeypatch):
    monkeypatch.setattr(endpoint_teacher, "_BACKOFF", (0.001, 0.001))
    ill = [True]

    def reply(messages):
        if ill and messages[1]["content"] == styled_passage(0):
            raise RuntimeError("ill")
        return plain(messages[1]["content"])

    with Sandbox(replies={"sol": reply}) as sandbox:
        options = {"base_url": sandbox.base_url, "max_concurrency": 1}
        made = build(letters[0], "sol", tmp_path / "pairs", **options)
        assert (made.asked, made.manifest["dropped"], len(sandbox.requests)) == (9, {"failed": 1}, 15)
        (dropped,) = lines(made.directory / "dropped.jsonl")
        assert (dropped["text"], "HTTP 500" in dropped["detail"]) == (styled_passage(0), True)
        ill.clear()
        made = build(letters[0], "sol", tmp_path / "pairs", **options)
        assert (made.asked, made.manifest["dropped"], len(sandbox.requests)) == (1, {}, 16)
    assert plain_passage(0) in {row["neutral"] for row in lines(made.directory / "pairs.jsonl")}
