"""Rows of training files: conversational prompt/completion for TRL, ``messages`` for OpenAI-compatible hosts."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

from restyle.data.jsonl import read_jsonl
from restyle.errors import PairsError, RowError
from restyle.files import write_atomically
from restyle.messages import Ask, Role

__all__ = ["Row", "RowFormat", "parse_row", "read_rows", "to_json", "write_rows"]

RowFormat = Literal["prompt_completion", "messages"]

_ROLES = ("system", "user", "assistant")
_ADVICE = "restore the line, or make the pairs again with 'restyle pairs'"


@dataclass(frozen=True, slots=True)
class Row:
    """One example: the exact request (see `restyle.style.Stage.ask`) and the answer to learn."""

    ask: Ask
    answer: str


def to_json(row: Row, form: RowFormat = "prompt_completion") -> str:
    """The row as one line of JSON, without a line feed.

    ``prompt_completion`` puts TRL's loss on the completion alone; in ``messages`` rows it would fall on every token.
    """
    system, user, answer = map(_string, (row.ask.system, row.ask.user, row.answer))
    asked = f'{{"role": "system", "content": {system}}}, {{"role": "user", "content": {user}}}'
    answered = f'{{"role": "assistant", "content": {answer}}}'
    if form == "messages":
        return f'{{"messages": [{asked}, {answered}]}}'
    return f'{{"prompt": [{asked}], "completion": [{answered}]}}'


@lru_cache(maxsize=8)  # a pair's texts stand in both directions and both formats
def _string(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def parse_row(value: object, direction: Role) -> Row:
    """The row that a line of either format holds.

    Raises:
        ValueError: What is wrong with it.
    """
    if not isinstance(value, dict):
        raise ValueError(f"a row is a JSON object, this is a {type(value).__name__}")  # noqa: TRY004 - the caller has one kind of complaint to pass on
    messages = value.get("messages")
    if messages is None:
        messages = [*_as_list(value.get("prompt")), *_as_list(value.get("completion"))]
    texts = []
    for role, message in zip(_ROLES, _as_list(messages), strict=False):
        if not isinstance(message, dict) or message.get("role") != role or not isinstance(message.get("content"), str):
            raise ValueError(f"expected the {role} message with its text, found {json.dumps(message)[:80]}")
        texts.append(message["content"])
    if len(texts) != len(_ROLES) or len(messages) != len(_ROLES):
        raise ValueError("expected exactly a system, a user and an assistant message")
    system, user, answer = texts
    return Row(Ask(system, user, direction), answer)


def write_rows(path: Path, rows: Iterable[Row], form: RowFormat = "prompt_completion") -> None:
    """Write rows, whole or not at all."""
    write_atomically(path, "".join(f"{to_json(row, form)}\n" for row in rows))


def read_rows(path: Path, direction: Role) -> list[Row]:
    """Read a file of rows.

    Raises:
        PairsError: There is no such file.
        RowError: A row does not fit; the message begins with ``path:line``.
    """
    rows = []
    try:
        for place, value in read_jsonl(path, _ADVICE):
            try:
                rows.append(parse_row(value, direction))
            except ValueError as error:
                raise RowError(f"{place}: {error}: {_ADVICE}") from error
    except FileNotFoundError as error:
        raise PairsError(f"{path}: no such file: make the pairs with 'restyle pairs'") from error
    return rows


def _as_list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []
