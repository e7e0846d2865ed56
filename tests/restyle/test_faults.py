from __future__ import annotations

import pytest

from restyle.faults import find_fault, visible_text
from restyle.messages import Answer

ASKED = "The boat was late because the wind was strong."


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (Answer(""), "empty"),
        (Answer(" \n\t"), "empty"),
        (Answer("<think>\n</think>\n"), "empty"),
        (Answer("Half a sent", "length"), "cut_off"),
        (Answer("Half a sent", "max_tokens"), "cut_off"),
        (Answer("", "length"), "cut_off"),
        (Answer("The craft", "content_filter"), "refusal"),
        (Answer("", "stop", reasoning="The craft was late."), "reasoning"),
        (Answer("<think>Hm.</think>The craft was late."), "thinking"),
        (Answer("<thinking>Hm.</thinking>The craft was late."), "thinking"),
        (Answer("So it is.</think>The craft was late."), "thinking"),
        (Answer("I'm sorry, but I can't help with that."), "refusal"),
        (Answer("I’m sorry, I cannot rewrite this."), "refusal"),
        (Answer("I cannot assist with that request."), "refusal"),
        (Answer("Sorry, but I can’t rewrite this text."), "refusal"),
        (Answer("As an AI language model, I have no style."), "refusal"),
        (Answer("As a large language model, I have no style."), "refusal"),
        (Answer("Sure, here is the rewritten text:\n\nThe craft was late."), "comment"),
        (Answer("Certainly! The craft was late."), "comment"),
        (Answer("**Of course:** the craft was late."), "comment"),
        (Answer("Here's a version of the passage in your style: the craft was late."), "comment"),
        (Answer("Rewritten text: the craft was late."), "comment"),
        (Answer("The craft was late.\n\nLet me know if you need changes."), "comment"),
        (Answer("The craft was late.\n\nNote: I kept all facts."), "comment"),
        (Answer("The craft was late.\n\n**Changes made:** many."), "comment"),
    ],
)
def test_faults(answer, kind):
    fault = find_fault(ASKED, answer)
    assert fault is not None
    assert fault.kind == kind
    assert fault.detail


@pytest.mark.parametrize(
    "text",
    [
        "The craft was late, for that the wind blew hard.",
        "Sure as fate the craft was late.",
        "Here is where the craft was late.",
        "Certainly the craft was late: the wind blew.",
        "Of course it blew. And then: silence.",
        "I can't say that the craft was ever early.",
        "I'm sorry that the craft was late.",
        "He made a note: the craft was late.",
        "I won't tarry.",
        "As an old man I know the craft was late.",
    ],
)
def test_rewritings_that_only_look_like_faults(text):
    assert find_fault(ASKED, Answer(text, "stop")) is None


@pytest.mark.parametrize(
    ("asked", "answer"),
    [
        ("I'm sorry, but I can't come.", "I'm sorry, but I can't come to thee."),
        ("Sure, here is the text: done.", "Sure, here is the rewritten text: done."),
        ("He wrote </think> there.", "He did write </think> there."),
        ("All well.\nNote: rain.", "All well.\nNote: the rain."),
    ],
)
def test_what_the_asked_text_does_itself_is_no_fault(asked, answer):
    assert find_fault(asked, Answer(answer, "stop")) is None


def test_what_is_visible():
    assert visible_text(Answer("<think>\n\n</think>\n\nThe craft.\n")) == "The craft."
    assert visible_text(Answer("  The craft. ")) == "The craft."
    assert visible_text(Answer("<think>x</think>y")) == "<think>x</think>y"


def test_other_finish_reasons_are_no_fault():
    for reason in (None, "stop", "eos", "tool_calls"):
        assert find_fault(ASKED, Answer("The craft was late.", reason)) is None
