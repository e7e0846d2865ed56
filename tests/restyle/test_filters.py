from __future__ import annotations

import pytest

from restyle.data.filters import drop_of_block, judge_answer
from restyle.messages import Answer
from support import plain_passage, styled_passage

STYLED, PLAIN = styled_passage(1), plain_passage(1)


@pytest.mark.parametrize(("words", "reason"), [(1, "short"), (39, "short"), (40, None), (400, None), (401, "long")])
def test_the_word_budget(words, reason):
    drop = drop_of_block(" ".join(["word"] * words), 40, 400, set())
    assert (drop and drop.reason) == reason
    assert drop is None or str(words) in drop.detail


def test_a_text_that_stood_earlier():
    assert drop_of_block(STYLED, 40, 400, {STYLED}).reason == "duplicate"
    assert drop_of_block(STYLED, 40, 400, {PLAIN}) is None


def test_a_faithful_answer_makes_a_pair():
    assert judge_answer(STYLED, Answer(PLAIN, "stop")).drop is None
    assert judge_answer(STYLED, Answer(f"<think>\n</think>\n{PLAIN}\n", "stop")).drop is None


@pytest.mark.parametrize(
    ("answer", "reason", "detail"),
    [
        (Answer("", "not_recorded"), "unanswered", "no recorded answer"),
        (Answer(""), "fault", "empty: "),
        (Answer(PLAIN[:100], "length"), "fault", "cut_off: "),
        (Answer("", "stop", reasoning=PLAIN), "fault", "reasoning: "),
        (Answer("I'm sorry, but I can't help with that."), "fault", "refusal: "),
        (Answer(f"Sure, here is the text:\n{PLAIN}"), "fault", "comment: "),
        (Answer(PLAIN.replace("101", "102")), "facts", "lost number '101'; invented number '102'"),
        (Answer(PLAIN.replace("Barnaby", "Bertram")), "facts", "lost name"),
        (Answer(f"{PLAIN} {PLAIN.replace('101', 'one').replace('21', 'some')}"), "facts", ""),
        (Answer(STYLED), "overlap", "1.00 of the words"),
        (Answer(STYLED.replace("Methinks", "Perhaps")), "overlap", ""),
    ],
)
def test_what_makes_no_pair(answer, reason, detail):
    drop = judge_answer(STYLED, answer).drop
    assert drop.reason == reason
    assert detail in drop.detail


@pytest.mark.parametrize(("words", "reason"), [(5, "length"), (6, None), (16, None), (17, "length")])
def test_the_length_ratio(words, reason):
    source = " ".join(["alpha"] * 10)
    drop = judge_answer(source, Answer(" ".join(["beta"] * words))).drop
    assert (drop and drop.reason) == reason


@pytest.mark.parametrize(("kept", "reason"), [(17, None), (18, "overlap")])
def test_the_overlap(kept, reason):
    source = " ".join(f"word{'abcdefghijklmnopqrst'[number]}" for number in range(20))
    neutral = " ".join([*source.split()[:kept], *["other"] * (20 - kept)])
    drop = judge_answer(source, Answer(neutral)).drop
    assert (drop and drop.reason) == reason


def test_overlap_counts_words_as_often_as_they_stand_and_in_any_case():
    assert judge_answer("alpha beta gamma delta", Answer("ALPHA, Beta: gamma; delta!")).drop.reason == "overlap"
    assert judge_answer("alpha beta gamma delta", Answer("alpha alpha alpha alpha")).drop is None
