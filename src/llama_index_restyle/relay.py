"""An agent's events, passed on; but what turns out to be its answer is held back and rewritten."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from llama_index.core.agent.workflow.workflow_events import (
    AgentInput,
    AgentOutput,
    AgentStream,
    AgentStreamStructuredOutput,
    ToolCall,
    ToolCallResult,
)
from llama_index.core.base.response.schema import AsyncStreamingResponse, Response, StreamingResponse
from llama_index.core.workflow import Event

from llama_index_restyle.agent_outputs import with_text
from llama_index_restyle.drafts import Draft
from llama_index_restyle.postprocessor import RestylePostprocessor
from llama_index_restyle.reports import Report
from llama_index_restyle.work import Work

__all__ = ["Relay"]


class Relay:
    """Decides about every event whether it may leave.

    A message is the answer if the run ends with it: what the agent does next tells. Until then its events are held.

    Args:
        postprocessor: What is rewritten, and reported.
        work: How the answer is rewritten.
        is_plain: Whether the agent of a name streams nothing but what it says; only then the models work meanwhile.

    Attributes:
        events: What leaves. Whoever holds the relay puts the last event there, and None for the end.
    """

    def __init__(self, postprocessor: RestylePostprocessor, work: Work, is_plain: Callable[[str], bool]) -> None:
        self.events: asyncio.Queue[Event | None] = asyncio.Queue()
        self._postprocessor, self._work, self._is_plain = postprocessor, work, is_plain
        self._held: list[Event] = []
        self._draft: Draft | None = None
        self._whole = False  # whether the message that is held is complete
        self._direct = False  # whether a tool's result may be the answer

    async def take(self, event: Event) -> None:
        """The agent's next event, any but the last."""
        if isinstance(event, AgentStream | AgentOutput) and self._whole:
            await self._let_go()  # another message follows at once: the agent was stopped early
        if isinstance(event, AgentStream):
            await self._take_delta(event)
        elif isinstance(event, AgentOutput):
            self._held.append(event)
            self._whole = True
        elif isinstance(event, AgentInput | ToolCall | ToolCallResult):
            await self._let_go()
            self._emit(event)
            if isinstance(event, ToolCallResult):
                self._direct |= event.return_direct and not event.tool_output.is_error
            elif isinstance(event, AgentInput):
                self._direct = False
        elif self._whole and isinstance(event, AgentStreamStructuredOutput):
            self._held.append(event)  # behind the answer, as the agent has it
        else:
            self._emit(event)

    async def answer(self, output: AgentOutput) -> AgentOutput:
        """The run has ended with this output: let the answer go, rewritten, and return the new output."""
        text = output.response.content
        if not text or not text.strip() or text == self._postprocessor.empty_response or self._is_data(output):
            await self._let_go()
            return output
        draft = self._draft
        if draft is None or draft.said != text:
            await self.close()
            draft = self._hear(text)
        return await self._finish(output, draft)

    async def close(self) -> None:
        """Give up what is under way."""
        if self._draft is not None:
            draft, self._draft = self._draft, None
            await draft.drop()

    def _emit(self, event: Event) -> None:
        self.events.put_nowait(event)

    async def _take_delta(self, event: AgentStream) -> None:
        if event.tool_calls:
            await self._let_go()
            self._emit(event)
        elif event.delta or event.response:
            self._held.append(event)
            if event.delta and self._is_plain(event.current_agent_name):
                self._hear(event.delta)
        else:
            self._emit(event)

    def _hear(self, text: str) -> Draft:
        if self._draft is None:
            included, neutral = self._postprocessor.include_report, self._postprocessor.include_neutral
            self._draft = Draft(self._work, Report({}, included=included, neutral=neutral))
        self._draft.hear(text)
        return self._draft

    async def _let_go(self) -> None:
        """What is held is not the answer."""
        for event in self._held:
            self._emit(event)
        self._held, self._whole = [], False
        await self.close()

    def _is_data(self, output: AgentOutput) -> bool:
        """Whether the answer is what a tool returned that is no text."""
        answers = str | Response | StreamingResponse | AsyncStreamingResponse
        return self._direct and not isinstance(output.raw, answers)

    async def _finish(self, output: AgentOutput, draft: Draft) -> AgentOutput:
        streamed = [event for event in self._held if isinstance(event, AgentStream)]
        rest = [event for event in self._held if not isinstance(event, AgentStream)]
        for event in streamed:
            if getattr(event, "thinking_delta", None):  # core 0.13 has none
                self._emit(event.model_copy(update={"delta": "", "response": "", "raw": None}))
        said = ""
        async for text in draft.texts():
            said += text
            if streamed:
                self._emit(AgentStream(delta=text, response=said, current_agent_name=output.current_agent_name))
        new = with_text(output, said, draft.report)
        for other in rest:
            self._emit(new if isinstance(other, AgentOutput) else other)
        return new
