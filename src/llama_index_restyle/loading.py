"""What readers and iterables hold, one by one."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Iterator, Mapping
from itertools import chain, islice
from pathlib import Path
from typing import Any, Protocol, TypeAlias, TypeGuard, TypeVar, cast

from llama_index.core.schema import BaseNode, NodeWithScore
from pydantic import BaseModel

from restyle.data.documents import Document as AuthorDocument
from restyle.data.documents import Source
from restyle.errors import DocumentError

__all__ = ["Element", "PairSources", "Reader", "aelements", "elements"]

T = TypeVar("T")


class Reader(Protocol):
    """What LlamaIndex calls a reader, whatever it derives from."""

    def load_data(self) -> Iterable[Any]:
        """All that there is."""


Element: TypeAlias = Source | BaseNode
_Given: TypeAlias = Reader | Element | NodeWithScore
PairSources: TypeAlias = _Given | Iterable["PairSources"]


def elements(sources: object) -> Iterator[Element]:
    """Documents, nodes and paths, from readers and iterables of any depth, each when it is wanted.

    Of a reader, ``iter_data`` is used, else ``lazy_load_data``, else ``load_data``: the first that it has.

    Raises:
        DocumentError: Something is of another kind, or a reader cannot be called without arguments.
    """
    if (found := _element(sources)) is not None:
        yield found
    else:
        for each in _loaded(sources) if _is_reader(sources) else _iterable(sources):
            yield from elements(each)


async def aelements(sources: object) -> AsyncIterator[Element]:
    """As `elements`, for tasks: iterables may be awaited, and of a reader ``aload_data`` is, where it has that."""
    if (found := _element(sources)) is not None:
        yield found
    elif isinstance(sources, AsyncIterable):
        async for each in sources:
            async for element in aelements(each):
                yield element
    else:
        for each in await _aloaded(sources) if _is_reader(sources) else _iterable(sources):
            async for element in aelements(each):
                yield element


def _element(source: object) -> Element | None:
    if isinstance(source, NodeWithScore):
        return source.node
    return source if isinstance(source, str | Path | AuthorDocument | BaseNode) else None


def _is_reader(source: object) -> TypeGuard[Reader]:
    return callable(getattr(source, "load_data", None))


def _iterable(source: object) -> Iterable[object]:
    if isinstance(source, Iterable) and not isinstance(source, Mapping | bytes | BaseModel):
        return source
    raise DocumentError(
        f"a source is of type {type(source).__name__}: give a reader, LlamaIndex documents or nodes, paths, or an "
        "iterable of these"
    )


def _loaded(reader: Any) -> Iterable[object]:
    if hasattr(reader, "iter_data"):
        return _call(reader.iter_data)
    if hasattr(reader, "lazy_load_data"):
        try:
            # A generator function says so no earlier than when it is asked for the first.
            documents = iter(_call(reader.lazy_load_data))
            first = iter(list(islice(documents, 1)))
        except NotImplementedError:
            pass
        else:
            return chain(first, documents)
    return _call(reader.load_data)


async def _aloaded(reader: Any) -> Iterable[object]:
    if hasattr(reader, "aload_data"):
        return cast("Iterable[object]", await _call(reader.aload_data))
    return await asyncio.to_thread(lambda: list(_loaded(reader)))


def _call(method: Callable[..., T]) -> T:
    try:
        inspect.signature(method).bind()
    except TypeError as error:
        name = method.__qualname__
        raise DocumentError(f"{name}() cannot be called without arguments ({error}): give what it returns") from error
    return method()
