"""Chat models with a script, a record of runs, and texts of a few blocks."""

from __future__ import annotations

import asyncio
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from pydantic import Field, PrivateAttr

from restyle.demo import ANSWERS

ANSWER = "\n\n".join(ANSWERS.values())
"""What an application says in three blocks, citation marker included."""


def uncommon(text: str) -> str:
    """A style that anyone can check by eye; it keeps every fact."""
    return re.sub(r"\bvery\b", "uncommon", text)


def paragraph(number: int) -> str:
    """One block: long enough to leave the splitter as soon as its end is seen."""
    return (
        f"In the year {1800 + number} the winter was very long, and the boats of the harbour lay under the snow for "
        f"many weeks while the keeper counted {20 + number} ships on the horizon, wrote each of them down in his book "
        "by the light of the lamp, and went to bed very late and rather cold, as he had done every night before."
    )


def paragraphs(count: int) -> str:
    return "\n\n".join(paragraph(number) for number in range(count))


class Scripted(BaseChatModel):
    """Answers the last message with what ``reply`` makes of it, and counts the calls."""

    reply: Callable[[str], str | AIMessage] = uncommon
    delay: float = 0.0
    calls: list[str] = Field(default_factory=list)
    peak: int = 0
    _in_flight: int = PrivateAttr(default=0)
    _lock: Any = PrivateAttr(default_factory=threading.Lock)

    @property
    def _llm_type(self) -> str:
        return "scripted"

    @contextmanager
    def _call(self, messages: list[BaseMessage]) -> Iterator[str]:
        text = str(messages[-1].text)
        with self._lock:
            self.calls.append(text)
            self._in_flight += 1
            self.peak = max(self.peak, self._in_flight)
        try:
            yield text
        finally:
            with self._lock:
                self._in_flight -= 1

    def _result(self, text: str) -> ChatResult:
        answer = self.reply(text)
        message = answer if isinstance(answer, AIMessage) else AIMessage(answer)
        return ChatResult(generations=[ChatGeneration(message=message)])

    def _generate(self, messages, *_, **__):
        with self._call(messages) as text:
            time.sleep(self.delay)
            return self._result(text)

    async def _agenerate(self, messages, *_, **__):
        with self._call(messages) as text:
            await asyncio.sleep(self.delay)
            return self._result(text)


@dataclass
class Run:
    name: str
    kind: str
    parent: UUID | None
    tags: list[str]
    asked: str = ""
    ended: str = ""


class Runs(BaseCallbackHandler):
    """Every run of chains and chat models, and how it ended."""

    def __init__(self) -> None:
        self.all: dict[UUID, Run] = {}

    def on_chain_start(self, _serialized, _inputs, *, run_id, parent_run_id=None, tags=None, name=None, **_):
        self.all[run_id] = Run(name, "chain", parent_run_id, tags or [])

    def on_chat_model_start(self, _serialized, messages, *, run_id, parent_run_id=None, tags=None, name=None, **_):
        self.all[run_id] = Run(name, "chat_model", parent_run_id, tags or [], str(messages[0][-1].text))

    def on_chain_end(self, _outputs, *, run_id, **_):
        self.all[run_id].ended = "end"

    def on_chain_error(self, _error, *, run_id, **_):
        self.all[run_id].ended = "error"

    def on_llm_end(self, _response, *, run_id, **_):
        self.all[run_id].ended = "end"

    def on_llm_error(self, _error, *, run_id, **_):
        self.all[run_id].ended = "error"

    def named(self, name: str) -> list[UUID]:
        return [key for key, run in self.all.items() if run.name == name]

    def children(self, parent: UUID) -> list[Run]:
        return [run for run in self.all.values() if run.parent == parent]


def summed(chunks):
    """Message chunks as one."""
    first, *rest = chunks
    for chunk in rest:
        first += chunk
    assert isinstance(first, AIMessageChunk)
    return first


async def collected(chunks):
    return [chunk async for chunk in chunks]


async def aiterated(chunks):
    for chunk in chunks:
        yield chunk
