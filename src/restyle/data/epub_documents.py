"""The chapters of EPUB books, in reading order."""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from posixpath import dirname, join, normpath
from urllib.parse import unquote
from zipfile import ZIP_DEFLATED, ZIP_STORED, BadZipFile, ZipFile

from restyle.data.decoding import declared_text
from restyle.data.html_documents import own_blocks
from restyle.errors import DocumentError

__all__ = ["read_chapters"]

_FILE_LIMIT = 32 * 2**20  # bytes of a chapter; the longest novels have a tenth of it
_BOOK_LIMIT = 256 * 2**20  # of all that is read of a book
_TEXTS = frozenset({"application/xhtml+xml", "text/html", "text/x-oeb1-document"})


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# Pages that are not the author's text, as file names call them, and in the words of EPUB itself.
_NAMES = _words(
    "colophon copyright copyrightpage cover coverpage endnotes epigraph footnotes halftitle halftitlepage imprint "
    "landmarks license loi lot nav tableofcontents title titlepage toc uncopyright unlicense"
)
_KINDS = _NAMES | _words(
    "bibliography contributors errata glossary imprimatur index notes othercredits rearnotes seriespage"
)
_BODY = re.compile(r"<body\b[^>]*>\s*(?:<(?:section|article|div)\b[^>]*>)?", re.IGNORECASE)
_KIND = re.compile(r"""\b(?:epub:type|role)\s*=\s*["']([^"']*)""", re.IGNORECASE)
_NO_LETTER = re.compile(r"[^a-z]+")


def read_chapters(path: Path) -> Iterator[tuple[str, str, int]]:
    """The chapters of a book in the order of its spine: path inside the book, text, and how many letters it is without.

    Cover, title page, contents, copyright, notes and index are left out where the book or a file's name says so, as
    are pages without text. Nothing is unpacked to disk, and no entity or DTD is followed.

    Raises:
        DocumentError: The book is no EPUB, damaged, encrypted or far too large, or has no chapter.
        OSError: The file cannot be read.
    """
    empty = True
    try:
        archive = ZipFile(path)
    except (BadZipFile, NotImplementedError, ValueError) as error:
        raise DocumentError(f"{path}: no EPUB ({error}): convert it, or get the book again") from error
    with archive:
        book = _Book(path, archive)
        for name, place in book.chapters():
            markup = book.text(place)
            if _is_apparatus(markup):
                continue
            blocks, stripped = own_blocks(markup)
            if blocks:
                yield name, "\n\n".join(blocks), stripped
                empty = False
    if empty:
        raise DocumentError(f"{path}: no chapter with text is in this book: remove it from the sources")


class _Book:
    """What is in an EPUB."""

    def __init__(self, path: Path, archive: ZipFile) -> None:
        self._path, self._archive = path, archive
        self._left = _BOOK_LIMIT

    def chapters(self) -> Iterator[tuple[str, str]]:
        """The name of each text in the spine, and its place in the archive."""
        package = self._package()
        items: dict[str, dict[str, str]] = {}
        spine: list[str] = []
        skipped: set[str] = set()
        for tag, attributes in _tags(self.text(package)):
            href = normpath(unquote(attributes.get("href", "")).partition("#")[0])
            if tag == "item":
                items[attributes.get("id", "")] = attributes | {"href": href}
            elif tag == "itemref" and attributes.get("linear") != "no":
                spine.append(attributes.get("idref", ""))
            elif tag == "reference" and _plain(attributes.get("type", "")) in _KINDS:
                skipped.add(href)
        encrypted = self._encrypted()
        for id_ in dict.fromkeys(spine):
            item = items.get(id_, {})
            if item.get("media-type") not in _TEXTS or item["href"] in skipped or _is_named_apparatus(item):
                continue
            place = normpath(join(dirname(package), item["href"]))
            if place in encrypted:
                raise DocumentError(f"{self._path}: {place} is encrypted (DRM): give a book that is free of it")
            yield item["href"], place

    def text(self, place: str) -> str:
        """The text of a file in the archive."""
        where = f"{self._path}/{place}"
        try:
            info = self._archive.getinfo(place)
            if info.flag_bits & 1:
                raise DocumentError(f"{where}: encrypted: give a book that needs no password")
            if info.compress_type not in {ZIP_STORED, ZIP_DEFLATED}:
                raise DocumentError(f"{where}: packed in a way that EPUB does not know: get the book again")
            limit = min(_FILE_LIMIT, self._left)
            with self._archive.open(info) as file:
                data = file.read(limit + 1)
        except KeyError as error:
            raise DocumentError(f"{where}: missing from the book: get the book again") from error
        except (BadZipFile, EOFError, NotImplementedError, UnicodeDecodeError, zlib.error) as error:
            raise DocumentError(f"{where}: damaged ({error}): get the book again") from error
        if len(data) > limit:
            raise DocumentError(f"{where}: unpacks to more than a book can hold ({limit} bytes): is it one?")
        self._left -= len(data)
        return declared_text(data, where)

    def _package(self) -> str:
        for tag, attributes in _tags(self.text("META-INF/container.xml")):
            if tag == "rootfile" and "full-path" in attributes:
                return attributes["full-path"]
        raise DocumentError(f"{self._path}/META-INF/container.xml: names no package: get the book again")

    def _encrypted(self) -> set[str]:
        place = "META-INF/encryption.xml"
        if place not in self._archive.namelist():
            return set()
        tags = _tags(self.text(place))
        return {normpath(unquote(attributes.get("uri", ""))) for tag, attributes in tags if tag == "cipherreference"}


class _Tags(HTMLParser):
    """Collects the start tags of XML as they are: without entities and DTDs there is nothing to defend against."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Take a tag."""
        self.found.append((tag.rpartition(":")[2], {name: value or "" for name, value in attrs}))


def _tags(xml: str) -> list[tuple[str, dict[str, str]]]:
    reader = _Tags()
    reader.feed(xml.replace("<![", "<!x"))  # a marked section holds no tags; see `html_tree`
    reader.close()
    return reader.found


def _plain(name: str) -> str:
    return _NO_LETTER.sub("", name.lower().removeprefix("doc-"))


def _is_named_apparatus(item: dict[str, str]) -> bool:
    stem = item["href"].rpartition("/")[2].partition(".")[0]
    return "nav" in item.get("properties", "").split() or not _NAMES.isdisjoint({_plain(stem), _plain(item["id"])})


def _is_apparatus(markup: str) -> bool:
    """Whether the page as a whole says that it is; a chapter may well have an epigraph."""
    body = _BODY.search(markup)
    kinds = " ".join(_KIND.findall(body[0])) if body else ""
    return any(_plain(kind) in _KINDS for kind in kinds.split())
