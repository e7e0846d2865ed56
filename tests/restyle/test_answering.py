"""What is sent for an ask, and what an answer of a host is taken for."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from restyle.answering import parse, payload
from restyle.errors import ModelError
from restyle.messages import Answer, Ask, Turn, Usage
from support import RESTYLE_STAGE

TURNS = (Turn("assistant", "The boats."), Turn("user", "The number 12 is missing."))


def completion(text, **fields):
    message = SimpleNamespace(content=text, refusal=None, reasoning_content=None)
    return SimpleNamespace(choices=[SimpleNamespace(message=message, finish_reason="stop")], **fields)


def test_turns_after_the_text_are_sent_behind_it():
    ask = Ask("Rewrite.", "The 12 boats.", "destyle", after=TURNS)
    assert payload(ask, RESTYLE_STAGE)["messages"] == [
        {"role": "system", "content": "Rewrite."},
        {"role": "user", "content": "The 12 boats."},
        {"role": "assistant", "content": "The boats."},
        {"role": "user", "content": "The number 12 is missing."},
    ]


def test_the_adapters_send_the_same_turns():
    from langchain_restyle.models import messages_of
    from llama_index_restyle.models import messages_of as llama_messages_of

    ask = Ask("Rewrite.", "The 12 boats.", "destyle", after=TURNS)
    roles = {"system": "system", "human": "user", "ai": "assistant"}
    assert [{"role": roles[each.type], "content": each.content} for each in messages_of(ask)] == ask.messages
    assert [{"role": each.role.value, "content": each.content} for each in llama_messages_of(ask)] == ask.messages


def test_usage_is_kept_and_plays_no_part_in_what_is_equal():
    usage = SimpleNamespace(prompt_tokens=7, completion_tokens=3)
    answer = parse(completion("Yes.", usage=usage))
    assert answer.usage == Usage(7, 3)
    assert answer == Answer("Yes.", "stop")
    assert parse(completion("Yes.")).usage is None


@pytest.mark.parametrize("sent", ["<html>Hello</html>", None, {"detail": "not found"}])
def test_an_answer_that_is_no_chat_completion_is_an_error(sent):
    with pytest.raises(ModelError, match="complete, with its /v1"):
        parse(sent)
