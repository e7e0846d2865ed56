"""The author's texts: UTF-8 files in, documents out."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from restyle.errors import DocumentError, DocumentNotFoundError

__all__ = ["SUFFIXES", "Document", "read_documents"]

SUFFIXES = frozenset({".md", ".markdown", ".txt"})


@dataclass(frozen=True, slots=True)
class Document:
    """One text of the author's.

    Attributes:
        id: Where it came from, the same on every machine: splits and provenance go by it.
        text: What `read_documents` returns is normalised, once: NFC, line feeds only, no byte order mark.
    """

    id: str
    text: str


def read_documents(sources: str | Path | Document | Iterable[str | Path | Document]) -> list[Document]:
    """Read files and folders (searched for ``.txt`` and ``.md``, in name order); documents may stand among them.

    Raises:
        DocumentNotFoundError: A path does not exist, or a folder holds no text.
        DocumentError: A file is empty, not UTF-8 or of another kind, or two documents have one id.
    """
    documents: dict[str, Document] = {}
    for document in _read_all([sources] if isinstance(sources, str | Path | Document) else sources):
        if document.id in documents:
            raise DocumentError(f"{document.id}: two documents have this name: rename one, or give their common folder")
        documents[document.id] = document
    if not documents:
        raise DocumentNotFoundError("no documents were given: name a text file or a folder of them")
    return list(documents.values())


def _read_all(sources: Iterable[str | Path | Document]) -> Iterator[Document]:
    for source in sources:
        if isinstance(source, Document):
            yield _normalised(source.id, source.text, source.id)
            continue
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
    return Document(name, unicodedata.normalize("NFC", text))
