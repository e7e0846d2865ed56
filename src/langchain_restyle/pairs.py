"""`build_pairs` over LangChain's loaders, documents, chat sessions and chat models."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol, TypeAlias, Unpack

from langchain_core.chat_loaders import BaseChatLoader
from langchain_core.document_loaders import BaseLoader
from langchain_core.documents import Document
from langchain_core.runnables import Runnable

from langchain_restyle.documents import DocumentReader, SourceIdKey
from langchain_restyle.sessions import ConversationReader, Message, Session, SessionReader, is_message
from langchain_restyle.teachers import ChatTeacher, TeacherSpec
from restyle.data import pairs
from restyle.data.documents import Document as AuthorDocument
from restyle.data.documents import Source
from restyle.data.pairs import PairSet, PairSettings
from restyle.data.teachers import Teacher
from restyle.data.threaded import ThreadedTeacher
from restyle.errors import DocumentError

__all__ = ["PairSources", "abuild_pairs", "build_pairs"]

_Element: TypeAlias = Source | Document | Session | Message
PairSources: TypeAlias = BaseLoader | BaseChatLoader | _Element | Iterable[_Element]


def build_pairs(
    sources: PairSources,
    *,
    teacher: TeacherSpec,
    source_id_key: SourceIdKey = "source",
    sender: str | None = None,
    **options: Unpack[PairSettings],
) -> PairSet:
    """Make a pair set of what LangChain loads; see `restyle.build_pairs`.

    Args:
        sources: A document loader or documents (whole ones or pages, not chunks that overlap); a chat loader, chat
            sessions or conversations of OpenAI messages; or paths. All of one kind, read once, and lazily.
        teacher: A chat model or any runnable over messages, or what `restyle.build_pairs` takes.
        source_id_key: Where a document says what it is a part of: a metadata key, or a function of the document. What
            belongs together is one document, and stays together when train, valid and test are dealt: without a key of
            their own, so do all rows of a table. Paths under the working directory are written relative to it.
        sender: Whose turns to learn from in chats: a sender, a name or a role. None: the assistant's.
        **options: As for `restyle.build_pairs`.

    Raises:
        DocumentError: A source is of no kind that is read, all documents are empty, or nobody is called ``sender``.
        TeacherMissingError: There is no teacher, or the ledger could not tell it from others.
        Exception: The model failed; what it had answered stays in the ledger.
    """
    if isinstance(found := _teacher(teacher), ChatTeacher):
        found = ThreadedTeacher(found, options.get("max_concurrency") or 32)
    return pairs.build_pairs(_read(_elements(sources), source_id_key, sender), teacher=found, **options)


async def abuild_pairs(
    sources: PairSources | AsyncIterable[_Element],
    *,
    teacher: TeacherSpec,
    source_id_key: SourceIdKey = "source",
    sender: str | None = None,
    **options: Unpack[PairSettings],
) -> PairSet:
    """As `build_pairs`, for tasks: document loaders and chat models are awaited, and sources may be."""
    found = _teacher(teacher)
    elements = sources.alazy_load() if isinstance(sources, BaseLoader) else sources
    if isinstance(elements, AsyncIterable):
        return await pairs.abuild_pairs(_aread(elements, source_id_key, sender), teacher=found, **options)
    return await pairs.abuild_pairs(_read(_elements(elements), source_id_key, sender), teacher=found, **options)


class _Reader(Protocol):
    """Takes elements of one kind, and returns documents when they are complete."""

    def feed(self, element: Any) -> list[Any]: ...

    def flush(self) -> list[Any]: ...


class _AnyReader:
    """Takes elements of whatever kind the first one is."""

    def __init__(self, source_id_key: SourceIdKey, sender: str | None) -> None:
        self._source_id_key, self._sender = source_id_key, sender
        self._reader: _Reader | None = None

    def feed(self, element: object) -> list[Source]:
        self._reader = self._reader or self._for(element)
        return self._reader.feed(element)

    def flush(self) -> list[Source]:
        if self._reader is None:
            raise DocumentError("no documents were given: the loader or iterable is empty")
        return self._reader.flush()

    def _for(self, first: object) -> _Reader:
        if isinstance(first, Document):
            return DocumentReader(self._source_id_key)
        if isinstance(first, str | Path | AuthorDocument):
            return _PathReader()
        if is_message(first):
            return ConversationReader(self._sender)
        if isinstance(first, list | tuple) or (isinstance(first, Mapping) and "messages" in first):
            return SessionReader(self._sender)
        raise DocumentError(
            f"sources[0] is of type {type(first).__name__}: give a loader, LangChain documents, chat sessions, "
            "messages with 'role' and 'content', or paths"
        )


class _PathReader:
    """Passes on what the core reads itself."""

    def __init__(self) -> None:
        self._taken = 0

    def feed(self, source: object) -> list[Source]:
        if not isinstance(source, str | Path | AuthorDocument):
            kind = type(source).__name__
            raise DocumentError(f"sources[{self._taken}] is of type {kind}, those before it are paths or documents")
        self._taken += 1
        return [source]

    def flush(self) -> list[Source]:
        return []


def _teacher(spec: TeacherSpec) -> str | Path | Teacher | None:
    return ChatTeacher(spec) if isinstance(spec, Runnable) else spec


def _elements(sources: object) -> Iterable[object]:
    if isinstance(sources, BaseLoader | BaseChatLoader):
        return sources.lazy_load()
    if isinstance(sources, str | Path | AuthorDocument | Document | Mapping):
        return [sources]
    if isinstance(sources, Iterable):
        return sources
    raise DocumentError(
        f"sources is of type {type(sources).__name__}: give a loader, LangChain documents, chat sessions or paths"
    )


def _read(elements: Iterable[object], source_id_key: SourceIdKey, sender: str | None) -> Iterator[Source]:
    reader = _AnyReader(source_id_key, sender)
    for element in elements:
        yield from reader.feed(element)
    yield from reader.flush()


async def _aread(
    elements: AsyncIterable[object], source_id_key: SourceIdKey, sender: str | None
) -> AsyncIterator[Source]:
    reader = _AnyReader(source_id_key, sender)
    async for element in elements:
        for source in reader.feed(element):
            yield source
    for source in reader.flush():
        yield source
