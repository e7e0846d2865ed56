"""Responses that are complete: the texts in them, and the same responses with other texts."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Generator, Sequence
from dataclasses import replace
from typing import Any, cast

from llama_index.core.base.response.schema import (
    RESPONSE_TYPE,
    AsyncStreamingResponse,
    PydanticResponse,
    Response,
    StreamingResponse,
)
from llama_index.core.bridge.pydantic import BaseModel

from llama_index_restyle.reports import Report
from restyle.errors import ShapeError
from restyle.rewriting import Rewrite

__all__ = ["texts_of", "with_texts"]


def texts_of(response: RESPONSE_TYPE, fields: Sequence[str], empty: str) -> list[str]:
    """The texts to rewrite; none where the response is to stay as it is.

    Args:
        response: Anything but a stream that has not been read.
        fields: Which fields of a pydantic object are prose.
        empty: What an engine says that found nothing.

    Raises:
        ShapeError: It is no response, or a field holds no text.
    """
    if isinstance(response, PydanticResponse):
        return [] if response.response is None else [_field(response.response, name) for name in fields]
    if isinstance(response, Response):
        text = response.response
    elif isinstance(response, StreamingResponse | AsyncStreamingResponse):
        text = response.response_txt
    else:
        raise ShapeError(
            f"a {type(response).__name__} is no response of a query engine: give what query() returned, or wrap what "
            "answers otherwise (RestyleChatEngine, RestyleWorkflow)"
        )
    return [] if not text or (text == empty and not response.source_nodes) else [text]


def with_texts(
    response: RESPONSE_TYPE, fields: Sequence[str], rewrites: Sequence[Rewrite], report: Report
) -> RESPONSE_TYPE:
    """A new response of the same kind with other texts, one for each that `texts_of` gave."""
    names = fields if isinstance(response, PydanticResponse) else [None]
    for rewrite, field in zip(rewrites, names, strict=True):
        for result in rewrite.blocks:
            report.hear(result, field)
    texts = [rewrite.text for rewrite in rewrites]
    common: dict[str, Any] = {"source_nodes": [*response.source_nodes], "metadata": report.metadata}
    if isinstance(response, PydanticResponse):
        changed = cast("BaseModel", response.response).model_copy(update=dict(zip(fields, texts, strict=True)))
        return replace(response, response=changed, **common)
    (text,) = texts
    if isinstance(response, Response):
        return replace(response, response=text, **common)
    if isinstance(response, StreamingResponse):
        return replace(response, response_gen=_once(text), response_txt=text, **common)
    return replace(response, response_gen=_aonce(text), response_txt=text, **common)


def _once(text: str) -> Generator[str, None, None]:
    yield text


async def _aonce(text: str) -> AsyncGenerator[str, None]:
    yield text


def _field(holder: object, name: str) -> str:
    text = getattr(holder, name, None)
    if not isinstance(text, str):
        raise ShapeError(
            f"field {name!r} of {type(holder).__name__} holds {type(text).__name__}, not text: name fields of prose in "
            "pydantic_fields"
        )
    return text
