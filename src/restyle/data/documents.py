"""The author's texts: files in, documents out."""

from __future__ import annotations

import glob
import os
import unicodedata
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import takewhile
from pathlib import Path
from typing import TypeAlias, Unpack

from restyle.data.boilerplate import letters, own_text
from restyle.data.decoding import declared_text, utf8_text
from restyle.data.epub_documents import read_chapters
from restyle.data.html_documents import own_blocks
from restyle.data.jsonl_documents import RowOptions, is_recording, read_texts
from restyle.data.page_marks import without_page_marks
from restyle.errors import DocumentError, DocumentNotFoundError
from restyle.messages import Turn

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
        context: The turns before it, oldest first, where it is the author's turn of a conversation; normalised, too.
            The author is the assistant in it, everybody else the user.
        stripped: How many characters of its source are not the author's and were left out, white space not counted:
            licences, notes of transcribers, page numbers, navigation. Whole pages of a book that are no chapter belong
            to no document.
    """

    id: str
    text: str
    context: tuple[Turn, ...] = ()
    stripped: int = 0


Source: TypeAlias = str | Path | Document
Sources: TypeAlias = Source | Iterable[Source]


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
            document = _normalised(source, source.id)
            self._take(document.id, part=True)
            yield document
            return
        for path, name in _files(Path(source)):
            self._take(_encodable(name), part=False)
            try:
                for document in self._read(path, name):
                    yield _normalised(document, str(path))
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

    def _read(self, path: Path, name: str) -> Iterator[Document]:
        """The documents of a file, as they are written."""
        suffix = path.suffix.lower()
        if suffix == ".epub":
            for chapter, text, stripped in read_chapters(path):
                yield Document(f"{name}/{chapter}", text, stripped=stripped)
        elif suffix == ".jsonl":
            for row, (text, context) in read_texts(path, **self._rows):
                yield Document(f"{name}#{row}", text, context)
        elif suffix in _HTML:
            blocks, stripped = own_blocks(declared_text(path.read_bytes(), str(path)))
            yield Document(name, "\n\n".join(blocks), stripped=stripped)
        else:
            whole = _normal_lines(utf8_text(path.read_bytes(), str(path)))
            text = own_text(whole)
            text = text if suffix in _MARKDOWN else without_page_marks(text)
            yield Document(name, text, stripped=letters(whole) - letters(text))


def _files(path: Path) -> Iterator[tuple[Path, str]]:
    """The files that a path, a folder or a pattern means, each with its name, which is the same on every machine."""
    matching: Iterable[Path]
    # Unlike pathlib's, these take any text: one too long for a path is no path.
    if os.path.isdir(path):  # noqa: PTH112 - see above
        folder, matching = path, path.rglob("*")
    elif glob.has_magic(str(path)) and not os.path.exists(path):  # noqa: PTH110 - see above
        folder = Path(*takewhile(lambda part: not glob.has_magic(part), path.parts))
        found = glob.iglob(str(path), recursive=True)  # noqa: PTH207 - "**" of pathlib finds no files before 3.13
        matching = map(Path, found)
    elif path.suffix.lower() in SUFFIXES and "\0" not in str(path):
        yield path, path.name
        return
    else:
        raise DocumentError(f"{str(path)[:200]}: not a kind of file that is read: convert it to {_KINDS}")
    files = sorted(file for file in matching if file.suffix.lower() in SUFFIXES and not file.is_dir())
    files = [file for file in files if file.suffix.lower() != ".jsonl" or not is_recording(file)]
    if not files:
        raise DocumentNotFoundError(f"{path}: no file that can be read is here; the kinds are {_KINDS}")
    for file in files:
        yield file, file.relative_to(folder).as_posix()


def _normalised(document: Document, place: str) -> Document:
    text = _normal_text(document.text)
    if not text.strip():
        raise DocumentError(f"{place}: the document is empty: remove it from the sources")
    context = tuple(Turn(turn.role, _normal_text(turn.text)) for turn in document.context)
    return replace(document, id=_encodable(document.id), text=text, context=context)


def _normal_text(text: str) -> str:
    return _encodable(unicodedata.normalize("NFC", _normal_lines(text)))


def _normal_lines(text: str) -> str:
    return text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")


def _encodable(text: str) -> str:
    """Strings out of JSON, PDF and file names can hold half of a surrogate pair, which no ledger or file takes."""
    return text.encode(errors="replace").decode()
