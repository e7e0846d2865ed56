"""Which answers may be shown while they still come, and what becomes of a block whose answer was."""

from __future__ import annotations

import pytest

from restyle.blocks import split_blocks
from restyle.drivers import parts
from restyle.facts import losses
from restyle.flows import rewrite_block
from restyle.jobs import Delta, Job
from restyle.messages import Answer
from restyle.policy import Policy
from support import play, prose, style_of

SOURCE = "The wondrous ferry came to Falmouth with 12 men aboard."
NEUTRAL = "The ferry arrived in Falmouth with 12 men on board."
STYLED = "The little craft did come to Falmouth, and 12 men in her."
LOSSY = "The little craft did come to Falmouth, and many men in her."
REFUSAL = "I'm sorry, but I can't help with that."
AFTERWORD = f"{STYLED}\n\nLet me know if you want more."


def flow(text=SOURCE, **policy):
    return rewrite_block(prose(text), style_of(), Policy(**{"on_loss": "keep", **policy}))


def shown(text, part=None, finish_reason="stop"):
    return Answer(text, finish_reason, shown=text if part is None else part)


def test_with_keep_the_styled_answer_may_be_shown_and_the_neutral_one_not():
    asks, result = play(flow(), NEUTRAL, shown(STYLED))
    assert [(ask.role, ask.showable) for ask in asks] == [("destyle", False), ("restyle", True)]
    assert (result.text, result.outcome, result.asks) == (STYLED, "styled", 2)
    asks, _ = play(flow(destyle=False), STYLED)
    assert [(ask.role, ask.showable) for ask in asks] == [("restyle", True)]


@pytest.mark.parametrize(
    ("text", "policy"),
    [
        (SOURCE, {"on_loss": "original"}),
        (SOURCE, {"on_loss": "neutral"}),
        (SOURCE, {"on_loss": "raise"}),
        (SOURCE, {"on_error": "original"}),
        ("The wondrous ferry came to Falmouth [1] with 12 men aboard.", {}),
    ],
    ids=["original", "neutral", "raise", "on_error", "markers"],
)
def test_nothing_may_be_shown_that_could_be_called_back(text, policy):
    asks, result = play(flow(text, **policy), NEUTRAL, STYLED)
    assert [ask.showable for ask in asks] == [False, False]
    assert result.outcome == "styled"


def test_an_answer_that_was_not_shown_is_asked_for_again_and_may_then_be_shown():
    asks, result = play(flow(), NEUTRAL, LOSSY, shown(STYLED))
    assert [ask.showable for ask in asks] == [False, True, True]
    assert (result.text, result.outcome) == (STYLED, "styled")
    asks, result = play(flow(), NEUTRAL, REFUSAL, shown(STYLED))
    assert (result.text, result.outcome, [fault.kind for fault in result.faults]) == (STYLED, "styled", ["refusal"])


@pytest.mark.parametrize("part", [LOSSY, LOSSY[:10]])
def test_a_lossy_answer_that_was_shown_is_the_last_word(part):
    asks, result = play(flow(attempts=5), NEUTRAL, shown(LOSSY, part))
    assert len(asks) == result.asks == 2
    assert (result.text, result.outcome, result.faults) == (LOSSY, "lossy", ())
    assert [str(loss) for loss in result.losses] == ["lost number '12'"]
    assert result.losses == tuple(losses(SOURCE, LOSSY))


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (shown(STYLED, STYLED[:20], "length"), "cut_off"),
        (shown(STYLED[:40], STYLED[:20], "max_tokens"), "cut_off"),
        (shown(STYLED, STYLED, "content_filter"), "refusal"),
        (shown(AFTERWORD, STYLED), "comment"),
        (shown(f"{STYLED}\n<think>Hm.</think>", STYLED), "thinking"),
    ],
)
def test_a_shown_answer_that_turns_out_faulty_stays_and_is_called_lossy(answer, kind):
    _, result = play(flow(attempts=5), NEUTRAL, answer)
    assert (result.text, result.outcome, result.asks) == (answer.text, "lossy", 2)
    assert [fault.kind for fault in result.faults] == [kind]
    assert result.report()["faults"] == [kind]
    assert result.losses == tuple(losses(SOURCE, answer.text))


def test_the_text_begins_with_what_was_shown():
    """White space and an empty think block around it are not part of either."""
    _, result = play(flow(), NEUTRAL, Answer(f"<think>\n</think>\n{LOSSY}\n", "stop", shown=LOSSY[:30]))
    assert (result.text, result.outcome) == (LOSSY, "lossy")


def test_after_a_shown_answer_a_models_exception_is_still_raised():
    asking = flow()
    next(asking)
    assert asking.send(Answer(NEUTRAL)).showable
    with pytest.raises(TimeoutError):
        asking.throw(TimeoutError("late"))


def test_a_refusal_is_not_shown_and_the_answer_after_it_is():
    """The flow, the driver and the reveal together."""
    text = " ".join(f"Then the ferry came to Falmouth with {n} men, and none was lost." for n in range(20, 26))
    (block,) = split_blocks(text)
    answers = iter([f"{REFUSAL} {'It would not be right. ' * 9}", text.replace("men", "souls")])

    def speak(_, show):
        answer = next(answers)
        for word in answer.split(" "):
            show(f"{word} ")
        return Answer(f"{answer} ", "stop")

    flow_ = rewrite_block(block, style_of(destyle=False), Policy(on_loss="keep"))
    *deltas, result = parts([Job(flow_, None, speak)])
    assert {type(delta) for delta in deltas} == {Delta}
    assert "".join(delta.text for delta in deltas) == result.text == text.replace("men", "souls")
    assert (result.outcome, [fault.kind for fault in result.faults]) == ("styled", ["refusal"])
