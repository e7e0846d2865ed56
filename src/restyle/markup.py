"""Which lines of a text are prose and which are markup that must pass untouched: a small incremental Markdown reader.

It knows the block structure of CommonMark and GitHub tables as far as "rewrite it or not" depends on it, and what
synthesizers and exporters put between their answers: rules of dashes, ``Response 1:``, ``file_name: x``. In doubt a
line is verbatim, for a paragraph left alone is a smaller harm than a broken table.
"""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Literal

__all__ = ["LONG_LINE", "BlockKind", "MarkupReader"]

BlockKind = Literal["prose", "gap", "heading", "code", "table", "quote", "ruler", "front_matter", "list"]

LONG_LINE = 1000
"""A line of so many characters is judged by them alone, so that a streamed paragraph need not end to be known."""

_LIST_PORTION = 4000  # characters: a list of sentences is judged in such portions, so that it is not held for ever
_TITLE_WORDS = 12
_SENTENCE_WORDS = 8


class _Mark(StrEnum):
    """What a line looks like by itself; the names of the groups of ``_MARKS``."""

    BLANK = "blank"
    PROSE = "prose"
    INDENTED = "indented"
    FENCE = "fence"
    RULER = "ruler"
    HEADING = "heading"
    QUOTE = "quote"
    TABLE = "table"
    MARKUP = "markup"
    ITEM = "item"
    LABEL = "label"
    FIELD = "field"
    FRONT = "front"


_KINDS: dict[_Mark, BlockKind] = {
    _Mark.PROSE: "prose",
    _Mark.INDENTED: "code",
    _Mark.FENCE: "code",
    _Mark.RULER: "ruler",
    _Mark.HEADING: "heading",
    _Mark.QUOTE: "quote",
    _Mark.TABLE: "table",
    _Mark.MARKUP: "code",
    _Mark.ITEM: "list",
    _Mark.LABEL: "heading",
    _Mark.FIELD: "front_matter",
    _Mark.FRONT: "front_matter",
}
_GROWING = {  # stay open for further lines
    *(_Mark.PROSE, _Mark.INDENTED, _Mark.QUOTE, _Mark.TABLE, _Mark.ITEM, _Mark.FIELD, _Mark.FRONT)
}
_WORDY = {_Mark.PROSE, _Mark.INDENTED, _Mark.LABEL, _Mark.FIELD}  # what merely goes on when a paragraph is open

_INDENT = re.compile(r" {0,3}\t| {4}")
_MARKS = re.compile(
    r"""
      (?P<fence> `{3,}[^`]*$ | ~{3,} )
    | (?P<ruler> (?:[-*_=~#+·•—–][ \t]*){3,}$ )
    | (?P<heading> \#{1,6}(?:\s|$) )
    | (?P<quote> > )
    | (?P<table> \| )
    | (?P<markup> <!-- | \$\$ | \\\[
        | </?(?:address|article|aside|blockquote|body|center|dd|details|div|dl|dt|fieldset|figcaption|figure|footer
            |form|h[1-6]|head|header|hr|html|iframe|legend|li|link|main|menu|meta|nav|ol|p|pre|script|section|style
            |summary|svg|table|tbody|td|textarea|tfoot|th|thead|title|tr|ul|video)(?=[\s/>]|$)
        | </?[A-Za-z][^<>]*>$                          # any tag alone on its line
        | !\[[^\]]*\]\([^()]*\)?$ )                    # an image alone on its line, or longer than what is judged
    | (?P<item> [-*+•](?:\s|$) | \d{1,9}[.)](?:\s|$) | \[[^\]]+\]:\s )
    | (?P<label> [A-Z][a-z]+[ ]\d+:$ )
    | (?P<field> [a-z][a-z0-9]*(?:_[a-z0-9]+)+:(?:\s|$) | (?:author|date|file|id|page|score|source|title|url):\s )
    """,
    re.VERBOSE,
)
_INTERRUPTING_ITEM = re.compile(r"\s*(?:[-*+•\[]|1[.)])")  # "1887. It rained" in wrapped prose opens no list
_ANY_ITEM = re.compile(r"\s*(?:[-*+•]|\d{1,9}[.)])(?:\s|$)")
_DELIMITER_ROW = re.compile(r"\s*\|?\s*:?-+:?\s*(?:\|\s*:?-+:?\s*)*\|?\s*")
_SENTENCE_END = re.compile(r"""[.!?…]["'”’»)\]*_]*(?:\s*\[\^?\w+\])*$""")
_TITLE = re.compile(
    r"(?:\*\*[^*]*[^*.!?]\*\*|__[^_]*[^_.!?]__):?"
    r"|(?i:chapter|book|part|volume|act|scene|canto|letter)\s+(?:[IVXLCDM]+|\d+)(?:[.:]?|[.:]?\s.*[^.!?])"
)
_FRONT_FIELD = re.compile(r"[A-Za-z_][\w .-]*:(?:\s|$)")
_FRONT_LINE = re.compile(r"[A-Za-z_][\w .-]*:(?:\s|$)|[\s#\]}]|- |-$")
_OPENER = re.compile(r"\s*(?:(`{3,}|~{3,})|(<!--)|(\$\$)|(\\\[)|<(pre|script|style|textarea)\b|(!\[))", re.IGNORECASE)
_BLANK_LINE = re.compile(r"\s*\Z")


def _mark_of(line: str) -> _Mark:
    head = line[:LONG_LINE]
    body = head.strip()
    if not body:
        return _Mark.BLANK if not line.strip() else _Mark.INDENTED
    if _INDENT.match(head):
        return _Mark.INDENTED
    found = _MARKS.match(body)
    return _Mark(str(found.lastgroup)) if found else _Mark.PROSE


def _closer_of(mark: _Mark, line: str) -> re.Pattern[str] | None:
    """What ends the block that this line opens; ``None`` if it is complete with the line."""
    if mark not in (_Mark.FENCE, _Mark.MARKUP):
        return None
    opener = _OPENER.match(line)
    if not opener:
        return _BLANK_LINE
    fence, comment, dollars, bracket, tag, image = opener.groups()
    if fence:
        return re.compile(rf"\s*{fence[0]}{{{len(fence)},}}\s*\Z")
    if image:
        return None
    ends = (comment and "-->") or (tag and f"</{tag}>") or (dollars and "$$") or (bracket and "\\]") or ""
    if ends.lower() in line[opener.end() :].lower():
        return None
    # A formula ends at a blank line at the latest: "$$" may also begin a sentence about money.
    blank = rf"|{_BLANK_LINE.pattern}" if dollars or bracket else ""
    return re.compile(rf".*{re.escape(ends)}{blank}", re.IGNORECASE | re.DOTALL)


def _is_title(line: str) -> bool:
    text = line.strip()
    return len(text.split()) <= _TITLE_WORDS and _TITLE.fullmatch(text) is not None


def _underlines(line: str, above: str) -> bool:
    """Whether a ruler makes the line above it a heading; dashes below a whole sentence are a separator."""
    rule = line.strip()
    if set(rule) == {"="}:
        return True
    above = above.strip()
    return set(rule) == {"-"} and len(above.split()) <= _TITLE_WORDS and not _SENTENCE_END.search(above)


def _is_sentence(item: str) -> bool:
    text = item.strip()
    words = len(text.split()) - 1  # without the marker
    return words >= _SENTENCE_WORDS and not text.startswith("[") and _SENTENCE_END.search(text) is not None


class MarkupReader:
    """Reads lines and hands out stretches ``(kind, text)`` that concatenate to them.

    ``prose`` stretches up to the next stretch of another kind make one paragraph; a ``gap`` (blank lines, or an empty
    string) ends it. A verbatim stretch is a whole block, blank lines behind it included. Lists are prose only if
    each item is a sentence of at least eight words; then each item is a paragraph.
    """

    def __init__(self) -> None:
        self._open: _Mark | None = None
        self._closer: re.Pattern[str] | None = None
        self._lines: list[str] = []  # of the open block; of a paragraph only the last, if the next may claim it
        self._blanks: list[str] = []  # behind an open list or indented code, which may go on after them
        self._count = 0  # lines of the open paragraph
        self._item = 0  # where in the lines the last item of the open list begins
        self._sentences = True  # whether each item before it is a sentence
        self._started = False

    def is_prose(self, head: str) -> bool:
        """Whether a line that begins with these ``LONG_LINE`` characters will be prose; changes nothing."""
        waits = self._closer is not None or self._open is _Mark.FRONT
        return not waits and self._place(head) is _Mark.PROSE

    def line(self, line: str) -> list[tuple[BlockKind, str]]:
        """Read one line, its newline included; only the last of a text may lack it."""
        if self._closer:
            self._lines.append(line)
            return self._close() if self._closer.match(line) else []
        if self._open is _Mark.FRONT:
            return self._front_line(line)
        mark = self._place(line) if self._started or line.rstrip() != "---" else _Mark.FRONT
        self._started = True
        if (claimed := self._claim(line, mark)) is not None:
            return claimed
        if mark is _Mark.BLANK:
            return self._blank(line)
        if mark is self._open and mark in _GROWING:
            return self._grow(line)
        return [*self._close(), *self._begin(mark, line)]

    def end(self) -> list[tuple[BlockKind, str]]:
        """Close what is open; the reader is then as new."""
        stretches = self._close()
        self._started = False
        return stretches

    def _place(self, line: str) -> _Mark:
        """The mark under which the line is taken, after what is open."""
        mark = _mark_of(line)
        if self._open is _Mark.ITEM:
            inner = _mark_of(line[:LONG_LINE].lstrip(" \t"))
            if inner is _Mark.FENCE:
                return inner
            goes_on = line[:2].isspace() or line[0] == "\t" or (mark in _WORDY and not self._blanks)
            return _Mark.ITEM if goes_on and mark is not _Mark.BLANK else mark
        if self._open is _Mark.QUOTE and mark in _WORDY:
            return _Mark.QUOTE  # CommonMark's lazy continuation
        if self._open is _Mark.TABLE and mark in _WORDY and "|" in line[:LONG_LINE]:
            return _Mark.TABLE
        wrapped = mark is _Mark.ITEM and not _INTERRUPTING_ITEM.match(line)
        if self._open is _Mark.PROSE and (mark in _WORDY or wrapped):
            return _Mark.PROSE
        return mark

    def _claim(self, line: str, mark: _Mark) -> list[tuple[BlockKind, str]] | None:
        """Take the line before away from its paragraph, if this one makes it a heading or a table's first row."""
        if self._open is not _Mark.PROSE or not self._lines:
            return None
        above = self._lines[0]
        if mark is _Mark.RULER and self._count == 1 and _underlines(line, above):
            self._open, self._lines = None, []
            return [("heading", above + line)]
        if "|" in above and "|" in line and len(line) < LONG_LINE and _DELIMITER_ROW.fullmatch(line):
            self._open, self._lines = _Mark.TABLE, [above, line]
            return []
        return None

    def _blank(self, line: str) -> list[tuple[BlockKind, str]]:
        if self._open in (_Mark.ITEM, _Mark.INDENTED):
            self._blanks.append(line)
            return []
        return [*self._close(), ("gap", line)]

    def _begin(self, mark: _Mark, line: str) -> list[tuple[BlockKind, str]]:
        self._open, self._count, self._item, self._sentences = mark, 0, 0, True
        if mark is _Mark.PROSE:
            return self._grow(line)
        self._lines = [line]
        self._closer = _closer_of(mark, line)
        return [] if self._closer or mark in _GROWING else self._close()

    def _grow(self, line: str) -> list[tuple[BlockKind, str]]:
        if self._open is _Mark.PROSE:
            self._count += 1
            settled = "".join(self._lines)
            self._lines = [line] if len(line) < LONG_LINE else []
            return [("prose", settled if self._lines else settled + line)]
        if self._open is _Mark.ITEM and _ANY_ITEM.match(line):
            self._sentences = self._sentences and _is_sentence("".join(self._lines[self._item :]))
            if self._sentences and sum(map(len, self._lines)) > _LIST_PORTION:
                return [*self._close(), *self._begin(_Mark.ITEM, line)]
            self._item = len(self._lines) + len(self._blanks)
        self._lines += [*self._blanks, line]
        self._blanks = []
        return []

    def _front_line(self, line: str) -> list[tuple[BlockKind, str]]:
        if len(self._lines) == 1 and not _FRONT_FIELD.match(line):
            return [*self._close(), *self.line(line)]
        if line.rstrip() in ("---", "..."):
            self._lines.append(line)
            return self._close()
        if _FRONT_LINE.match(line) or not line.strip():
            self._lines.append(line)
            return []
        return [*self._close(), *self.line(line)]  # never closed: what is no field is text

    def _close(self) -> list[tuple[BlockKind, str]]:
        if self._open is None:
            return []
        mark = self._open
        text, blanks = "".join(self._lines), "".join(self._blanks)
        stretches: list[tuple[BlockKind, str]]
        if mark is _Mark.PROSE:
            title = self._count == 1 and _is_title(text)
            stretches = [("heading" if title else "prose", text), ("gap", "")]
        elif mark is _Mark.ITEM and self._sentences and _is_sentence("".join(self._lines[self._item :])):
            stretches = self._items()
        elif mark is _Mark.FRONT and len(self._lines) == 1:
            stretches = [("ruler", text)]  # "---" on top of a text, and no fields below it
        else:
            stretches = [(_KINDS[mark], text)]
        self._open, self._closer, self._lines, self._blanks = None, None, [], []
        return [*stretches, ("gap", blanks)] if blanks else stretches

    def _items(self) -> list[tuple[BlockKind, str]]:
        stretches: list[tuple[BlockKind, str]] = []
        for line in self._lines:
            if _ANY_ITEM.match(line):
                stretches.append(("gap", ""))
            stretches.append(("prose", line))
        return [*stretches, ("gap", "")]
