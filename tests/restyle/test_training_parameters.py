"""Prompts with parameters, from the pairs into the card and out of it."""

from __future__ import annotations

import json
import warnings

import pytest

from pairing import lines
from restyle import build_pairs, rewrite, train
from restyle.data.pairs import PairSet
from restyle.embedded.model import FewPairsWarning, PhraseModel
from restyle.errors import PairsError
from restyle.messages import Answer
from restyle.prompts import Prompt
from restyle.style import Style
from restyle.training.base import trained_parameters
from support import write_letters
from teaching import plain

PROMPT = "Please rewrite the given text in your style. Use a $tone tone."
DESTYLE = "Please rewrite the given text, which has a $mood mood, in a neutral style."
VOCABULARY = {"mood": ["merry", "gloomy"], "tone": ["dry", "warm", "bitter"]}


class Teacher:
    """Finds every other passage dry, and never a bitter one."""

    identity, system = "luna", "Be plain."

    async def answer(self, ask):
        if not ask.schema:
            return Answer(plain(ask.user), "stop")
        tone = "dry" if int(ask.user.split("number ")[1][:3]) % 2 else "warm"
        return Answer(json.dumps({"mood": "gloomy", "tone": tone}), "stop")

    async def __aenter__(self):
        return self

    async def __aexit__(self, *_):
        pass


@pytest.fixture(autouse=True)
def _few():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FewPairsWarning)
        yield


@pytest.fixture
def pairs(tmp_path):
    sources, _ = write_letters(tmp_path, documents=6)
    return build_pairs(
        sources,
        style="author",
        teacher=Teacher(),
        out=tmp_path / "pairs",
        parameters=VOCABULARY,
        restyle_prompt=PROMPT,
        destyle_prompt=DESTYLE,
        identity_share=0,
        near_duplicates=None,
    )


def trained(pairs):
    with pytest.warns(UserWarning, match=r"whatever the value of \$tone, \$mood, they write the same"):
        return train(pairs)


def test_the_card_has_the_values_that_training_saw_of_what_its_prompts_use(pairs, home):
    style = trained(pairs)
    assert Style.load("author", home) == style
    assert (style.restyle.prompt, style.destyle.prompt) == (PROMPT, DESTYLE)
    assert style.parameters == {"tone": ["dry", "warm"], "mood": ["gloomy"]}
    systems = {row.ask.system for row in pairs.rows("restyle", "train")}
    assert systems == {Prompt(PROMPT).render({"tone": tone}) for tone in style.parameters["tone"]}


@pytest.mark.usefixtures("home")
def test_inference_asks_what_the_rows_ask(pairs):
    style, made = trained(pairs), lines(pairs.directory / "pairs.jsonl")
    rows = {role: pairs.rows(role, "train") for role in ("restyle", "destyle")}
    values = {row["neutral"]: row["parameters"] for row in made}
    for learnt in rows["restyle"]:
        assert style.ask("restyle", learnt.ask.user, values[learnt.ask.user]) == learnt.ask
    for learnt in rows["destyle"]:
        assert style.ask("destyle", learnt.ask.user, values[learnt.answer]) == learnt.ask


@pytest.mark.usefixtures("home")
def test_every_held_out_row_counts_whatever_its_prompt(pairs):
    style = trained(pairs)
    for role in ("restyle", "destyle"):
        assert style.metrics[role]["held_out"] == len(pairs.rows(role, "valid")) > 0


@pytest.mark.usefixtures("home")
def test_a_value_that_no_pair_had_is_warned_about_at_run_time(pairs):
    trained(pairs)
    text = "I think the old mill looked sad that morning."
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        same = {rewrite(text, "author", parameters={"tone": tone, "mood": "gloomy"}).text for tone in ("dry", "warm")}
    assert len(same) == 1  # as the warning at training said
    with pytest.warns(UserWarning, match=r"never trained with tone='bitter' \(seen: dry, warm\)"):
        rewrite(text, "author", parameters={"tone": "bitter", "mood": "gloomy"})


@pytest.mark.usefixtures("home")
def test_the_command_warns_once_that_embedded_models_see_no_prompt(pairs, command):
    ended = command("train", str(pairs.directory))
    assert ended.status == 0
    assert ended.err.count("embedded models see the text alone and not their prompt") == 1
    assert Style.load("author").parameters


@pytest.mark.usefixtures("home")
def test_a_parameter_without_a_value_is_found_before_anything_is_trained(pairs, monkeypatch):
    path = pairs.directory / "manifest.json"
    manifest = json.loads(path.read_bytes())
    manifest["parameters"]["tone"] = {"dry": 0, "warm": 0}
    path.write_text(json.dumps(manifest))
    monkeypatch.setattr(PhraseModel, "fit", None)
    with pytest.raises(PairsError, match=r"the prompts have \$tone, but no pair for training has a value of it"):
        train(PairSet.load(pairs.directory))


@pytest.mark.usefixtures("home")
def test_without_parameters_nothing_is_said(letters, tmp_path):
    sources, recorded = letters
    pairs = build_pairs(sources, style="author", teacher=recorded, out=tmp_path / "pairs", near_duplicates=None)
    assert trained_parameters(pairs) == {}
    with warnings.catch_warnings(record=True) as caught:
        assert train(pairs).parameters == {}
    assert not [warning for warning in caught if "their prompt" in str(warning.message)]
