"""The two models of a style, in three places; and the application's own model, which plays every part."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Protocol

from contract_llama.texts import ANSWER
from llama import Events, ScriptedLLM
from restyle import Style, rewrite
from restyle.prompts import DESTYLE_PROMPT, RESTYLE_PROMPT
from restyle.testing import Sandbox
from scripted import uncommon
from support import style_of

__all__ = ["Embedded", "Http", "Models", "Nobody", "Scripts", "application"]


class Models(Protocol):
    """A style whose models keep count.

    Attributes:
        options: What adapters are given.
    """

    options: dict[str, Any]

    def expected(self, text: str) -> str:
        """What the style makes of a text."""

    def asked(self, events: Events) -> list[int]:
        """How often the de-style model was asked, and how often the style model; ``events`` is all that happened."""


@dataclass
class Scripts:
    """LLMs of the user's own."""

    destyle: ScriptedLLM = field(default_factory=lambda: ScriptedLLM(reply=str))
    style: ScriptedLLM = field(default_factory=ScriptedLLM)

    @property
    def options(self) -> dict[str, Any]:
        return {"style": style_of(), "destyle_model": self.destyle, "style_model": self.style}

    def expected(self, text: str) -> str:
        return uncommon(text)

    def asked(self, _: Events) -> list[int]:
        return [len(self.destyle.calls), len(self.style.calls)]


@cache
def keeper(text: str) -> str:
    return rewrite(text, "keeper").text


class Embedded:
    """The keeper of this machine."""

    options: dict[str, Any] = {"style": "keeper"}  # noqa: RUF012 - the protocol's attribute

    def expected(self, text: str) -> str:
        return keeper(text)

    def asked(self, events: Events) -> list[int]:
        calls = [event.messages for event in events.seen if event.class_name() == "LLMChatStartEvent"]
        prompts = [messages[0].content for messages in calls]
        return [prompts.count(DESTYLE_PROMPT), prompts.count(RESTYLE_PROMPT)]


@dataclass
class Http:
    """The same keeper behind an endpoint."""

    sandbox: Sandbox
    card: Style

    @property
    def options(self) -> dict[str, Any]:
        return {"style": self.card}

    def expected(self, text: str) -> str:
        return keeper(text)

    def asked(self, _: Events) -> list[int]:
        names = [request.body["model"] for request in self.sandbox.requests]
        return [names.count("keeper:destyle"), names.count("keeper:restyle")]


class Nobody(ScriptedLLM):
    """In ``Settings.llm``: to be asked by nobody."""

    def _call(self, messages):
        raise AssertionError(f"Settings.llm was asked {messages[-1].content!r}")


# By what LlamaIndex's prompts say.
_PARTS = {
    "the choice that is most relevant": '[{"choice": 2, "reason": "It is very good."}]',
    "the top choices": '[{"choice": 1, "reason": "It is very good."}, {"choice": 2, "reason": "So is this."}]',
    "a list of relevant sub-questions": (
        '{"items": [{"sub_question": "Who?", "tool_name": "one"}, {"sub_question": "Where?", "tool_name": "two"}]}'
    ),
    "a standalone question": "Was it very cold in the tower?",
}


def application(says: str | Callable[[str], str] = ANSWER) -> ScriptedLLM:
    """It selects, splits and condenses questions, and gives the same answer to all of them."""

    def reply(prompt: str) -> str:
        part = next((reply for pattern, reply in _PARTS.items() if re.search(pattern, prompt)), says)
        return part if isinstance(part, str) else part(prompt)

    return ScriptedLLM(reply=reply)
