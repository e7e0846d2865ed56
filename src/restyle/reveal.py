"""Part of an answer shown while the rest still comes, as far as it looks like a rewriting."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace

from restyle.faults import find_fault, visible_text
from restyle.messages import Answer, Ask

__all__ = ["Reveal"]

# Characters of a line that are seen before any of it is shown: refusals, remarks and thoughts give themselves away in
# them, those at the beginning by their first words, after which they may be long.
_LINE, _OPENING = 40, 180
_SUSPECT = re.compile(
    r"\W*(?:sure|certainly|of course|okay|absolutely|here|(?:the )?rewritten|i['’]?m sorry|i (?:can(?:not)?|am|won)"
    r"|sorry|as an?)\b",
    re.IGNORECASE,
)
_OPEN, _CLOSE = "<think>", "</think>"  # an empty thought at the beginning is no part of the answer


class Reveal:
    """Takes a model's deltas and shows what can stand.

    Args:
        ask: What the model was asked.
        show: Gets the pieces that leave; they concatenate to a prefix of the answer's `visible_text`.
    """

    def __init__(self, ask: Ask, show: Callable[[str], None]) -> None:
        self._asked, self._show = ask.user, show
        self._text = ""
        self._shown = 0
        self._suspect = False

    def feed(self, delta: str) -> None:
        """Take the next piece of the answer."""
        self._text += delta
        if self._suspect:
            return
        if _may_be_thought(self._text.strip()):
            return
        text = visible_text(Answer(self._text))
        line = text.rfind("\n") + 1
        least = _OPENING if line == 0 and _SUSPECT.match(text) else _LINE
        certain = len(text) if len(text) - line >= least else len(text[:line].rstrip())
        if certain <= self._shown:
            return
        if find_fault(self._asked, Answer(self._text)):
            self._suspect = True  # once and for all: what follows would make no sense without this
            return
        self._show(text[self._shown : certain])
        self._shown = certain

    def end(self, answer: Answer) -> Answer:
        """The whole answer, with what of it was shown."""
        return replace(answer, shown=visible_text(Answer(self._text))[: self._shown])


def _may_be_thought(text: str) -> bool:
    """Whether this may still become an empty thought, of which nothing is ever shown."""
    if not text.startswith(_OPEN):
        return _OPEN.startswith(text)
    return _CLOSE.startswith(text.removeprefix(_OPEN).strip())
