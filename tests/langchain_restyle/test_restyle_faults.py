"""What stands in the output, and what is said about it, when models misbehave."""

from __future__ import annotations

import openai
import pytest
from langchain_core.messages import AIMessage

from langchain_restyle import Restyle
from restyle.errors import LossError
from restyle.testing import Fault
from scripted import Scripted, uncommon

pytestmark = pytest.mark.usefixtures("keeper_home")

TEXT = "It was very cold, and 12 boats were lost [1]."
MESSAGE = AIMessage(TEXT)
STYLED = "'Twas uncommon bitter, and 12 little craft were lost [1]."
# langchain-openai does not pass `reasoning_content` on: such an answer is just empty to it.
FAULTS = {
    "refusal": "refusal",
    "empty": "empty",
    "length": "cut_off",
    "think": "thinking",
    "reasoning": "empty",
    "comment": "comment",
}


def row_of(message):
    (row,) = message.response_metadata["restyle"]["blocks"]
    assert (row["start"], row["end"]) == (0, len(TEXT))
    return row


@pytest.fixture
def expected(card):
    text = Restyle(card).invoke(TEXT)
    assert "uncommon" in text
    assert "12" in text
    return text


@pytest.mark.parametrize("kind", FAULTS)
async def test_a_fault_is_asked_about_again(card, sandbox, expected, kind):
    runnable = Restyle(card)
    sandbox.inject(Fault(kind))
    message = runnable.invoke(MESSAGE)
    assert message.content == expected
    assert row_of(message) == {"start": 0, "end": len(TEXT), "outcome": "styled", "asks": 3, "faults": [FAULTS[kind]]}
    sandbox.inject(Fault(kind))
    assert await runnable.ainvoke(MESSAGE) == message
    sandbox.inject(Fault(kind))
    assert "".join(runnable.stream(TEXT)) == expected


@pytest.mark.parametrize("kind", FAULTS)
async def test_a_fault_that_stays_leaves_the_original(card, sandbox, kind):
    runnable = Restyle(card, attempts=3)
    sandbox.inject(Fault(kind), times=3)
    message = runnable.invoke(MESSAGE)
    assert message.content == TEXT
    assert (row_of(message)["outcome"], row_of(message)["asks"]) == ("original", 3)
    assert row_of(message)["faults"] == [FAULTS[kind]] * 3
    sandbox.inject(Fault(kind), times=3)
    assert await runnable.ainvoke(MESSAGE) == message


@pytest.mark.parametrize("attempts", [1, 2, 4])
def test_attempts_are_counted(card, sandbox, attempts):
    sandbox.inject(Fault("empty"), times=attempts)
    assert Restyle(card, attempts=attempts, destyle=False).invoke(TEXT) == TEXT
    assert [request.body["model"] for request in sandbox.requests] == ["keeper:restyle"] * attempts


async def test_a_fault_may_raise(card, sandbox):
    runnable = Restyle(card, on_loss="raise", attempts=1)
    sandbox.inject(Fault("refusal"), times=2)
    with pytest.raises(LossError, match=r"the model refused.*on_loss='original'"):
        runnable.invoke(TEXT)
    with pytest.raises(LossError, match="the model refused"):
        await runnable.ainvoke(TEXT)


def test_a_refusing_style_model_may_leave_the_neutral_text(card):
    refusing = Scripted(reply=lambda _: "I'm sorry, but I can't help with that.")
    neutral = Restyle(card, style_model=refusing, destyle_model=Scripted(), on_loss="neutral").invoke(MESSAGE)
    assert neutral.content == uncommon(TEXT)
    assert row_of(neutral) == {
        "start": 0,
        "end": len(TEXT),
        "outcome": "neutral",
        "asks": 3,
        "faults": ["refusal", "refusal"],
    }


LOSSY = Scripted(reply=lambda text: uncommon(text).replace("12", "many"))


@pytest.mark.parametrize(
    ("on_loss", "text", "outcome"),
    [
        ("original", TEXT, "original"),
        ("keep", "It was uncommon cold, and many boats were lost [1].", "lossy"),
        ("neutral", TEXT, "neutral"),
    ],
)
async def test_lost_facts(on_loss, text, outcome):
    runnable = Restyle("keeper", on_loss=on_loss, style_model=LOSSY, destyle_model=Scripted(reply=str))
    for message in (runnable.invoke(MESSAGE), await runnable.ainvoke(MESSAGE)):
        assert message.content == text
        assert row_of(message)["outcome"] == outcome
        assert row_of(message)["asks"] == 3
        (loss,) = row_of(message)["losses"]
        assert "12" in loss
    assert "".join(runnable.stream(TEXT)) == text


async def test_lost_facts_may_raise():
    runnable = Restyle("keeper", on_loss="raise", style_model=LOSSY, destyle=False)
    with pytest.raises(LossError, match="12"):
        runnable.invoke(TEXT)
    with pytest.raises(LossError, match="12"):
        await runnable.ainvoke(TEXT)
    with pytest.raises(LossError, match="12"):
        list(runnable.stream(TEXT))
    (output,) = runnable.batch([TEXT], return_exceptions=True)
    assert isinstance(output, LossError)


GONE = Fault("status", status=500, retry_after=0.01)  # the SDK asks twice more, after so many seconds


async def test_a_server_error_is_raised(card, sandbox):
    runnable = Restyle(card)
    sandbox.inject(GONE, times=3)
    with pytest.raises(openai.InternalServerError):
        runnable.invoke(TEXT)
    sandbox.inject(GONE, times=3)
    with pytest.raises(openai.InternalServerError):
        await runnable.ainvoke(TEXT)
    sandbox.inject(GONE, times=3)
    with pytest.raises(openai.InternalServerError):
        list(runnable.stream(TEXT))


async def test_a_server_error_may_leave_the_original(card, sandbox):
    runnable = Restyle(card, on_error="original")
    sandbox.inject(GONE, times=3)
    message = runnable.invoke(MESSAGE)
    assert message.content == TEXT
    assert row_of(message)["outcome"] == "original"
    assert "500" in row_of(message)["error"]
    sandbox.inject(GONE, times=3)
    assert await runnable.ainvoke(MESSAGE) == message


async def test_a_passing_server_error_is_not_noticed(card, sandbox, expected):
    runnable = Restyle(card)
    sandbox.inject(GONE, times=2)
    assert runnable.invoke(TEXT) == expected
    sandbox.inject(GONE)
    assert await runnable.ainvoke(TEXT) == expected


@pytest.mark.parametrize("kind", ["drop", "truncate"])
async def test_a_dropped_connection(card, sandbox, expected, kind):
    sandbox.inject(Fault(kind))
    assert Restyle(card).invoke(TEXT) == expected
    sandbox.inject(Fault(kind))
    assert await Restyle(card).ainvoke(TEXT) == expected


def test_a_connection_that_stays_dropped(card, sandbox):
    sandbox.inject(Fault("drop"), times=3)
    with pytest.raises(openai.APIConnectionError):
        Restyle(card).invoke(TEXT)


def test_one_bad_block_spoils_no_other(card, sandbox):
    text = f"# Very cold\n\n{' '.join([TEXT] * 5)}\n\n---\n\nIt was very cold."
    sandbox.inject(Fault("empty"), times=2)
    message = Restyle(card, max_concurrency=1).invoke(AIMessage(text))
    rows = message.response_metadata["restyle"]["blocks"]
    assert [row["outcome"] for row in rows] == ["original", "styled"]
    assert message.content.startswith(f"# Very cold\n\n{' '.join([TEXT] * 5)}\n\n---\n\n'Twas uncommon")
    assert [text[row["start"] : row["end"]] for row in rows] == [" ".join([TEXT] * 5), "It was very cold."]
