"""Which pairs are fit for training: each one that is not is dropped for a named reason."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Container
from dataclasses import dataclass
from typing import Literal, NamedTuple

from restyle.facts import losses
from restyle.faults import find_fault, visible_text
from restyle.messages import Answer

__all__ = [
    "MAXIMUM_OVERLAP",
    "MAXIMUM_RATIO",
    "MINIMUM_RATIO",
    "Drop",
    "Reason",
    "Verdict",
    "WordCounts",
    "drop_of_block",
    "judge_answer",
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


class WordCounts(NamedTuple):
    """Words of a pair: of its neutral text, of the author's, and those that both have, as often as both have them."""

    neutral: int
    styled: int
    shared: int

    @classmethod
    def of(cls, neutral: str, styled: str) -> WordCounts:
        """Those of two texts; capitals make no other word."""
        ours, theirs = _count(neutral), _count(styled)
        both = ours.keys() & theirs.keys()  # this way, not ours & theirs, Python's own loops are not in it
        shared = sum(map(min, map(ours.__getitem__, both), map(theirs.__getitem__, both)))
        return cls(ours.total(), theirs.total(), shared)


class Verdict(NamedTuple):
    """Why an answer makes no pair (None: it makes one), and the words of the pair; None where they were not counted."""

    drop: Drop | None
    words: WordCounts | None = None


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


def judge_answer(text: str, answer: Answer) -> Verdict:
    """Whether the teacher's answer makes a pair with the author's ``text``."""
    if drop := _OF_NO_MODEL.get(answer.finish_reason or ""):
        return Verdict(drop)
    if fault := find_fault(text, answer):
        return Verdict(Drop("fault", f"{fault.kind}: {fault.detail}"))
    neutral = visible_text(answer)
    if lost := losses(text, neutral):
        return Verdict(Drop("facts", "; ".join(str(loss) for loss in lost)))
    words = WordCounts.of(neutral, text)
    ratio = words.neutral / max(words.styled, 1)
    if not MINIMUM_RATIO <= ratio <= MAXIMUM_RATIO:
        return Verdict(Drop("length", f"{ratio:.2f} of the author's words"), words)
    overlap = words.shared / max(words.neutral, 1)
    if overlap > MAXIMUM_OVERLAP:
        return Verdict(Drop("overlap", f"{overlap:.2f} of the words stand in the author's text"), words)
    return Verdict(None, words)


def _count(text: str) -> Counter[str]:
    return Counter(_WORD.findall(text.lower()))
