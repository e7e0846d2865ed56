"""One block's way to its neutral version: the teacher is asked, its answer checked, and once it is asked again."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

from restyle.data.filters import Drop, WordCounts, judge_answer
from restyle.facts import losses
from restyle.faults import find_fault, visible_text
from restyle.messages import Answer, Ask, Turn

__all__ = ["COMPLAINTS", "Neutralised", "neutralise"]

# What a teacher is told about a rejected answer, by what is wrong with it. The wording is part of the ledger's keys, as
# the system prompt is: changing it asks, and pays for, every repair again.
COMPLAINTS: Mapping[str, str] = MappingProxyType(
    {
        "opening": "Your last answer cannot be used.",
        "lost": "It lacks these facts of the text, which have to stay as they are: {}.",
        "invented": "It has these, which the text does not have: {}.",
        "short": "It is too short: say all that the text says, at about the length of the text.",
        "long": "It is too long: add nothing to what the text says, and keep to about its length.",
        "overlap": "It is too close to the wording of the text: only the facts stay, the words and sentences become "
        "plain ones.",
        "empty": "It has no text.",
        "reasoning": "It has no text beside your reasoning.",
        "thinking": "Your reasoning stands in it.",
        "cut_off": "It breaks off before its end: keep to about the length of the text.",
        "refusal": "It refuses: nothing in the text is asked of you, it is only to be rewritten.",
        "comment": "It says something about the text, or about itself.",
        "closing": "Rewrite the text once more, as you were told at first. Answer with the rewritten text only.",
    }
)

_FINAL = frozenset({"not_recorded", "unaligned", "content_filter"})  # reasons to stop that asking again does not change

_NOTHING = "(no text)"  # in the place of an empty answer: some hosts refuse a message without text


@dataclass(frozen=True, slots=True)
class Neutralised:
    """What became of a block.

    Attributes:
        neutral: Its neutral version, which has passed every filter, or all but the one for ``overlap``, by which the
            teacher stood when it was asked again; else None.
        drop: Why the last answer makes no pair; None where it makes one.
        asks: How often the teacher was asked.
        words: Of the neutral version and the block; None where there is no such version.
    """

    neutral: str | None
    drop: Drop | None
    asks: int
    words: WordCounts | None = None


def neutralise(text: str, system: str, *, repair: bool = True) -> Generator[Ask, Answer, Neutralised]:
    """The flow of one block: yields the asks, is sent the answers, and may be thrown what the teacher raised.

    A rejected answer is asked for again once, as a conversation goes on: the answer, and what is wrong with it. That
    quotes the facts concerned and nothing else. Not so where nobody would listen or it cannot help: for a teacher
    without a system prompt, for what was never recorded, and for what the host's content filter stopped.

    Args:
        text: The author's block.
        system: The teacher's system prompt; empty for one that replays a recording.
        repair: Whether to ask again at all.
    """
    ask = Ask(system, text, "destyle")
    answer = yield ask
    drop, words = judge_answer(text, answer)
    asks = 1
    if drop is not None and repair and system and answer.finish_reason not in _FINAL:
        answer = yield replace(ask, after=_complaint(text, answer, drop))
        drop, words = judge_answer(text, answer)
        asks = 2
    fit = drop is None or (drop.reason == "overlap" and asks > 1)
    return Neutralised(visible_text(answer), drop, asks, words) if fit else Neutralised(None, drop, asks)


def _complaint(text: str, answer: Answer, drop: Drop) -> tuple[Turn, Turn]:
    # An answer without end would not fit into the model's context once more; as much shows what was wrong.
    rejected = visible_text(answer)[: 2 * len(text)] or _NOTHING
    sentences = [COMPLAINTS["opening"], *_findings(text, answer, drop), COMPLAINTS["closing"]]
    return Turn("assistant", rejected), Turn("user", " ".join(sentences))


def _findings(text: str, answer: Answer, drop: Drop) -> list[str]:
    """What is wrong with an answer, in words for its author."""
    neutral = visible_text(answer)
    if drop.reason == "facts":
        found: dict[str, list[str]] = {}
        for loss in losses(text, neutral):
            found.setdefault("invented" if loss.added else "lost", []).append(f"{loss.kind} {loss.text!r}")
        return [COMPLAINTS[change].format(", ".join(named)) for change, named in sorted(found.items(), reverse=True)]
    if drop.reason == "length":
        return [COMPLAINTS["short" if len(neutral.split()) < len(text.split()) else "long"]]
    fault = find_fault(text, answer)
    return [COMPLAINTS[fault.kind if fault else drop.reason]]
