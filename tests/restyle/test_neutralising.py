"""Asking the teacher, and asking it again: `restyle.data.neutralising`."""

from __future__ import annotations

from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from restyle.data.filters import WordCounts, judge_answer
from restyle.data.neutralising import COMPLAINTS, Neutralised, neutralise
from restyle.data.teachers import NEUTRALISE
from restyle.faults import FaultKind
from restyle.messages import Answer, Ask, Turn
from support import plain_passage, play, styled_passage

STYLED, PLAIN = styled_passage(1), plain_passage(1)
FIRST = Ask(NEUTRALISE, STYLED, "destyle")


def asked_again(answer):
    """What the teacher is asked after a rejected answer."""
    asks, made = play(neutralise(STYLED, NEUTRALISE), answer, PLAIN)
    assert made == Neutralised(PLAIN, None, 2, WordCounts.of(PLAIN, STYLED))
    assert asks[0] == FIRST
    assert (asks[1].system, asks[1].user, asks[1].role) == (NEUTRALISE, STYLED, "destyle")
    rejected, complaint = asks[1].after
    assert (rejected.role, complaint.role) == ("assistant", "user")
    assert complaint.text.startswith(COMPLAINTS["opening"])
    assert complaint.text.endswith(COMPLAINTS["closing"])
    return rejected.text, complaint.text


def test_a_faithful_answer_is_kept_and_asked_for_once():
    asks, made = play(neutralise(STYLED, NEUTRALISE), f"\n{PLAIN}\n")
    assert asks == [FIRST]
    assert made == Neutralised(PLAIN, None, 1, WordCounts.of(PLAIN, STYLED))


def test_facts_that_were_changed_are_named():
    wrong = PLAIN.replace("101", "102").replace("Barnaby", "Bertram")
    rejected, complaint = asked_again(wrong)
    assert rejected == wrong
    assert COMPLAINTS["lost"].format("number '101', name 'Barnaby'") in complaint
    assert COMPLAINTS["invented"].format("number '102', name 'Bertram'") in complaint


def test_only_what_was_lost_is_named():
    _, complaint = asked_again(PLAIN.replace("101", "the old place"))
    assert COMPLAINTS["lost"].format("number '101'") in complaint
    assert COMPLAINTS["invented"].split("{")[0] not in complaint


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (Answer("   "), "empty"),
        (Answer("", "stop", reasoning=PLAIN), "reasoning"),
        (Answer(f"<think>Hm.</think>{PLAIN}", "stop"), "thinking"),
        (Answer(PLAIN[:90], "length"), "cut_off"),
        (Answer("I'm sorry, but I can't help with that."), "refusal"),
        (Answer(f"Sure, here is the text:\n{PLAIN}"), "comment"),
        (Answer(STYLED), "overlap"),
        (Answer("At mill number 101 Barnaby sat with 21, nothing repaired."), "short"),
        (Answer(f"{PLAIN} {'It was all very sad to see that day. ' * 20}"), "long"),
    ],
)
def test_each_kind_of_fault_is_named_and_nothing_of_the_texts_is_quoted(answer, kind):
    rejected, complaint = asked_again(answer)
    assert complaint == f"{COMPLAINTS['opening']} {COMPLAINTS[kind]} {COMPLAINTS['closing']}"
    assert answer.text.strip().startswith(rejected) or rejected == "(no text)"
    assert rejected.strip()  # hosts refuse an empty message


def test_there_is_a_sentence_for_every_fault():
    assert set(get_args(FaultKind)) < set(COMPLAINTS)


def test_an_answer_without_end_is_not_sent_back_whole():
    rejected, _ = asked_again(Answer("and so on " * 5000, "length"))
    assert len(rejected) == 2 * len(STYLED)


def test_a_second_bad_answer_is_dropped_for_its_own_reason():
    asks, made = play(neutralise(STYLED, NEUTRALISE), PLAIN.replace("101", "102"), STYLED)
    assert len(asks) == 2
    assert (made.neutral, made.drop.reason, made.asks) == (STYLED, "overlap", 2)  # and it stands by that


@pytest.mark.parametrize(
    ("system", "answer", "options"),
    [
        ("", Answer("", "not_recorded"), {}),
        (NEUTRALISE, Answer("", "not_recorded"), {}),
        ("", Answer(STYLED, "stop"), {}),
        (NEUTRALISE, Answer(PLAIN[:50], "content_filter"), {}),
        (NEUTRALISE, Answer(STYLED, "stop"), {"repair": False}),
    ],
)
def test_where_asking_again_is_of_no_use_it_is_not_done(system, answer, options):
    asks, made = play(neutralise(STYLED, system, **options), answer)
    assert asks == [Ask(system, STYLED, "destyle")]
    assert made == Neutralised(None, judge_answer(STYLED, answer).drop, 1)


def test_what_the_teacher_raises_goes_through():
    flow = neutralise(STYLED, NEUTRALISE)
    next(flow)
    with pytest.raises(TimeoutError):
        flow.throw(TimeoutError())


def test_braces_in_a_text_are_only_text():
    source = STYLED.replace("number 101", "the house “Sign {0} and {braces}”")
    asks, _ = play(neutralise(source, NEUTRALISE), PLAIN.replace("101", "7"), PLAIN)
    assert "quote '“Sign {0} and {braces}”'" in asks[1].after[1].text


_ANSWERS = st.builds(
    Answer,
    st.sampled_from([PLAIN, STYLED, PLAIN[:80], PLAIN.replace("not", ""), f"{PLAIN} {PLAIN}", ""])
    | st.text(max_size=80),
    st.sampled_from(["stop", "length", "content_filter", "not_recorded", None]),
)


@given(_ANSWERS, _ANSWERS)
def test_whatever_is_answered_only_what_passes_all_filters_is_kept(first, second):
    flow = neutralise(STYLED, NEUTRALISE)
    asks = [next(flow)]
    made = None
    for answer in (first, second):
        last = answer
        try:
            asks.append(flow.send(answer))
        except StopIteration as stop:
            made = stop.value
            break
    assert made is not None
    assert made.asks == len(asks)
    assert made.drop == judge_answer(STYLED, last).drop
    fit = made.drop is None or (made.asks == 2 and made.drop.reason == "overlap")
    assert (made.neutral is not None) == fit
    assert all(isinstance(turn, Turn) and turn.text.strip() for ask in asks for turn in ask.after)
