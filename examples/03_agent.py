"""An agent with two tools that answers in one author's voice. Run it: python examples/03_agent.py.

It runs offline: a scripted model plays the agent's, and the style is the demonstration's keeper. With a model of your
own in the place of `Clerk` nothing else changes.
"""

from __future__ import annotations

from collections.abc import Sequence

from langchain.agents import create_agent
from langchain.agents.middleware import InputAgentState
from langchain_core.language_models import BaseChatModel, LanguageModelInput
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage, HumanMessage, ToolMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.runnables import Runnable

from langchain_restyle import RestyleMiddleware
from restyle.demo import keeper

QUESTION = "Can I cross from Porthennis tonight?"


def timetable(harbour: str) -> str:
    """When the next boat leaves a harbour."""
    return f"The boat leaves {harbour} at 6:30 with 14 passengers"


def weather(harbour: str) -> str:
    """What the weather is in a harbour."""
    return f"The wind was very strong in {harbour} last night, but nothing was lost"


class Clerk(BaseChatModel):
    """Asks both tools about Porthennis, one after the other, and then puts together what they said."""

    @property
    def _llm_type(self) -> str:
        return "clerk"

    def bind_tools(self, tools: Sequence[object], **kwargs: object) -> Runnable[LanguageModelInput, AIMessage]:
        """It knows its tools anyway."""
        return self.bind(tools=tools, **kwargs)

    def _generate(self, messages: list[BaseMessage], *_: object, **__: object) -> ChatResult:
        found = [str(message.text) for message in messages if isinstance(message, ToolMessage)]
        if len(found) < 2:  # noqa: PLR2004 - the number of its tools
            call = {
                "name": ("timetable", "weather")[len(found)],
                "args": {"harbour": "Porthennis"},
                "id": f"{len(found)}",
            }
            message = AIMessage("Let me look.", tool_calls=[call])
        else:
            message = AIMessage(f"{'. '.join(found)}. I think the sea is almost quiet now, so you can cross.")
        return ChatResult(generations=[ChatGeneration(message=message)])


def main() -> None:
    """Ask the agent, and then again while it streams."""
    agent = create_agent(Clerk(), [timetable, weather], middleware=[RestyleMiddleware(keeper())])

    question: InputAgentState = {"messages": [HumanMessage(QUESTION)]}
    messages = agent.invoke(question)["messages"]
    print("asked:", *(message.name for message in messages if isinstance(message, ToolMessage)))
    print(messages[-1].text)

    tokens = [chunk for chunk, _ in agent.stream(question, stream_mode="messages") if isinstance(chunk, AIMessageChunk)]
    print("".join(chunk.text for chunk in tokens if chunk.id == tokens[-1].id))


if __name__ == "__main__":
    main()
