"""Every kind of agent, each of which looks something up before it answers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from llama_index.core.agent.workflow import AgentOutput, AgentStream, AgentWorkflow, FunctionAgent, ReActAgent
from llama_index.core.base.llms.types import ChatMessage, ChatResponse, LLMMetadata, MessageRole
from llama_index.core.llms.llm import ToolSelection
from llama_index.core.memory import ChatMemoryBuffer
from llama_index.core.tools import BaseTool, QueryEngineTool
from llama_index.core.workflow import Event
from pydantic import Field

from contract_llama.engines import retrieving
from contract_llama.models import application
from contract_llama.texts import ANSWER, QUESTION
from llama import ScriptedLLM, pieces_of

__all__ = ["AGENTS", "Acting", "Agent", "Run", "looking", "ran"]

Made = Callable[[type], Callable[..., Any]]
"""What makes an agent of a class: the class itself, or one that restyles."""

_LOOK = ("look", {"input": "Was it very cold?"})
_TO_THE_OTHER = ("handoff", {"to_agent": "other", "reason": "It is very late."})
_WORDS = "I look it up: it is very near."  # said beside the call of a tool


class Acting(ScriptedLLM):
    """Calls one tool after the other, and then gives the answer."""

    acts: list[tuple[str, dict[str, str]]] = Field(default_factory=list)
    words: str = _WORDS
    says: str = ANSWER

    @property
    def metadata(self) -> LLMMetadata:
        return LLMMetadata(is_chat_model=True, model_name="acting", is_function_calling_model=True)

    def _next(self, messages: list[ChatMessage]) -> ChatMessage:
        self.calls.append(messages)
        acts = self.acts[len(self.calls) - 1 :][:1]
        calls = [{"tool_id": "call-1", "tool_name": name, "tool_kwargs": values} for name, values in acts]
        words = self.words if acts else self.says
        return ChatMessage(role=MessageRole.ASSISTANT, content=words, additional_kwargs={"calls": calls})

    async def achat_with_tools(self, *, chat_history, **_):
        return ChatResponse(message=self._next(chat_history))

    async def astream_chat_with_tools(self, *, chat_history, **_):
        async def pieces():
            message, so_far = self._next(chat_history), ""
            for piece in pieces_of(message.content):
                so_far += piece
                await asyncio.sleep(0)
                yield ChatResponse(message=ChatMessage(role=MessageRole.ASSISTANT, content=so_far), delta=piece)
            yield ChatResponse(message=message, delta="")

        return pieces()

    def get_tool_calls_from_response(self, response, **_):
        return [ToolSelection(**call) for call in response.message.additional_kwargs.get("calls", [])]


def _reacting() -> ScriptedLLM:
    turns = iter(
        [
            'Thought: I look it up: it is very near.\nAction: look\nAction Input: {"input": "Was it very cold?"}',
            f"Thought: I can answer without using any more tools; it is very easy.\nAnswer: {ANSWER}",
        ]
    )
    return ScriptedLLM(reply=lambda _: next(turns))


def looking(**options) -> list[BaseTool]:
    return [QueryEngineTool.from_defaults(retrieving(application()), name="look", description="Knows much.", **options)]


@dataclass(frozen=True)
class Agent:
    """One kind; ``build`` makes one, with all its agents made by what it is given, streaming or not."""

    name: str
    build: Callable[[Made, bool], Any]


def _streaming(kind, streaming):
    """The oldest agents always stream."""
    return {"streaming": streaming} if "streaming" in kind.model_fields else {}


def _function(made, streaming):
    llm = Acting(acts=[_LOOK])
    return made(FunctionAgent)(tools=looking(), llm=llm, **_streaming(FunctionAgent, streaming))


def _react(made, streaming):
    return made(ReActAgent)(tools=looking(), llm=_reacting(), **_streaming(ReActAgent, streaming))


def _team(made, streaming):
    def member(name, tools, llm):
        options = _streaming(FunctionAgent, streaming)
        return made(FunctionAgent)(name=name, description=f"Is {name}.", tools=tools, llm=llm, **options)

    members = [member("one", [], Acting(acts=[_TO_THE_OTHER])), member("other", looking(), Acting(acts=[_LOOK]))]
    return AgentWorkflow(agents=members, root_agent="one")


AGENTS = [Agent("function", _function), Agent("react", _react), Agent("team", _team)]


@dataclass
class Run:
    """One question.

    Attributes:
        output: The result.
        events: All events but the last, if they were asked for.
        memory: What is remembered.
    """

    output: AgentOutput
    events: list[Event]
    memory: list[tuple[str, str]]

    @property
    def answer(self) -> str:
        """The text that streamed after all tools were called."""
        deltas: list[str] = []
        for event in self.events:
            if not isinstance(event, AgentStream | AgentOutput):
                deltas.clear()
            elif isinstance(event, AgentStream):
                deltas.append(event.delta)
        return "".join(deltas)

    @property
    def others(self) -> list[Event]:
        """The events that no model streamed."""
        return [event for event in self.events if not isinstance(event, AgentStream)]


async def ran(agent: Any, *, streaming: bool) -> Run:
    memory = ChatMemoryBuffer.from_defaults(token_limit=100_000)
    handler = agent.run(QUESTION, memory=memory)
    events = [event async for event in handler.stream_events()] if streaming else []
    output = await handler
    remembered = [(message.role.value, message.content) for message in memory.get_all()]
    return Run(output, events[:-1], remembered)
