"""Whatever chat engine, in two turns: the same answers in the author's words, and a memory of the engine's own."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from contract_llama.calls import Listener, check_calls, check_text, listening, state
from contract_llama.models import application
from contract_llama.talks import ASYNC_WAYS, CHATS, SYNC_WAYS
from contract_llama.texts import ANSWER, QUESTION, SOURCES
from llama_index_restyle import RestyleChatEngine, RestyleSynthesizer, nesting

TURNS = [QUESTION, "And who was there?"]

cells = pytest.mark.parametrize(
    ("chat", "adapter"),
    [
        *(pytest.param(chat, "chat", id=f"{chat.name}-chat") for chat in CHATS),
        pytest.param(CHATS[0], "synthesizer", id="condense_question-synthesizer"),
    ],
)
sync_ways = pytest.mark.parametrize("way", SYNC_WAYS, ids=lambda way: way.name)
async_ways = pytest.mark.parametrize("way", ASYNC_WAYS, ids=lambda way: way.name)


@dataclass
class Talk:
    """Two turns with an engine."""

    responses: list
    pieces: list[list[str]]
    history: list[tuple[str, str]]
    asked: list[str]
    heard: Listener

    @classmethod
    def of(cls, engine, llm, answers, heard):
        responses, pieces = zip(*answers, strict=True)
        history = [(message.role.value, message.content) for message in engine.chat_history]
        return cls(responses, pieces, history, llm.texts, heard)

    @property
    def texts(self):
        return ["".join(pieces) for pieces in self.pieces]


def engines(chat, adapter, models):
    llms = application(), application()
    plain = chat.build(llms[0], lambda inner: inner)
    if adapter == "chat":
        return llms, (plain, RestyleChatEngine(chat.build(llms[1], lambda inner: inner), **models.options))
    return llms, (plain, chat.build(llms[1], lambda inner: RestyleSynthesizer(inner, **models.options)))


def check(chat, adapter, models, before, after):
    assert before.texts == [ANSWER] * 2
    for one, other in zip(before.texts, after.texts, strict=True):
        check_text(models, one, other, after.heard)
    check_calls(models, after.heard, 6)
    for one, other in zip(before.responses, after.responses, strict=True):
        assert isinstance(other, type(one))
        assert [each.tool_name for each in other.sources] == [each.tool_name for each in one.sources]
        assert [each.raw_input for each in other.sources] == [each.raw_input for each in one.sources]
    for one, other in zip(before.pieces, after.pieces, strict=True):
        assert len(other) >= min(len(one), 3)
    if adapter == "chat":
        for each in after.responses:
            # `CondenseQuestionChatEngine` itself loses them where tasks stream.
            assert state(each.source_nodes) == state(SOURCES if chat.sources else [])
            assert (each.metadata or {})["restyle"]["blocks"] == after.heard.blocks()[:3] == after.heard.blocks()[3:]
        assert after.history == before.history
        assert after.asked == before.asked
    else:
        for one, other in zip(before.responses, after.responses, strict=True):
            assert state(other.source_nodes) == state(one.source_nodes)
        said = models.expected(ANSWER)
        assert after.history == [("user", TURNS[0]), ("assistant", said), ("user", TURNS[1]), ("assistant", said)]


@sync_ways
@cells
def test_contract(models, chat, adapter, way):
    talks = []
    for llm, engine in zip(*engines(chat, adapter, models), strict=True):
        with listening() as heard:
            talks.append(Talk.of(engine, llm, [way.ask(engine, turn) for turn in TURNS], heard))
    check(chat, adapter, models, *talks)


@async_ways
@cells
async def test_contract_async(models, chat, adapter, way):
    talks = []
    for llm, engine in zip(*engines(chat, adapter, models), strict=True):
        with listening() as heard:
            talks.append(Talk.of(engine, llm, [await way.ask(engine, turn) for turn in TURNS], heard))
    check(chat, adapter, models, *talks)


@sync_ways
@pytest.mark.parametrize("chat", CHATS, ids=lambda chat: chat.name)
def test_remembering_what_was_said(scripts, chat, way):
    engine = RestyleChatEngine(chat.build(application(), lambda inner: inner), memory="restyled", **scripts.options)
    for turn in TURNS:
        way.ask(engine, turn)
    said = scripts.expected(ANSWER)
    assert [message.content for message in engine.chat_history] == [TURNS[0], said, TURNS[1], said]
    engine.reset()
    assert engine.chat_history == []


def over_a_restyled_engine(scripts, monkeypatch):
    monkeypatch.setattr(nesting, "_warned", set())
    inner = CHATS[0].build(application(), lambda inner: RestyleSynthesizer(inner, **scripts.options))
    return RestyleChatEngine(inner, **scripts.options)


def check_that_the_inner_one_stepped_aside(scripts, engine, pieces):
    assert "".join(pieces) == scripts.expected(ANSWER)
    assert len(scripts.destyle.calls) == len(scripts.style.calls) == 3
    assert engine.chat_history[-1].content == ANSWER


@sync_ways
def test_nested(scripts, monkeypatch, way):
    engine = over_a_restyled_engine(scripts, monkeypatch)
    with pytest.warns(UserWarning, match="outermost"):
        _, pieces = way.ask(engine, QUESTION)
    check_that_the_inner_one_stepped_aside(scripts, engine, pieces)


@async_ways
async def test_nested_async(scripts, monkeypatch, way):
    engine = over_a_restyled_engine(scripts, monkeypatch)
    with pytest.warns(UserWarning, match="outermost"):
        _, pieces = await way.ask(engine, QUESTION)
    check_that_the_inner_one_stepped_aside(scripts, engine, pieces)
