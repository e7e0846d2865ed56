"""Engines asked, their answers read to the end, and two answers compared."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

from llama_index.core.base.base_query_engine import BaseQueryEngine
from llama_index.core.base.response.schema import (
    RESPONSE_TYPE,
    AsyncStreamingResponse,
    PydanticResponse,
    Response,
    StreamingResponse,
)
from llama_index.core.instrumentation import get_dispatcher
from llama_index.core.schema import NodeWithScore
from pydantic import Field

from contract_llama.models import Models
from contract_llama.texts import QUESTION, marked_sentences, prose, verbatim
from llama import Events
from restyle import losses
from restyle.prompts import DESTYLE_PROMPT, RESTYLE_PROMPT

__all__ = ["Answered", "Snapshot", "aanswered", "answered", "check_calls", "check_response", "check_text", "listening"]


def state(nodes: list[NodeWithScore]) -> list[tuple[str, float | None, str, dict[str, Any]]]:
    return [(each.node_id, each.score, each.text, deepcopy(each.metadata)) for each in nodes]


class Snapshot:
    """A response, and what it was when it was given."""

    def __init__(self, response: RESPONSE_TYPE) -> None:
        self.response, self.then = response, self._now(response)

    def check(self) -> None:
        """It is still the same."""
        assert self._now(self.response) == self.then

    def _now(self, response: RESPONSE_TYPE) -> tuple[Any, ...]:
        return getattr(response, "response", None), state(response.source_nodes), deepcopy(response.metadata)


class Listener(Events):
    """Keeps the responses of engines (``query``) and of synthesizers (``synthesize``), in the order of their ends."""

    given: dict[str, list[Any]] = Field(default_factory=lambda: {"query": [], "synthesize": []})

    def handle(self, event, **kwargs):
        super().handle(event, **kwargs)
        if event.class_name() in {"QueryEndEvent", "SynthesizeEndEvent"}:
            self.given[event.class_name().removesuffix("EndEvent").lower()].append(Snapshot(event.response))

    def shown(self) -> list[str]:
        """What the models of a style were shown."""
        calls = [event.messages for event in self.seen if event.class_name() == "LLMChatStartEvent"]
        return [said[-1].content for said in calls if said[0].content in {DESTYLE_PROMPT, RESTYLE_PROMPT}]

    def blocks(self) -> list[dict[str, Any]]:
        """What the adapters said of blocks."""
        return [event.report for event in self.seen if event.class_name() == "RestyleBlockEvent"]


@contextmanager
def listening() -> Iterator[Listener]:
    """What happens meanwhile."""
    root, listener = get_dispatcher(), Listener()
    root.add_event_handler(listener)
    try:
        yield listener
    finally:
        root.event_handlers.remove(listener)


@dataclass
class Answered:
    """A response that was read to its end, and in which pieces it came."""

    response: RESPONSE_TYPE
    pieces: list[str]
    heard: Listener = field(repr=False)

    @property
    def text(self) -> str:
        return "".join(self.pieces)

    @property
    def metadata(self) -> dict[str, Any] | None:
        """The application's."""
        metadata = self.response.metadata
        return metadata and {key: value for key, value in metadata.items() if key != "restyle"}


def answered(engine: BaseQueryEngine, question: str = QUESTION) -> Answered:
    with listening() as heard:
        response = engine.query(question)
        return Answered(response, _pieces(response), heard)


async def aanswered(engine: BaseQueryEngine, question: str = QUESTION) -> Answered:
    with listening() as heard:
        response = await engine.aquery(question)
        if isinstance(response, AsyncStreamingResponse):
            return Answered(response, [piece async for piece in response.async_response_gen()], heard)
        return Answered(response, _pieces(response), heard)


def _pieces(response: Response | PydanticResponse | StreamingResponse) -> list[str]:
    if isinstance(response, Response):
        return [response.response or ""]
    if isinstance(response, PydanticResponse):
        return [str(response)]
    if response.response_txt is None:
        return [*response.response_gen]
    return [response.response_txt]  # `RetryQueryEngine` has read it already


def check_text(models: Models, before: str, after: str, heard: Listener) -> None:
    """The same in other words; and of what must stay, nobody was shown anything."""
    assert after == models.expected(before)
    assert losses(before, after) == []
    assert verbatim(after) == verbatim(before)
    assert all(one != other for one, other in zip(prose(before), prose(after), strict=True))
    assert marked_sentences(after) == marked_sentences(before)
    assert not [line for line in verbatim(before) for text in heard.shown() if line in text]
    assert "[" not in "".join(heard.shown())


def check_calls(models: Models, heard: Listener, blocks: int) -> None:
    """Two for every block, and none beside."""
    assert models.asked(heard) == [blocks, blocks]
    assert len(heard.shown()) == 2 * blocks
    assert [(report["outcome"], report["asks"]) for report in heard.blocks()] == [("styled", 2)] * blocks


def check_response(before: Answered, after: Answered) -> None:
    """All but the text is the same. Before and after come from two runs: nodes made by engines have other names."""
    assert type(after.response) is type(before.response)
    assert _named(after.response.source_nodes) == _named(before.response.source_nodes)
    assert _named_items(after.metadata) == _named_items(before.metadata)


def _named(nodes: list[NodeWithScore]) -> list[tuple[Any, ...]]:
    return [(_name(name), *rest) for name, *rest in state(nodes)]


def _named_items(metadata: dict[str, Any] | None) -> list[tuple[str, Any]]:
    return [(_name(name), value) for name, value in (metadata or {}).items()]


def _name(name: str) -> str:
    return name if name.startswith("node-") or name == "selector_result" else "made"
