"""A chat engine and an agent that speak in one author's voice. Run it: python 08_llama_index_chat_and_agents.py.

It runs offline: a sandbox on this machine and a script play the application's models, and the style is the
demonstration's keeper. With models of your own in their place, any chat engine and any agent can be wrapped.
"""

from __future__ import annotations

import asyncio
from typing import Any

from llama_index.core.agent.workflow import AgentStream, FunctionAgent, ToolCall
from llama_index.core.base.llms.types import ChatMessage, ChatResponse, ChatResponseAsyncGen, LLMMetadata
from llama_index.core.chat_engine import SimpleChatEngine
from llama_index.core.llms.llm import ToolSelection

from llama_index_restyle import EndpointLLM, RestyleChatEngine, RestyleWorkflow
from restyle import Style
from restyle.demo import keeper
from restyle.testing import Sandbox

ANSWER = (
    "The boat came back to Porthennis at dawn with 14 passengers. The wind was very strong last night, but nothing was "
    "lost, and Captain Varco told me that the sea is almost quiet now."
)


def timetable(harbour: str) -> str:
    """When the next boat leaves a harbour."""
    return f"The boat leaves {harbour} at 6:30 with 14 passengers"


class Clerk(EndpointLLM):
    """Asks its tool about Porthennis, and then puts together what that said."""

    @property
    def metadata(self) -> LLMMetadata:
        """It calls tools."""
        return super().metadata.model_copy(update={"is_function_calling_model": True})

    async def astream_chat_with_tools(self, chat_history: list[ChatMessage], **_: object) -> ChatResponseAsyncGen:
        """First a call, then an answer."""
        last = chat_history[-1]
        if last.role == "tool":
            answer = f"{last.content}. I think the sea is almost quiet now, so you can cross."
            return await self.astream_chat([ChatMessage(answer)])  # which the sandbox repeats
        return _calling(ToolSelection(tool_id="0", tool_name="timetable", tool_kwargs={"harbour": "Porthennis"}))

    def get_tool_calls_from_response(self, response: ChatResponse, **_: object) -> list[ToolSelection]:
        """The calls in a response."""
        return [*response.message.additional_kwargs.get("tool_calls", [])]


async def _calling(*calls: ToolSelection) -> ChatResponseAsyncGen:
    yield ChatResponse(message=ChatMessage("", role="assistant", additional_kwargs={"tool_calls": [*calls]}), delta="")


def chat(base_url: str, style: Style) -> None:
    """Memory keeps the neutral answer: the application's model goes on from its own words."""
    engine: Any = SimpleChatEngine.from_defaults(llm=EndpointLLM(model="application", base_url=base_url))
    engine = RestyleChatEngine(engine, style=style)
    print("said:      ", engine.chat("Is everybody safe?"))
    print("remembered:", engine.chat_history[-1].content)


async def agent(base_url: str, style: Style) -> None:
    """The answer streams, restyled; the events of the tools pass."""
    clerk = FunctionAgent(tools=[timetable], llm=Clerk(model="echo", base_url=base_url))
    handler = RestyleWorkflow(clerk, style=style).run(user_msg="Can I cross from Porthennis tonight?")
    streamed = ""
    async for event in handler.stream_events():
        if isinstance(event, ToolCall):
            print("asked:", event.tool_name)
        if isinstance(event, AgentStream):
            streamed += event.delta
    print(streamed)
    print(await handler)


def main() -> None:
    """A chat, then an agent."""
    style = keeper()
    with Sandbox(replies={"application": ANSWER}) as sandbox:
        chat(sandbox.base_url, style)
        asyncio.run(agent(sandbox.base_url, style))


if __name__ == "__main__":
    main()
