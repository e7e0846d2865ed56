"""LlamaIndex agents with a script: a model that speaks and calls tools, agents over it, and what they let be seen."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from llama_index.core.agent.workflow import AgentStream, AgentWorkflow, FunctionAgent, ReActAgent
from llama_index.core.base.llms.types import ChatMessage, ChatResponse, LLMMetadata, MessageRole
from llama_index.core.llms.callbacks import llm_chat_callback
from llama_index.core.llms.function_calling import FunctionCallingLLM
from llama_index.core.llms.llm import ToolSelection
from pydantic import BaseModel, Field

from llama import pieces_of
from restyle.sentences import sentence_spans
from scripted import paragraphs, uncommon

AGENT_WARNINGS = pytest.mark.filterwarnings(
    # LlamaIndex looks through all attributes of an agent, deprecated ones of pydantic too; and both ends of the range
    # use what they have deprecated themselves.
    "ignore::pydantic.PydanticDeprecationWarning",
    "ignore:is_running called from within a step:DeprecationWarning",
    "ignore:ServiceManager is deprecated:DeprecationWarning",
    # Core 0.14.25 cannot write its memory with pydantic 2.14: contexts go on without it.
    "ignore:Skipping serialization of known unserializable key",
)
QUESTION = "Is it safe to cross?"
ANSWER = paragraphs(3)
"""Three blocks; `scripted.uncommon` changes every sentence of it."""

PREAMBLE = "Let me look at the tide, which is very important."


@dataclass
class Turn:
    """What a model says, and then which tools it calls: names with arguments."""

    text: str
    calls: dict[str, dict[str, Any]] = field(default_factory=dict)


class Talker(FunctionCallingLLM):
    """Says its turns one after the other, word by word. It is never called but asynchronously.

    Attributes:
        turns: What it says; after the last it fails.
        seen: What it was asked.
        delay: Seconds before every word.
        fails_after: How many words of a turn it gets out; None: all.
        words: How many words it has said.
        thoughts: Whether it thinks aloud, before its first word and with its second.
    """

    turns: list[Turn] = Field(default_factory=list, exclude=True, repr=False)
    seen: list[list[ChatMessage]] = Field(default_factory=list, exclude=True, repr=False)
    delay: float = 0.0
    fails_after: int | None = None
    words: int = 0
    thoughts: bool = False

    @property
    def metadata(self) -> LLMMetadata:
        return LLMMetadata(is_chat_model=True, is_function_calling_model=True, context_window=1_000_000)

    def _prepare_chat_with_tools(self, **given):
        return {"messages": given["chat_history"]}

    def get_tool_calls_from_response(self, response, **_):
        return response.message.additional_kwargs.get("tool_calls", [])

    @llm_chat_callback()
    async def astream_chat(self, messages, **_):
        return self._said(messages)

    @llm_chat_callback()
    async def achat(self, messages, **_):
        async for response in self._said(messages):
            last = response
        return last.model_copy(update={"delta": None})

    async def _said(self, messages):
        turn = self.turns[len(self.seen)]
        # Agents change messages that are in the list by then.
        self.seen.append([message.model_copy(deep=True) for message in messages])
        text = ""
        if self.thoughts:
            yield _thought(_response("", ""), "Hm. ")
        for number, piece in enumerate(pieces_of(turn.text)):
            await asyncio.sleep(self.delay)
            if number == self.fails_after:
                raise ConnectionError("the talker is gone")
            text += piece
            self.words += 1
            response = _response(text, piece)
            yield _thought(response, "Well. ") if self.thoughts and number == 1 else response
        if turn.calls:
            calls = [
                ToolSelection(tool_id=f"call-{len(self.seen)}-{name}", tool_name=name, tool_kwargs=arguments)
                for name, arguments in turn.calls.items()
            ]
            yield _response(text, "", tool_calls=calls)

    def _none(self, *_, **__):
        raise AssertionError("an agent's model was called without await, or for a completion")

    chat = stream_chat = complete = stream_complete = acomplete = astream_complete = _none


def _response(text: str, delta: str, **additional: Any) -> ChatResponse:
    message = ChatMessage(role=MessageRole.ASSISTANT, content=text, additional_kwargs=additional)
    return ChatResponse(message=message, delta=delta, raw={"id": "chunk"})


def _thought(response: ChatResponse, thought: str) -> ChatResponse:
    response.additional_kwargs["thinking_delta"] = thought
    return response


def tide(harbour: str) -> str:
    """Say when the tide is high."""
    return f"very high at 6:30 in {harbour}"


async def boats(harbour: str) -> str:
    """Say which boats are in a harbour."""
    return f"1 very old boat in {harbour}"


def function_turns(answer: str = ANSWER) -> list[Turn]:
    return [Turn(PREAMBLE, {"tide": {"harbour": "Falmouth"}}), Turn("", {"boats": {"harbour": "Looe"}}), Turn(answer)]


def react_turns(answer: str = ANSWER) -> list[Turn]:
    return [
        Turn('Thought: I look at the tide.\nAction: tide\nAction Input: {"harbour": "Falmouth"}'),
        Turn('Thought: And the boats.\nAction: boats\nAction Input: {"harbour": "Looe"}'),
        Turn(f"Thought: I can answer without using any more tools.\nAnswer: {answer}"),
    ]


def team_turns(answer: str = ANSWER) -> list[Turn]:
    handoff = Turn(PREAMBLE, {"handoff": {"to_agent": "writer", "reason": "It is very late."}})
    return [handoff, *function_turns(answer)]


TURNS = {"function": function_turns, "react": react_turns, "team": team_turns}
KINDS = sorted(TURNS)


def agent_of(kind: str, llm: Talker, **options: Any) -> FunctionAgent | ReActAgent | AgentWorkflow:
    """An agent, or a team of two where the first hands over to the second."""
    if kind == "team":
        writer = FunctionAgent(name="writer", description="It writes.", llm=llm, tools=[tide, boats])
        greeter = FunctionAgent(name="greeter", description="It greets.", llm=llm)
        return AgentWorkflow([greeter, writer], root_agent="greeter", **options)
    return {"function": FunctionAgent, "react": ReActAgent}[kind](llm=llm, tools=[tide, boats], **options)


def scripted(kind: str, **options: Any) -> FunctionAgent | ReActAgent | AgentWorkflow:
    """An agent that calls two tools and then says `ANSWER`."""
    return agent_of(kind, Talker(turns=TURNS[kind]()), **options)


async def seen(handler: Any) -> list[Any]:
    """All events of a run."""
    return [event async for event in handler.stream_events()]


def deltas(events: list[Any]) -> str:
    """What a client sees that puts tokens together, of the last message."""
    streamed = [event for event in events if isinstance(event, AgentStream)]
    return "".join(event.delta for event in streamed[last_message(streamed) :])


def last_message(streamed: list[AgentStream]) -> int:
    """Where the last message begins: a message's first event has said no more than its delta."""
    return max(index for index, event in enumerate(streamed) if event.delta and event.response == event.delta)


def strings(value: Any, known: set[int] | None = None) -> Iterator[str]:
    """Every string that can be reached from a value, and how the value is written."""
    known = set() if known is None else known
    if isinstance(value, str):
        yield value
        return
    if id(value) in known or isinstance(value, type | Callable):
        return
    known.add(id(value))
    yield repr(value)
    if isinstance(value, dict):
        for key, each in value.items():
            yield from strings(key, known)
            yield from strings(each, known)
    elif isinstance(value, list | tuple | set | frozenset):
        for each in value:
            yield from strings(each, known)
    else:
        if isinstance(value, BaseModel):
            yield str(value)
            yield from strings(value.__pydantic_private__, known)
        if hasattr(value, "__dict__"):
            yield from strings(vars(value), known)


def shown(events: list[Any], text: str = ANSWER) -> set[str]:
    """The sentences of a text that can be found in events: in one of them, or where a client puts deltas together.

    Of the text, only what `scripted.uncommon` changes is looked for.
    """
    sentences = {text[start:end].strip() for start, end in sentence_spans(text)}
    everything = {*strings(events), "".join(event.delta for event in events if isinstance(event, AgentStream))}
    return {each for each in sentences if each != uncommon(each) and any(each in found for found in everything)}
