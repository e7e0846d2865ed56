"""A block's parameters, chosen by the teacher among declared values: `restyle.data.parameters`."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from restyle.data.endpoint_teacher import EndpointTeacher
from restyle.data.filters import Drop
from restyle.data.ledger import Ledger
from restyle.data.parameters import CLASSIFY, COMPLAINTS, MOST_VALUES, check_vocabulary, extract
from restyle.errors import ParameterError
from restyle.messages import Answer, Turn
from restyle.prompts import RESTYLE_PROMPT_TONE_MOOD, Prompt
from restyle.testing import Sandbox
from support import play, styled_passage

TEXT = styled_passage(1)
VOCABULARY = {"tone": ["warm", "dry"], "mood": ["Merry", "gloomy"]}
GOOD = '{"mood": "gloomy", "tone": "warm"}'
CHOSEN = {"mood": "gloomy", "tone": "warm"}


def asked_again(answer):
    """What the teacher is asked after an answer that cannot be used."""
    asks, chosen = play(extract(TEXT, VOCABULARY), answer, GOOD)
    assert chosen == CHOSEN
    first, second = asks
    assert (second.system, second.user, second.schema) == (first.system, TEXT, first.schema)
    rejected, complaint = second.after
    assert (rejected.role, complaint.role) == ("assistant", "user")
    return rejected.text, complaint.text


def said(*sentences):
    return " ".join([COMPLAINTS["opening"], *sentences, COMPLAINTS["closing"]])


def test_the_block_is_only_in_the_users_message_and_the_vocabulary_in_the_systems():
    (ask,), chosen = play(extract(TEXT, VOCABULARY), GOOD)
    assert chosen == CHOSEN
    assert ask.user == TEXT
    assert ask.system == CLASSIFY + '{"mood": ["Merry", "gloomy"], "tone": ["dry", "warm"]}'
    assert ask.after == ()
    assert ask.role == "destyle"


def test_the_schema_allows_one_declared_value_for_every_parameter_and_nothing_else():
    ask = next(extract(TEXT, VOCABULARY))
    assert json.loads(ask.schema) == {
        "type": "object",
        "properties": {
            "tone": {"type": "string", "enum": ["dry", "warm"]},
            "mood": {"type": "string", "enum": ["Merry", "gloomy"]},
        },
        "required": ["mood", "tone"],
        "additionalProperties": False,
    }


def test_the_order_of_a_vocabulary_costs_nothing(tmp_path):
    other = {"mood": ["gloomy", "Merry"], "tone": ["dry", "warm"]}
    with Ledger(tmp_path / "ledger.db") as ledger:
        ledger.record("luna", next(extract(TEXT, VOCABULARY)), Answer(GOOD))
        assert ledger.find("luna", next(extract(TEXT, other))) == Answer(GOOD)
        more = {**VOCABULARY, "tone": ["warm", "dry", "angry"]}
        assert ledger.find("luna", next(extract(TEXT, more))) is None


@pytest.mark.parametrize(
    "answer",
    [
        f"```json\n{GOOD}\n```",
        f"\n```\n{GOOD}\n```\n",
        f"<think></think>\n{GOOD}",
        '{"mood": " GLOOMY ", "tone": "Warm"}',
        '{"mood": "gloomy", "tone": "warm", "why": "It rains."}',
    ],
)
def test_what_is_meant_counts_and_is_kept_as_declared(answer):
    _, chosen = play(extract(TEXT, VOCABULARY), answer)
    assert chosen == CHOSEN


@pytest.mark.parametrize(
    "answer",
    [
        "gloomy and warm",
        "[]",
        '"warm"',
        "[" * 100_000,
        f"Both fit: {GOOD}",
        Answer(GOOD, "length"),
        Answer(f"<think>Rain.</think>{GOOD}", "stop"),
        Answer("", "stop", reasoning=GOOD),
        Answer("I'm sorry, but I can't help with that."),
        Answer("   "),
    ],
    ids=str,
)
def test_an_answer_that_is_no_json_object_is_asked_for_again(answer):
    text = answer if isinstance(answer, str) else answer.text
    rejected, complaint = asked_again(answer)
    assert complaint == said(COMPLAINTS["form"])
    assert text.strip().startswith(rejected) or rejected == "(no text)"
    assert rejected.strip()  # hosts refuse an empty message
    assert len(rejected) <= len(next(extract(TEXT, VOCABULARY)).schema)


@pytest.mark.parametrize("tone", ["furious", "", "warm, dry", None, 7, ["warm"], {"value": "warm"}, "\ud83d"])
def test_a_parameter_without_a_declared_value_is_named_with_its_values(tone):
    answer = json.dumps({"mood": "gloomy", "tone": tone})
    assert asked_again(answer) == (answer, said(COMPLAINTS["value"].format('"tone"', '["dry", "warm"]')))


def test_every_parameter_that_is_wrong_is_named():
    _, complaint = asked_again("{}")
    mood, tone = ('"mood"', '["Merry", "gloomy"]'), ('"tone"', '["dry", "warm"]')
    assert complaint == said(COMPLAINTS["value"].format(*mood), COMPLAINTS["value"].format(*tone))


def test_two_answers_are_enough():
    asks, drop = play(extract(TEXT, VOCABULARY), "Gloomy!", '{"mood": "sad", "tone": "warm"}')
    assert drop == Drop("parameters", "mood is 'sad'")
    assert len(asks) == 2
    _, drop = play(extract(TEXT, VOCABULARY), "{}", "I cannot help with that text.")
    assert drop.reason == "parameters"
    assert drop.detail.startswith("refusal: the model refused")


@pytest.mark.parametrize("reason", ["content_filter", "not_recorded"])
def test_who_will_not_listen_is_asked_once(reason):
    asks, drop = play(extract(TEXT, VOCABULARY), Answer("", reason))
    assert (len(asks), drop.reason) == (1, "parameters")


def test_without_repair_it_is_asked_once():
    asks, drop = play(extract(TEXT, VOCABULARY, repair=False), "[]")
    assert (len(asks), drop) == (1, Drop("parameters", "the answer is not a JSON object"))


VALUE = st.text(min_size=1, max_size=12).filter(lambda value: value.isprintable() and value == value.strip())
NAME = st.from_regex(r"[a-z_][a-z0-9_]{0,8}", fullmatch=True)


@given(
    st.dictionaries(NAME, st.lists(VALUE, min_size=2, max_size=5, unique_by=str.casefold), min_size=1, max_size=3),
    st.data(),
)
def test_any_vocabulary_that_passes_is_offered_understood_and_rendered(vocabulary, data):
    checked = check_vocabulary(vocabulary)
    assert checked == vocabulary
    wanted = {name: data.draw(st.sampled_from(values)) for name, values in checked.items()}
    (ask,), chosen = play(extract(TEXT, checked), json.dumps(wanted))
    assert chosen == wanted
    assert json.loads(ask.system.removeprefix(CLASSIFY)).keys() == wanted.keys()
    prompt = Prompt(" ".join(f"${{{name}}}" for name in wanted))
    assert prompt.render(chosen) == " ".join(wanted.values())


def test_a_value_may_look_like_a_fault():
    vocabulary = check_vocabulary({"tone": ["<think>", "I'm sorry, but I cannot help with that."]})
    for value in vocabulary["tone"]:
        assert play(extract(TEXT, vocabulary), json.dumps({"tone": value}))[1] == {"tone": value}


@pytest.mark.parametrize("name", ["", "to-ne", "2nd", "tone ", "tone\n", "töne", "$tone"])
def test_a_name_must_fit_into_a_prompt(name):
    with pytest.raises(ParameterError, match="is not a parameter's name") as caught:
        check_vocabulary({name: ["warm", "dry"]})
    assert repr(name) in str(caught.value)


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ([], "has 0 values: declare from 2 to 100"),
        (["warm"], "has 1 values: declare from 2 to 100"),
        ([str(number) for number in range(MOST_VALUES + 1)], "has 101 values"),
        ("warm", "the text 'warm': give a list"),
        (["warm", "warm"], "has both 'warm' and 'warm': remove one"),
        (["warm", "dry", "Warm"], "has both 'warm' and 'Warm': remove one"),
        (["warm", " dry"], "' dry': give one line without white space around it"),
        (["warm", ""], "'': give one line"),
        (["warm", "dry\nwit"], "give one line"),
        (["warm", "dry\udcff"], "printable characters only"),
    ],
)
def test_values_that_cannot_be_chosen_or_rendered(values, says):
    with pytest.raises(ParameterError, match="'tone'") as caught:
        check_vocabulary({"tone": values})
    assert says in str(caught.value)


def test_a_vocabulary_fills_the_default_prompt():
    assert check_vocabulary({}) == {}
    assert tuple(check_vocabulary(VOCABULARY)) == Prompt(RESTYLE_PROMPT_TONE_MOOD).parameters


async def test_over_an_endpoint_that_holds_to_schemas():
    def reply(messages):
        return GOOD if len(messages) > 2 else '{"mood": "gloomy", "tone": "purple"}'

    flow = extract(TEXT, VOCABULARY)
    ask = next(flow)
    with Sandbox(replies={"luna": reply}) as sandbox:
        async with EndpointTeacher("luna", sandbox.base_url) as teacher:
            again = flow.send(await teacher.answer(ask))
            with pytest.raises(StopIteration) as stop:
                flow.send(await teacher.answer(again))
        bodies = [request.body for request in sandbox.requests]
    assert stop.value.value == CHOSEN
    assert again.after[0] == Turn("assistant", '{"mood": "gloomy", "tone": "purple"}')
    for body in bodies:
        schema = {"name": "answer", "strict": True, "schema": json.loads(ask.schema)}
        assert body["response_format"] == {"type": "json_schema", "json_schema": schema}
