"""`build_pairs` over LlamaIndex's readers, documents, nodes and LLMs."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterator, Mapping, Sequence
from typing import TypeAlias, TypeVar, Unpack

from llama_index.core.llms.llm import LLM
from llama_index.core.schema import BaseNode

from llama_index_restyle.documents import DocumentReader, SourceIdKey
from llama_index_restyle.loading import Element, PairSources, aelements, elements
from llama_index_restyle.teachers import LLMTeacher, TeacherSpec
from restyle.data import pairs
from restyle.data.documents import Source
from restyle.data.options import TeacherSpec as CoreTeacherSpec
from restyle.data.pairs import PairSet, PairSettings
from restyle.data.prices import Estimate
from restyle.data.threaded import ThreadedTeacher
from restyle.errors import DocumentError

__all__ = ["PairSources", "abuild_pairs", "aestimate_pairs", "build_pairs", "estimate_pairs"]

T = TypeVar("T")

_AsyncSources: TypeAlias = PairSources | AsyncIterable[PairSources]


def build_pairs(
    sources: PairSources | Mapping[str, PairSources],
    *,
    teacher: TeacherSpec | Sequence[TeacherSpec] | None,
    source_id_key: SourceIdKey | None = None,
    **options: Unpack[PairSettings],
) -> PairSet:
    """Make a pair set of what LlamaIndex reads; see `restyle.build_pairs`.

    Args:
        sources: Readers, documents, nodes, paths, or an iterable of these, read once, and lazily. Nodes of one
            ``ref_doc_id`` are put together in order of their places, without repeating where they overlap. A mapping
            from names of styles to such sources makes a set for one model of several styles.
        teacher: A chat LLM, what `restyle.build_pairs` takes, or a list of these.
        source_id_key: Where a document or node says what it is a part of: a metadata key, or a function of it. What
            belongs together is one document, and stays together when train, valid and test are dealt. None:
            ``file_path`` or ``file_name``, else the ``ref_doc_id`` or document's id. Paths under the working directory
            are written relative to it.
        **options: As for `restyle.build_pairs`.

    Raises:
        DocumentError: A source is of no kind that is read, or all are empty.
        ChatModelError: The LLM completes text, and takes no messages.
        TeacherMissingError: There is no teacher, or the ledger could not tell it from others.
        Exception: An LLM failed; what it had answered stays in the ledger.
    """
    given = _by_style(sources, lambda each: _read(elements(each), source_id_key))
    teachers = _teachers(teacher, options.get("max_concurrency") or 32)
    return pairs.build_pairs(given, teacher=teachers, **options)


async def abuild_pairs(
    sources: _AsyncSources | Mapping[str, _AsyncSources],
    *,
    teacher: TeacherSpec | Sequence[TeacherSpec] | None,
    source_id_key: SourceIdKey | None = None,
    **options: Unpack[PairSettings],
) -> PairSet:
    """As `build_pairs`, for tasks: readers (through ``aload_data``) and LLMs are awaited, and iterables may be."""
    given = _by_style(sources, lambda each: _aread(aelements(each), source_id_key))
    return await pairs.abuild_pairs(given, teacher=_teachers(teacher), **options)


def estimate_pairs(
    sources: PairSources | Mapping[str, PairSources],
    *,
    teacher: TeacherSpec | Sequence[TeacherSpec] | None,
    source_id_key: SourceIdKey | None = None,
    **options: Unpack[PairSettings],
) -> Estimate:
    """What `build_pairs` with the same arguments would ask for and cost; see `restyle.estimate_pairs`."""
    given = _by_style(sources, lambda each: _read(elements(each), source_id_key))
    return pairs.estimate_pairs(given, teacher=_teachers(teacher), **options)


async def aestimate_pairs(
    sources: _AsyncSources | Mapping[str, _AsyncSources],
    *,
    teacher: TeacherSpec | Sequence[TeacherSpec] | None,
    source_id_key: SourceIdKey | None = None,
    **options: Unpack[PairSettings],
) -> Estimate:
    """As `estimate_pairs`, for tasks: readers are awaited, and iterables may be."""
    given = _by_style(sources, lambda each: _aread(aelements(each), source_id_key))
    return await pairs.aestimate_pairs(given, teacher=_teachers(teacher), **options)


class _Reading:
    """Passes on what the core reads itself, and reads the rest."""

    def __init__(self, source_id_key: SourceIdKey | None) -> None:
        self._reader = DocumentReader(source_id_key)
        self._taken = self._nodes = 0

    def feed(self, element: Element) -> list[Source]:
        place = f"sources[{self._taken}]"
        self._taken += 1
        if not isinstance(element, BaseNode):
            return [*self._reader.interrupt(), element]
        self._nodes += 1
        return [*self._reader.feed(element, place)]

    def flush(self) -> list[Source]:
        if not self._taken:
            raise DocumentError("no documents were given: the reader or iterable is empty")
        return [*self._reader.flush()] if self._nodes else []


def _teachers(
    spec: TeacherSpec | Sequence[TeacherSpec] | None, threads: int = 0
) -> CoreTeacherSpec | list[CoreTeacherSpec] | None:
    """What the core takes; LLMs answer in so many threads, or are awaited."""
    if isinstance(spec, Sequence) and not isinstance(spec, str):
        return [_teacher(each, threads) for each in spec]
    return None if spec is None else _teacher(spec, threads)


def _teacher(spec: TeacherSpec, threads: int) -> CoreTeacherSpec:
    teacher = LLMTeacher(spec) if isinstance(spec, LLM) else spec
    return ThreadedTeacher(teacher, threads) if threads and isinstance(teacher, LLMTeacher) else teacher


def _by_style(sources: object, read: Callable[[object], T]) -> T | dict[str, T]:
    """What is read of the sources: where they are told by style, of each its own."""
    if isinstance(sources, Mapping):
        return {style: read(of_style) for style, of_style in sources.items()}
    return read(sources)


def _read(given: Iterator[Element], source_id_key: SourceIdKey | None) -> Iterator[Source]:
    reading = _Reading(source_id_key)
    for element in given:
        yield from reading.feed(element)
    yield from reading.flush()


async def _aread(given: AsyncIterator[Element], source_id_key: SourceIdKey | None) -> AsyncIterator[Source]:
    reading = _Reading(source_id_key)
    async for element in given:
        for source in reading.feed(element):
            yield source
    for source in reading.flush():
        yield source
