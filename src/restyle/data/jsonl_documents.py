"""Texts and chats in JSONL files, read line by line however many there are."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator, Mapping
from itertools import count, groupby, islice
from operator import itemgetter
from pathlib import Path
from typing import TypedDict, Unpack

from restyle.data.chats import AuthorTurns, Said
from restyle.data.identifiers import written_id
from restyle.data.jsonl import read_jsonl
from restyle.errors import DocumentError, RowError

__all__ = ["RowOptions", "is_recording", "read_texts"]

_ADVICE = "mend or remove the line"
_SHOWN = 60  # characters of a row that an error shows
_SHOWN_FIELDS = 10  # names of fields that a warning shows
_FEW_WORDS = 40  # a text with fewer makes no block, unless the user says so
_MANY = 100  # so many of these texts may be the paragraphs of a book


class RowOptions(TypedDict, total=False):
    """How the rows of JSONL files are read.

    ``text_key``: the field of a row's text ("text"). ``source_id_key``: the field that says which document it is a part
    of ("id"). ``sender``: whose turns to learn from in chats, a name or a role (None: the assistant's). ``context``:
    how many turns to keep with each of these, which is then a part of its document by itself (0: none; the turns of a
    conversation are one text).
    """

    text_key: str
    source_id_key: str
    sender: str | None
    context: int


def read_texts(path: Path, **options: Unpack[RowOptions]) -> Iterator[tuple[str, Said]]:
    """The texts of a file, each with the id of its row, else its line; rows of one id that follow each other are one.

    A row is ``{"text": ...}`` or a conversation ``{"messages": [{"role", "content"}, ...]}``, of which the author's
    turns are the text. Conversations without the author are passed over, as are blank lines. Only a line feed ends a
    line.

    Raises:
        RowError: A line is no such row; the message begins with ``path:line``.
        DocumentError: An id is no name, a message is none, or nobody is called ``sender``.
        OSError: The file cannot be read.

    Warns:
        UserWarning: The rows look like paragraphs, and nothing says of which texts.
    """
    for (id_, _), rows in groupby(_rows(path, options), itemgetter(0, 1)):
        said = [said for *_, said in rows]
        yield id_, ("\n\n".join(text for text, _ in said), said[0][1])


def _rows(path: Path, options: RowOptions) -> Iterator[tuple[str, int, Said]]:
    """What is said with its id, and with a number of its own where it is not to be joined with what follows."""
    text_key, source_id_key = options.get("text_key", "text"), options.get("source_id_key", "id")
    context = options.get("context", 0)
    turns = AuthorTurns(options.get("sender"), context)
    numbers = count(1)
    paragraphs = _Paragraphs(path, text_key)
    empty, chats = True, False
    for place, row in read_jsonl(path, _ADVICE):
        empty = False
        is_chat = isinstance(row, Mapping) and isinstance(row.get("messages"), list)
        if is_chat:
            chats = True
            said = turns.said(row["messages"], f"{place}: messages")
        else:
            said = [(_text(row, text_key, place), ())]
        if not said:
            continue
        id_ = written_id(row.get(source_id_key), f"{place}: {source_id_key!r}")
        if not (id_ or is_chat):
            paragraphs.take(row)
        for each in said:
            yield id_ or place.rpartition(":")[2], next(numbers) if is_chat and context else 0, each
    if empty:
        raise DocumentError(f"{path}: the document is empty: remove it from the sources")
    if chats:
        turns.end(f"{path}: ")
    paragraphs.warn()


class _Paragraphs:
    """Rows that no field is known to put together: paragraphs of a book, each taken for a document, would be lost."""

    def __init__(self, path: Path, text_key: str) -> None:
        self._path, self._text_key = path, text_key
        self._rows = self._short = 0
        self._fields: list[str] = []

    def take(self, row: Mapping[str, str]) -> None:
        self._rows += 1
        self._short += len(row[self._text_key].split()) < _FEW_WORDS
        self._fields = self._fields or [repr(key) for key in islice(row, _SHOWN_FIELDS) if key != self._text_key]

    def warn(self) -> None:
        if self._short < _MANY or self._short < self._rows / 4:
            return
        warnings.warn(
            f"{self._path}: {self._short} of {self._rows} rows are documents of fewer than {_FEW_WORDS} words, too "
            "short for a block: if they are paragraphs of longer texts, name the field that says of which: "
            f"source_id_key='...' (other fields: {', '.join(self._fields) or 'none'})",
            stacklevel=2,
        )


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
