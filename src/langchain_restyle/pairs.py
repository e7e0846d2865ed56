"""`build_pairs` over LangChain's loaders, documents, chat sessions and chat models."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, TypeAlias, TypeVar, Unpack

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
from restyle.data.options import TeacherSpec as CoreTeacherSpec
from restyle.data.pairs import PairSet, PairSettings
from restyle.data.prices import Estimate
from restyle.data.threaded import ThreadedTeacher
from restyle.errors import DocumentError

__all__ = ["PairSources", "abuild_pairs", "aestimate_pairs", "build_pairs", "estimate_pairs"]

T = TypeVar("T")

_Element: TypeAlias = Source | Document | Session | Message
PairSources: TypeAlias = BaseLoader | BaseChatLoader | _Element | Iterable[_Element]
_AsyncSources: TypeAlias = PairSources | AsyncIterable[_Element]


def build_pairs(
    sources: PairSources | Mapping[str, PairSources],
    *,
    teacher: TeacherSpec | Sequence[TeacherSpec] | None,
    source_id_key: SourceIdKey = "source",
    sender: str | None = None,
    context: int = 0,
    **options: Unpack[PairSettings],
) -> PairSet:
    """Make a pair set of what LangChain loads; see `restyle.build_pairs`.

    Args:
        sources: A document loader or documents (whole ones or pages, not chunks that overlap); a chat loader, chat
            sessions or conversations of OpenAI messages; or paths. All of one kind, read once, and lazily. A mapping
            from names of styles to such sources makes a set for one model of several styles; no style is called
            ``messages`` or ``role``, that is a chat.
        teacher: A chat model or any runnable over messages, what `restyle.build_pairs` takes, or a list of these.
        source_id_key: Where a document says what it is a part of: a metadata key, or a function of the document. What
            belongs together is one document, and stays together when train, valid and test are dealt: without a key of
            their own, so do all rows of a table. Paths under the working directory are written relative to it.
        sender: Whose turns to learn from in chats: a sender, a name or a role. None: the assistant's.
        context: How many turns to keep with each of these, which is then a part of its document by itself (0: none;
            the turns of a chat are one text).
        **options: As for `restyle.build_pairs`.

    Raises:
        DocumentError: A source is of no kind that is read, all documents are empty, or nobody is called ``sender``.
        TeacherMissingError: There is no teacher, or the ledger could not tell it from others.
        Exception: A model failed; what it had answered stays in the ledger.
    """
    given = _by_style(sources, lambda each: _AnyReader(source_id_key, sender, context).read(each))
    teachers = _teachers(teacher, options.get("max_concurrency") or 32)
    return pairs.build_pairs(given, teacher=teachers, sender=sender, context=context, **options)


async def abuild_pairs(
    sources: _AsyncSources | Mapping[str, _AsyncSources],
    *,
    teacher: TeacherSpec | Sequence[TeacherSpec] | None,
    source_id_key: SourceIdKey = "source",
    sender: str | None = None,
    context: int = 0,
    **options: Unpack[PairSettings],
) -> PairSet:
    """As `build_pairs`, for tasks: document loaders and chat models are awaited, and sources may be."""
    given = _by_style(sources, lambda each: _AnyReader(source_id_key, sender, context).aread(each))
    return await pairs.abuild_pairs(given, teacher=_teachers(teacher), sender=sender, context=context, **options)


def estimate_pairs(
    sources: PairSources | Mapping[str, PairSources],
    *,
    teacher: TeacherSpec | Sequence[TeacherSpec] | None,
    source_id_key: SourceIdKey = "source",
    sender: str | None = None,
    context: int = 0,
    **options: Unpack[PairSettings],
) -> Estimate:
    """What `build_pairs` with the same arguments would ask for and cost; see `restyle.estimate_pairs`."""
    given = _by_style(sources, lambda each: _AnyReader(source_id_key, sender, context).read(each))
    return pairs.estimate_pairs(given, teacher=_teachers(teacher), sender=sender, context=context, **options)


async def aestimate_pairs(
    sources: _AsyncSources | Mapping[str, _AsyncSources],
    *,
    teacher: TeacherSpec | Sequence[TeacherSpec] | None,
    source_id_key: SourceIdKey = "source",
    sender: str | None = None,
    context: int = 0,
    **options: Unpack[PairSettings],
) -> Estimate:
    """As `estimate_pairs`, for tasks: document loaders are awaited, and sources may be."""
    given = _by_style(sources, lambda each: _AnyReader(source_id_key, sender, context).aread(each))
    return await pairs.aestimate_pairs(given, teacher=_teachers(teacher), sender=sender, context=context, **options)


class _Reader(Protocol):
    """Takes elements of one kind, and returns documents when they are complete."""

    def feed(self, element: Any) -> list[Any]: ...

    def flush(self) -> list[Any]: ...


class _AnyReader:
    """Reads elements of whatever kind the first one is."""

    def __init__(self, source_id_key: SourceIdKey, sender: str | None, context: int) -> None:
        self._source_id_key, self._chats = source_id_key, (sender, context)
        self._reader: _Reader | None = None

    def read(self, sources: object) -> Iterator[Source]:
        for element in _elements(sources):
            yield from self._feed(element)
        yield from self._flush()

    async def aread(self, sources: object) -> AsyncIterator[Source]:
        async for element in _aelements(sources):
            for source in self._feed(element):
                yield source
        for source in self._flush():
            yield source

    def _feed(self, element: object) -> list[Source]:
        self._reader = self._reader or self._for(element)
        return self._reader.feed(element)

    def _flush(self) -> list[Source]:
        if self._reader is None:
            raise DocumentError("no documents were given: the loader or iterable is empty")
        return self._reader.flush()

    def _for(self, first: object) -> _Reader:
        if isinstance(first, Document):
            return DocumentReader(self._source_id_key)
        if isinstance(first, str | Path | AuthorDocument):
            return _PathReader()
        if is_message(first):
            return ConversationReader(*self._chats)
        if isinstance(first, list | tuple) or _is_session(first):
            return SessionReader(*self._chats)
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


def _teachers(
    spec: TeacherSpec | Sequence[TeacherSpec] | None, threads: int = 0
) -> CoreTeacherSpec | list[CoreTeacherSpec] | None:
    """What the core takes; chat models answer in so many threads, or are awaited."""
    if isinstance(spec, Sequence) and not isinstance(spec, str):
        return [_teacher(each, threads) for each in spec]
    return None if spec is None else _teacher(spec, threads)


def _teacher(spec: TeacherSpec, threads: int) -> CoreTeacherSpec:
    teacher = ChatTeacher(spec) if isinstance(spec, Runnable) else spec
    return ThreadedTeacher(teacher, threads) if threads and isinstance(teacher, ChatTeacher) else teacher


def _by_style(sources: object, read: Callable[[object], T]) -> T | dict[str, T]:
    """What is read of the sources: where they are told by style, of each its own."""
    if isinstance(sources, Mapping) and not (is_message(sources) or _is_session(sources)):
        return {style: read(of_style) for style, of_style in sources.items()}
    return read(sources)


def _is_session(value: object) -> bool:
    return isinstance(value, Mapping) and "messages" in value


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


async def _aelements(sources: object) -> AsyncIterator[object]:
    given = sources.alazy_load() if isinstance(sources, BaseLoader) else sources
    if isinstance(given, AsyncIterable):
        async for element in given:
            yield element
    else:
        for element in _elements(given):
            yield element
