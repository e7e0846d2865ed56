"""What a run tells of itself while it runs, and before."""

from __future__ import annotations

import pytest

from pairing import build
from restyle.data.documents import Document
from restyle.data.pairs import Progress, aestimate_pairs, estimate_pairs
from restyle.messages import Answer, Usage
from support import styled_passage
from teaching import ScriptedTeacher, describing, plain

DOCUMENTS = [Document(f"{number}.md", styled_passage(number)) for number in range(10)]

PRICES = '["luna"]\nread = 0\nwritten = 50_000\n["sol"]\nread = 0\nwritten = 200_000\n'


@pytest.fixture
def prices(home):
    home.mkdir()
    (home / "prices.toml").write_text(PRICES, "utf-8")


def paid(model="luna") -> ScriptedTeacher:
    """Half a dollar an answer of luna's, two of sol's."""
    return ScriptedTeacher(model, lambda ask: Answer(plain(ask.user), "stop", usage=Usage(100, 10)), model)


@pytest.mark.usefixtures("prices")
def test_progress_after_each_block(tmp_path):
    told = []
    build(DOCUMENTS[:4], paid(), tmp_path / "pairs")
    build(DOCUMENTS, paid(), tmp_path / "pairs", on_progress=told.append, max_concurrency=1)
    assert [now.done for now in told] == list(range(1, 11))
    assert {(now.total, now.reused) for now in told} == {(10, 4)}  # what need not be asked comes at once
    assert all(now.asked >= now.done - 4 for now in told)
    assert told[-1] == Progress(done=10, total=10, asked=6, reused=4, in_flight=0, cost=3.0)
    assert all(now.cost == 0.5 * now.asked for now in told)


def test_requests_in_flight_are_told(tmp_path):
    told = []
    build(DOCUMENTS, ScriptedTeacher(), tmp_path / "pairs", on_progress=told.append, max_concurrency=4)
    assert max(now.in_flight for now in told) in {1, 2, 3, 4}
    assert told[-1].in_flight == 0
    assert {now.cost for now in told} == {None}


@pytest.mark.usefixtures("prices")
def test_each_teacher_costs_its_own_price_and_one_without_any_hides_the_sum(tmp_path):
    for model, cost in [("sol", 5.0 + 20.0), ("nobody's", None)]:
        told = []
        build(DOCUMENTS, [paid(), paid(model)], tmp_path / model, on_progress=told.append)
        assert (told[-1].asked, told[-1].done, told[-1].cost) == (20, 10, cost)


def test_blocks_that_are_not_asked_about_are_done_too(tmp_path):
    told = []
    documents = [*DOCUMENTS, Document("short.md", "Too short.")]
    build(documents, ScriptedTeacher(), tmp_path / "pairs", limit=3, on_progress=told.append)
    assert (told[-1].done, told[-1].total, told[-1].asked) == (11, 11, 3)


async def test_an_estimate_for_tasks_is_the_same(tmp_path):
    async def awaited(documents):
        for document in documents:
            yield document

    values = {"tone": ["dry", "warm"]}
    teacher = ScriptedTeacher(reply=describing(tone=lambda _: "dry"))
    options = {"style": "author", "teacher": [teacher, ScriptedTeacher("sol")], "out": tmp_path / "pairs"}
    options |= {"parameters": values, "restyle_prompt": "In a $tone tone."}
    wanted = estimate_pairs(DOCUMENTS, **options)
    assert (wanted.blocks, wanted.requests) == (10, 30)
    assert await aestimate_pairs(DOCUMENTS, **options) == wanted
    assert await aestimate_pairs(awaited(DOCUMENTS), **options) == wanted
    assert teacher.asks == []
    assert not (tmp_path / "pairs").exists()
    options["restyle_prompt"] = "As $style, in a $tone tone."
    by_style = {"a": awaited(DOCUMENTS[:5]), "b": DOCUMENTS[5:]}
    assert await aestimate_pairs(by_style, **options) == wanted
