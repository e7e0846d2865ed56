"""What a chain hands over, and the same shape with other text in it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from langchain_core.messages import AIMessage, AIMessageChunk

from restyle.rewriting import Rewrite

__all__ = ["Envelope", "RestyleIO", "envelope_for", "rebuild", "texts_of"]

RestyleIO = str | AIMessage

_Item = str | dict[str, Any]
# Providers leave calls in the content that LangChain does not list under `tool_calls`.
_CALLS = frozenset({"tool_call", "tool_call_chunk", "tool_use", "server_tool_call", "function_call"})


def texts_of(value: RestyleIO) -> list[str]:
    """The texts to rewrite, in order; none in a message that calls tools.

    Raises:
        TypeError: A shape that is not known.
    """
    if isinstance(value, str):
        return [value]
    if not isinstance(value, AIMessage):
        raise TypeError(f"Restyle takes a string or an AIMessage, not {type(value).__name__}: parse the output first")
    if _calls_tools(value):
        return []
    return [value.content] if isinstance(value.content, str) else [_text(item) for item in value.content if _text(item)]


def rebuild(value: RestyleIO, rewrites: Sequence[Rewrite]) -> RestyleIO:
    """``value`` with its texts replaced, everything else as it was, and a report in a message's metadata."""
    if isinstance(value, str):
        return rewrites[0].text
    if not rewrites:
        return value
    content: str | list[Any]
    if isinstance(value.content, str):
        content = rewrites[0].text
    else:
        texts = iter(rewrite.text for rewrite in rewrites)
        content = [_with_text(item, next(texts)) if _text(item) else item for item in value.content]
    report = {"blocks": [row for rewrite in rewrites for row in rewrite.report()["blocks"]]}
    metadata = {**value.response_metadata, "restyle": report}
    return value.model_copy(update={"content": content, "response_metadata": metadata})


class Envelope(Protocol):
    """Takes the text out of a stream's chunks and wraps what comes of it."""

    calls_tools: bool
    """Whether the message has turned out to call tools: text not yet under way then passes untouched."""

    def take(self, chunk: Any) -> str:
        """The text of a chunk."""

    def wrap(self, text: str) -> Any:
        """A chunk of the same kind."""

    def last(self, rewrite: Rewrite) -> Any | None:
        """A closing chunk with what is said once, or None."""


class _StringEnvelope:
    calls_tools = False

    def take(self, chunk: str) -> str:
        return chunk

    def wrap(self, text: str) -> str:
        return text

    def last(self, rewrite: Rewrite) -> str | None:
        return None if rewrite.text else ""  # an empty answer is an answer: what stands downstream waits for one


class _MessageEnvelope:
    """Upstream's metadata and usage leave once, on the last chunk: merging would repeat strings and add counts."""

    def __init__(self) -> None:
        self.calls_tools = False
        self._rest: AIMessageChunk | None = None
        self._others: list[_Item] = []  # what is no text and has not left yet
        self._item: dict[str, Any] | None = None  # what a text item looks like; None while content is no list

    def take(self, chunk: AIMessageChunk) -> str:
        rest = chunk.model_copy(update={"content": ""})
        self._rest = rest if self._rest is None else self._rest + rest
        self.calls_tools = self.calls_tools or bool(chunk.tool_call_chunks) or _calls_tools(chunk)
        if isinstance(chunk.content, str):
            return chunk.content
        self._item = self._item or {"type": "text"}
        for item in chunk.content:
            if not _text(item):
                self._others.append(item)
            elif isinstance(item, dict) and "index" in item:
                self._item.setdefault("index", item["index"])  # chunks merge where it is the same
        return "".join(map(_text, chunk.content))

    def wrap(self, text: str) -> AIMessageChunk:
        return AIMessageChunk(content=self._content(text), id=self._rest.id if self._rest else None)

    def last(self, rewrite: Rewrite) -> AIMessageChunk | None:
        if self._rest is None:
            return None
        report = {} if self.calls_tools else {"restyle": rewrite.report()}
        metadata = {**self._rest.response_metadata, **report}
        return self._rest.model_copy(update={"content": self._content(""), "response_metadata": metadata})

    def _content(self, text: str) -> str | list[Any]:
        others, self._others = self._others, []
        if self._item is None:
            return text
        return [*others, *([{**self._item, "text": text}] if text else [])]


def envelope_for(chunk: RestyleIO) -> Envelope | None:
    """How to stream what begins with ``chunk``; None for what comes in one piece (a whole message)."""
    if isinstance(chunk, str):
        return _StringEnvelope()
    if isinstance(chunk, AIMessageChunk):
        return _MessageEnvelope()
    return None


def _calls_tools(message: AIMessage) -> bool:
    if message.tool_calls or message.invalid_tool_calls:
        return True
    return any(isinstance(item, dict) and item.get("type") in _CALLS for item in message.content)


def _text(item: _Item) -> str:
    if isinstance(item, str):
        return item
    return str(item.get("text", "")) if item.get("type") == "text" else ""


def _with_text(item: _Item, text: str) -> _Item:
    return text if isinstance(item, str) else {**item, "text": text}
