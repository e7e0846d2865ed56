"""Pairs whose sides are nearly the same, of which a few are kept: a model has to know what to leave alone."""

from __future__ import annotations

import pytest

from pairing import build, contents, lines
from restyle.data.documents import Document
from support import styled_passage
from teaching import ScriptedTeacher, number_of, plain

DOCUMENTS = [Document(f"{number}.md", styled_passage(number)) for number in range(40)]
PLAIN = set(range(0, 40, 4))  # passages of which the teacher finds nothing to change


def standing_by(numbers=PLAIN) -> ScriptedTeacher:
    return ScriptedTeacher(reply=lambda ask: ask.user if number_of(ask) in numbers else plain(ask.user))


def as_is(made):
    return [row for row in lines(made.directory / "pairs.jsonl") if row.get("as_is")]


@pytest.mark.parametrize(("share", "kept"), [(0.02, 0), (0.1, 3), (0.2, 7), (0.25, 10), (0.5, 10)])
def test_no_more_than_the_share_of_all_pairs_is_kept(tmp_path, share, kept):
    made = build(DOCUMENTS, standing_by(), tmp_path / "pairs", identity_share=share)
    pairs = sum(made.manifest["pairs"].values())
    rows = as_is(made)
    assert (len(rows), made.manifest["as_is"], pairs) == (kept, kept, 30 + kept)
    assert kept <= share * pairs
    assert all(row["neutral"] == row["styled"] for row in rows)
    assert made.manifest["dropped"] == ({"overlap": 10 - kept} if kept < 10 else {})
    texts = {row["text"] for row in lines(made.directory / "dropped.jsonl")}
    assert texts.isdisjoint(row["styled"] for row in rows)
    learnt = [row.answer for split in ("train", "valid", "test") for row in made.rows("restyle", split)]
    assert {row["styled"] for row in rows} <= set(learnt)
    assert len(learnt) == pairs


def test_by_default_it_is_one_in_fifty(tmp_path):
    documents = [Document(f"{number}.md", styled_passage(number)) for number in range(110)]
    made = build(documents, standing_by(range(0, 110, 10)), tmp_path / "pairs", near_duplicates=None)
    assert (made.manifest["as_is"], sum(made.manifest["pairs"].values())) == (2, 101)
    assert "Of them kept although hardly changed" in (made.directory / "report.html").read_text()


def test_the_teacher_must_have_stood_by_it(tmp_path):
    """An answer that changed nothing is asked for again; only one that changed nothing then, too, is evidence."""
    once = ScriptedTeacher(reply=lambda ask: plain(ask.user) if ask.after else ask.user)
    made = build(DOCUMENTS[:8], once, tmp_path / "once", identity_share=0.5)
    assert (made.manifest["as_is"], made.manifest["dropped"], made.asked) == (0, {}, 16)
    worse = ScriptedTeacher(
        reply=lambda ask: ("Gone." if ask.after else ask.user) if number_of(ask) in {1, 2} else plain(ask.user)
    )
    made = build(DOCUMENTS[:8], worse, tmp_path / "worse", identity_share=0.5)
    assert (made.manifest["as_is"], made.manifest["dropped"]) == (0, {"facts": 2})
    mute = ScriptedTeacher(reply=lambda ask: ask.user if number_of(ask) in PLAIN else plain(ask.user))
    mute.system = ""  # is never asked again, as a recording is not
    made = build(DOCUMENTS[:8], mute, tmp_path / "mute", identity_share=0.5)
    assert (made.manifest["as_is"], made.manifest["dropped"]) == (0, {"overlap": 2})


def test_a_block_is_kept_once_whoever_stands_by_it(tmp_path):
    second = standing_by()
    second.identity = "second"
    made = build(DOCUMENTS, [standing_by(), second], tmp_path / "pairs", identity_share=0.5)
    assert len({row["styled"] for row in as_is(made)}) == len(as_is(made)) == 10
    assert made.manifest["dropped"] == {"overlap": 10}


def test_which_are_kept_depends_on_the_seed_alone(tmp_path):
    first, again, other = (
        build(order, standing_by(), tmp_path / str(number), identity_share=0.1, seed=seed)
        for number, (order, seed) in enumerate([(DOCUMENTS, 0), (DOCUMENTS[::-1], 0), (DOCUMENTS, 1)])
    )
    kept = [{row["styled"] for row in as_is(made)} for made in (first, again, other)]
    assert kept[0] == kept[1] != kept[2]
    rerun = build(DOCUMENTS, standing_by(), tmp_path / "0", identity_share=0.1)
    assert (rerun.asked, contents(rerun.directory)) == (0, contents(first.directory))


@pytest.mark.parametrize("share", [-0.1, 0.6, float("nan")])
def test_a_share_that_cannot_be(tmp_path, share):
    with pytest.raises(ValueError, match=rf"identity_share is {share}: give a share of the pairs from 0 to 0.5"):
        build(DOCUMENTS, standing_by(), tmp_path / "pairs", identity_share=share)
