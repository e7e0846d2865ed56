"""Chat engines of every mode over a script, and the four ways to talk to them."""

from __future__ import annotations

import asyncio

from llama_index.core.base.base_retriever import BaseRetriever
from llama_index.core.chat_engine import (
    CondensePlusContextChatEngine,
    CondenseQuestionChatEngine,
    ContextChatEngine,
    SimpleChatEngine,
)
from llama_index.core.chat_engine.types import AgentChatResponse
from llama_index.core.memory import ChatMemoryBuffer, Memory
from llama_index.core.query_engine import RetrieverQueryEngine

from llama import ScriptedLLM, nodes
from llama_index_restyle import RestyleChatEngine
from support import style_of

_databases: list[Memory] = []


def _memory(token_limit=100_000, **options):
    memory = Memory.from_defaults(token_limit=token_limit, tokenizer_fn=str.split, **options)
    _databases.append(memory)
    return memory


async def close_memories():
    """Close the databases that memories are kept in: to be called at the end of a test."""
    while _databases:
        engine = _databases.pop().sql_store._async_engine
        if engine is not None:
            await engine.dispose()


MEMORIES = {
    "buffer": lambda: ChatMemoryBuffer.from_defaults(token_limit=100_000, tokenizer_fn=str.split),
    "memory": _memory,
}
SOURCES = nodes("The lamp is lit at six.", "It goes out at dawn.")


class Fixed(BaseRetriever):
    """Finds the same nodes each time."""

    def __init__(self, found=SOURCES):
        super().__init__()
        self.found = list(found)

    def _retrieve(self, _query_bundle):
        return list(self.found)


def _condense_question(llm, memory, retriever):
    engine = RetrieverQueryEngine.from_args(retriever, llm=llm)
    return CondenseQuestionChatEngine.from_defaults(engine, llm=llm, memory=memory)


MODES = {
    "simple": lambda llm, memory, _: SimpleChatEngine(llm, memory, []),
    "context": lambda llm, memory, retriever: ContextChatEngine(retriever, llm, memory, []),
    "condense_question": _condense_question,
    "condense_plus_context": lambda llm, memory, retriever: CondensePlusContextChatEngine(retriever, llm, memory),
}
WAYS = ["chat", "stream_chat", "achat", "astream_chat"]


def chatting(mode, text, memory="buffer", found=SOURCES, **script):
    """An engine that says ``text`` to everything, and its model."""
    llm = ScriptedLLM(reply=lambda prompt: "Who lights it?" if "tandalone question" in prompt else text, **script)
    return MODES[mode](llm, MEMORIES[memory](), Fixed(found)), llm


def wrapped(inner, delay=0.0, **options):
    """The engine, in the author's words; ``delay`` is the style model's."""
    models = {"destyle_model": ScriptedLLM(reply=lambda text: text), "style_model": ScriptedLLM(delay=delay)}
    return RestyleChatEngine(inner, style=style_of(), **{**models, **options})


def asked(engine):
    """How often a wrapped engine's models were asked."""
    rewriting = engine._postprocessor
    return len(rewriting.style_model.calls) + len(rewriting.destyle_model.calls)


async def talk(engine, way, message="Who lights the lamp?", **more):
    """What the engine says to a message, and its response."""
    if way.startswith("a"):
        response = await getattr(engine, way)(message, **more)
        if isinstance(response, AgentChatResponse):
            return str(response), response
        return "".join([text async for text in response.async_response_gen()]), response

    def said():
        response = getattr(engine, way)(message, **more)
        text = str(response) if isinstance(response, AgentChatResponse) else "".join(response.response_gen)
        return text, response

    return await asyncio.to_thread(said)
