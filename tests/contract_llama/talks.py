"""Every kind of chat engine, and the ways to talk to one."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from llama_index.core.chat_engine import (
    CondensePlusContextChatEngine,
    CondenseQuestionChatEngine,
    ContextChatEngine,
    SimpleChatEngine,
)
from llama_index.core.chat_engine.types import AGENT_CHAT_RESPONSE_TYPE, BaseChatEngine
from llama_index.core.llms.llm import LLM
from llama_index.core.memory import ChatMemoryBuffer

from contract_llama.engines import Around, Shelf, retrieving

__all__ = ["ASYNC_WAYS", "CHATS", "SYNC_WAYS", "Chat", "ChatWay"]


@dataclass(frozen=True)
class Chat:
    """One kind.

    Attributes:
        name: Of its tests.
        build: Makes one over the application's model.
        sources: Whether it looks anything up.
    """

    name: str
    build: Callable[[LLM, Around], BaseChatEngine]
    sources: bool = True


@dataclass(frozen=True)
class ChatWay:
    """One way: the response, and in which pieces it came."""

    name: str
    ask: (
        Callable[[BaseChatEngine, str], tuple[AGENT_CHAT_RESPONSE_TYPE, list[str]]]
        | Callable[[BaseChatEngine, str], Awaitable[tuple[AGENT_CHAT_RESPONSE_TYPE, list[str]]]]
    )


def _memory() -> ChatMemoryBuffer:  # the default leaves connections to a database open
    return ChatMemoryBuffer.from_defaults(token_limit=100_000)


CHATS = [
    Chat(
        "condense_question",
        lambda llm, around: CondenseQuestionChatEngine.from_defaults(
            retrieving(llm, around=around), memory=_memory(), llm=llm
        ),
    ),
    Chat("context", lambda llm, _: ContextChatEngine.from_defaults(Shelf(), memory=_memory(), llm=llm)),
    Chat(
        "condense_plus_context",
        lambda llm, _: CondensePlusContextChatEngine.from_defaults(Shelf(), memory=_memory(), llm=llm),
    ),
    Chat("simple", lambda llm, _: SimpleChatEngine.from_defaults(memory=_memory(), llm=llm), sources=False),
]


def _chat(engine, message):
    response = engine.chat(message)
    return response, [response.response]


def _stream_chat(engine, message):
    response = engine.stream_chat(message)
    return response, [*response.response_gen]


async def _achat(engine, message):
    response = await engine.achat(message)
    return response, [response.response]


async def _astream_chat(engine, message):
    response = await engine.astream_chat(message)
    return response, [piece async for piece in response.async_response_gen()]


SYNC_WAYS = [ChatWay("chat", _chat), ChatWay("stream_chat", _stream_chat)]
ASYNC_WAYS = [ChatWay("achat", _achat), ChatWay("astream_chat", _astream_chat)]
