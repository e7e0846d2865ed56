"""The author's texts: UTF-8 files in, documents out."""

from __future__ import annotations

import unicodedata
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from restyle.errors import DocumentError, DocumentNotFoundError

__all__ = ["SUFFIXES", "Document", "Source", "Sources", "aread_documents", "read_documents"]

SUFFIXES = frozenset({".md", ".markdown", ".txt"})


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


def read_documents(sources: Sources) -> Iterator[Document]:
    """Read files and folders (searched for ``.txt`` and ``.md``, in name order) one by one; documents pass through.

    Raises:
        DocumentNotFoundError: A path does not exist, a folder holds no text, or there is no source at all.
        DocumentError: A file is empty, not UTF-8 or of another kind, or two files have one name.
    """
    reading = _Reading()
    for source in [sources] if isinstance(sources, str | Path | Document) else sources:
        yield from reading.documents(source)
    reading.end()


async def aread_documents(sources: AsyncIterable[Source]) -> AsyncIterator[Document]:
    """As `read_documents`, for sources that are awaited."""
    reading = _Reading()
    async for source in sources:
        for document in reading.documents(source):
            yield document
    reading.end()


class _Reading:
    """Reads source after source, and knows the names that are taken."""

    def __init__(self) -> None:
        self._names: dict[str, bool] = {}  # and whether more parts may follow

    def documents(self, source: Source) -> Iterator[Document]:
        """What one source holds."""
        part = isinstance(source, Document)
        for document in _documents(source):
            if document.id in self._names and not (part and self._names[document.id]):
                raise DocumentError(
                    f"{document.id}: two documents have this name: rename one, or give their common folder"
                )
            self._names[document.id] = part
            yield document

    def end(self) -> None:
        """Nothing more comes."""
        if not self._names:
            raise DocumentNotFoundError("no documents were given: name a text file or a folder of them")


def _documents(source: Source) -> Iterator[Document]:
    if isinstance(source, Document):
        yield _normalised(source.id, source.text, source.id)
        return
    path = Path(source)
    if path.is_dir():
        files = sorted(file for file in path.rglob("*") if file.suffix.lower() in SUFFIXES and file.is_file())
        if not files:
            raise DocumentNotFoundError(f"{path}: no .txt or .md file in this folder")
        for file in files:
            yield _read(file, file.relative_to(path).as_posix())
    else:
        yield _read(path, path.name)


def _read(path: Path, name: str) -> Document:
    if path.suffix.lower() not in SUFFIXES:
        raise DocumentError(f"{path}: not a kind of file that is read: convert it to {', '.join(sorted(SUFFIXES))}")
    try:
        text = path.read_bytes().decode("utf-8")
    except FileNotFoundError as error:
        raise DocumentNotFoundError(f"{path}: no such file or folder: check the path") from error
    except OSError as error:
        raise DocumentError(f"{path}: cannot be read ({error.strerror}): check its kind and permissions") from error
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        byte = error.object[error.start]
        raise DocumentError(
            f"{path}:{line}: byte 0x{byte:02x} is not UTF-8: save the file as UTF-8 (iconv -t utf-8)"
        ) from error
    return _normalised(name, text, str(path))


def _normalised(name: str, text: str, place: str) -> Document:
    text = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    if not text.strip():
        raise DocumentError(f"{place}: the document is empty: remove it from the sources")
    return Document(_encodable(name), _encodable(unicodedata.normalize("NFC", text)))


def _encodable(text: str) -> str:
    """Strings out of JSON, PDF and file names can hold half of a surrogate pair, which no ledger or file takes."""
    return text.encode(errors="replace").decode()
