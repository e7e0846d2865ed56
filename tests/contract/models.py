"""Two styles that are cards alone, and models that write down what they were told to do."""

from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.outputs import ChatGenerationChunk, ChatResult
from pydantic import Field

from langchain_restyle import Restyle
from restyle import Stage, Style
from restyle.prompts import DESTYLE_PROMPT, RESTYLE_PROMPT
from scripted import Scripted

__all__ = ["AUTHOR", "TONED", "Counted", "Listening", "Pair", "Talking"]

_NOWHERE = "http://127.0.0.1:9/v1"  # nobody listens there: all models are given

AUTHOR = Style("author", Stage(RESTYLE_PROMPT, "a", _NOWHERE), Stage(DESTYLE_PROMPT, "n", _NOWHERE))
"""A style without parameters."""

TONED = Style(
    "toned",
    Stage("Please rewrite the given text in your style. Use a $tone tone.", "t", _NOWHERE),
    Stage(DESTYLE_PROMPT, "n", _NOWHERE),
    parameters={"tone": ["dry"]},
)
"""Another one, with a parameter."""


class Listening(Scripted):
    """Writes down the system messages too."""

    told: list[str] = Field(default_factory=list)

    @contextmanager
    def _call(self, messages: list[BaseMessage]) -> Iterator[str]:
        self.told.append(str(messages[0].text))
        with super()._call(messages) as text:
            yield text


class Counted(Listening):
    """Says who it is and what it cost, as providers do."""

    model: str = "counted"

    def _result(self, text: str) -> ChatResult:
        result = super()._result(text)
        message: AIMessage = result.generations[0].message
        message.response_metadata = {"model_name": self.model, "finish_reason": "stop"}
        message.usage_metadata = {"input_tokens": 3, "output_tokens": 2, "total_tokens": 5}
        return result


class Talking(Listening):
    """Speaks word by word, but for its last word waits until it may ``go_on``, five seconds at most."""

    go_on: threading.Event = Field(default_factory=threading.Event)
    spoken: int = 0

    def _stream(self, messages, *_, **__):
        with self._call(messages) as text:
            *words, last = self._words(text)
            yield from words
            self._wait()
            yield last

    async def _astream(self, messages, *_, **__):
        with self._call(messages) as text:
            *words, last = self._words(text)
            for word in words:
                yield word
                await asyncio.sleep(0)
            await asyncio.to_thread(self._wait)
            yield last

    def _words(self, text: str) -> list[ChatGenerationChunk]:
        self.spoken += 1
        words = re.findall(r"\S+\s*", str(self.reply(text)))
        return [ChatGenerationChunk(message=AIMessageChunk(content=word)) for word in words]

    def _wait(self) -> None:
        if not self.go_on.wait(5):
            raise TimeoutError("nobody heard the beginning")


@dataclass(frozen=True)
class Pair:
    """The two models of a style: one that changes nothing, and one that does so visibly."""

    destyle: Listening = field(default_factory=lambda: Listening(reply=str))
    style: Listening = field(default_factory=Listening)

    def restyle(self, style: Style | str = "author", **options) -> Restyle:
        return Restyle(style, **{"destyle_model": self.destyle, "style_model": self.style, **options})
