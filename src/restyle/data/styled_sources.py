"""Sources of one style or of several: their documents, each with what its source says about it."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import TypeAlias

from restyle.data.documents import Document, RowOptions, Source, Sources, aread_documents, read_documents
from restyle.errors import DocumentError
from restyle.prompts import NO_PARAMETERS

__all__ = ["STYLE", "AsyncSources", "StyledSources", "adocuments_of", "documents_of"]

StyledSources: TypeAlias = Sources | Mapping[str, Sources]
AsyncSources: TypeAlias = Sources | AsyncIterable[Source] | Mapping[str, Sources | AsyncIterable[Source]]

STYLE = "style"
"""The parameter whose value the source tells: its style, where there are several."""


def documents_of(sources: StyledSources, rows: RowOptions) -> Iterator[tuple[Document, Mapping[str, str]]]:
    """The documents of all sources, each with the values that its source has for the prompts' parameters."""
    for style, of_style in sources.items() if isinstance(sources, Mapping) else [(None, sources)]:
        with _naming(style):
            for document in read_documents(of_style, **rows):
                yield _of_style(style, document)


async def adocuments_of(sources: AsyncSources, rows: RowOptions) -> AsyncIterator[tuple[Document, Mapping[str, str]]]:
    """As `documents_of`, for sources of which some or all are awaited."""
    for style, of_style in sources.items() if isinstance(sources, Mapping) else [(None, sources)]:
        with _naming(style):
            if isinstance(of_style, AsyncIterable):
                async for document in aread_documents(of_style, **rows):
                    yield _of_style(style, document)
            else:
                for document in read_documents(of_style, **rows):
                    yield _of_style(style, document)


@contextmanager
def _naming(style: str | None) -> Iterator[None]:
    """Say in errors which style is meant."""
    try:
        yield
    except DocumentError as error:
        if style is None:
            raise
        raise type(error)(f"in the sources of {style!r}: {error}") from error


def _of_style(style: str | None, document: Document) -> tuple[Document, Mapping[str, str]]:
    if style is None:
        return document, NO_PARAMETERS
    return replace(document, id=f"{style}/{document.id}"), {STYLE: style}
