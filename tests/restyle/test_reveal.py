"""What leaves of an answer that is still coming: a beginning of what it turns out to be, and no remark, no thought."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from restyle.faults import find_fault, visible_text
from restyle.messages import Answer, Ask
from restyle.reveal import Reveal

ASKED = "The boat came back at dawn with 14 men, and nothing was lost."
BODY = (
    "The little craft did come back at first light with 14 men in her, albeit the old roarer was uncommon strong, and "
    "naught was lost, for that every soul did sit hard by the lamp till such time as the sun rose upon the grey water."
)


def chunked(text, cuts):
    bounds = [0, *sorted(min(cut, len(text)) for cut in cuts), len(text)]
    return [text[start:end] for start, end in pairwise(bounds)]


def every(text, size):
    return [text[at : at + size] for at in range(0, len(text), size)]


def shown(chunks, asked=ASKED):
    """The pieces that left, after each chunk those that it let out; and the answer as it is handed on."""
    pieces: list[str] = []
    reveal = Reveal(Ask("system", asked, "restyle", showable=True), pieces.append)
    after = []
    for chunk in chunks:
        reveal.feed(chunk)
        after.append("".join(pieces))
    return after, reveal.end(Answer("".join(chunks), "stop"))


PARTS = st.sampled_from([
    *("", " ", "\n", "\n\n", "\t", "\u00a0", "\r\n", "<think>", "</think>", "<think>\n</think>", "<Thinking>", "<thi"),
    *("Sure! Here is the text:", "I'm sorry, but I can't help with that.", "As an AI language model, ", "Note: so."),
    *("Let me know if it helps.", BODY, BODY[:79], BODY[:80], "A short line.", "\ud800", "é" * 90, " " * 90),
])  # fmt: skip
TEXTS = st.one_of(st.text(max_size=300), st.lists(PARTS, max_size=8).map("".join))
CUTS = st.lists(st.integers(0, 900), max_size=30)


@settings(max_examples=400, deadline=None)
@given(TEXTS, CUTS)
@example(text=f"<think>\n\n</think>\n\n{BODY}", cuts=range(300))
@example(text=f"<think>{' ' * 100}</think>{BODY}", cuts=range(300))
@example(text=f"{BODY}\n\n\n{BODY} ", cuts=range(900))
def test_what_is_shown_is_a_beginning_of_the_visible_text_however_it_is_chunked(text, cuts):
    after, answer = shown(chunked(text, cuts))
    for before, later in zip(["", *after], after, strict=False):
        assert later.startswith(before)
    assert visible_text(Answer(text)).startswith(after[-1])
    assert answer == Answer(text, "stop", shown=after[-1])


def test_so_it_is_where_the_source_is_about_thinking():
    after, answer = shown(f"<think>\n\n</think>\n\n{BODY}", asked="The tag <think> opens a thought.")
    assert BODY.startswith(after[-1])
    assert answer.shown == after[-1]


SIZES = [1, 3, 7, 40, 10_000]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(
    "beginning",
    [
        *("I'm sorry, but I can't help with that. ", "I cannot rewrite this. ", "As an AI language model, I must say "),
        *("Sure! Here is the text:\n\n", "Sure, here is the rewritten text:\n", "Here's the rewritten version: "),
        *("<think>The user wants a text.</think>", "<think>\nHm.\n</think>\n", "<thinking>Hm.\nSo.\n</thinking>\n\n"),
        *("\n\n  I'm sorry, but I can't. \n\n", "**Rewritten version**\n\n", "</think>\n\n"),
    ],
)
def test_what_is_no_rewriting_shows_nothing(beginning, size):
    text = f"{beginning}{BODY}\n\n{BODY}"
    assert find_fault(ASKED, Answer(text))
    after, answer = shown(every(text, size))
    assert after[-1] == answer.shown == ""


LONG_REMARKS = [
    "Certainly, I have told it again in the words of the keeper, as well as I could do it: ",
    "Here is the text, rewritten in the voice of the old lighthouse keeper of the passage of Porthennis, as told:\n\n",
]


@pytest.mark.parametrize("remark", LONG_REMARKS, ids=len)
def test_a_long_remark_shows_nothing(remark):
    text = f"{remark}{BODY}"
    assert find_fault(ASKED, Answer(text)).kind == "comment"
    assert shown(every(text, 3))[0][-1] == ""


def test_what_the_source_itself_says_is_shown():
    text = f"I'm sorry, but I can't come. {BODY}"
    after, _ = shown(every(text, 5), asked="I'm sorry, but I can't come to you before Easter.")
    assert after[-1] == text


@pytest.mark.parametrize("block", ["<think></think>", "<think>\n\n</think>\n\n", " <think> </think> "])
@pytest.mark.parametrize("size", [100, 10_000, None])
def test_an_empty_think_block_is_skipped(block, size):
    chunks = [*block.partition("</think>"), BODY] if size is None else every(f"{block}{BODY}", size)
    after, _ = shown(chunks)
    assert after[-1] == BODY


def test_an_empty_think_block_is_skipped_whose_tags_come_in_pieces():
    after, _ = shown(["<think>", "\n\n", "</", "think", ">", "\n\n", BODY])
    assert after[-1] == BODY


def test_a_second_think_block_is_a_thought_even_if_empty():
    text = f"<think></think><think></think>{BODY}"
    assert find_fault(ASKED, Answer(text)).kind == "thinking"
    assert shown([text])[0] == [""]


def test_a_thought_in_the_middle_ends_the_showing_for_good():
    text = f"{BODY}\n<think>Was that good?</think>\n{BODY}\n\n{BODY}"
    after, _ = shown(every(text, 4))
    assert after[-1] == BODY


def test_an_afterword_is_not_shown():
    text = f"{BODY}\n\nLet me know if you would like it to sound more like the old keeper, or less like him, or both!"
    after, _ = shown(every(text, 4))
    assert after[-1] == BODY


def test_a_line_is_shown_from_its_fortieth_character_on_without_delay():
    after, _ = shown(list(BODY))
    lengths = [len(text) for text in after]
    visible = [len(BODY[: at + 1].rstrip()) for at in range(len(BODY))]
    assert lengths == [length if length >= 40 else 0 for length in visible]


def test_short_lines_are_shown_when_the_next_one_begins():
    lines = ["The wind was strong.", "Naught was lost.", "We did sit hard by the lamp."]
    after, answer = shown([f"{line}\n" for line in lines])
    assert after == ["", lines[0], "\n".join(lines[:2])]
    assert answer.shown == after[-1]


def test_a_short_answer_is_not_shown_before_its_end():
    after, answer = shown(every(BODY[:39], 5))
    assert after[-1] == answer.shown == ""


def test_white_space_around_an_answer_is_never_shown():
    after, _ = shown(["\n\n  ", BODY, "   ", "\n", "\n\n"])
    assert after[-2:] == [BODY, BODY]
    assert after[0] == ""


@pytest.mark.parametrize("finish_reason", ["length", "content_filter", None])
def test_the_answer_is_handed_on_as_it_came(finish_reason):
    reveal = Reveal(Ask("system", ASKED, "restyle", showable=True), lambda _: None)
    reveal.feed(BODY)
    answer = Answer(BODY, finish_reason, reasoning="hm")
    assert reveal.end(answer) == Answer(BODY, finish_reason, "hm", BODY)
