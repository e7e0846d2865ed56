"""The flow that ends with the neutral text, played with ``next`` and ``send`` alone."""

from __future__ import annotations

from typing import get_args

import pytest

from restyle.blocks import Block, BlockKind
from restyle.errors import LossError, ModelError
from restyle.flows import neutralise_block
from restyle.messages import Answer, Ask
from restyle.policy import Policy
from restyle.prompts import DESTYLE_PROMPT
from support import play, prose, style_of

SOURCE = "The wondrous ferry came to Falmouth with 12 men aboard."
NEUTRAL = "The ferry arrived in Falmouth with 12 men on board."
LOSSY = "The ferry arrived in Falmouth with men on board."
REFUSAL = "I'm sorry, but I can't help with that."


def flow(text=SOURCE, **policy):
    return neutralise_block(prose(text, 7), style_of(), Policy(**policy))


def destyle(text, **more):
    return Ask(DESTYLE_PROMPT, text, "destyle", **more)


def test_a_block_is_destyled_once_and_never_styled():
    asks, result = play(flow(), NEUTRAL)
    assert asks == [destyle(SOURCE)]
    assert (result.text, result.outcome, result.asks) == (NEUTRAL, "neutral", 1)
    assert (result.losses, result.faults, result.error) == ((), (), None)
    assert result.block == prose(SOURCE, 7)
    assert result.report(neutral=True) == {"start": 7, "end": 7 + len(SOURCE), "outcome": "neutral", "asks": 1}


@pytest.mark.parametrize("kind", sorted(set(get_args(BlockKind)) - {"prose"}))
def test_a_verbatim_block_never_asks(kind):
    block = Block("Source 1:", 0, 9, kind)
    asks, result = play(neutralise_block(block, style_of(), Policy(on_loss="raise")))
    assert asks == []
    assert (result.text, result.outcome, result.asks) == (block.text, "verbatim", 0)


def test_nothing_but_citation_markers_is_verbatim():
    asks, result = play(flow("[1] [2]"))
    assert asks == []
    assert (result.text, result.outcome) == ("[1] [2]", "verbatim")


def test_markers_are_detached_and_come_back_to_their_sentences():
    source = "The wondrous ferry came with 12 men.[1] They did sing merrily all night.[2][3]"
    asks, result = play(flow(source), "The ferry arrived with 12 men. They sang all night.")
    assert asks == [destyle("The wondrous ferry came with 12 men. They did sing merrily all night.")]
    assert (result.text, result.outcome) == ("The ferry arrived with 12 men.[1] They sang all night.[2][3]", "neutral")


@pytest.mark.parametrize("bad", [LOSSY, REFUSAL, "", Answer(NEUTRAL, "length"), "<think>hm</think> " + NEUTRAL])
def test_what_cannot_be_used_is_asked_for_again_from_the_source(bad):
    asks, result = play(flow(), bad, NEUTRAL)
    assert asks == [destyle(SOURCE)] * 2
    assert (result.text, result.outcome, result.asks) == (NEUTRAL, "neutral", 2)
    assert len(result.faults) == (bad != LOSSY)


@pytest.mark.parametrize("attempts", [1, 2, 5])
@pytest.mark.parametrize("on_loss", ["original", "neutral"])
def test_attempts_bound_the_asks_and_then_the_original_stays(attempts, on_loss):
    asks, result = play(flow(attempts=attempts, on_loss=on_loss), *[LOSSY] * attempts)
    assert len(asks) == result.asks == attempts
    assert (result.text, result.outcome) == (SOURCE, "original")
    assert [str(loss) for loss in result.losses] == ["lost number '12'"]


def test_on_loss_keep_gives_the_lossy_text_and_says_so():
    asks, result = play(flow(on_loss="keep"), LOSSY, LOSSY)
    assert asks == [destyle(SOURCE, showable=True)] * 2
    assert (result.text, result.outcome) == (LOSSY, "lossy")
    assert result.losses


def test_on_loss_keep_never_keeps_a_refusal():
    _, result = play(flow(on_loss="keep"), REFUSAL, REFUSAL)
    assert (result.text, result.outcome) == (SOURCE, "original")
    assert [fault.kind for fault in result.faults] == ["refusal"] * 2


def test_what_has_been_shown_is_not_asked_for_again():
    asks, result = play(flow(on_loss="keep"), Answer(LOSSY, "stop", shown=LOSSY))
    assert len(asks) == 1
    assert (result.text, result.outcome) == (LOSSY, "lossy")


@pytest.mark.parametrize(
    ("answer", "reason"), [(LOSSY, "lost number '12' after 2 attempts"), (REFUSAL, "the model ref")]
)
def test_on_loss_raise_names_the_block_and_the_reason(answer, reason):
    with pytest.raises(LossError) as caught:
        play(flow(on_loss="raise", on_error="original"), answer, answer)
    message = str(caught.value)
    assert f"{SOURCE!r} at 7-{7 + len(SOURCE)}" in message
    assert reason in message
    assert "on_loss='original'" in message


@pytest.mark.parametrize("answered", [(), (LOSSY,)])
def test_a_models_exception_is_raised_or_leaves_the_original(answered):
    error = ModelError("no answer")
    with pytest.raises(ModelError, match="no answer"):
        play(flow(), *answered, error)
    _, result = play(flow(on_error="original"), *answered, error)
    assert (result.text, result.outcome, result.error) == (SOURCE, "original", "ModelError: no answer")


def test_destyle_false_changes_nothing_here():
    asks, result = play(flow(destyle=False), NEUTRAL)
    assert asks == [destyle(SOURCE)]
    assert result.outcome == "neutral"
