"""``memory="restyled"``: the last answer is remembered in the words that were said, and nothing else changes."""

from __future__ import annotations

import pytest
from llama_index.core import Settings
from llama_index.core.base.llms.types import ChatMessage, TextBlock
from llama_index.core.chat_engine import SimpleChatEngine
from llama_index.core.memory import BaseMemory
from llama_index.core.storage.chat_store.base_db import MessageStatus

from llama import ScriptedLLM
from llama_chats import MEMORIES, MODES, WAYS, chatting, close_memories, talk, wrapped
from llama_index_restyle.memories import aamend, amend
from scripted import paragraphs, uncommon

TEXT = paragraphs(2)
STYLED = uncommon(TEXT)


@pytest.fixture(autouse=True)
def _settings(monkeypatch):
    monkeypatch.setattr(Settings, "_llm", None)


@pytest.fixture(autouse=True)
async def _closed():
    yield
    await close_memories()


@pytest.fixture(params=WAYS)
def way(request):
    return request.param


@pytest.fixture(params=MEMORIES)
def memory(request):
    return request.param


async def contents(memory):
    return [message.content for message in await memory.aget_all()]


@pytest.mark.parametrize("mode", MODES)
async def test_every_mode_remembers_what_was_said(mode, way, memory):
    inner, llm = chatting(mode, TEXT, memory)
    engine = wrapped(inner, memory="restyled")
    for _ in range(2):
        assert (await talk(engine, way))[0] == STYLED
    assert await contents(inner._memory) == ["Who lights the lamp?", STYLED] * 2
    assert "uncommon" in str(llm.calls)  # the second turn was asked with it


class Plain(BaseMemory):
    """A memory of no kind that LlamaIndex has; it gives away its own list."""

    messages: list[ChatMessage] = []  # noqa: RUF012 - pydantic copies it

    @classmethod
    def from_defaults(cls, **_):
        return cls()

    def get(self, input=None, **_):  # noqa: A002, ARG002 - as it is called
        return self.messages

    def get_all(self):
        return self.messages

    def put(self, message):
        self.messages.append(message)

    def set(self, messages):
        self.messages = list(messages)

    def reset(self):
        self.messages = []


async def test_any_memory_will_do(way):
    inner = SimpleChatEngine(ScriptedLLM(reply=lambda _: TEXT), Plain(), [])
    await talk(wrapped(inner, memory="restyled"), way)
    assert await contents(inner._memory) == ["Who lights the lamp?", STYLED]


async def test_what_was_put_aside_stays_aside(way):
    """Had it been woken up, it would be said again, and reach the memory's blocks twice."""
    memory = MEMORIES["memory"](token_limit=300, token_flush_size=50)
    engine = wrapped(SimpleChatEngine(ScriptedLLM(reply=lambda _: TEXT), memory, []), memory="restyled")
    for turn in range(4):
        await talk(engine, way, f"Question {turn}?")
    aside = await memory.aget_all(status=MessageStatus.ARCHIVED)
    active = await memory.aget_all(status=MessageStatus.ACTIVE)
    assert aside
    assert [message.content for message in active][-2:] == ["Question 3?", STYLED]
    questions = [f"Question {turn}?" for turn in range(4)]
    assert [message.content for message in [*aside, *active][::2]] == questions
    assert {message.content for message in [*aside, *active][1::2]} == {STYLED}


@pytest.mark.parametrize("way", ["stream_chat", "astream_chat"])
async def test_what_was_not_read_to_its_end_is_remembered_as_it_was_said_inside(way, memory):
    inner, _ = chatting("simple", TEXT, memory)
    engine = wrapped(inner, memory="restyled")
    if way == "stream_chat":
        texts = engine.stream_chat("Who?").response_gen
        next(texts)
        texts.close()
    else:
        texts = (await engine.astream_chat("Who?")).async_response_gen()
        await anext(texts)
        await texts.aclose()
    assert await contents(inner._memory) == ["Who?", TEXT]


async def test_only_the_answer_itself_is_amended(memory):
    kept = MEMORIES[memory]()
    told = [
        ChatMessage(role="assistant", content="Aye."),
        ChatMessage(role="user", content="Very?"),
        ChatMessage(role="assistant", blocks=[TextBlock(text=" Aye.\n")], additional_kwargs={"mark": 1}),
        ChatMessage(role="user", content="Aye."),
    ]
    await kept.aput_messages(told)
    amend(kept, "Something else.", "Yea.")
    await aamend(kept, "Something else.", "Yea.")
    assert await contents(kept) == [message.content for message in told]
    await aamend(kept, "Aye.", "Yea.\n")
    assert await contents(kept) == ["Aye.", "Very?", "Yea.", "Aye."]
    assert (await kept.aget_all())[2].additional_kwargs == {"mark": 1}
    assert told[2].content == " Aye.\n"  # the message itself is not changed
    amend(kept, "Yea.", "Yes.")
    assert await contents(kept) == ["Aye.", "Very?", "Yes.", "Aye."]


async def test_nothing_said_yet_is_nothing_to_amend(memory):
    kept = MEMORIES[memory]()
    amend(kept, "", "Yea.")
    await aamend(kept, "", "Yea.")
    assert await contents(kept) == []


def test_an_engine_without_a_memory_is_refused_where_it_is_wrapped():
    inner, _ = chatting("simple", TEXT)
    del inner._memory
    with pytest.raises(ValueError, match=r"SimpleChatEngine has no memory that can be reached.*memory='neutral'"):
        wrapped(inner, memory="restyled")
    wrapped(inner)
