"""The author's texts: files in, documents out."""

from __future__ import annotations

import glob
import unicodedata
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from typing import TypeAlias, TypedDict, Unpack

from restyle.data.boilerplate import own_paragraphs, own_text
from restyle.data.decoding import declared_text, utf8_text
from restyle.data.epub_documents import read_chapters
from restyle.data.html_documents import html_blocks
from restyle.data.jsonl_documents import is_recording, read_texts
from restyle.data.page_marks import without_page_marks
from restyle.errors import DocumentError, DocumentNotFoundError

__all__ = ["SUFFIXES", "Document", "RowOptions", "Source", "Sources", "aread_documents", "read_documents"]

_HTML = frozenset({".htm", ".html", ".xhtml"})
_MARKDOWN = frozenset({".markdown", ".md"})
SUFFIXES = _HTML | _MARKDOWN | {".epub", ".jsonl", ".txt"}

_KINDS = ", ".join(sorted(SUFFIXES))


@dataclass(frozen=True, slots=True)
class Document:
    """One text of the author's, or a part of one: documents with the same id are parts of one text.

    Attributes:
        id: Where it came from, the same on every machine: splits and provenance go by it.
        text: What `read_documents` yields is normalised, once: NFC, line feeds only, no byte order mark; "?" for what
            UTF-8 cannot hold.
    """

    id: str
    text: str


Source: TypeAlias = str | Path | Document
Sources: TypeAlias = Source | Iterable[Source]


class RowOptions(TypedDict, total=False):
    """How the rows of JSONL files are read.

    ``text_key``: the field of a row's text ("text"). ``source_id_key``: the field that says which document it is a part
    of ("id"). ``sender``: whose turns to learn from in chats, a name or a role (None: the assistant's).
    """

    text_key: str
    source_id_key: str
    sender: str | None


def read_documents(sources: Sources, **rows: Unpack[RowOptions]) -> Iterator[Document]:
    """Read files, folders (searched in name order) and patterns such as ``letters/**/*.md``; documents pass through.

    Text, Markdown and HTML are a document each, named after the file; an EPUB is one a chapter
    (``book.epub/chapter.xhtml``), a JSONL file one an id or else a line (``chats.jsonl#7``). Everything is read when it
    is asked for. What publishers, transcribers and pages put around and between the author's words is left out, and so
    are recorded answers that a folder holds beside the texts.

    Raises:
        DocumentNotFoundError: A path does not exist, a folder or pattern holds no text, or there is no source at all.
        DocumentError: A file is empty, damaged, encrypted, in another encoding or of another kind; two have one name.
        RowError: A line of a JSONL file is neither a text nor a chat.
    """
    reading = _Reading(rows)
    for source in [sources] if isinstance(sources, str | Path | Document) else sources:
        yield from reading.documents(source)
    reading.end()


async def aread_documents(sources: AsyncIterable[Source], **rows: Unpack[RowOptions]) -> AsyncIterator[Document]:
    """As `read_documents`, for sources that are awaited."""
    reading = _Reading(rows)
    async for source in sources:
        for document in reading.documents(source):
            yield document
    reading.end()


class _Reading:
    """Reads source after source, and knows the names that are taken."""

    def __init__(self, rows: RowOptions) -> None:
        self._rows = rows
        self._names: dict[str, bool] = {}  # and whether more parts may follow

    def documents(self, source: Source) -> Iterator[Document]:
        """What one source holds."""
        if isinstance(source, Document):
            document = _normalised(source.id, source.text, source.id)
            self._take(document.id, part=True)
            yield document
            return
        for path, name in _files(Path(source)):
            self._take(_encodable(name), part=False)
            try:
                for id_, text in self._texts(path, name):
                    yield _normalised(id_, text, str(path))
            except FileNotFoundError as error:
                raise DocumentNotFoundError(f"{path}: no such file or folder: check the path") from error
            except OSError as error:
                raise DocumentError(
                    f"{path}: cannot be read ({error.strerror}): check its kind and permissions"
                ) from error

    def end(self) -> None:
        """Nothing more comes."""
        if not self._names:
            raise DocumentNotFoundError("no documents were given: name a text file or a folder of them")

    def _take(self, name: str, *, part: bool) -> None:
        if name in self._names and not (part and self._names[name]):
            raise DocumentError(f"{name}: two documents have this name: rename one, or give their common folder")
        self._names[name] = part

    def _texts(self, path: Path, name: str) -> Iterator[tuple[str, str]]:
        """The texts of a file, each with its id."""
        suffix = path.suffix.lower()
        if suffix == ".epub":
            for chapter, text in read_chapters(path):
                yield f"{name}/{chapter}", text
        elif suffix == ".jsonl":
            text_key, source_id_key = self._rows.get("text_key", "text"), self._rows.get("source_id_key", "id")
            rows = read_texts(path, text_key=text_key, source_id_key=source_id_key, sender=self._rows.get("sender"))
            for row, text in rows:
                yield f"{name}#{row}", text
        elif suffix in _HTML:
            yield name, "\n\n".join(own_paragraphs(html_blocks(declared_text(path.read_bytes(), str(path)))))
        else:
            text = own_text(_normal_lines(utf8_text(path.read_bytes(), str(path))))
            yield name, text if suffix in _MARKDOWN else without_page_marks(text)


def _files(path: Path) -> Iterator[tuple[Path, str]]:
    """The files that a path, a folder or a pattern means, each with its name, which is the same on every machine."""
    matching: Iterable[Path]
    if path.is_dir():
        folder, matching = path, path.rglob("*")
    elif glob.has_magic(str(path)) and not path.exists():
        folder = Path(*takewhile(lambda part: not glob.has_magic(part), path.parts))
        found = glob.iglob(str(path), recursive=True)  # noqa: PTH207 - "**" of pathlib finds no files before 3.13
        matching = map(Path, found)
    elif path.suffix.lower() in SUFFIXES:
        yield path, path.name
        return
    else:
        raise DocumentError(f"{path}: not a kind of file that is read: convert it to {_KINDS}")
    files = sorted(file for file in matching if file.suffix.lower() in SUFFIXES and not file.is_dir())
    files = [file for file in files if file.suffix.lower() != ".jsonl" or not is_recording(file)]
    if not files:
        raise DocumentNotFoundError(f"{path}: no file that can be read is here; the kinds are {_KINDS}")
    for file in files:
        yield file, file.relative_to(folder).as_posix()


def _normalised(name: str, text: str, place: str) -> Document:
    text = _normal_lines(text)
    if not text.strip():
        raise DocumentError(f"{place}: the document is empty: remove it from the sources")
    return Document(_encodable(name), _encodable(unicodedata.normalize("NFC", text)))


def _normal_lines(text: str) -> str:
    return text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")


def _encodable(text: str) -> str:
    """Strings out of JSON, PDF and file names can hold half of a surrogate pair, which no ledger or file takes."""
    return text.encode(errors="replace").decode()
