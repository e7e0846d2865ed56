"""HTML as a tree of elements, however broken it is, without what is not the text of the page."""

from __future__ import annotations

import re
from html.parser import HTMLParser

__all__ = ["BLOCKS", "HEADINGS", "Element", "parse_html"]


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


HEADINGS = frozenset({"h1", "h2", "h3", "h4", "h5", "h6"})
BLOCKS = HEADINGS | _words(
    "address article aside blockquote body caption center dd details dialog dir div dl dt fieldset figcaption figure "
    "footer form head header hgroup hr html legend li main menu nav ol option p pre section select summary table tbody "
    "td textarea tfoot th thead title tr ul"
)

_DEPTH = 80  # deeper elements lose their structure, never their text: a tree is walked by recursion
_VOID = _words("area base br col embed hr img input link meta param source track wbr")
_CELLS = frozenset({"td", "th", "caption"})
_TABLE = _CELLS.union({"table", "tr", "thead", "tbody", "tfoot"})
_IMPLIED: dict[
    str, tuple[frozenset[str], frozenset[str]]
] = {  # what a start tag ends, and what it never reaches out of
    "a": (frozenset({"a"}), BLOCKS),
    "li": (frozenset({"li"}), frozenset({"ul", "ol", "menu", "dir"}) | _CELLS),
    "dt": (frozenset({"dt", "dd"}), frozenset({"dl"}) | _CELLS),
    "dd": (frozenset({"dt", "dd"}), frozenset({"dl"}) | _CELLS),
    "td": (_CELLS, frozenset({"table", "tr"})),
    "th": (_CELLS, frozenset({"table", "tr"})),
    "tr": (frozenset({"tr", "caption"}), frozenset({"table"})),
    **dict.fromkeys(("thead", "tbody", "tfoot"), (frozenset({"thead", "tbody", "tfoot"}), frozenset({"table"}))),
}
_PARAGRAPH = (frozenset({"p"}), _CELLS)  # what every other block ends

_CODE = frozenset({"script", "style"})
_FURNITURE = _words(
    "aside audio button canvas dialog footer iframe nav noscript object rp rt select svg template textarea title video"
)
_ROLES = _words("alertdialog complementary contentinfo dialog menu menubar navigation search toolbar")
_MARKS = _words("doc-noteref doc-pagebreak noteref pagebreak")
_CLASSES = _words("pagenum pageno pagenumber pg-boilerplate")  # Project Gutenberg's
_MENUS = _words("dir div dl menu ol p section table ul")
_HIDDEN = re.compile(r"display\s*:\s*none|visibility\s*:\s*hidden", re.IGNORECASE)
_LINKS = 3  # so many links that hold so large a share of the text are a menu
_SHARE = 0.8
_FORM = 1000  # letters: a longer form is one around the whole page
_NOTE = 5  # letters of a raised link to a footnote

_CDATA = re.compile(r"<!\[CDATA\[(.*?)\]\]>", re.DOTALL)
_HUGE = re.compile(r"&#\d{20,};?")


class Element:
    """An element with its children.

    Attributes:
        tag: Its name in lower case, without a prefix.
        attributes: Their names are in lower case.
        children: Elements and text.
        ended: Whether its own end tag was there. What never ends is no reason to drop or to indent the rest of a page.
        letters: Those of its text; of these ``linked`` in ``links`` links.
    """

    __slots__ = ("attributes", "children", "ended", "letters", "linked", "links", "tag")

    def __init__(self, tag: str, attributes: dict[str, str]) -> None:
        self.tag, self.attributes = tag, attributes
        self.children: list[Element | str] = []
        self.ended = False
        self.letters = self.linked = self.links = 0


def parse_html(markup: str) -> Element:
    """The tree of a page or a part of one; never raises.

    Left out is what readers do not see or do not come for: scripts, navigation, sidebars, footers, small forms, menus,
    what is hidden, marks of footnotes and pages, and what surrounds a main part that is most of the page. Of a header
    its headings stay.
    """
    # In XHTML marked sections are text. Others are comments, at which some versions of the parser fail.
    markup = _CDATA.sub(lambda found: found[1].replace("&", "&amp;").replace("<", "&lt;"), markup)
    builder = _Builder()
    builder.feed(_HUGE.sub("\ufffd", markup.replace("<![", "<!x")))
    return builder.end()


class _Builder(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self._open = [Element("html", {})]
        self._mains: list[Element] = []

    def end(self) -> Element:
        """Close what is open, and return the root, or the main part."""
        self.close()
        while len(self._open) > 1:
            self._leave()
        root = self._open[0]
        single = len(self._mains) == 1 and 2 * self._mains[0].letters > root.letters
        return self._mains[0] if single else root

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Open an element."""
        element = self._start(tag, attrs)
        if element.tag not in _VOID and len(self._open) < _DEPTH:
            self._open.append(element)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Add an element that is empty, as in XHTML."""
        self._start(tag, attrs)

    def handle_endtag(self, tag: str) -> None:
        """Close the element that this tag belongs to, if there is one, and all that is open in it."""
        tag = tag.rpartition(":")[2]
        for place in range(len(self._open) - 1, 0, -1):
            opened = self._open[place].tag
            if opened == tag or (tag in HEADINGS and opened in HEADINGS):
                break
            if _stops(opened, tag):
                return
        else:
            return
        while len(self._open) > place + 1:
            self._leave()
        self._open[place].ended = True
        self._leave()

    def handle_data(self, data: str) -> None:
        """Add text."""
        self._open[-1].children.append(data)
        self._open[-1].letters += sum(map(len, data.split()))

    def _start(self, tag: str, attrs: list[tuple[str, str | None]]) -> Element:
        tag = tag.rpartition(":")[2]
        ends, border = _IMPLIED.get(tag, _PARAGRAPH if tag in BLOCKS else (frozenset[str](), BLOCKS))
        for place in range(len(self._open) - 1, 0, -1):
            opened = self._open[place].tag
            if opened in ends:
                while len(self._open) > place:
                    self._leave()
                break
            if opened in border:
                break
        element = Element(tag, {name: value or "" for name, value in reversed(attrs)})  # of two the first counts
        self._open[-1].children.append(element)
        if tag == "img" and len(letter := element.attributes.get("alt", "")) == 1:
            self.handle_data(letter)  # an ornamental initial
        return element

    def _leave(self) -> None:
        element = self._open.pop()
        if element.tag in _CODE or (element.ended and _is_furniture(element)):
            element.children.clear()
            return
        if element.ended and _is_header(element):
            element.children = _headings(element)
        elif element.ended and element.tag == "a" and "href" in element.attributes:
            element.links, element.linked = 1, element.letters
        if element.ended and (element.tag == "main" or element.attributes.get("role") == "main"):
            self._mains.append(element)
        parent = self._open[-1]
        parent.letters += element.letters
        parent.linked += element.linked
        parent.links += element.links


def _stops(opened: str, tag: str) -> bool:
    """Whether an end tag cannot mean anything outside this element."""
    if tag not in BLOCKS:
        return opened in BLOCKS
    if tag in _TABLE:
        return opened == "table"
    return opened in _CELLS


def _is_header(element: Element) -> bool:
    return element.tag in {"header", "hgroup"} or element.attributes.get("role") == "banner"


def _is_furniture(element: Element) -> bool:
    attributes = element.attributes
    if element.tag in _FURNITURE or attributes.get("role") in _ROLES:
        return True
    if element.tag not in {"html", "body", "main"} and _is_hidden(attributes):
        return True
    kinds = f"{attributes.get('epub:type', '')} {attributes.get('role', '')}".split()
    if not _MARKS.isdisjoint(kinds) or not _CLASSES.isdisjoint(attributes.get("class", "").split()):
        return True
    if element.tag == "form":
        return element.letters < _FORM
    if element.tag == "sup":
        return element.links == 1 and element.linked == element.letters <= _NOTE
    return element.tag in _MENUS and element.links >= _LINKS and element.linked >= _SHARE * element.letters


def _is_hidden(attributes: dict[str, str]) -> bool:
    return (
        "hidden" in attributes
        or attributes.get("aria-hidden", "").lower() == "true"
        or _HIDDEN.search(attributes.get("style", "")) is not None
    )


def _headings(element: Element) -> list[Element | str]:
    found: list[Element | str] = []
    for child in element.children:
        if isinstance(child, Element):
            found += [child] if child.tag in HEADINGS else _headings(child)
    return found
