"""A chain's chunks in, restyled chunks out, while the chain still streams."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import aclosing
from itertools import chain

from langchain_restyle.batches import arestyle_all, raised, restyle_all
from langchain_restyle.shapes import Envelope, RestyleIO, envelope_for
from restyle.blocks import Block, Splitter
from restyle.drivers import AnswerFunction, AsyncAnswerFunction, astream, stream
from restyle.flows import Flow, Policy, Rewritten, rewrite_block
from restyle.rewriting import Rewrite, acut, cut
from restyle.style import Style

__all__ = ["arestyle_stream", "restyle_stream"]


def restyle_stream(
    chunks: Iterator[RestyleIO], answer: AnswerFunction, style: Style, policy: Policy, *, concurrency: int
) -> Iterator[RestyleIO]:
    """Rewrite what arrives while it arrives, block by block; a message that comes whole leaves whole."""
    for first in chunks:
        envelope = envelope_for(first)
        if envelope is None:
            (output,) = restyle_all([first], [answer], style, policy, concurrency=concurrency, stop_on_error=True)
            yield raised(output)
            continue
        texts = map(envelope.take, chain([first], chunks))
        work = ((_flow(block, envelope, style, policy), answer) for block in cut(texts, Splitter()))
        done = []
        for result in stream(work, concurrency=concurrency):
            done.append(result)
            if result.text:
                yield envelope.wrap(result.text)
        if (last := envelope.last(Rewrite(tuple(done)))) is not None:
            yield last


async def arestyle_stream(
    chunks: AsyncIterator[RestyleIO], answer: AsyncAnswerFunction, style: Style, policy: Policy, *, concurrency: int
) -> AsyncGenerator[RestyleIO, None]:
    """As `restyle_stream`, for tasks."""
    async for first in chunks:
        envelope = envelope_for(first)
        if envelope is None:
            (output,) = await arestyle_all(
                [first], [answer], style, policy, concurrency=concurrency, stop_on_error=True
            )
            yield raised(output)
            continue
        work = _ajobs(_texts(envelope, first, chunks), answer, envelope, style, policy)
        done = []
        async with aclosing(astream(work, concurrency=concurrency)) as results:
            async for result in results:
                done.append(result)
                if result.text:
                    yield envelope.wrap(result.text)
        if (last := envelope.last(Rewrite(tuple(done)))) is not None:
            yield last


async def _ajobs(
    texts: AsyncIterator[str], answer: AsyncAnswerFunction, envelope: Envelope, style: Style, policy: Policy
) -> AsyncGenerator[tuple[Flow, AsyncAnswerFunction], None]:
    async for block in acut(texts, Splitter()):
        yield _flow(block, envelope, style, policy), answer


async def _texts(envelope: Envelope, first: RestyleIO, chunks: AsyncIterator[RestyleIO]) -> AsyncIterator[str]:
    yield envelope.take(first)
    async for chunk in chunks:
        yield envelope.take(chunk)


def _flow(block: Block, envelope: Envelope, style: Style, policy: Policy) -> Flow:
    return _passing(block) if envelope.calls_tools else rewrite_block(block, style, policy)


def _passing(block: Block) -> Flow:
    """What stands beside tool calls is no answer yet."""
    yield from ()
    return Rewritten(block, block.text, "verbatim")
