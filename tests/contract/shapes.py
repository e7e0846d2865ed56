"""The shapes of a chain's output: made of the text as it was, and of the text as it must become."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import reduce
from operator import add
from typing import Any

from langchain_core.documents import Document
from langchain_core.messages import AIMessage, AIMessageChunk, HumanMessage, SystemMessage, ToolMessage
from langchain_core.messages.tool import tool_call_chunk
from langchain_core.prompt_values import ChatPromptValue, StringPromptValue
from langchain_core.runnables.utils import AddableDict

from contract.sources import cut
from scripted import paragraph

__all__ = ["DOCUMENTS", "QUESTION", "SHAPES", "TEXT", "Say", "Shape", "total"]

Say = Callable[[str], str]

TEXT = f"# The harbour\n\n{paragraph(1)}\n\n{paragraph(2)}"
SHORT = "A very old lamp."
JSON = '{"answer": "It was very cold.", "sources": [1, 2]}'
QUESTION = "Was it very cold?"
DOCUMENTS = [Document("It was very cold.", id="doc-1", metadata={"source": "log.txt"})]

_CALL = {"name": "search", "args": {"q": "very cold"}, "id": "call-1", "type": "tool_call"}
_REASONING = {"type": "reasoning", "reasoning": "It is very odd."}
_IMAGE = {"type": "image_url", "image_url": {"url": "https://example.org/very.png"}}
_METADATA = {"model_name": "very-large", "finish_reason": "stop", "headers": {"served-by": "very"}}
_USAGE = {"input_tokens": 7, "output_tokens": 5, "total_tokens": 12}
_FIELDS = {
    "id": "msg-1",
    "additional_kwargs": {"extra": ["very"]},
    "response_metadata": _METADATA,
    "usage_metadata": _USAGE,
}


@dataclass(frozen=True)
class Shape:
    """One kind of value.

    Attributes:
        name: Of its tests.
        make: Makes one out of its texts, each of which it passes through a function first: what goes in is made with
            one that changes nothing, what must come out is made with the style.
        blocks: How many blocks of it a model must see.
        reports: Whether the output can say what became of them.
        key: The option of `Restyle`.
        pieces: Makes the chunks as which it streams; None: it comes whole.
    """

    name: str
    make: Callable[[Say], Any]
    blocks: int = 2
    reports: bool = False
    key: str | None = None
    pieces: Callable[[], list[Any]] | None = None

    def chunks(self) -> list[Any]:
        """It as a chain streams it."""
        return [self.make(str)] if self.pieces is None else self.pieces()


def total(chunks: list[Any]) -> Any:
    """Chunks as one value, in LangChain's own way."""
    return reduce(add, chunks)


def _message_chunks(content: list[Any], **last: Any) -> list[AIMessageChunk]:
    """As a provider streams: one identifier, what is metadata behind the text, and an end."""
    chunks = [AIMessageChunk(content=each, id="msg-1") for each in content]
    chunks.append(AIMessageChunk(content="", id="msg-1", response_metadata=_METADATA))
    return [*chunks, AIMessageChunk(content="", id="msg-1", chunk_position="last", **last)]


def _chunk(content: Any, **fields: Any) -> AIMessageChunk:
    return AIMessageChunk(content=content, chunk_position="last", **_FIELDS, **fields)


def _indexed(say: Say) -> list[dict[str, Any]]:
    text = {"type": "text", "text": say(TEXT), "index": 1}
    return [{**_REASONING, "index": 0}, text, {**_IMAGE, "index": 2}]


def _indexed_chunks() -> list[AIMessageChunk]:
    before, _, after = _indexed(str)
    texts = [[{"type": "text", "text": each, "index": 1}] for each in cut(TEXT)]
    rest = {"usage_metadata": _USAGE, "additional_kwargs": _FIELDS["additional_kwargs"]}
    return _message_chunks([[before], *texts, [after]], **rest)


def _tool_chunks() -> list[AIMessageChunk]:
    call = [tool_call_chunk(name="search", args='{"q": "very cold"}', id="call-1", index=0)]
    chunks = [AIMessageChunk(content=each, id="msg-1") for each in cut(SHORT)]
    chunks.append(AIMessageChunk(content="", id="msg-1", tool_call_chunks=call))
    return [*chunks, AIMessageChunk(content="", chunk_position="last", **_FIELDS)]


def _dictionary_chunks(others: dict[str, Any], key: str, texts: list[Any]) -> list[AddableDict]:
    chunks = [AddableDict({name: value}) for name, value in others.items()]
    return [*chunks, *(AddableDict({key: text}) for text in texts)]


def _conversation(last: AIMessage) -> list[Any]:
    return [
        HumanMessage(QUESTION, id="h"),
        AIMessage("I am very glad to look.", id="c", tool_calls=[_CALL]),
        ToolMessage("very cold", tool_call_id="call-1", id="t"),
        last,
    ]


_RAG = {"input": QUESTION, "context": DOCUMENTS}
_STEPS = {"input": QUESTION, "intermediate_steps": [("very", "cold")]}
_SOURCES = {"query": QUESTION, "source_documents": DOCUMENTS}
_NOTES = {"answer": SHORT, "notes": {"very": ["old"]}}

SHAPES = [
    Shape("str", lambda say: say(TEXT), pieces=lambda: cut(TEXT)),
    Shape("str_json", lambda _: JSON, blocks=0, pieces=lambda: cut(JSON)),
    Shape("message", lambda say: AIMessage(say(TEXT), name="answerer", **_FIELDS), reports=True),
    Shape(
        "message_list",
        lambda say: AIMessage([_REASONING, {"type": "text", "text": say(TEXT)}, _IMAGE, say(SHORT)], **_FIELDS),
        blocks=3,
        reports=True,
    ),
    Shape("message_tools", lambda _: AIMessage(TEXT, tool_calls=[_CALL], **_FIELDS), blocks=0),
    Shape("message_json", lambda _: AIMessage(JSON, **_FIELDS), blocks=0, reports=True),
    Shape(
        "message_parsed",
        lambda _: AIMessage(TEXT, **{**_FIELDS, "additional_kwargs": {"parsed": {"answer": "very"}}}),
        blocks=0,
    ),
    Shape(
        "chunk",
        lambda say: _chunk(say(TEXT)),
        reports=True,
        pieces=lambda: _message_chunks(
            cut(TEXT), usage_metadata=_USAGE, additional_kwargs=_FIELDS["additional_kwargs"]
        ),
    ),
    Shape("chunk_list", lambda say: _chunk(_indexed(say)), reports=True, pieces=_indexed_chunks),
    Shape(
        "chunk_tools",
        lambda _: _chunk(
            SHORT,
            tool_call_chunks=[tool_call_chunk(name="search", args='{"q": "very cold"}', id="call-1", index=0)],
        ),
        blocks=0,
        pieces=_tool_chunks,
    ),
    Shape(
        "chunk_json",
        lambda _: _chunk(JSON),
        blocks=0,
        reports=True,
        pieces=lambda: _message_chunks(
            cut(JSON), usage_metadata=_USAGE, additional_kwargs=_FIELDS["additional_kwargs"]
        ),
    ),
    Shape("prompt_str", lambda say: StringPromptValue(text=say(TEXT))),
    Shape(
        "prompt_chat",
        lambda say: ChatPromptValue(
            messages=[
                SystemMessage("Be very brief."),
                HumanMessage("It was very late."),
                AIMessage("Very late.", id="a"),
                HumanMessage(say(TEXT), id="h"),
            ]
        ),
        reports=True,
    ),
    Shape(
        "answer",
        lambda say: {**_RAG, "answer": say(TEXT)},
        pieces=lambda: _dictionary_chunks(_RAG, "answer", cut(TEXT)),
    ),
    Shape("answer_message", lambda say: {**_RAG, "answer": AIMessage(say(TEXT), **_FIELDS)}, reports=True),
    Shape(
        "answer_chunk",
        lambda say: {**_RAG, "answer": _chunk(say(TEXT))},
        reports=True,
        pieces=lambda: _dictionary_chunks(
            _RAG,
            "answer",
            _message_chunks(cut(TEXT), usage_metadata=_USAGE, additional_kwargs=_FIELDS["additional_kwargs"]),
        ),
    ),
    Shape(
        "output",
        lambda say: {**_STEPS, "output": say(TEXT)},
        pieces=lambda: _dictionary_chunks(_STEPS, "output", cut(TEXT)),
    ),
    Shape(
        "result",
        lambda say: {"result": say(TEXT), **_SOURCES},
        pieces=lambda: [*_dictionary_chunks({}, "result", cut(TEXT)), AddableDict(_SOURCES)],
    ),
    Shape("messages", lambda say: {"messages": _conversation(AIMessage(say(TEXT), **_FIELDS))}, reports=True),
    Shape(
        "messages_tools",
        lambda _: {"messages": _conversation(AIMessage(TEXT, tool_calls=[_CALL], **_FIELDS)), "remaining": 1},
        blocks=0,
    ),
    Shape(
        "messages_data",
        lambda _: {"messages": _conversation(AIMessage(TEXT, **_FIELDS)), "structured_response": {"answer": "very"}},
        blocks=0,
    ),
    Shape(
        "key",
        lambda say: {**_NOTES, "text": say(TEXT)},
        key="text",
        pieces=lambda: _dictionary_chunks(_NOTES, "text", cut(TEXT)),
    ),
]
