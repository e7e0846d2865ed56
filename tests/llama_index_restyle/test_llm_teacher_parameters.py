"""LLMs that choose a block's parameters, without being held to a schema."""

from __future__ import annotations

import pytest

from llama import ScriptedLLM
from llama_index_restyle.teachers import LLMTeacher
from restyle.data.parameters import COMPLAINTS, extract
from support import styled_passage


def reply(text):
    return '```json\n{"tone": "Warm"}\n```' if COMPLAINTS["form"] in text else "It is warm."


async def test_an_llm_that_only_talks_is_asked_again():
    llm = ScriptedLLM(reply=reply)
    teacher = LLMTeacher(llm, identity="mine")
    flow = extract(styled_passage(1), {"tone": ["warm", "dry"]})
    again = flow.send(await teacher.answer(next(flow)))
    with pytest.raises(StopIteration) as stop:
        flow.send(teacher.answer_now(again))
    assert stop.value.value == {"tone": "warm"}
    assert llm.texts == [styled_passage(1), again.after[1].text]
