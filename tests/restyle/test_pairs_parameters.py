"""Parameters in a pair set: found in the author's text, rendered into the prompts, counted."""

from __future__ import annotations

import warnings
from collections import Counter

import pytest

from pairing import build, contents, lines
from restyle.data.pairs import estimate_pairs
from restyle.data.parameters import CLASSIFY
from restyle.embedded.model import FewPairsWarning
from restyle.errors import ModelError, ParameterError
from restyle.prompts import DESTYLE_PROMPT, RESTYLE_PROMPT_TONE_MOOD, Prompt
from restyle.training import train
from support import styled_passage
from teaching import ScriptedTeacher, describing, number_of, plain

TONES = {"tone": ["dry", "warm", "bitter"]}
IN_TONE = "Rewrite the text as you would. Use a $tone tone."


def tone_of(number: int) -> str:
    return "dry" if number % 3 else "warm"


def luna(**values) -> ScriptedTeacher:
    return ScriptedTeacher("luna", describing(**{"tone": tone_of, **values}))


def toned(letters, teacher, out, **options):
    return build(letters[0], teacher, out, **{"parameters": TONES, "restyle_prompt": IN_TONE, **options})


def test_the_author_s_text_is_described_before_it_is_rewritten(letters, tmp_path):
    teacher = luna()
    made = toned(letters, teacher, tmp_path / "pairs", max_concurrency=1)
    assert (made.asked, len(teacher.asks)) == (20, 20)
    for number in range(10):
        describe, rewrite = teacher.asks[2 * number : 2 * number + 2]
        assert describe.user == rewrite.user == styled_passage(number)
        assert describe.system.startswith(CLASSIFY)
        assert (bool(describe.schema), rewrite.schema, rewrite.system) == (True, "", "Neutralise.")


def test_rows_have_the_values_and_say_them_as_inference_will(letters, tmp_path):
    made = toned(letters, luna(), tmp_path / "pairs")
    rows = lines(made.directory / "pairs.jsonl")
    assert [row["parameters"] for row in rows] == [{"tone": tone_of(number)} for number in range(10)]
    systems = {row["neutral"]: Prompt(IN_TONE).render(row["parameters"]) for row in rows}
    for split in ("train", "valid", "test"):
        for forth, back in zip(made.rows("restyle", split), made.rows("destyle", split), strict=True):
            assert (forth.ask.system, back.ask.system) == (systems[forth.ask.user], DESTYLE_PROMPT)
    assert made.prompt("restyle") == IN_TONE


def test_the_first_teacher_describes_for_all(letters, tmp_path):
    first, second = luna(), ScriptedTeacher("sol")
    made = toned(letters, [first, second], tmp_path / "pairs")
    assert (len(first.asks), len(second.asks)) == (20, 10)
    assert not any(ask.schema for ask in second.asks)
    rows = lines(made.directory / "pairs.jsonl")
    assert Counter((row["teacher"], row["parameters"]["tone"]) for row in rows) == {
        (teacher, tone): pairs for teacher in ("luna", "sol") for tone, pairs in (("dry", 6), ("warm", 4))
    }
    recorded = letters[1]
    assert toned(letters, [luna(), recorded], tmp_path / "pairs").reused == 20


def test_other_values_are_asked_for_again_and_other_wording_is_not(letters, tmp_path):
    toned(letters, luna(), tmp_path / "pairs")
    again = luna()
    other = "In a $tone tone, please."
    made = toned(letters, again, tmp_path / "pairs", restyle_prompt=other, destyle_prompt="No longer $tone.")
    assert (again.asks, made.reused, made.prompt("restyle")) == ([], 20, other)
    assert toned(letters, luna(), tmp_path / "pairs", parameters={"tone": TONES["tone"][::-1]}).asked == 0
    more = luna()
    made = toned(letters, more, tmp_path / "pairs", parameters={"tone": [*TONES["tone"], "grim"]})
    assert (made.asked, made.reused, all(ask.schema for ask in more.asks)) == (10, 10, True)
    without = luna()
    made = build(letters[0], without, tmp_path / "pairs")
    assert (made.reused, without.asks, made.manifest["parameters"]) == (10, [], {})


def test_values_are_counted_in_what_is_trained_on_and_thin_ones_warned_of(letters, tmp_path):
    made = toned(letters, luna(), tmp_path / "pairs")
    rows = lines(made.directory / "pairs.jsonl")
    seen = Counter(row["parameters"]["tone"] for row in rows if row["split"] == "train")
    assert made.manifest["parameters"] == {"tone": {"dry": seen["dry"], "warm": seen["warm"], "bitter": 0}}
    assert sum(seen.values()) == made.manifest["pairs"]["train"] == 6
    assert made.parameters == {"tone": ["dry", "warm"]}
    thin, thinner, none = made.warnings
    assert thin.startswith(f"tone 'dry' has {seen['dry']} pairs, under 100")
    assert thinner.startswith("tone 'warm' has ")
    assert none.startswith("tone 'bitter' has no pair: no model can learn it")
    page = (made.directory / "report.html").read_text("utf-8")
    assert "tone &#x27;bitter&#x27; has no pair" in page


def test_what_has_none_of_the_values_is_dropped_and_not_rewritten(letters, tmp_path):
    teacher = luna(tone=lambda number: "odd" if number == 3 else "dry")
    made = toned(letters, teacher, tmp_path / "pairs")
    assert made.manifest["dropped"] == {"parameters": 1}
    (dropped,) = lines(made.directory / "dropped.jsonl")
    assert (dropped["text"], dropped["detail"], "teacher" in dropped) == (styled_passage(3), "tone is 'odd'", False)
    asked = [ask for ask in teacher.asks if number_of(ask) == 3]
    assert [bool(ask.after) for ask in asked] == [False, True]
    assert all(ask.schema for ask in asked)
    options = {"style": "author", "out": tmp_path / "pairs", "parameters": TONES, "restyle_prompt": IN_TONE}
    assert estimate_pairs(letters[0], teacher=luna(), **options).requests == 0  # nor would it be now


def test_what_could_not_be_described_is_asked_about_again(letters, tmp_path):
    described = luna().reply
    error = ModelError("the host failed with HTTP 500", 500)
    failing = ScriptedTeacher("luna", lambda ask: error if ask.schema and number_of(ask) == 3 else described(ask))
    made = toned(letters, failing, tmp_path / "pairs")
    assert (made.asked, made.manifest["dropped"]) == (18, {"failed": 1})
    (dropped,) = lines(made.directory / "dropped.jsonl")
    assert (dropped["text"], dropped["detail"]) == (styled_passage(3), "the host failed with HTTP 500")
    again = luna()
    made = toned(letters, again, tmp_path / "pairs")
    assert ([number_of(ask) for ask in again.asks], made.manifest["dropped"]) == ([3, 3], {})


def test_an_estimate_counts_the_descriptions(letters, tmp_path):
    options = {"style": "author", "out": tmp_path / "pairs"}
    bare = estimate_pairs(letters[0], teacher=luna(), **options)
    options |= {"parameters": TONES, "restyle_prompt": IN_TONE}
    whole = estimate_pairs(letters[0], teacher=[luna(), ScriptedTeacher("sol")], **options)
    assert (bare.requests, whole.requests) == (10, 30)
    assert 2 * bare.written < whole.written < 2.5 * bare.written  # a description is short
    assert whole.read > 3 * bare.read
    toned(letters, luna(), tmp_path / "pairs")
    assert estimate_pairs(letters[0], teacher=[luna(), ScriptedTeacher("sol")], **options).requests == 10


@pytest.mark.usefixtures("home")
def test_tone_and_mood_have_a_prompt_and_reach_the_card(letters, tmp_path):
    values = {"mood": ["merry", "sad"], **TONES}
    made = build(letters[0], luna(mood=lambda _: "sad"), tmp_path / "pairs", parameters=values)
    assert made.prompt("restyle") == RESTYLE_PROMPT_TONE_MOOD
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FewPairsWarning)
        with pytest.warns(UserWarning, match=r"whatever the value of \$tone, \$mood"):
            style = train(made)
    assert style.parameters == {"tone": ["dry", "warm"], "mood": ["sad"]}
    for row in lines(made.directory / "pairs.jsonl"):
        if row["split"] == "train":
            ask = style.ask("restyle", row["neutral"], row["parameters"])
            assert ask in {learnt.ask for learnt in made.rows("restyle", "train")}
            assert ask.system == Prompt(RESTYLE_PROMPT_TONE_MOOD).render(row["parameters"])


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"parameters": {}}, r"has \$tone .*declare its values, parameters=\{'tone': \[\.\.\.\]\}"),
        ({"destyle_prompt": "Less $mood."}, r"has \$mood .*parameters=\{'mood': \[\.\.\.\]\}"),
        ({"restyle_prompt": "As you would."}, r"no prompt has \$tone: write it into restyle_prompt, or leave it out"),
        ({"parameters": {**TONES, "era": ["old", "new"]}}, r"no prompt has \$era: write it into"),
        ({"parameters": {"tone": ["dry"]}}, "parameter 'tone' has 1 values: declare from 2 to 100"),
        ({"parameters": {"tone": "dry"}}, "the values of 'tone' are the text 'dry': give a list"),
    ],
)
def test_parameters_that_cannot_be(letters, tmp_path, options, says):
    teacher = luna()
    with pytest.raises(ParameterError, match=says):
        toned(letters, teacher, tmp_path / "pairs", **options)
    assert teacher.asks == []
    assert not (tmp_path / "pairs").exists()


def test_a_recording_finds_no_values(letters, tmp_path):
    with pytest.raises(
        ParameterError, match=r"find the values of \$tone, and recorded:\w+ only repeats .*name a model"
    ):
        toned(letters, letters[1], tmp_path / "pairs")


def test_equal_answers_give_equal_files(letters, tmp_path):
    made = [toned(letters, luna(), tmp_path / name) for name in ("a", "b")]
    assert contents(made[0].directory) == contents(made[1].directory)
    assert all(plain(row["styled"]) == row["neutral"] for row in lines(tmp_path / "a/pairs.jsonl"))
