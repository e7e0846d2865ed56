"""Text in, the author's text out: the flows of all blocks, driven over a style's own models."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Iterable, Iterator, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, TypedDict, Unpack

from restyle.answering import aanswering, answering
from restyle.blocks import Block
from restyle.drivers import AnswerFunction, AsyncAnswerFunction, astream, stream
from restyle.flows import Flow, Rewritten, rewrite_block
from restyle.policy import OnError, OnLoss, Policy
from restyle.structured import AnswerSplitter
from restyle.style import Style

__all__ = [
    "Options",
    "Rewrite",
    "acut",
    "ajobs",
    "arewrite",
    "arewrite_stream",
    "cut",
    "jobs",
    "rewrite",
    "rewrite_stream",
]


class Options(TypedDict, total=False):
    """The keyword arguments of `rewrite` and its siblings; `restyle.flows.Policy` says what they mean.

    ``max_concurrency`` is the number of requests in flight, 32 by default.
    """

    parameters: Mapping[str, str]
    destyle: bool
    attempts: int
    on_loss: OnLoss
    on_error: OnError
    max_concurrency: int


@dataclass(frozen=True, slots=True)
class Rewrite:
    """A whole text rewritten: what became of every block, verbatim ones and the gaps between them included."""

    blocks: tuple[Rewritten, ...]

    @property
    def text(self) -> str:
        """The rewritten text."""
        return "".join(block.text for block in self.blocks)

    @property
    def losses(self) -> tuple[Any, ...]:
        """The facts that led to a fallback, over all blocks."""
        return tuple(loss for block in self.blocks for loss in block.losses)

    @property
    def is_rewritten(self) -> bool:
        """Whether any of it went to a model."""
        return any(block.outcome != "verbatim" for block in self.blocks)

    def report(self, *, neutral: bool = False) -> dict[str, Any]:
        """Metadata for a response: one row per block that is not verbatim, with its ``neutral`` text where wanted."""
        return {"blocks": [block.report(neutral=neutral) for block in self.blocks if not block.block.verbatim]}


def cut(chunks: Iterable[str]) -> Iterator[Block]:
    """The blocks of a text that arrives in chunks, each as soon as its boundary is certain."""
    splitter = AnswerSplitter()
    for chunk in chunks:
        yield from splitter.feed(chunk)
    yield from splitter.flush()


async def acut(chunks: AsyncIterable[str]) -> AsyncGenerator[Block, None]:
    """As `cut`, for an asynchronous source."""
    splitter = AnswerSplitter()
    async for chunk in chunks:
        for block in splitter.feed(chunk):
            yield block
    for block in splitter.flush():
        yield block


def jobs(
    chunks: Iterable[str], style: Style, policy: Policy, answer: AnswerFunction
) -> Iterator[tuple[Flow, AnswerFunction] | None]:
    """One flow for every block of the text, and how to answer it: the input of `restyle.drivers.stream`."""
    splitter = AnswerSplitter()
    for chunk in chunks:
        for block in splitter.feed(chunk):
            yield rewrite_block(block, style, policy), answer
        yield None
    for block in splitter.flush():
        yield rewrite_block(block, style, policy), answer


async def ajobs(
    chunks: AsyncIterable[str], style: Style, policy: Policy, answer: AsyncAnswerFunction
) -> AsyncGenerator[tuple[Flow, AsyncAnswerFunction], None]:
    """As `jobs`, the input of `restyle.drivers.astream`."""
    async for block in acut(chunks):
        yield rewrite_block(block, style, policy), answer


def rewrite_stream(chunks: Iterable[str], style: Style | str, **options: Unpack[Options]) -> Iterator[Rewritten]:
    """Rewrite a text while it arrives: blocks leave in order, each as soon as it and those before it are done."""
    card, policy, concurrency = _settle(style, options)
    with answering(card, destyle=policy.destyle) as answer:
        yield from stream(jobs(chunks, card, policy, answer), concurrency=concurrency)


async def arewrite_stream(
    chunks: AsyncIterable[str], style: Style | str, **options: Unpack[Options]
) -> AsyncGenerator[Rewritten, None]:
    """As `rewrite_stream`, for an asynchronous source."""
    card, policy, concurrency = _settle(style, options)
    async with (
        aanswering(card, destyle=policy.destyle) as answer,
        aclosing(astream(ajobs(chunks, card, policy, answer), concurrency=concurrency)) as results,
    ):
        async for result in results:
            yield result


def rewrite(text: str, style: Style | str, **options: Unpack[Options]) -> Rewrite:
    """Rewrite ``text`` in ``style`` (a card, or the name of one), with the models that the card names.

    Args:
        text: Any text; code, tables, headings and the like pass through untouched.
        style: A `restyle.Style` or its name.
        **options: ``parameters`` for the prompts, ``destyle`` (False for neutral text), ``attempts`` per block,
            ``on_loss`` and ``on_error`` (see `restyle.Policy`), ``max_concurrency`` (requests in flight, default 32).

    Raises:
        StyleNotFoundError, CardError: The style cannot be used.
        ParameterError: A parameter is unknown or missing.
        ModelError: A model failed and ``on_error="raise"``.
        LossError: Facts did not survive and ``on_loss="raise"``.
    """
    return Rewrite(tuple(rewrite_stream([text], style, **options)))


async def arewrite(text: str, style: Style | str, **options: Unpack[Options]) -> Rewrite:
    """As `rewrite`, for tasks."""

    async def chunks() -> AsyncIterator[str]:
        yield text

    return Rewrite(tuple([block async for block in arewrite_stream(chunks(), style, **options)]))


def _settle(style: Style | str, options: Options) -> tuple[Style, Policy, int]:
    """Everything that can be wrong with a call, before its first request."""
    card = Style.load(style) if isinstance(style, str) else style
    settings: dict[str, Any] = dict(options)
    concurrency: int = settings.pop("max_concurrency", 32)
    if concurrency < 1:
        raise ValueError(f"max_concurrency is {concurrency}: at least one request must be in flight")
    policy = Policy(**settings)
    card.check_parameters(policy.parameters, destyle=policy.destyle)
    return card, policy, concurrency
