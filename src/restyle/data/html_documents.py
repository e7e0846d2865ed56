"""The prose of HTML pages: paragraphs parted by blank lines; what is no prose as Markdown, which passes untouched."""

from __future__ import annotations

import re
from collections.abc import Iterator

from restyle.data.boilerplate import letters, own_paragraphs
from restyle.data.html_tree import BLOCKS, HEADINGS, Element, parse_html

__all__ = ["own_blocks"]

_SPACE = re.compile(r"[ \t\n\r\f]+")
_PARAGRAPH_BREAK = re.compile(r"\n[ \n]*\n")
_LINE_BREAK = re.compile(r" *\n *")
_LAYOUT = {0xA0: " ", 0xAD: None, 0x200B: None, 0x2060: None, 0xFEFF: None}  # the typesetter's, not the author's
_LISTS = {"ul", "ol", "menu", "dir"}
_CODE = {"code", "kbd", "samp", "tt"}
_CELL = 40  # words: a table with more in a cell arranges prose
_TAG = re.compile(r"<(?!/?(?:script|style|title)\b)/?[a-z][^<>]*>", re.IGNORECASE)  # of what a page shows


def own_blocks(markup: str) -> tuple[list[str], int]:
    """The paragraphs, headings, lists, tables, quotes and code of a page, in reading order, without boilerplate.

    Beside them, how many letters of the page were left out; scripts, styles and its title are no text. Never raises.
    """
    page = parse_html(markup)
    blocks = _blocks(page)
    own = own_paragraphs(blocks)
    # Without its tags nothing tells what of a page is navigation, and all of it stays.
    left_out = letters(_raw(parse_html(_TAG.sub("", markup)))) - letters(_raw(page))
    return own, max(left_out, 0) + letters("".join(blocks)) - letters("".join(own))


def _blocks(element: Element) -> list[str]:
    writer = _Writer()
    writer.write(element)
    writer.end()
    return writer.blocks


class _Writer:
    def __init__(self) -> None:
        self.blocks: list[str] = []
        self._run: list[str] = []  # of the paragraph that is open

    def write(self, element: Element) -> None:
        """Add what is in an element, regardless of the element itself."""
        for child in element.children:
            if isinstance(child, str):
                self._run.append(_SPACE.sub(" ", child.translate(_LAYOUT)))
            elif child.tag in BLOCKS:
                self.end()
                self._block(child)
                self.end()
            elif child.tag == "br":
                self._run.append("\n")
            elif child.tag in _CODE and child.ended:
                self._quoted(child, "`", "`")
            elif child.tag == "q" and child.ended:
                self._quoted(child, "“", "”")
            else:
                self.write(child)

    def end(self) -> None:
        """End the paragraph. Two line breaks in it were meant to do so, too."""
        text = re.sub(" +", " ", "".join(self._run))
        self._run = []
        paragraphs = (_LINE_BREAK.sub("\n", part).strip() for part in _PARAGRAPH_BREAK.split(text))
        self.blocks += filter(None, paragraphs)

    def _quoted(self, element: Element, before: str, after: str) -> None:
        self._run.append(before)
        self.write(element)
        self._run.append(after)

    def _block(self, element: Element) -> None:
        tag = element.tag
        if tag == "hr":
            self.blocks.append("* * *")  # "---" on top of a text would open its front matter
        elif not element.ended:
            self.write(element)
        elif tag in HEADINGS:
            if title := _line(element):
                self.blocks.append(f"{'#' * int(tag[1])} {title}")
        elif tag == "blockquote":
            if inner := "\n\n".join(_blocks(element)):
                self.blocks.append(re.sub("^(?=.)", "> ", inner, flags=re.MULTILINE).replace("\n\n", "\n>\n"))
        elif tag == "pre":
            self.blocks += _code(element)
        elif tag in _LISTS:
            self.blocks += _list(element)
        elif tag == "table" and (rows := _rows(element)):
            self.blocks.append(_table(rows))
        else:
            self.write(element)


def _line(element: Element) -> str:
    return " ".join(" ".join(_blocks(element)).split())


def _code(element: Element) -> Iterator[str]:
    text = _raw(element).strip("\n")
    if text.strip():
        fence = "`" * max([3, *(len(run) + 1 for run in re.findall("`+", text))])
        yield f"{fence}\n{text}\n{fence}"


def _raw(element: Element) -> str:
    if element.tag == "br":
        return "\n"
    return "".join(child if isinstance(child, str) else _raw(child) for child in element.children)


def _list(element: Element) -> Iterator[str]:
    start = element.attributes.get("start", "")
    number = int(start) if re.fullmatch("[0-9]{1,9}", start) else 1
    items: list[str] = []
    for item in _items(element):
        if text := "\n\n".join(_blocks(item)):
            marker = f"{number + len(items)}. " if element.tag == "ol" else "- "
            items.append(marker + re.sub(r"\n(?=.)", "\n" + " " * len(marker), text))
    if items:
        yield "\n".join(items)


def _items(element: Element) -> Iterator[Element]:
    """The items of a list; what stands between items is one, too."""
    stray = Element("li", {})
    for child in element.children:
        if isinstance(child, Element) and child.tag == "li":
            yield stray
            yield child
            stray = Element("li", {})
        else:
            stray.children.append(child)
    yield stray


def _table(rows: list[list[str]]) -> str:
    width = max(map(len, rows))
    padded = [[*row, *[""] * (width - len(row))] for row in rows]
    lines = [padded[0], ["---"] * width, *padded[1:]]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _rows(element: Element) -> list[list[str]] | None:
    """The cells of a table of data; None for one that arranges a page."""
    rows: list[list[str]] = []
    for child in element.children:
        if isinstance(child, str):
            if child.strip():
                return None
        elif child.tag in {"thead", "tbody", "tfoot"}:
            inner = _rows(child)
            if inner is None:
                return None
            rows += inner
        elif child.tag == "tr":
            cells = _cells(child)
            if cells is None:
                return None
            rows.append(cells)
        elif child.children:
            return None
    if element.tag == "table" and max(map(len, rows), default=0) <= 1:
        return None
    return rows


def _cells(row: Element) -> list[str] | None:
    cells = []
    for cell in row.children:
        if isinstance(cell, str):
            if cell.strip():
                return None
            continue
        # Not rendered before that is known: of nested tables each level would be rendered twice.
        if cell.tag not in {"td", "th"} or _holds_table(cell) or len((text := _line(cell)).split()) > _CELL:
            return None
        cells.append(text.replace("|", "\\|"))
    return cells


def _holds_table(element: Element) -> bool:
    return any(
        isinstance(child, Element) and (child.tag == "table" or _holds_table(child)) for child in element.children
    )
