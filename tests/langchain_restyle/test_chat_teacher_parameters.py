"""Chat models that choose a block's parameters, without being held to a schema."""

from __future__ import annotations

import pytest

from langchain_restyle.teachers import ChatTeacher
from restyle.data.parameters import COMPLAINTS, extract
from scripted import Scripted
from support import styled_passage


def reply(text):
    return '```json\n{"tone": "Warm"}\n```' if COMPLAINTS["form"] in text else "It is warm."


async def test_a_chat_model_that_only_talks_is_asked_again():
    model = Scripted(reply=reply)
    teacher = ChatTeacher(model, identity="mine")
    flow = extract(styled_passage(1), {"tone": ["warm", "dry"]})
    again = flow.send(await teacher.answer(next(flow)))
    with pytest.raises(StopIteration) as stop:
        flow.send(teacher.answer_now(again))
    assert stop.value.value == {"tone": "warm"}
    assert model.calls == [styled_passage(1), again.after[1].text]
