"""Part of an answer shown while the rest still comes, as far as it looks like a rewriting."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from restyle.faults import find_fault, visible_text
from restyle.messages import Answer, Ask

__all__ = ["Reveal"]

# Characters of a line that are seen before any of it is shown: refusals, remarks and thoughts give themselves away in
# them, and such a line is no rewriting.
_BEGINNING = 80


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
        text = visible_text(Answer(self._text))
        line = text.rfind("\n") + 1
        certain = len(text) if len(text) - line >= _BEGINNING else len(text[:line].rstrip())
        if certain <= self._shown:
            return
        if find_fault(self._asked, Answer(text)):
            self._suspect = True  # once and for all: what follows would make no sense without this
            return
        self._show(text[self._shown : certain])
        self._shown = certain

    def end(self, answer: Answer) -> Answer:
        """The whole answer, with what of it was shown."""
        return replace(answer, shown=visible_text(Answer(self._text))[: self._shown])
