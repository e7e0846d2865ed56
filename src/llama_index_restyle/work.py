"""Texts rewritten with LlamaIndex's models: whole or while they come, in threads or in tasks."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Generator, Iterator, Sequence
from contextlib import aclosing, closing
from dataclasses import dataclass
from typing import Any, TypeAlias, cast

from llama_index_instrumentation import get_dispatcher

from llama_index_restyle.asking import Asking
from llama_index_restyle.events import RestyleBlockEvent, RestyleEndEvent, RestyleStartEvent
from restyle.blocks import Block
from restyle.drivers import aparts, astream, parts, stream
from restyle.flows import Flow, Rewritten
from restyle.jobs import AnswerFunction, AsyncAnswerFunction, AsyncSpeakFunction, Delta, Job, SpeakFunction
from restyle.policy import Policy
from restyle.rewriting import Rewrite, acut, cut
from restyle.structured import AnswerSplitter
from restyle.style import Style

__all__ = ["FlowFunction", "Heard", "Work"]

FlowFunction: TypeAlias = Callable[[Block, Style, Policy], Flow]
Heard: TypeAlias = Callable[[Rewritten], None]
_Job: TypeAlias = Job[Rewritten, AnswerFunction, SpeakFunction]
_AsyncJob: TypeAlias = Job[Rewritten, AsyncAnswerFunction, AsyncSpeakFunction]
_Parts: TypeAlias = Generator[Rewritten | Delta, None, None]  # nothing passes by
_AsyncParts: TypeAlias = AsyncGenerator[Rewritten | Delta, None]

_DISPATCHER = get_dispatcher(__name__)


@dataclass(frozen=True, slots=True)
class Work:
    """What one call goes by.

    Attributes:
        card: The style.
        policy: What is done about what can go wrong.
        flow: What becomes of a block.
        asking: Who answers.
        concurrency: Requests in flight.
    """

    card: Style
    policy: Policy
    flow: FlowFunction
    asking: Asking
    concurrency: int

    def texts(self, texts: Sequence[str]) -> list[Rewrite]:
        """Several texts, the blocks of all of them under one limit."""
        cuts = [[*cut([text])] for text in texts]
        jobs = (self._job(block)[:2] for blocks in cuts for block in blocks)
        telling = _Telling(self)
        with closing(stream(jobs, concurrency=self.concurrency)) as results:
            done = [telling.hear(result) for result in results]
        telling.end()
        return _dealt(done, cuts)

    async def atexts(self, texts: Sequence[str]) -> list[Rewrite]:
        """As `texts`, for tasks."""
        cuts = [[*cut([text])] for text in texts]

        async def jobs() -> AsyncGenerator[tuple[Flow, AsyncAnswerFunction], None]:
            for blocks in cuts:
                for block in blocks:
                    yield self._ajob(block)[:2]

        telling = _Telling(self)
        async with aclosing(astream(jobs(), concurrency=self.concurrency)) as results:
            done = [telling.hear(result) async for result in results]
        telling.end()
        return _dealt(done, cuts)

    def stream(self, chunks: Generator[str, None, None], heard: Heard) -> Generator[str, None, None]:
        """A text while it comes; ``heard`` is told of every block, before the last of its text leaves."""
        telling = _Telling(self, heard)
        said: Any = parts(self._jobs(chunks), concurrency=self.concurrency)
        with closing(chunks), closing(cast("_Parts", said)) as results:
            for part in results:
                if text := telling.text_of(part):
                    yield text
        telling.end()

    async def astream(self, chunks: AsyncGenerator[str, None], heard: Heard) -> AsyncGenerator[str, None]:
        """As `stream`, for tasks."""
        telling = _Telling(self, heard)
        said: Any = aparts(self._ajobs(chunks), concurrency=self.concurrency)
        async with aclosing(cast("_AsyncParts", said)) as results:
            async for part in results:
                if text := telling.text_of(part):
                    yield text
        telling.end()

    def _job(self, block: Block) -> _Job:
        return self.asking.job(self.flow(block, self.card, self.policy), block)

    def _ajob(self, block: Block) -> _AsyncJob:
        return self.asking.ajob(self.flow(block, self.card, self.policy), block)

    def _jobs(self, chunks: Generator[str, None, None]) -> Iterator[_Job | None]:
        splitter = AnswerSplitter()
        for chunk in chunks:
            for block in splitter.feed(chunk):
                yield self._job(block)
            yield None  # what is ready may leave
        for block in splitter.flush():
            yield self._job(block)

    async def _ajobs(self, chunks: AsyncGenerator[str, None]) -> AsyncGenerator[_AsyncJob, None]:
        async with aclosing(chunks), aclosing(acut(chunks)) as blocks:
            async for block in blocks:
                yield self._ajob(block)


def _nothing(result: Rewritten) -> None:
    """Who wants to know nothing."""


class _Telling:
    """Tells instrumentation, and whoever else listens, what a rewriting comes to."""

    def __init__(self, work: Work, heard: Heard = _nothing) -> None:
        self._heard = heard
        self._about: dict[str, Any] = {"style": work.card.name, "span_id": work.asking.span_id}
        self._said = 0  # how much of the head block's text has left
        self._blocks = 0
        _DISPATCHER.event(RestyleStartEvent(**self._about))

    def hear(self, result: Rewritten) -> Rewritten:
        """A block is done."""
        self._heard(result)
        if not result.block.verbatim:
            self._blocks += 1
            _DISPATCHER.event(RestyleBlockEvent(**self._about, report=result.report()))
        return result

    def text_of(self, part: Rewritten | Delta) -> str:
        """What leaves now."""
        if isinstance(part, Delta):
            self._said += len(part.text)
            return part.text
        said, self._said = self._said, 0
        return self.hear(part).text[said:]

    def end(self) -> None:
        """There is no more."""
        _DISPATCHER.event(RestyleEndEvent(**self._about, blocks=self._blocks))


def _dealt(done: list[Rewritten], cuts: list[list[Block]]) -> list[Rewrite]:
    """The results, text by text."""
    results = iter(done)
    return [Rewrite(tuple(next(results) for _ in blocks)) for blocks in cuts]
