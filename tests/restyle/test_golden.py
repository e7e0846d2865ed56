from __future__ import annotations

import dataclasses
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from restyle.golden import GoldenPrompt, difference

GOLDEN = GoldenPrompt(
    system="Rewrite.",
    user="The sea was calm.",
    text="<s>Rewrite.\nThe sea was calm.\n",
    ids=[1, 40, 41, 7, 42, 43, 44, 45, 7],
    template_digest="ab" * 32,
    base="coast/tern-4b",
    revision="0123abc",
    kwargs={"enable_thinking": False},
)


def test_the_same_rendering_is_no_difference():
    assert GOLDEN.compare(GOLDEN.text, GOLDEN.ids) is None
    assert GOLDEN.compare(GOLDEN.text, None) is None
    assert GOLDEN.compare(None, tuple(GOLDEN.ids)) is None


def test_nothing_shown_is_not_the_same():
    with pytest.raises(ValueError, match="cannot be compared"):
        GOLDEN.compare(None, None)


def test_one_byte_is_named_with_its_place_and_surroundings():
    found = GOLDEN.compare("<s>Rewrite.\n\nThe sea was calm.\n", GOLDEN.ids)
    assert found is not None
    assert found.splitlines() == [
        "the prompt's text differs at character 12 (of 30 and 31)",
        r"  trained  '<s>Rewrite.\nThe sea was calm.\n'",
        r"  served   '<s>Rewrite.\n\nThe sea was calm.\n'",
    ]


def test_equal_text_with_other_ids_is_a_difference():
    found = GOLDEN.compare(GOLDEN.text, [1, 1, *GOLDEN.ids[1:]])
    assert found is not None
    assert found.startswith("the prompt's token ids differ at token 1 (of 9 and 10)")
    assert "[1, 1, 40," in found


def test_both_differences_are_told():
    found = GOLDEN.compare("", [])
    assert found is not None
    assert "text differs at character 0" in found
    assert "token ids differ at token 0" in found


def test_a_long_prompt_is_shown_around_the_difference_alone():
    shown = difference("a" * 500 + "b" + "c" * 500, "a" * 500 + "x" + "c" * 500)
    assert shown.startswith("at character 500")
    assert "… 'aaaa" in shown
    assert "cccc' …" in shown
    assert all(len(line) < 80 for line in shown.splitlines())


@given(st.text(max_size=80), st.text(max_size=80))
def test_a_difference_is_found_exactly_where_texts_differ(text, other):
    golden = dataclasses.replace(GOLDEN, text=text)
    assert (golden.compare(other, None) is None) == (text == other)


@given(st.lists(st.integers(0, 3), max_size=60), st.lists(st.integers(0, 3), max_size=60))
def test_the_place_is_the_first_that_differs(ids, others):
    found = dataclasses.replace(GOLDEN, ids=ids).compare(None, others)
    if found is None:
        assert ids == others
    else:
        at = int(found.split("at token ")[1].split()[0])
        assert ids[:at] == others[:at]
        assert ids[at : at + 1] != others[at : at + 1]


def test_it_goes_through_json_unchanged():
    card = json.dumps(dataclasses.asdict(GOLDEN))
    assert TypeAdapter(GoldenPrompt).validate_python(json.loads(card)) == GOLDEN


@pytest.mark.parametrize("wrong", [{"ids": "12"}, {"text": None}, {"extra": 1}])
def test_a_card_with_another_shape_is_refused(wrong):
    with pytest.raises(ValidationError):
        TypeAdapter(GoldenPrompt).validate_python(dataclasses.asdict(GOLDEN) | wrong)


def test_its_messages_are_what_a_server_gets():
    assert GOLDEN.messages == [
        {"role": "system", "content": "Rewrite."},
        {"role": "user", "content": "The sea was calm."},
    ]
