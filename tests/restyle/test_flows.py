"""The policy, played with ``next`` and ``send`` alone: no model, no thread, no loop."""

from __future__ import annotations

import json
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from restyle.blocks import Block, BlockKind
from restyle.errors import LossError, ModelError
from restyle.flows import rewrite_block
from restyle.messages import Answer, Ask
from restyle.policy import Policy
from restyle.prompts import DESTYLE_PROMPT, RESTYLE_PROMPT
from restyle.stage import Stage
from restyle.style import Style
from support import play, prose, style_of

SOURCE = "The wondrous ferry came to Falmouth with 12 men aboard."
NEUTRAL = "The ferry arrived in Falmouth with 12 men on board."
STYLED = "The little craft did come to Falmouth, and 12 men in her."
LOSSY = "The little craft did come to Falmouth, and many men in her."
LOSSY_NEUTRAL = "The ferry arrived in Falmouth with men on board."
REFUSAL = "I'm sorry, but I can't help with that."


def flow(text=SOURCE, style=None, **policy):
    return rewrite_block(prose(text, 7), style or style_of(), Policy(**policy))


def destyle(text):
    return Ask(DESTYLE_PROMPT, text, "destyle")


def restyle(text):
    return Ask(RESTYLE_PROMPT, text, "restyle")


def test_a_block_is_destyled_then_styled():
    asks, result = play(flow(), NEUTRAL, STYLED)
    assert asks == [destyle(SOURCE), restyle(NEUTRAL)]
    assert (result.text, result.outcome, result.neutral, result.asks) == (STYLED, "styled", NEUTRAL, 2)
    assert (result.losses, result.faults, result.error) == ((), (), None)
    assert result.block == prose(SOURCE, 7)


@pytest.mark.parametrize(
    ("style", "policy"),
    [(style_of(), {"destyle": False}), (style_of(destyle=False), {}), (style_of(destyle=False), {"destyle": False})],
    ids=["destyle=False", "no destyle model", "both"],
)
def test_without_destyling_the_source_itself_is_styled(style, policy):
    asks, result = play(flow(style=style, **policy), STYLED)
    assert asks == [restyle(SOURCE)]
    assert (result.text, result.outcome, result.neutral) == (STYLED, "styled", SOURCE)


def test_without_destyling_a_lossy_answer_does_not_bring_a_destyle_model_in():
    asks, result = play(flow(destyle=False), LOSSY, STYLED)
    assert asks == [restyle(SOURCE), restyle(SOURCE)]
    assert result.outcome == "styled"


@pytest.mark.parametrize("kind", sorted(set(get_args(BlockKind)) - {"prose"}))
def test_a_verbatim_block_never_asks(kind):
    block = Block("```\nx = 1\n```", 0, 13, kind)
    asks, result = play(rewrite_block(block, style_of(), Policy(on_loss="raise")))
    assert asks == []
    assert (result.text, result.outcome, result.asks) == (block.text, "verbatim", 0)


def test_nothing_but_citation_markers_is_verbatim():
    asks, result = play(flow("[1] [2]"))
    assert asks == []
    assert (result.text, result.outcome) == ("[1] [2]", "verbatim")


def test_a_lossy_answer_is_asked_for_again_from_the_same_neutral_text():
    asks, result = play(flow(), NEUTRAL, LOSSY, STYLED)
    assert asks == [destyle(SOURCE), restyle(NEUTRAL), restyle(NEUTRAL)]
    assert (result.text, result.outcome, result.losses, result.asks) == (STYLED, "styled", (), 3)


def test_a_neutral_text_that_had_lost_the_fact_is_asked_for_again():
    asks, result = play(flow(), LOSSY_NEUTRAL, LOSSY, NEUTRAL, STYLED)
    assert asks == [destyle(SOURCE), restyle(LOSSY_NEUTRAL), destyle(SOURCE), restyle(NEUTRAL)]
    assert (result.text, result.outcome, result.neutral) == (STYLED, "styled", NEUTRAL)


def test_losses_are_counted_against_the_source_and_not_against_the_neutral_text():
    asks, result = play(flow(), LOSSY_NEUTRAL, STYLED)
    assert len(asks) == 2
    assert result.outcome == "styled"


@pytest.mark.parametrize("attempts", [1, 2, 5])
def test_attempts_bound_the_asks_and_then_the_original_stays(attempts):
    asks, result = play(flow(attempts=attempts), NEUTRAL, *[LOSSY] * attempts)
    assert len(asks) == result.asks == 1 + attempts
    assert (result.text, result.outcome) == (SOURCE, "original")
    assert [str(loss) for loss in result.losses] == ["lost number '12'"]


def test_on_loss_neutral_gives_the_neutral_text():
    _, result = play(flow(on_loss="neutral"), NEUTRAL, LOSSY, LOSSY)
    assert (result.text, result.outcome) == (NEUTRAL, "neutral")
    assert result.losses


def test_on_loss_neutral_gives_the_original_where_the_neutral_text_is_lossy_too():
    _, result = play(flow(on_loss="neutral"), LOSSY_NEUTRAL, LOSSY, LOSSY_NEUTRAL, LOSSY)
    assert (result.text, result.outcome) == (SOURCE, "original")
    # Lossy, although the styled text showed no loss of its own: refused the second time.
    _, result = play(flow(on_loss="neutral"), LOSSY_NEUTRAL, REFUSAL, REFUSAL)
    assert (result.text, result.outcome) == (SOURCE, "original")


def test_on_loss_neutral_gives_the_original_where_destyling_failed():
    asks, result = play(flow(on_loss="neutral"), REFUSAL, REFUSAL)
    assert asks == [destyle(SOURCE), destyle(SOURCE)]
    assert (result.text, result.outcome) == (SOURCE, "original")


def test_on_loss_keep_gives_the_lossy_text_and_says_so():
    _, result = play(flow(on_loss="keep"), NEUTRAL, LOSSY, LOSSY)
    assert (result.text, result.outcome) == (LOSSY, "lossy")
    assert [str(loss) for loss in result.losses] == ["lost number '12'"]


def test_on_loss_keep_never_keeps_a_refusal():
    _, result = play(flow(on_loss="keep"), NEUTRAL, REFUSAL, REFUSAL)
    assert (result.text, result.outcome) == (SOURCE, "original")
    _, result = play(flow(on_loss="keep"), NEUTRAL, LOSSY, REFUSAL)
    assert (result.text, result.outcome) == (LOSSY, "lossy")


def test_on_loss_raise_names_the_block_the_loss_and_the_next_step():
    with pytest.raises(LossError) as caught:
        play(flow(on_loss="raise"), NEUTRAL, LOSSY, LOSSY)
    message = str(caught.value)
    assert repr(SOURCE) in message
    assert f"at 7-{7 + len(SOURCE)}" in message
    assert "lost number '12' after 2 attempts" in message
    assert "on_loss='original'" in message


def test_on_loss_raise_names_the_fault_where_no_answer_came():
    with pytest.raises(LossError, match="the model refused"):
        play(flow(on_loss="raise", attempts=1), NEUTRAL, REFUSAL)


def test_on_error_does_not_swallow_a_loss():
    with pytest.raises(LossError):
        play(flow(on_loss="raise", on_error="original", attempts=1), NEUTRAL, LOSSY)


@pytest.mark.parametrize("answered", [(), (NEUTRAL,), (NEUTRAL, LOSSY)])
def test_on_error_raise_passes_the_models_exception_on(answered):
    error = TimeoutError("no answer")
    with pytest.raises(TimeoutError) as caught:
        play(flow(), *answered, error)
    assert caught.value is error


@pytest.mark.parametrize("answered", [(), (NEUTRAL,), (NEUTRAL, LOSSY)])
def test_on_error_original_passes_the_block_on(answered):
    asks, result = play(flow(on_error="original"), *answered, TimeoutError("no answer"))
    assert len(asks) == len(answered) + 1
    assert (result.text, result.outcome, result.error) == (SOURCE, "original", "TimeoutError")
    assert result.asks == len(answered)


def test_a_foreign_errors_text_stays_out_of_the_report_for_it_may_quote_a_key():
    class HostError(Exception):
        status_code = 400

    for error, said in (
        (HostError("Incorrect API key sk-marked"), "HostError (HTTP 400)"),
        (ModelError("model 'm' failed"), "ModelError: model 'm' failed"),
    ):
        _, result = play(flow(on_error="original"), error)
        assert result.report()["error"] == said


def test_on_error_original_lets_cancellation_through():
    with pytest.raises(KeyboardInterrupt):
        play(flow(on_error="original"), KeyboardInterrupt())


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (Answer(""), "empty"),
        (Answer(STYLED[:10], "length"), "cut_off"),
        (Answer("", reasoning=STYLED), "reasoning"),
        (Answer(f"<think>Hm.</think>{STYLED}"), "thinking"),
        (Answer(REFUSAL), "refusal"),
        (Answer(f"Sure, here is the rewritten text:\n\n{STYLED}"), "comment"),
    ],
)
def test_a_fault_is_handled_as_a_loss(answer, kind):
    asks, result = play(flow(), NEUTRAL, answer, STYLED)
    assert asks == [destyle(SOURCE), restyle(NEUTRAL), restyle(NEUTRAL)]
    assert (result.outcome, [fault.kind for fault in result.faults]) == ("styled", [kind])
    asks, result = play(flow(), answer, NEUTRAL, STYLED)
    assert asks == [destyle(SOURCE), destyle(SOURCE), restyle(NEUTRAL)]
    assert result.outcome == "styled"
    _, result = play(flow(), NEUTRAL, answer, answer)
    assert (result.text, result.outcome, [fault.kind for fault in result.faults]) == (SOURCE, "original", [kind, kind])


def test_an_empty_think_block_and_white_space_are_taken_off():
    _, result = play(flow(), f"<think>\n\n</think>\n\n{NEUTRAL}\n", f"\n{STYLED} ")
    assert (result.text, result.neutral) == (STYLED, NEUTRAL)


def test_citation_markers_never_reach_a_model_and_come_back_to_their_sentences():
    source = "The ferry came to Falmouth [1]. It had 12 men aboard [2, 3]."
    asks, result = play(
        flow(source), "The ferry arrived in Falmouth. It had 12 men.", "The craft did come to Falmouth. She had 12 men."
    )
    assert asks == [
        destyle("The ferry came to Falmouth. It had 12 men aboard."),
        restyle("The ferry arrived in Falmouth. It had 12 men."),
    ]
    assert result.text == "The craft did come to Falmouth [1]. She had 12 men [2, 3]."
    assert result.outcome == "styled"


def test_the_neutral_fallback_has_its_citation_markers():
    source = "The ferry came to Falmouth with 12 men [1]."
    _, result = play(flow(source, on_loss="neutral", attempts=1), "The ferry reached Falmouth with 12 men.", "A craft.")
    assert (result.text, result.outcome) == ("The ferry reached Falmouth with 12 men [1].", "neutral")


def test_parameters_are_rendered_and_the_text_never_is():
    style = Style(
        "toned",
        Stage("Rewrite in a $tone tone.", "a"),
        Stage("Neutralise.", "b"),
        parameters={"tone": ["dry"]},
    )
    text = "It cost $tone {x} %s in Falmouth."
    asks, _ = play(flow(text, style, parameters={"tone": "dry"}), text, text)
    assert asks == [Ask("Neutralise.", text, "destyle"), Ask("Rewrite in a dry tone.", text, "restyle")]


def test_the_report_is_json_and_holds_no_text_of_the_authors():
    _, result = play(flow(on_error="original"), NEUTRAL, REFUSAL, TimeoutError("late"))
    report = json.loads(json.dumps(result.report()))
    assert report == {
        "start": 7,
        "end": 7 + len(SOURCE),
        "outcome": "original",
        "asks": 2,
        "faults": ["refusal"],
        "error": "TimeoutError",
    }
    _, result = play(flow(), NEUTRAL, LOSSY, LOSSY)
    assert result.report()["losses"] == ["lost number '12'"]
    _, result = play(flow(), NEUTRAL, STYLED)
    assert result.report() == {"start": 7, "end": 7 + len(SOURCE), "outcome": "styled", "asks": 2}


def test_the_last_attempt_speaks_for_the_losses():
    other = "The little craft did come to Penryn, and 12 men in her."
    _, result = play(flow(), NEUTRAL, LOSSY, other)
    assert sorted(str(loss) for loss in result.losses) == ["invented name 'Penryn'", "lost name 'Falmouth'"]


@pytest.mark.parametrize(
    ("policy", "says"),
    [
        ({"attempts": 0}, "attempts is 0"),
        ({"on_loss": "ignore"}, "on_loss is 'ignore': choose original, neutral, keep or raise"),
        ({"on_error": "ignore"}, "on_error is 'ignore': choose raise or original"),
    ],
)
def test_a_policy_that_makes_no_sense_is_refused(policy, says):
    with pytest.raises(ValueError, match=says):
        Policy(**policy)


ANSWERS = st.sampled_from([NEUTRAL, LOSSY_NEUTRAL, STYLED, LOSSY, REFUSAL, "", TimeoutError("late")])


@given(
    answers=st.lists(ANSWERS, min_size=20, max_size=20),
    attempts=st.integers(1, 5),
    on_loss=st.sampled_from(["original", "neutral", "keep"]),
    destyle=st.booleans(),
)
def test_whatever_the_models_say_it_ends_and_loses_nothing_in_silence(answers, attempts, on_loss, destyle):
    from restyle.facts import losses

    generator = flow(attempts=attempts, on_loss=on_loss, on_error="original", destyle=destyle)
    asked, pending = 1, iter(answers)
    next(generator)
    while True:
        answer = next(pending)
        try:
            generator.throw(answer) if isinstance(answer, Exception) else generator.send(Answer(answer, "stop"))
        except StopIteration as stop:
            result = stop.value
            break
        asked += 1
    assert asked <= 2 * attempts
    assert result.asks == asked - (result.error is not None)
    assert bool(losses(SOURCE, result.text)) == (result.outcome == "lossy")
    assert result.outcome in {"styled", on_loss, "original"} | ({"lossy"} if on_loss == "keep" else set())
