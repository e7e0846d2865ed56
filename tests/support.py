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
    "Methinks the old mill at number {n} stood right sorrowful that morn, for the wheel was broke and naught would "
    "mend it. Old Barnaby did tarry by the weir with {m} of his kin, and they did speak full long of the flood ere "
    "they went home. 'Twas a grievous thing to behold, and yet the river ran merry as ever it did."
)


_PLAIN = (
    "I think the old mill at number {n} looked sad that morning, because the wheel was broken and nothing could repair "
    "it. Old Barnaby stayed at the weir with {m} of his relatives, and they talked about the flood for a long time "
    "before they went home. It was a terrible sight, but the river flowed as cheerfully as it always does."
)


def styled_passage(number: int) -> str:
    return _STYLED.format(n=100 + number, m=20 + number)


def plain_passage(number: int) -> str:
    return _PLAIN.format(n=100 + number, m=20 + number)


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
