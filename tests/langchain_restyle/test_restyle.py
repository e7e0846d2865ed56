"""`Restyle` at the end of a chain: the main way in, its runs, and what its construction refuses."""

from __future__ import annotations

import pytest
from langchain_core.callbacks import get_usage_metadata_callback
from pydantic import ValidationError

from langchain_restyle import Restyle
from restyle import Stage, Style
from restyle.errors import CardError, ParameterError, StyleNameError, StyleNotFoundError
from restyle.prompts import DESTYLE_PROMPT, RESTYLE_PROMPT_TONE_MOOD
from scripted import ANSWER, Runs, Scripted, collected, paragraph, paragraphs, uncommon

pytestmark = pytest.mark.usefixtures("keeper_home")

INPUT = {"answer": ANSWER}


@pytest.fixture
def toned(sandbox):
    """A style whose prompt has parameters, over a model that copies."""
    return Style(
        "toned",
        Stage(RESTYLE_PROMPT_TONE_MOOD, "echo", sandbox.base_url),
        Stage(DESTYLE_PROMPT, "echo", sandbox.base_url),
        parameters={"tone": ["warm", "dry"], "mood": ["calm"]},
    )


def test_a_chain_ends_in_the_author_s_words(chain, styled):
    assert chain.invoke(INPUT) == styled
    assert chain.batch([INPUT, {"answer": "Yes"}]) == [styled, "Yes"]
    assert "".join(chain.stream(INPUT)) == styled


async def test_a_chain_ends_in_the_author_s_words_async(chain, styled):
    assert await chain.ainvoke(INPUT) == styled
    assert await chain.abatch([INPUT, {"answer": "Yes"}]) == [styled, "Yes"]
    assert "".join(await collected(chain.astream(INPUT))) == styled


def call(chain, how, callbacks):
    config = {"callbacks": [callbacks], "tags": ["mine"]}
    if how == "invoke":
        chain.invoke(INPUT, config)
    elif how == "batch":
        chain.batch([INPUT, {"answer": paragraph(1)}], config)
    else:
        list(chain.stream(INPUT, config))


async def acall(chain, how, callbacks):
    config = {"callbacks": [callbacks], "tags": ["mine"]}
    if how == "invoke":
        await chain.ainvoke(INPUT, config)
    elif how == "batch":
        await chain.abatch([INPUT, {"answer": paragraph(1)}], config)
    else:
        await collected(chain.astream(INPUT, config))


def asked(text):
    """What the models see of it: citation markers are put back afterwards."""
    return text.replace(" [1]", "")


def check_runs(runs, how):
    inputs = [ANSWER, paragraph(1)] if how == "batch" else [ANSWER]
    parents = runs.named("Restyle")
    assert [runs.all[runs.all[parent].parent].name for parent in parents] == ["RunnableSequence"] * len(inputs)
    families = [runs.children(parent) for parent in parents]
    # Sorted: handlers of an asynchronous batch hear of its runs in any order.
    first_calls = [sorted(run.asked for run in family if run.name == "restyle:destyle") for family in families]
    assert sorted(first_calls) == sorted(sorted(asked(text).split("\n\n")) for text in inputs)
    for family, blocks in zip(families, first_calls, strict=True):
        assert len(family) == 2 * len(blocks)
        for run in family:
            assert run.kind == "chat_model"
            assert run.name in {"restyle:destyle", "restyle:style"}
            assert {run.name, "mine"} <= set(run.tags)
    assert {run.ended for run in runs.all.values()} == {"end"}


@pytest.mark.parametrize("how", ["invoke", "batch", "stream"])
def test_model_runs_are_children_of_its_own_run(chain, how):
    runs = Runs()
    call(chain, how, runs)
    check_runs(runs, how)


@pytest.mark.parametrize("how", ["invoke", "batch", "stream"])
async def test_model_runs_are_children_of_its_own_run_async(chain, how):
    runs = Runs()
    await acall(chain, how, runs)
    check_runs(runs, how)


def test_nested_calls_are_counted_in_usage():
    with get_usage_metadata_callback() as usage:
        Restyle("keeper").invoke(ANSWER)
    assert set(usage.usage_metadata) == {"keeper:destyle", "keeper:restyle"}
    assert usage.usage_metadata["keeper:destyle"]["input_tokens"] == len(asked(ANSWER).split())


def test_style_may_be_a_name_or_a_card(styled):
    card = Style.load("keeper")
    assert Restyle("keeper").invoke(ANSWER) == Restyle(style=card).invoke(ANSWER) == styled


def test_a_missing_style_is_told_apart_at_construction():
    with pytest.raises(StyleNotFoundError, match=r"nobody.*there: keeper"):
        Restyle(style="nobody")


@pytest.mark.parametrize("name", ["../keeper", "a/b", "/etc", "Keeper", "", "k" * 65])
def test_a_name_is_never_a_path(name):
    with pytest.raises(StyleNameError, match="is not a style's name"):
        Restyle(style=name)


def test_not_even_where_a_style_stands_there(keeper_home):
    with pytest.raises(StyleNameError):
        Restyle(style=str(keeper_home / "styles" / "keeper"))


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"colour": "red"}, "no parameter 'colour': its parameters are tone, mood"),
        ({"tone": "warm"}, r"needs \$mood"),
        ({}, r"needs \$tone"),
        ({"tone": " warm", "mood": "calm"}, "white space"),
    ],
)
def test_parameters_are_checked_at_construction(toned, parameters, message):
    with pytest.raises(ParameterError, match=message):
        Restyle(toned, parameters=parameters)


def test_parameters_reach_the_prompt(toned, sandbox):
    Restyle(toned, parameters={"tone": "dry", "mood": "calm"}, max_concurrency=1).invoke("The tone is $tone. {mood}")
    prompts = [request.body["messages"][0]["content"] for request in sandbox.requests]
    assert prompts == [DESTYLE_PROMPT, RESTYLE_PROMPT_TONE_MOOD.replace("$tone", "dry").replace("$mood", "calm")]


def test_a_value_that_training_never_saw_is_warned_about(toned):
    with pytest.warns(UserWarning, match="never trained with tone='rude'"):
        Restyle(toned, parameters={"tone": "rude", "mood": "calm"})


@pytest.mark.parametrize(
    "options",
    [{"attempts": 0}, {"on_loss": "ignore"}, {"on_error": "ignore"}, {"max_concurrency": 0}, {"on_los": "keep"}],
)
def test_options_that_mean_nothing_are_refused(options):
    with pytest.raises(ValidationError, match=next(iter(options))):
        Restyle("keeper", **options)


def test_a_destyle_model_needs_a_destyle_prompt(card):
    neutral = Style("neutral", card.restyle)
    with pytest.raises(CardError, match="pass destyle=False"):
        Restyle(neutral, destyle_model=Scripted())
    assert Restyle(neutral, style_model=Scripted()).invoke("very old") == "uncommon old"


def test_destyle_false_skips_the_first_step():
    destyle, style = Scripted(), Scripted()
    assert (
        Restyle("keeper", destyle=False, destyle_model=destyle, style_model=style).invoke("very old") == "uncommon old"
    )
    assert (len(destyle.calls), len(style.calls)) == (0, 1)


@pytest.mark.parametrize("shape", [42, None, ["text"], b"text"])
def test_unknown_shapes_get_a_helpful_error(shape):
    runnable = Restyle("keeper")
    message = f"takes a string, an AIMessage, a prompt or a dictionary, not {type(shape).__name__}"
    with pytest.raises(TypeError, match=message):
        runnable.invoke(shape)
    with pytest.raises(TypeError, match=message):
        list(runnable.stream(shape))


async def test_unknown_shapes_get_a_helpful_error_async():
    runnable = Restyle("keeper")
    with pytest.raises(TypeError, match="not int"):
        await runnable.ainvoke(42)
    with pytest.raises(TypeError, match="not int"):
        await collected(runnable.astream(42))


def test_long_answers_are_rewritten_block_by_block():
    model = Scripted()
    assert Restyle("keeper", destyle=False, style_model=model).invoke(paragraphs(4)) == uncommon(paragraphs(4))
    assert sorted(model.calls) == sorted(paragraph(number) for number in range(4))
