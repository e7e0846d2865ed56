"""Which pairs are fit for training: each one that is not is dropped for a named reason."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Container
from dataclasses import dataclass
from typing import Literal

from restyle.facts import losses
from restyle.faults import find_fault, visible_text
from restyle.messages import Answer

__all__ = [
    "MAXIMUM_OVERLAP",
    "MAXIMUM_RATIO",
    "MINIMUM_RATIO",
    "Drop",
    "Reason",
    "count_shared",
    "count_words",
    "drop_of_answer",
    "drop_of_block",
]

Reason = Literal[
    "short",
    "long",
    "duplicate",
    "near_duplicate",
    "language",
    "unasked",
    "unanswered",
    "failed",
    "parameters",
    "unaligned",
    "fault",
    "facts",
    "length",
    "overlap",
    "tokens",
]

MINIMUM_RATIO, MAXIMUM_RATIO = 0.6, 1.6  # words of the neutral text to words of the author's
MAXIMUM_OVERLAP = 0.85  # share of the neutral words that stand in the author's text too: above, nothing was neutralised

_WORD = re.compile(r"\w+(?:['’-]\w+)*")


@dataclass(frozen=True, slots=True)
class Drop:
    """Why a pair was left out."""

    reason: Reason
    detail: str


_OF_NO_MODEL = {  # reasons to stop that only teachers give which look answers up
    "not_recorded": Drop("unanswered", "no recorded answer"),
    "unaligned": Drop("unaligned", "no counterpart in the plain version"),
}


def drop_of_block(text: str, minimum: int, maximum: int, seen: Container[str]) -> Drop | None:
    """Why a block is not worth a teacher's answer; ``seen`` holds the blocks before it."""
    words = len(text.split())
    if words < minimum:
        return Drop("short", f"{words} words, at least {minimum}")
    if words > maximum:
        return Drop("long", f"{words} words, at most {maximum}")
    if text in seen:
        return Drop("duplicate", "the same text stands earlier")
    return None


def drop_of_answer(text: str, answer: Answer) -> Drop | None:
    """Why the teacher's answer does not make a pair with the author's ``text``."""
    if drop := _OF_NO_MODEL.get(answer.finish_reason or ""):
        return drop
    if fault := find_fault(text, answer):
        return Drop("fault", f"{fault.kind}: {fault.detail}")
    neutral = visible_text(answer)
    if lost := losses(text, neutral):
        return Drop("facts", "; ".join(str(loss) for loss in lost))
    ours, theirs = count_words(neutral), count_words(text)
    ratio = ours.total() / max(theirs.total(), 1)
    if not MINIMUM_RATIO <= ratio <= MAXIMUM_RATIO:
        return Drop("length", f"{ratio:.2f} of the author's words")
    overlap = count_shared(ours, theirs) / max(ours.total(), 1)
    if overlap > MAXIMUM_OVERLAP:
        return Drop("overlap", f"{overlap:.2f} of the words stand in the author's text")
    return None


def count_words(text: str) -> Counter[str]:
    """How often each word stands in a text, in small letters."""
    return Counter(_WORD.findall(text.lower()))


def count_shared(ours: Counter[str], theirs: Counter[str]) -> int:
    """The words that both have, as often as both have them."""
    shared = ours.keys() & theirs.keys()  # this way, not ours & theirs, Python's own loops are not in it
    return sum(map(min, map(ours.__getitem__, shared), map(theirs.__getitem__, shared)))
