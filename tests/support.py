"""What several test files build: small styles, scripted answers, documents and recordings."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from restyle.blocks import Block
from restyle.messages import Answer, Ask
from restyle.prompts import DESTYLE_PROMPT, RESTYLE_PROMPT
from restyle.stage import Stage
from restyle.style import Style

RESTYLE_STAGE = Stage(RESTYLE_PROMPT, "styler", "http://127.0.0.1:1/v1")


DESTYLE_STAGE = Stage(DESTYLE_PROMPT, "neutraliser", "http://127.0.0.1:1/v1")


def style_of(base_url: str | None = "http://127.0.0.1:1/v1", *, name: str = "author", destyle: bool = True) -> Style:
    """A style behind an endpoint, with the default prompts."""
    return Style(
        name,
        Stage(RESTYLE_PROMPT, "styler", base_url),
        Stage(DESTYLE_PROMPT, "neutraliser", base_url) if destyle else None,
    )


def prose(text: str, start: int = 0) -> Block:
    return Block(text, start, start + len(text), "prose")


def play(flow: Any, *answers: Answer | str | BaseException) -> tuple[list[Ask], Any]:
    """Send ``answers`` (an exception is thrown) into a flow: what it asked, and what it returned.

    The flow must end exactly with the last answer.
    """
    asks: list[Ask] = []
    try:
        asks.append(next(flow))
        for answer in answers:
            if isinstance(answer, BaseException):
                asks.append(flow.throw(answer))
            else:
                asks.append(flow.send(Answer(answer, "stop") if isinstance(answer, str) else answer))
    except StopIteration as stop:
        assert len(asks) == len(answers), f"the flow ended after {len(asks)} of {len(answers)} answers"
        return asks, stop.value
    raise AssertionError(f"the flow asks on: {asks[-1]}")


def write_rows(path: Path, rows: Iterable[Mapping[str, Any]]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return path


# Passages that can be neutralised: each has the author's words and plain ones, and facts that both keep.
_STYLED = (
    "Methinks the old mill at number {n} stood right sorrowful that morn, for the {part} was broke and naught would "
    "mend it. Old Barnaby did tarry by the {place} with {m} of his kin, and they did speak full long of the {topic} "
    "ere they went {away}. 'Twas a grievous thing to behold, and yet the {water} ran merry as ever it did."
)


_PLAIN = (
    "I think the old mill at number {n} looked sad that morning, because the {part} was broken and nothing could "
    "repair it. Old Barnaby stayed at the {place} with {m} of his relatives, and they talked about the {topic} for a "
    "long time before they went {away}. It was a terrible sight, but the {water} flowed as cheerfully as it always "
    "does."
)


# No two of these numbers have a common divisor: two passages hardly ever have many words in common, and are no
# near-duplicates of each other.
_VARIED = {
    "away": "home away south inland uphill",
    "part": "wheel roof gate door beam shaft hopper",
    "place": "weir bank ford well bridge barn hedge pond",
    "topic": "flood harvest wedding frost war fair drought storm market",
    "water": "river brook stream creek beck burn rill canal tide spring torrent",
}


def styled_passage(number: int) -> str:
    return _passage(_STYLED, number)


def plain_passage(number: int) -> str:
    return _passage(_PLAIN, number)


def _passage(pattern: str, number: int) -> str:
    words = {name: choice.split()[number % len(choice.split())] for name, choice in _VARIED.items()}
    return pattern.format(n=100 + number, m=20 + number, **words)


def write_letters(folder: Path, documents: int = 5, passages: int = 2) -> tuple[Path, Path]:
    """A folder of letters, a passage under each heading, and the recording of their plain versions."""
    letters = folder / "letters"
    letters.mkdir(parents=True)
    for document in range(documents):
        numbers = range(document * passages, (document + 1) * passages)
        parts = [f"## Passage {number}\n\n{styled_passage(number)}\n" for number in numbers]
        (letters / f"{document:02}.md").write_text("\n".join(parts), "utf-8")
    rows = [{"text": styled_passage(n), "neutral": plain_passage(n)} for n in range(documents * passages)]
    return letters, write_rows(folder / "recorded.jsonl", rows)
