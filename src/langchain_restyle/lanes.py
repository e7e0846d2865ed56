"""Texts on their way through a driver: cut into blocks as they come, put together again as blocks are done.

Whatever yields `Job` or `Aside` feeds a driver of `restyle.drivers`; whatever yields anything else makes output.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterator
from typing import Any, Protocol

from langchain_restyle.shapes import Opened
from restyle.blocks import Block
from restyle.flows import Rewritten
from restyle.jobs import AnyFlow, Aside, Job
from restyle.messages import Answer, Ask
from restyle.rewriting import Rewrite, cut
from restyle.structured import AnswerSplitter

__all__ = ["Feed", "Lane", "Queue", "Voice", "whole"]

Feed = Iterator[Job[Any, Any, Any] | Aside[Any]]


class Sink(Protocol):
    """Takes what became of one piece of a stream, and makes output of it."""

    def delta(self, text: str) -> Iterator[Any]:
        """A part of the answer that is coming."""

    def take(self, result: Any) -> Iterator[Any]:
        """The piece itself."""


class Queue:
    """What has been handed to the driver and has not come back yet, in order.

    Args:
        rewrite: The job of a block, and which number it is.
    """

    def __init__(self, rewrite: Callable[[Block, int], Job[Any, Any, Any]]) -> None:
        self._rewrite = rewrite
        self._count = 0
        self.sinks: deque[Sink] = deque()

    def block(self, block: Block, sink: Sink) -> Iterator[Job[Any, Any, Any]]:
        """Rewrite a block; its sink hears of it in order."""
        if block.verbatim:
            yield self.passing(Rewritten(block, block.text, "verbatim"), sink)
            return
        self.sinks.append(sink)
        self._count += 1
        yield self._rewrite(block, self._count - 1)

    def passing(self, result: Any, sink: Sink) -> Job[Any, Any, Any]:
        """Nothing is asked for this result, it only waits for its turn."""
        self.sinks.append(sink)
        return Job(_giving(result), _nobody)

    def value(self, value: Any) -> Feed:
        """Let a value out as it is, behind all that came before it."""
        yield self.passing(value, _AS_IT_IS) if self.sinks else Aside(value)


class _AsItIs:
    def delta(self, text: str) -> Iterator[Any]:
        raise AssertionError(text)

    def take(self, result: Any) -> Iterator[Any]:
        yield result


_AS_IT_IS = _AsItIs()


def whole(opened: Opened, dress: Callable[[Any], Any], queue: Queue) -> Feed:
    """Something that came in one piece and leaves in one piece."""
    texts = [[*cut([text])] for text in opened.texts]
    if not any(texts):
        yield from queue.value(dress(opened.close([Rewrite(())] * len(texts))))
        return
    sink = _Whole([len(blocks) for blocks in texts], opened, dress)
    for blocks in texts:
        for block in blocks:
            for job in queue.block(block, sink):
                yield job._replace(speak=None)  # nothing of it leaves early


class _Whole:
    def __init__(self, counts: list[int], opened: Opened, dress: Callable[[Any], Any]) -> None:
        self._counts, self._opened, self._dress = counts, opened, dress
        self._done: list[Rewritten] = []

    def delta(self, text: str) -> Iterator[Any]:
        yield from ()  # it leaves with the rest

    def take(self, result: Rewritten) -> Iterator[Any]:
        self._done.append(result)
        if len(self._done) == sum(self._counts):
            done = iter(self._done)
            rewrites = [Rewrite(tuple(next(done) for _ in range(count))) for count in self._counts]
            yield self._dress(self._opened.close(rewrites))


class Voice:
    """Something that streams text, in one lane after the other.

    Attributes:
        queue: Where its blocks wait.
        done: What became of them.
        passing: Whether further blocks are none to rewrite.
        holding: Whether nothing may leave yet.
        untouched: Whether the original leaves after all, and what becomes of the blocks is no matter.
    """

    def __init__(self, queue: Queue, *, holding: bool = False) -> None:
        self.queue, self.holding = queue, holding
        self.passing = self.untouched = False
        self.done: list[Rewritten] = []
        self._held: deque[tuple[Lane | _Word, Any]] = deque()

    def minding(self, flow: AnyFlow[Any]) -> AnyFlow[Any]:
        """The flow of a block. Whether its failure matters is not known while nothing may leave."""
        try:
            return (yield from flow)
        except Exception as error:
            if not self.holding and not self.untouched:
                raise
            return error

    def value(self, value: Any) -> Feed:
        """Something that is no text leaves behind what came before it."""
        if self.holding:
            yield self.queue.passing(value, _Word(self))
        else:
            yield from self.queue.value(value)

    def take(self, part: Lane | _Word, result: Any) -> Iterator[Any]:
        """What became of a part of it."""
        if self.untouched:
            return  # the original has left
        self._held.append((part, result))
        if not self.holding:
            yield from self.settle()

    def settle(self) -> Iterator[Any]:
        """Let out what was held."""
        while self._held:
            part, result = self._held.popleft()
            if isinstance(result, Exception):
                raise result
            yield from part.settle(result)

    @property
    def speaks(self) -> bool:
        """Whether what comes next may leave at once."""
        return not self.holding and not self._held and not self.untouched


class _Word:
    """Something of a voice that is no text."""

    def __init__(self, voice: Voice) -> None:
        self._voice = voice

    def delta(self, text: str) -> Iterator[Any]:
        raise AssertionError(text)

    def take(self, result: Any) -> Iterator[Any]:
        yield from self._voice.take(self, result)

    def settle(self, result: Any) -> Iterator[Any]:
        yield result


class Lane:
    """One running text, its blocks cut as it comes; ``say`` makes output of a piece of it."""

    def __init__(self, voice: Voice, say: Callable[[str], Any]) -> None:
        self._voice, self._say = voice, say
        self._splitter = AnswerSplitter()
        self._heard = ""  # of the answer that is coming
        self._said = 0  # how much of it has left

    def feed(self, text: str) -> Feed:
        """Take the next chunk."""
        for block in self._splitter.feed(text):
            yield from self._block(block)

    def end(self) -> Feed:
        """There are no more."""
        for block in self._splitter.flush():
            yield from self._block(block)

    def _block(self, block: Block) -> Feed:
        if self._voice.passing:
            yield self._voice.queue.passing(Rewritten(block, block.text, "verbatim"), self)
        else:
            for job in self._voice.queue.block(block, self):
                speak = None if self._voice.holding else job.speak
                yield job._replace(flow=self._voice.minding(job.flow), speak=speak)

    def delta(self, text: str) -> Iterator[Any]:
        """A part of the answer that is coming."""
        self._heard += text
        if self._voice.speaks:
            yield from self._speak(self._heard)

    def take(self, result: Rewritten) -> Iterator[Any]:
        """The block itself."""
        yield from self._voice.take(self, result)

    def settle(self, result: Rewritten) -> Iterator[Any]:
        """Let it out."""
        self._voice.done.append(result)
        yield from self._speak(result.text)
        self._heard, self._said = "", 0

    def _speak(self, text: str) -> Iterator[Any]:
        if rest := text[self._said :]:
            self._said = len(text)
            yield self._say(rest)


def _giving(result: Any) -> Generator[Ask, Answer, Any]:
    """A flow that asks nothing."""
    yield from ()
    return result


def _nobody(ask: Ask) -> Answer:
    raise AssertionError(ask)
