"""Asks answered by LLMs, each block in a span of its own."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from contextlib import aclosing, closing, contextmanager
from dataclasses import dataclass, replace
from typing import Any
from uuid import uuid4

from llama_index.core.base.llms.types import ChatResponse
from llama_index.core.llms.llm import LLM
from llama_index_instrumentation import get_dispatcher
from llama_index_instrumentation.span import active_span_id

from llama_index_restyle.models import messages_of, parse_response
from restyle.blocks import Block
from restyle.flows import Flow
from restyle.flows import Rewritten as Result
from restyle.jobs import AnswerFunction, AsyncAnswerFunction, AsyncSpeakFunction, Job, SpeakFunction
from restyle.messages import Answer, Ask, Role

__all__ = ["Asking", "active_span"]

_DISPATCHER = get_dispatcher(__name__)
_SIGNATURE = inspect.Signature([inspect.Parameter("text", inspect.Parameter.POSITIONAL_OR_KEYWORD)])


@contextmanager
def active_span(span_id: str | None) -> Iterator[None]:
    """What is done inside belongs to that span, whichever thread or task it is done in."""
    token = active_span_id.set(span_id)
    try:
        yield
    finally:
        active_span_id.reset(token)


@dataclass(frozen=True, slots=True)
class Asking:
    """Answers asks with LLMs.

    Attributes:
        llms: The models.
        span_id: The span that the blocks' spans belong to; None: they are roots. It may have ended by then, as that of
            a query whose answer still streams.
    """

    llms: Mapping[Role, LLM]
    span_id: str | None

    def job(self, flow: Flow, block: Block) -> Job[Result, AnswerFunction, SpeakFunction]:
        """The job of a block."""
        span_id = _new_span_id()

        def answer(ask: Ask) -> Answer:
            with active_span(span_id):
                return parse_response(self.llms[ask.role].chat(messages_of(ask)))

        def speak(ask: Ask, show: Callable[[str], None]) -> Answer:
            heard = _Heard(show)
            with active_span(span_id), closing(self.llms[ask.role].stream_chat(messages_of(ask))) as responses:
                for response in responses:
                    heard.take(response)
            return heard.answer

        return Job(self._in_span(flow, block, span_id), answer, speak)

    def ajob(self, flow: Flow, block: Block) -> Job[Result, AsyncAnswerFunction, AsyncSpeakFunction]:
        """As `job`, for tasks."""
        span_id = _new_span_id()

        async def answer(ask: Ask) -> Answer:
            with active_span(span_id):
                return parse_response(await self.llms[ask.role].achat(messages_of(ask)))

        async def speak(ask: Ask, show: Callable[[str], None]) -> Answer:
            heard = _Heard(show)
            with active_span(span_id):
                async with aclosing(await self.llms[ask.role].astream_chat(messages_of(ask))) as responses:
                    async for response in responses:
                        heard.take(response)
            return heard.answer

        return Job(self._in_span(flow, block, span_id), answer, speak)

    def _in_span(self, flow: Flow, block: Block, span_id: str) -> Flow:
        """The flow in a span that ends with it: the dispatcher's decorator would end it where a generator is made."""
        if block.verbatim:  # nothing is asked
            return (yield from flow)
        place: dict[str, Any] = {"id_": span_id, "bound_args": _SIGNATURE.bind(block.text), "instance": None}
        _DISPATCHER.span_enter(**place, parent_id=self.span_id, tags={})
        try:
            result = yield from flow
        except BaseException as error:
            _DISPATCHER.span_drop(**place, err=error)
            raise
        _DISPATCHER.span_exit(**place, result=result.text)
        return result


class _Heard:
    """An answer that comes in pieces, each of which is shown."""

    def __init__(self, show: Callable[[str], None]) -> None:
        self.answer = Answer("")
        self._show = show

    def take(self, response: ChatResponse) -> None:
        last, delta = parse_response(response), response.delta or ""
        self.answer = replace(
            last,
            text=self.answer.text + delta,
            finish_reason=last.finish_reason or self.answer.finish_reason,
            reasoning=last.reasoning or self.answer.reasoning,
        )
        if delta:
            self._show(delta)


def _new_span_id() -> str:
    # Exporters name a span by what stands before the first dash.
    return f"restyle_block-{uuid4()}"
