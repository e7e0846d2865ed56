"""Agents with a script: a model that speaks token by token and calls tools, and what must come of it."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator
from typing import Any

from langchain.agents import create_agent
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage, HumanMessage, ToolMessage
from langchain_core.messages.tool import tool_call_chunk
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.tools import tool
from langgraph.checkpoint.memory import InMemorySaver
from pydantic import Field

from langchain_restyle.facade import RestyledChatModel
from scripted import ANSWER, Scripted, collected, paragraphs, summed

PREAMBLE = paragraphs(2)
"""What the model says before its first call: whole blocks, and the word that `scripted.uncommon` changes."""

QUESTION = {"messages": [HumanMessage("Is it safe to cross?", id="question")]}


@tool
def tide(harbour: str) -> str:
    """Say when the tide is high."""
    return f"very high at 6:30 in {harbour}"


@tool
def boats(harbour: str, count: int = 1) -> str:
    """Say which boats are in a harbour."""
    return f"{count} very old boat in {harbour}"


TOOLS = [tide, boats]
THREAD = {"configurable": {"thread_id": "1"}}


def usage(count: int) -> dict[str, int]:
    return {"input_tokens": 10 * count, "output_tokens": count, "total_tokens": 11 * count}


def call(name: str, identifier: str, **arguments: Any) -> dict[str, Any]:
    return {"name": name, "args": arguments, "id": identifier, "type": "tool_call"}


def turn(number: int, text: str, *calls: dict[str, Any]) -> AIMessage:
    return AIMessage(
        text,
        id=f"turn-{number}",
        tool_calls=list(calls),
        response_metadata={"model_name": "talker", "finish_reason": "tool_calls" if calls else "stop"},
        usage_metadata=usage(number),
    )


TURNS = (
    turn(1, PREAMBLE, call("tide", "call-1", harbour="Falmouth")),
    turn(2, "", call("boats", "call-2", harbour="Falmouth", count=3)),
    turn(3, ANSWER),
)
FINAL = TURNS[2:]
"""The answer alone."""


class Talker(BaseChatModel):
    """Says its turns one after the other, as many as there are tool results; streams words and broken-up arguments.

    Attributes:
        turns: What it says.
        seen: What it was asked, and with which settings.
        pulled: How many chunks were read of it.
        fails_at: The turn in the middle of which it fails; 0: none.
        pace: Seconds that each chunk takes, where somebody is to keep up with it.
    """

    turns: tuple[AIMessage, ...] = Field(default=TURNS, repr=False, exclude=True)
    seen: list[tuple[list[BaseMessage], dict[str, Any]]] = Field(default_factory=list, repr=False, exclude=True)
    pulled: int = Field(default=0, repr=False, exclude=True)
    fails_at: int = 0
    pace: float = 0.0
    model_name: str = "talker"

    @property
    def _llm_type(self) -> str:
        return "talker"

    @property
    def _identifying_params(self) -> dict[str, Any]:
        return {"model_name": self.model_name}

    def bind_tools(self, tools, **kwargs):
        return self.bind(tools=[each if isinstance(each, dict) else each.name for each in tools], **kwargs)

    def _turn(self, messages: list[BaseMessage], stop: list[str] | None, settings: dict[str, Any]) -> AIMessage:
        self.seen.append((messages, {**settings, "stop": stop} if stop else settings))
        return self.turns[sum(isinstance(each, ToolMessage) for each in messages)]

    def _generate(self, messages, stop=None, _run=None, **settings):
        message = self._turn(messages, stop, settings)
        if message.id == f"turn-{self.fails_at}":
            raise ConnectionError("the talker is gone")
        return ChatResult(generations=[ChatGeneration(message=message.model_copy())])

    def _stream(self, messages, stop=None, _run=None, **settings):
        message = self._turn(messages, stop, settings)
        for number, chunk in enumerate(broken_up(message)):
            if number == 20 and message.id == f"turn-{self.fails_at}":
                raise ConnectionError("the talker is gone")
            if self.pace:  # even a sleep of no time lets other threads go first
                time.sleep(self.pace)
            self.pulled += 1
            yield ChatGenerationChunk(message=chunk)


def broken_up(message: AIMessage) -> Iterator[AIMessageChunk]:
    """A message as a provider streams it."""
    text = message.content
    for piece in re.findall(r"\S+\s*|\s+", text) if isinstance(text, str) else [[item] for item in text]:
        yield AIMessageChunk(content=piece, id=message.id)
    for index, each in enumerate(message.tool_calls):
        arguments = json.dumps(each["args"])
        pieces = [(each["name"], arguments[:4], each["id"]), (None, arguments[4:], None)]
        for name, args, identifier in pieces:
            piece = tool_call_chunk(name=name, args=args, id=identifier, index=index)
            yield AIMessageChunk(content="", id=message.id, tool_call_chunks=[piece])
    yield AIMessageChunk(content="", id=message.id, response_metadata=message.response_metadata)
    yield AIMessageChunk(content="", id=message.id, usage_metadata=message.usage_metadata, chunk_position="last")


def strings(value: Any, *, seen: set[int] | None = None) -> Iterator[str]:
    """Every string that can be reached from a value, and how the value is written."""
    seen = set() if seen is None else seen
    if isinstance(value, str):
        yield value
        return
    if id(value) in seen or isinstance(value, type | Callable):
        return
    seen.add(id(value))
    yield repr(value)
    if isinstance(value, dict):
        for key, each in value.items():
            yield from strings(key, seen=seen)
            yield from strings(each, seen=seen)
    elif isinstance(value, list | tuple | set | frozenset):
        for each in value:
            yield from strings(each, seen=seen)
    elif hasattr(value, "__dict__"):
        yield from strings(vars(value), seen=seen)


def agent_with(*middleware, **options):
    return create_agent(Talker(**options), TOOLS, middleware=middleware, checkpointer=InMemorySaver())


async def streamed(agent, way, *args, **options):
    if way == "stream":
        return list(agent.stream(*args, **options))
    return await collected(agent.astream(*args, **options))


def by_message(outputs):
    """What a client sees that puts tokens together."""
    messages = {}
    for chunk, _ in outputs:
        messages.setdefault(chunk.id, []).append(chunk)
    return {key: summed(chunks) if len(chunks) > 1 else chunks[0] for key, chunks in messages.items()}


def restyled(inner, **options):
    return RestyledChatModel(inner, "keeper", **{"destyle": False, "style_model": Scripted(), **options})


async def ask(model, way):
    if way == "invoke":
        return [model.invoke("Is it safe?")]
    if way == "ainvoke":
        return [await model.ainvoke("Is it safe?")]
    return list(model.stream("Is it safe?")) if way == "stream" else await collected(model.astream("Is it safe?"))


async def all_ways(model, question="Is it safe?", config=None, **options):
    """What a model says, asked in every way."""
    return [
        model.invoke(question, config, **options),
        await model.ainvoke(question, config, **options),
        summed(list(model.stream(question, config, **options))),
        summed(await collected(model.astream(question, config, **options))),
        *model.batch([question, question], config, **options),
        *await model.abatch([question], config, **options),
    ]
