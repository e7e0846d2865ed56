"""Texts and chats in JSONL files, read line by line however many there are."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from itertools import groupby
from operator import itemgetter
from pathlib import Path

from restyle.data.chats import AuthorTurns
from restyle.data.identifiers import written_id
from restyle.data.jsonl import read_jsonl
from restyle.errors import DocumentError, RowError

__all__ = ["is_recording", "read_texts"]

_ADVICE = "mend or remove the line"
_SHOWN = 60  # characters of a row that an error shows


def read_texts(path: Path, *, text_key: str, source_id_key: str, sender: str | None) -> Iterator[tuple[str, str]]:
    """The texts of a file, each with the id of its row, else its line; rows of one id that follow each other are one.

    A row is ``{"text": ...}`` or a conversation ``{"messages": [{"role", "content"}, ...]}``, of which the author's
    turns are the text. Conversations without the author are passed over, as are blank lines.

    Args:
        path: The file; only a line feed ends a line.
        text_key: The field of the text.
        source_id_key: The field that says which text the row is a part of.
        sender: Whose turns to take: a name or a role. None: the assistant's.

    Raises:
        RowError: A line is no such row; the message begins with ``path:line``.
        DocumentError: An id is no name, a message is none, or nobody is called ``sender``.
        OSError: The file cannot be read.
    """
    texts = _texts(path, text_key, source_id_key, AuthorTurns(sender))
    for id_, parts in groupby(texts, itemgetter(0)):
        yield id_, "\n\n".join(text for _, text in parts)


def _texts(path: Path, text_key: str, source_id_key: str, turns: AuthorTurns) -> Iterator[tuple[str, str]]:
    empty, chats = True, False
    for place, row in read_jsonl(path, _ADVICE):
        empty = False
        if isinstance(row, Mapping) and isinstance(row.get("messages"), list):
            chats = True
            text = turns.said(row["messages"], f"{place}: messages")
        else:
            text = _text(row, text_key, place)
        if text is not None:
            yield written_id(row.get(source_id_key), f"{place}: {source_id_key!r}") or place.rpartition(":")[2], text
    if empty:
        raise DocumentError(f"{path}: the document is empty: remove it from the sources")
    if chats:
        turns.end(f"{path}: ")


def _text(row: object, text_key: str, place: str) -> str:
    text = row.get(text_key) if isinstance(row, Mapping) else None
    if not isinstance(text, str):
        found = json.dumps(row, ensure_ascii=False)
        found = found if len(found) <= _SHOWN else f"{found[:_SHOWN]}..."
        raise RowError(
            f'{place}: expected {{"{text_key}": "..."}} or {{"messages": [...]}}, found {found}: mend the line, or '
            "name the field of the text: text_key='...'"
        )
    if not text.strip():
        raise RowError(f"{place}: the text is empty: remove the line")
    return text


def is_recording(path: Path) -> bool:
    """Whether the file holds recorded answers, ``{"text", "neutral"}``, as its first row says."""
    try:
        _, row = next(read_jsonl(path, _ADVICE))
    except (StopIteration, RowError, OSError):
        return False
    return isinstance(row, Mapping) and {"text", "neutral"} <= row.keys()
