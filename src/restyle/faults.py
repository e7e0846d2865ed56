"""Answers that are no rewriting at all: empty, cut off, hidden, refused, or about the text instead of the text."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from restyle.messages import Answer

__all__ = ["Fault", "FaultKind", "find_fault", "visible_text"]

FaultKind = Literal["empty", "cut_off", "reasoning", "thinking", "refusal", "comment"]

_EMPTY_THOUGHT = re.compile(r"\A\s*<think>\s*</think>")
_THOUGHT = re.compile(r"</?think(?:ing)?>", re.IGNORECASE)
_REFUSAL = re.compile(
    r"\A\W*(?:i['’]?m sorry,? (?:but )?i (?:can(?:no|['’])?t|am unable)|i (?:can(?:no|['’])t|am unable to|won['’]t)"
    r" (?:help|assist|comply|fulfil|rewrite|process)|sorry,? (?:but )?i can(?:no|['’])?t (?:help|assist|rewrite|do)"
    r"|as an? (?:ai|large language|language) )",
    re.IGNORECASE,
)
_PREAMBLE = re.compile(
    r"\A\W*(?:(?:sure|certainly|of course|okay|absolutely)(?:[!:]|[,.][^\n:]{0,80}[:!]"
    r"|\s(?:here|thing|i (?:can|will)|i['’](?:ll|d))\b[^\n:]{0,80}[:!])|here(?:['’]s| is| are)\b[^\n:]{0,80}"
    r"\b(?:text|version|rewrit\w+|rewrot\w*|passage|paragraph|rephras\w+)\b[^\n:]{0,60}:"
    r"|(?:the )?rewritten (?:text|version)\b)",
    re.IGNORECASE,
)
_AFTERWORD = re.compile(
    r"\n\W*(?:let me know (?:if|whether)\b|i hope this (?:helps|works|meets)\b"
    r"|(?:note|changes made|explanation):)[^\n]*\Z",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Fault:
    """Why an answer cannot be used, whatever facts stand in it."""

    kind: FaultKind
    detail: str


def visible_text(answer: Answer) -> str:
    """The answer without the white space around it and without one leading *empty* think block.

    Some templates train on ``<think></think>`` before the answer; an empty block says nothing, so it is no fault.
    """
    return _EMPTY_THOUGHT.sub("", answer.text, count=1).strip()


def find_fault(asked: str, answer: Answer) -> Fault | None:
    """The fault of ``answer`` as a rewriting of ``asked``, or None.

    What the asked text does itself (it may well begin with "I'm sorry, but I can't come") is no fault of the answer.
    """
    return _fault_of_delivery(answer) or _fault_of_content(asked, visible_text(answer))


def _fault_of_delivery(answer: Answer) -> Fault | None:
    if answer.finish_reason in {"length", "max_tokens"}:
        return Fault("cut_off", "the answer was cut at the length limit: raise max_tokens in the request options")
    if answer.finish_reason == "content_filter":
        return Fault("refusal", "the host's content filter stopped the answer")
    if visible_text(answer):
        return None
    if answer.reasoning.strip():
        return Fault("reasoning", "the answer came in reasoning_content: turn thinking off in the request options")
    return Fault("empty", "the answer has no text")


def _fault_of_content(asked: str, text: str) -> Fault | None:
    if _THOUGHT.search(text) and not _THOUGHT.search(asked):
        return Fault("thinking", "a <think> block is left in the answer: turn thinking off in the request options")
    if _REFUSAL.search(text) and not _REFUSAL.search(asked):
        return Fault("refusal", f"the model refused: {text[:80]!r}")
    for pattern in (_PREAMBLE, _AFTERWORD):
        if (comment := pattern.search(text)) and not pattern.search(asked):
            return Fault("comment", f"the model comments instead of rewriting: {comment.group().strip()[:80]!r}")
    return None
