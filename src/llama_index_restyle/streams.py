"""Responses that stream: new ones, whose text is rewritten while it comes."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Generator
from contextlib import aclosing, closing
from dataclasses import replace

from llama_index.core.base.response.schema import AsyncStreamingResponse, StreamingResponse

from llama_index_restyle.generators import AsyncSteadyGenerator, SteadyGenerator
from llama_index_restyle.reports import Report
from llama_index_restyle.work import Work

__all__ = ["astreamed", "streamed"]


def streamed(response: StreamingResponse, work: Work, report: Report, empty: str) -> StreamingResponse:
    """The response, rewritten while it comes; ``empty`` is what an engine says that found nothing."""
    silent = None if response.source_nodes else empty
    texts = SteadyGenerator(_restyled(_chunks(response), work, report, silent))
    return replace(response, response_gen=texts, source_nodes=[*response.source_nodes], metadata=report.metadata)


def astreamed(response: AsyncStreamingResponse, work: Work, report: Report, empty: str) -> AsyncStreamingResponse:
    """As `streamed`, for tasks."""

    def forget() -> None:
        new.response_txt = None  # what had come before the error would pass for the whole the next time

    silent = None if response.source_nodes else empty
    texts = AsyncSteadyGenerator(_arestyled(_achunks(response), work, report, silent), forget)
    new = replace(response, response_gen=texts, source_nodes=[*response.source_nodes], metadata=report.metadata)
    return new


def _restyled(
    chunks: Generator[str, None, None], work: Work, report: Report, silent: str | None
) -> Generator[str, None, None]:
    with closing(chunks):
        head = ""
        if silent is not None:
            for chunk in chunks:
                head += chunk
                if not silent.startswith(head):
                    break
        if head and head == silent:
            yield head
        else:
            yield from work.stream(_behind(head, chunks), report.hear)


async def _arestyled(
    chunks: AsyncGenerator[str, None], work: Work, report: Report, silent: str | None
) -> AsyncGenerator[str, None]:
    async with aclosing(chunks):
        head = ""
        if silent is not None:
            async for chunk in chunks:
                head += chunk
                if not silent.startswith(head):
                    break
        if head and head == silent:
            yield head
            return
        async with aclosing(work.astream(_abehind(head, chunks), report.hear)) as texts:
            async for text in texts:
                yield text


def _behind(head: str, chunks: Generator[str, None, None]) -> Generator[str, None, None]:
    yield head
    yield from chunks


async def _abehind(head: str, chunks: AsyncGenerator[str, None]) -> AsyncGenerator[str, None]:
    yield head
    async with aclosing(chunks):
        async for chunk in chunks:
            yield chunk


def _chunks(response: StreamingResponse) -> Generator[str, None, None]:
    with closing(response.response_gen) as chunks:
        for chunk in chunks:
            yield chunk or ""


async def _achunks(response: AsyncStreamingResponse) -> AsyncGenerator[str, None]:
    async with aclosing(response.response_gen), aclosing(response.async_response_gen()) as chunks:
        async for chunk in chunks:
            yield chunk or ""
