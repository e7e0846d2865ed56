"""The blocks of one run on their way to the files: in order, and on disk instead of in memory."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from types import TracebackType
from typing import Any, Self

from restyle.data.filters import Drop, Reason, WordCounts
from restyle.errors import PairsError
from restyle.messages import Turn

__all__ = ["AuthorBlock", "Staging", "Variant"]

_TABLES = """
PRAGMA journal_mode=OFF;
PRAGMA cache_size=-65536;  -- kibibytes
CREATE TABLE blocks (
    number INTEGER PRIMARY KEY, document TEXT, start INTEGER, end INTEGER, text TEXT, context TEXT, parameters TEXT,
    reason TEXT, detail TEXT, digest BLOB
);
CREATE INDEX blocks_by_text ON blocks (digest);
CREATE TABLE variants (
    number INTEGER, place INTEGER, teacher TEXT, neutral TEXT, reason TEXT, detail TEXT, as_is INTEGER,
    neutral_words INTEGER, styled_words INTEGER, shared_words INTEGER,
    PRIMARY KEY (number, place)
) WITHOUT ROWID;
CREATE TABLE held_out (digest BLOB PRIMARY KEY) WITHOUT ROWID;
BEGIN;
"""
_ADD = """
INSERT INTO blocks (document, start, end, text, context, parameters, reason, detail, digest)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
"""
_BLOCKS = "SELECT number, document, start, end, text, context, parameters, reason, detail FROM blocks"
_VARIANTS = """
SELECT number, teacher, neutral, reason, detail, as_is, neutral_words, styled_words, shared_words
FROM variants WHERE number BETWEEN ? AND ? ORDER BY number, place
"""
_PAGE = 256  # blocks in memory
_NOT_HELD_OUT = """
SELECT text FROM blocks
WHERE reason IS NOT 'near_duplicate' AND NOT EXISTS (SELECT 1 FROM held_out WHERE held_out.digest = blocks.digest)
ORDER BY number
"""
_DROPPED = """
SELECT reason, count(*) FROM
(SELECT reason FROM blocks WHERE reason IS NOT NULL UNION ALL SELECT reason FROM variants WHERE reason IS NOT NULL)
GROUP BY reason ORDER BY reason
"""
_STOOD_BY = """
SELECT digest, number, place FROM variants JOIN blocks USING (number)
WHERE neutral NOTNULL AND variants.reason NOTNULL
"""
_PAIRS = """
SELECT document, count(*) FROM variants JOIN blocks USING (number) WHERE variants.reason IS NULL GROUP BY document
"""


@dataclass(frozen=True, slots=True)
class Variant:
    """What one teacher made of a block: a pair (``neutral``) or a drop.

    Attributes:
        teacher: Its identity.
        neutral: Its neutral version; of a drop only where the wording has hardly changed, and the teacher stands by it.
        drop: Why it makes no pair.
        as_is: Whether the pair was kept although its sides are nearly the same, see `Staging.keep_as_is`.
        words: Of ``neutral`` and the block; None where there is no neutral version.
    """

    teacher: str
    neutral: str | None = None
    drop: Drop | None = None
    as_is: bool = False
    words: WordCounts | None = None


@dataclass(frozen=True, slots=True)
class AuthorBlock:
    """A block of the author's and what became of it: its variants, or why there are none.

    Attributes:
        context: The turns before it, in a conversation.
        parameters: The values of the prompts' parameters for it.
    """

    document: str
    start: int
    end: int
    text: str
    context: tuple[Turn, ...] = ()
    parameters: Mapping[str, str] = field(default_factory=dict)
    drop: Drop | None = None
    variants: tuple[Variant, ...] = ()


class Staging:
    """A private database in a temporary file that is gone with the process, however that ends.

    It is where SQLite puts such files: in ``SQLITE_TMPDIR`` or ``TMPDIR``, else ``/var/tmp`` or ``/tmp``. Its methods
    raise a `PairsError` where there is no room left.
    """

    def __init__(self) -> None:
        # Filled in the caller's thread, and read in another where a loop already runs; never in both at once.
        self._connection = sqlite3.connect("", isolation_level=None, check_same_thread=False)
        self._connection.executescript(_TABLES)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._connection.close()

    def add(self, block: AuthorBlock) -> None:
        """Put a block behind those before it; it may be dropped already."""
        place = (block.document, block.start, block.end)
        extra = (_json(block.context), _json(dict(block.parameters)), *_columns(block.drop))
        self._rows(_ADD, *place, block.text, *extra, _digest(block.text))

    def settle(self, number: int, block: AuthorBlock) -> None:
        """Write down what became of a block."""
        values = (_json(dict(block.parameters)), *_columns(block.drop), number)
        if block.drop or block.parameters:
            self._rows("UPDATE blocks SET parameters = ?, reason = ?, detail = ? WHERE number = ?", *values)
        for place, variant in enumerate(block.variants):
            made = (number, place, variant.teacher, variant.neutral, *_columns(variant.drop), variant.as_is)
            words = variant.words or (None, None, None)
            self._rows("INSERT OR REPLACE INTO variants VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", *made, *words)

    def blocks(self, *, mixed: int | None = None) -> Iterator[tuple[int, AuthorBlock]]:
        """The blocks with their numbers, in the order they came; they may be settled meanwhile.

        Args:
            mixed: A seed: the blocks come in another order that depends on it alone; none is to be settled meanwhile.
        """
        if mixed is not None:
            self._connection.create_function("shuffled", 1, lambda number: _digest(f"{mixed}:{number}"))
            cursor = self._connection.execute(f"{_BLOCKS} ORDER BY shuffled(number)")
            while page := cursor.fetchmany(_PAGE):
                for row in page:
                    yield row[0], _block(row, self._variants(row[0], row[0]).get(row[0], ()))
            return
        number = 0
        while page := self._rows(f"{_BLOCKS} WHERE number > ? ORDER BY number LIMIT {_PAGE}", number):
            variants = self._variants(page[0][0], page[-1][0])
            for row in page:
                yield row[0], _block(row, variants.get(row[0], ()))
            number = page[-1][0]

    def keep_as_is(self, share: float, seed: int) -> int:
        """Take back the drops of some variants that have a neutral version nevertheless, and count them.

        So models learn what to leave alone. They are chosen by hash, one of a block at most, and make up at most
        ``share`` (0 to below 1) of all pairs.
        """
        candidates = self._rows(
            "SELECT digest, number, min(place) FROM variants JOIN blocks USING (number) "
            "WHERE neutral NOTNULL AND variants.reason NOTNULL GROUP BY number"
        )
        wanted = int(share / (1 - share) * sum(self.pairs().values()))
        candidates.sort(key=lambda row: (_digest(f"{seed}:{row[0].hex()}"), row))
        for _, number, place in candidates[:wanted]:
            query = "UPDATE variants SET reason = NULL, detail = NULL, as_is = 1 WHERE number = ? AND place = ?"
            self._rows(query, number, place)
        return len(candidates[:wanted])

    def drop(self, number: int, place: int, drop: Drop) -> None:
        """Drop the variant of a block at a place, from 0, in its variants."""
        values = (*_columns(drop), number, place)
        self._rows("UPDATE variants SET reason = ?, detail = ? WHERE number = ? AND place = ?", *values)

    def documents(self) -> list[str]:
        """The documents that have blocks, in the order of their first ones."""
        return [name for (name,) in self._rows("SELECT document FROM blocks GROUP BY document ORDER BY min(number)")]

    def pairs(self) -> dict[str, int]:
        """The number of pairs of each document that has any."""
        return dict(self._rows(_PAIRS))

    def dropped(self) -> dict[str, int]:
        """The number of drops by reason, of blocks and of variants."""
        return dict(self._rows(_DROPPED))

    def author_texts(self, splits: Mapping[str, str]) -> Iterator[str]:
        """The texts of all blocks but for those that stand in a document of another split than ``train``.

        Nor those that nearly repeat another one, which may stand there.
        """
        for document, split in splits.items():
            if split != "train":
                query = "INSERT OR IGNORE INTO held_out SELECT digest FROM blocks WHERE document = ?"
                self._rows(query, document)
        for (text,) in self._connection.execute(_NOT_HELD_OUT):
            yield text

    def __contains__(self, text: object) -> bool:
        """Whether a block of that text was added."""
        return bool(self._rows("SELECT 1 FROM blocks WHERE digest = ? LIMIT 1", _digest(str(text))))

    def __len__(self) -> int:
        return int(self._rows("SELECT count(*) FROM blocks")[0][0])

    def _variants(self, first: int, last: int) -> dict[int, list[Variant]]:
        found: dict[int, list[Variant]] = {}
        for number, teacher, neutral, reason, detail, as_is, *counts in self._rows(_VARIANTS, first, last):
            words = None if counts[0] is None else WordCounts(*counts)
            found.setdefault(number, []).append(Variant(teacher, neutral, _drop(reason, detail), bool(as_is), words))
        return found

    def _rows(self, query: str, *values: object) -> list[Any]:
        try:
            return self._connection.execute(query, values).fetchall()
        except sqlite3.Error as error:
            raise PairsError(
                f"the blocks do not fit into the folder for temporary files ({error}): make room there, or set TMPDIR "
                "to another"
            ) from error


def _block(row: tuple[Any, ...], variants: Iterable[Variant]) -> AuthorBlock:
    _, document, start, end, text, context, parameters, reason, detail = row
    turns = tuple(Turn(*turn) for turn in json.loads(context)) if context else ()
    values = json.loads(parameters) if parameters else {}
    return AuthorBlock(document, start, end, text, turns, values, _drop(reason, detail), tuple(variants))


def _json(value: object) -> str | None:
    return json.dumps(value, ensure_ascii=False) if value else None


def _columns(drop: Drop | None) -> tuple[str | None, str | None]:
    return (drop.reason, drop.detail) if drop else (None, None)


def _drop(reason: Reason | None, detail: str) -> Drop | None:
    return Drop(reason, detail) if reason else None


def _digest(text: str) -> bytes:
    return blake2b(text.encode(), digest_size=16).digest()
