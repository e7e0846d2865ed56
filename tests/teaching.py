"""A teacher's answers to the passages of `support`."""

from __future__ import annotations

import asyncio
import json
import re
import threading
import time
from collections.abc import Callable

from restyle.messages import Answer, Ask
from support import plain_passage


def plain(text: str) -> str:
    """The plain version of all passages in a text."""
    return "\n\n".join(plain_passage(int(number) - 100) for number in re.findall(r"number (\d+)", text))


class ScriptedTeacher:
    """Answers with what ``reply`` makes of an ask: a text, an answer, or an exception to raise. Keeps the asks."""

    system = "Neutralise."

    def __init__(
        self,
        identity: str = "scripted",
        reply: Callable[[Ask], str | Answer | Exception] = lambda ask: plain(ask.user),
        model: str | None = None,
    ) -> None:
        self.identity, self.reply, self.model = identity, reply, model
        self.asks: list[Ask] = []

    async def answer(self, ask: Ask) -> Answer:
        self.asks.append(ask)
        await asyncio.sleep(0)
        said = self.reply(ask)
        if isinstance(said, Exception):
            raise said
        return said if isinstance(said, Answer) else Answer(said, "stop")

    async def __aenter__(self):
        return self

    async def __aexit__(self, *_):
        pass


def number_of(ask: Ask) -> int:
    """The number of the first passage that is asked about."""
    return int(re.search(r"number (\d+)", ask.user)[1]) - 100


def describing(**values: Callable[[int], str]) -> Callable[[Ask], str]:
    """What finds these values of a passage's parameters, and answers plainly when it is asked for the text."""

    def reply(ask: Ask) -> str:
        if not ask.schema:
            return plain(ask.user)
        return json.dumps({name: value(number_of(ask)) for name, value in values.items()})

    return reply


def settle():
    """Wait for the calls that were under way when a run failed: nothing can interrupt a call in a thread."""
    deadline = time.monotonic() + 10
    while any(thread.name.startswith("restyle-teacher") for thread in threading.enumerate()):
        assert time.monotonic() < deadline
        time.sleep(0.005)
