"""Strings and messages that stream."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from langchain_core.messages import AIMessageChunk

from langchain_restyle.content import Item, calls_tools, item_text, with_text
from langchain_restyle.lanes import Feed, Lane, Queue, Voice
from restyle.jobs import Aside
from restyle.rewriting import Rewrite

__all__ = ["MessageVoice", "StringVoice"]

Dress = Callable[[Any], Any]  # puts a value under its key, where it came in a dictionary


class StringVoice(Voice):
    """A string that streams."""

    def __init__(self, queue: Queue, dress: Dress) -> None:
        super().__init__(queue)
        self._dress = dress
        self._lane = Lane(self, dress)

    def feed(self, text: str) -> Feed:
        """Take the next chunk."""
        return self._lane.feed(text)

    def end(self) -> Feed:
        """There are no more."""
        return self._lane.end()

    def close(self) -> Iterator[Any]:
        """What is said once: an empty answer is an answer, and what stands downstream waits for one."""
        if not any(result.text for result in self.done):
            yield self._dress("")


class MessageVoice(Voice):
    """A message that streams.

    Upstream's metadata and usage leave once, on the last chunk: merging would repeat strings and add counts.

    Args:
        queue: Where its blocks wait.
        dress: What chunks leave in.
        final_only: Whether nothing leaves before it is certain that the message calls no tools.
        neutral: Whether the report holds the neutral texts.
    """

    def __init__(self, queue: Queue, dress: Dress, *, final_only: bool, neutral: bool) -> None:
        super().__init__(queue, holding=final_only)
        self._dress, self._neutral = dress, neutral
        self._originals: list[AIMessageChunk] = []  # while nothing may leave
        self._rest: AIMessageChunk | None = None
        self._lane: Lane | None = None
        self._lane_of: Any = None  # what the lane is the text of: the content, or its item of that index
        self._listed = False  # whether the content is a list

    def feed(self, chunk: AIMessageChunk) -> Feed:
        """Take the next chunk."""
        if self.untouched:
            yield Aside(self._dress(chunk))
            return
        self._grow(chunk)
        if self.holding:
            self._originals.append(chunk)
        if chunk.tool_call_chunks or calls_tools(chunk):
            self.passing = True
            if self.holding:
                self.holding, self.untouched = False, True
                for original in self._originals:
                    yield Aside(self._dress(original))
                return
        if chunk.chunk_position == "last":
            yield from self._let_go()
        if isinstance(chunk.content, str):
            yield from self._text(chunk.content, "content", self._chunk)
        else:
            self._listed = True
            for item in chunk.content:
                yield from self._item(item)
        if chunk.tool_call_chunks:
            nothing: str | list[Any] = [] if self._listed else ""  # "" and a list make [""] together
            yield from self._behind_text(self._chunk(nothing, tool_call_chunks=chunk.tool_call_chunks))

    def end(self) -> Feed:
        """There are no more."""
        if self.untouched:
            return
        yield from self._let_go()
        yield from self._end_lane()

    def close(self) -> Iterator[Any]:
        """What is said once."""
        if self._rest is None or self.untouched:
            return
        rewrite = Rewrite(tuple(self.done))
        report = {"restyle": rewrite.report(neutral=self._neutral)} if rewrite.is_rewritten else {}
        content: Any = [] if self._listed else ""
        metadata = {**self._rest.response_metadata, **report}
        yield self._dress(self._rest.model_copy(update={"content": content, "response_metadata": metadata}))

    def _grow(self, chunk: AIMessageChunk) -> None:
        without = {"content": "", "tool_call_chunks": [], "tool_calls": [], "invalid_tool_calls": []}
        rest = chunk.model_copy(update=without)
        self._rest = rest if self._rest is None else self._rest + rest

    def _item(self, item: Item) -> Feed:
        text = item_text(item)
        if isinstance(item, str):
            yield from self._text(text, "strings", lambda text: self._chunk([text]))
        elif item.get("type") != "text":
            yield from self._behind_text(self._chunk([item]))
        elif "index" not in item:  # nothing of it will be merged
            yield from self._text(text, None, lambda text: self._chunk([with_text(item, text)]))
        else:
            place = {"type": "text", "index": item["index"]}
            yield from self._text(text, item["index"], lambda text: self._chunk([{**place, "text": text}]))
            if not text or item.keys() - {*place, "text"}:
                yield from self.value(self._dress(self._chunk([with_text(item, "")])))

    def _behind_text(self, chunk: AIMessageChunk) -> Feed:
        """Something that ends the text before it, and stays behind it."""
        yield from self._end_lane()
        yield from self.value(self._dress(chunk))

    def _end_lane(self) -> Feed:
        if self._lane is not None:
            lane, self._lane = self._lane, None
            yield from lane.end()

    def _text(self, text: str, lane_of: Any, chunk: Callable[[str], Any]) -> Feed:
        if self._lane is None or self._lane_of != lane_of:
            yield from self._end_lane()
            self._lane, self._lane_of = Lane(self, lambda text: self._dress(chunk(text))), lane_of
        yield from self._lane.feed(text)

    def _chunk(self, content: str | list[Any], **fields: Any) -> AIMessageChunk:
        return AIMessageChunk(content=content, id=self._rest.id if self._rest else None, **fields)

    def _let_go(self) -> Feed:
        if self.holding:
            self.holding = False
            self._originals.clear()
            yield Aside(self)
