"""What `RestyleWorkflow.run` returns: a run whose answer is rewritten."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Generator
from contextlib import aclosing
from typing import Any

from llama_index.core.agent.workflow.workflow_events import AgentOutput
from llama_index.core.workflow import Context, Event, StopEvent, WorkflowRuntimeError
from llama_index.core.workflow.errors import WorkflowCancelledByUser  # type: ignore[attr-defined]  # it is there
from llama_index.core.workflow.handler import WorkflowHandler  # type: ignore[attr-defined]  # as above

from llama_index_restyle.relay import Relay
from restyle.errors import ShapeError

__all__ = ["RestyleHandler"]


class RestyleHandler:
    """A run of an agent, under way: what LlamaIndex calls a workflow handler.

    ``await handler`` gives the `AgentOutput`; its context is the agent's own. Cancelling who awaits cancels the run.
    """

    def __init__(self, inner: WorkflowHandler, relay: Relay) -> None:
        self._inner, self._relay = inner, relay
        self._answering = self._cancelled = self._consumed = False
        self._task = asyncio.create_task(self._run())

    def __await__(self) -> Generator[Any, Any, AgentOutput]:
        return self._task.__await__()

    @property
    def ctx(self) -> Context | None:
        """The agent's context: to send it events, and to go on with in another run."""
        return self._inner.ctx

    @property
    def run_id(self) -> str | None:
        """The run's id."""
        return self._inner.run_id

    def is_done(self) -> bool:
        """Whether the answer is complete, or there will be none."""
        return self._task.done()

    async def stream_events(self) -> AsyncGenerator[Event, None]:
        """The run's events, each once.

        Raises:
            WorkflowRuntimeError: They were all read.
            Exception: What went wrong with the rewriting. Of an agent that fails, the last event tells.
        """
        if self._consumed:
            raise WorkflowRuntimeError("All the streamed events have already been consumed.")
        event = None
        while (following := await self._relay.events.get()) is not None:
            event = following
            yield event
        self._consumed = True
        if not isinstance(event, StopEvent):
            await self._task

    async def send_event(self, event: Event, step: str | None = None) -> None:
        """Send an event to the agent, or to one step of it."""
        if self.ctx is not None:
            self.ctx.send_event(event, step)

    async def cancel_run(self, **options: Any) -> None:
        """End the run; who awaits it gets a ``WorkflowCancelledByUser``. Options are those of the agent's handler."""
        self._cancelled = True
        await self._inner.cancel_run(**options)
        if self._answering:
            self._task.cancel()
            await asyncio.wait([self._task])

    async def _run(self) -> AgentOutput:
        try:
            return await self._answer()
        except asyncio.CancelledError:
            if not self._cancelled:
                await self._inner.cancel_run()
                raise
            self._relay.events.put_nowait(StopEvent())
            raise WorkflowCancelledByUser from None
        finally:
            await self._relay.close()
            self._relay.events.put_nowait(None)

    async def _answer(self) -> AgentOutput:
        last: Event | None = None
        async with aclosing(self._inner.stream_events()) as events:
            async for event in events:
                if isinstance(event, StopEvent):
                    last = event
                else:
                    await self._relay.take(event)
        try:
            output = await asyncio.shield(self._inner)  # a cancelled future would trip what is to set its result
        except Exception:
            self._relay.events.put_nowait(last)
            raise
        if not isinstance(output, AgentOutput):
            raise ShapeError(
                f"the workflow gave {type(output).__name__}, not AgentOutput: RestyleWorkflow wraps agents and "
                "AgentWorkflow; of other workflows, rewrite the text with RestylePostprocessor"
            )
        self._answering = True
        if self._cancelled:
            raise asyncio.CancelledError
        output = await self._relay.answer(output)
        self._relay.events.put_nowait(StopEvent(result=output))
        return output
