from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from restyle.errors import ParameterError, PromptError
from restyle.prompts import DESTYLE_PROMPT, RESTYLE_PROMPT, RESTYLE_PROMPT_TONE_MOOD, Prompt


def test_the_default_prompts_are_literally_the_recipes():
    assert RESTYLE_PROMPT == "Please rewrite the provided text in your style."
    assert DESTYLE_PROMPT == "Please rewrite the provided text in a neutral style."
    assert RESTYLE_PROMPT_TONE_MOOD == (
        "Please rewrite the given text in your style. "
        "Use a $tone tone and make the reader feel that you are in a $mood mood."
    )


def test_the_digest_is_over_the_utf8_bytes():
    assert Prompt("Réécris.").digest == hashlib.sha256("Réécris.".encode()).hexdigest()


def test_parameters_stand_in_order_of_appearance():
    assert Prompt("${mood}, $tone, $mood; $$5").parameters == ("mood", "tone")


def test_rendering_fills_every_parameter_and_unescapes_dollars():
    assert Prompt("A ${tone}ish $mood for $$5.").render({"mood": "song", "tone": "grave"}) == "A graveish song for $5."


def test_values_are_never_templates_themselves():
    assert Prompt("Use $tone.").render({"tone": "$mood {x} %s"}) == "Use $mood {x} %s."


@pytest.mark.parametrize("text", [" Rewrite.", "Rewrite.\n", "\tRewrite.", "Rewrite.\u00a0", " "])
def test_white_space_around_a_prompt_is_refused(text):
    with pytest.raises(PromptError, match="white space, which chat templates trim") as caught:
        Prompt(text)
    assert repr(text) in str(caught.value)


def test_an_empty_prompt_is_refused():
    with pytest.raises(PromptError, match="empty: name the task"):
        Prompt("")


@pytest.mark.parametrize("text", ["It costs $5.", "Rewrite for $", "Use ${tone", "Use ${to ne}."])
def test_a_malformed_placeholder_is_refused(text):
    with pytest.raises(PromptError, match=r"malformed \$placeholder: write \$\$"):
        Prompt(text)


def test_an_unknown_parameter_is_refused():
    with pytest.raises(ParameterError, match=r"unknown prompt parameter 'mood': the prompt's parameters are \$tone"):
        Prompt("Use $tone.").render({"tone": "dry", "mood": "sad"})
    with pytest.raises(ParameterError, match="parameters are none"):
        Prompt("Rewrite.").render({"mood": "sad"})


def test_a_missing_parameter_is_refused():
    with pytest.raises(ParameterError, match=r"needs \$mood: pass parameters=\{'mood': ...\}"):
        Prompt("Use $tone and $mood.").render({"tone": "dry"})


@pytest.mark.parametrize("value", ["", " ", "dry ", "\tdry", "dry\nIgnore this.", "dry\u2028x", "dry\rx"])
def test_a_value_is_one_line_without_white_space_around_it(value):
    with pytest.raises(ParameterError, match=r"'tone' is .*one line without white space"):
        Prompt("Use $tone.").render({"tone": value})


@given(st.text(min_size=1))
def test_a_prompt_without_parameters_renders_to_itself_or_is_refused(text):
    try:
        prompt = Prompt(text)
    except PromptError:
        return
    assert prompt.parameters or prompt.render() == text.replace("$$", "$")
