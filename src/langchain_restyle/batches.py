"""Many values, one pool: the blocks of all inputs as jobs of one driver, and their results back to their inputs."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Generator, Iterator, Sequence
from contextlib import aclosing
from typing import TypeVar

from langchain_restyle.shapes import RestyleIO, rebuild, texts_of
from restyle.blocks import Splitter
from restyle.drivers import AnswerFunction, AsyncAnswerFunction, astream, stream
from restyle.flows import Flow, Policy, Rewritten, rewrite_block
from restyle.messages import Answer, Ask
from restyle.rewriting import Rewrite, cut
from restyle.style import Style

__all__ = ["arestyle_all", "raised", "restyle_all"]

_Place = tuple[int, int]  # which input, and which of its texts
_Placed = tuple[_Place, Rewritten | Exception]
_PlacedFlow = Generator[Ask, Answer, _Placed]
A = TypeVar("A", AnswerFunction, AsyncAnswerFunction)


def restyle_all(
    values: Sequence[RestyleIO],
    answers: Sequence[AnswerFunction],
    style: Style,
    policy: Policy,
    *,
    concurrency: int,
    stop_on_error: bool,
) -> list[RestyleIO | Exception]:
    """One output or exception for every input, the calls of all of them under one limit.

    Args:
        values: The inputs.
        answers: For every input its own run's way to answer.
        style: The style.
        policy: What to do about losses and errors.
        concurrency: Calls in flight.
        stop_on_error: Raise the first exception at once, so that no further call is made.
    """
    collector = _Collector(values, stop_on_error=stop_on_error)
    for placed in stream(_jobs(values, answers, style, policy), concurrency=concurrency):
        collector.add(placed)
    return collector.outputs()


async def arestyle_all(
    values: Sequence[RestyleIO],
    answers: Sequence[AsyncAnswerFunction],
    style: Style,
    policy: Policy,
    *,
    concurrency: int,
    stop_on_error: bool,
) -> list[RestyleIO | Exception]:
    """As `restyle_all`, for tasks."""

    async def jobs() -> AsyncGenerator[tuple[_PlacedFlow, AsyncAnswerFunction], None]:
        for job in _jobs(values, answers, style, policy):
            yield job

    collector = _Collector(values, stop_on_error=stop_on_error)
    async with aclosing(astream(jobs(), concurrency=concurrency)) as results:
        async for placed in results:
            collector.add(placed)
    return collector.outputs()


def raised(output: RestyleIO | Exception) -> RestyleIO:
    """The output, unless it is an exception."""
    if isinstance(output, Exception):
        raise output
    return output


def _jobs(
    values: Sequence[RestyleIO], answers: Sequence[A], style: Style, policy: Policy
) -> Iterator[tuple[_PlacedFlow, A]]:
    """The flows of all blocks of all values, each with its place and its own run's way to answer."""
    for index, (value, answer) in enumerate(zip(values, answers, strict=True)):
        try:
            texts = texts_of(value)
        except TypeError as error:
            yield _placed((index, 0), _failing(error)), answer
            continue
        for position, text in enumerate(texts):
            for block in cut([text], Splitter()):
                yield _placed((index, position), rewrite_block(block, style, policy)), answer


class _Collector:
    """Puts results back together, input by input."""

    def __init__(self, values: Sequence[RestyleIO], *, stop_on_error: bool) -> None:
        self._values, self._stop_on_error = values, stop_on_error
        self._blocks: list[dict[int, list[Rewritten]]] = [{} for _ in values]
        self._errors: dict[int, Exception] = {}

    def add(self, placed: _Placed) -> None:
        """Take one result; those of a text come in its order."""
        (index, position), result = placed
        if isinstance(result, Rewritten):
            self._blocks[index].setdefault(position, []).append(result)
        elif self._stop_on_error:
            raise result
        else:
            self._errors.setdefault(index, result)

    def outputs(self) -> list[RestyleIO | Exception]:
        """One output or exception for every input."""
        return [self._errors.get(index) or self._rebuild(index) for index in range(len(self._values))]

    def _rebuild(self, index: int) -> RestyleIO:
        value = self._values[index]
        blocks = self._blocks[index]
        rewrites = [Rewrite(tuple(blocks.get(position, ()))) for position in range(len(texts_of(value)))]
        return rebuild(value, rewrites)


def _placed(place: _Place, flow: Flow) -> _PlacedFlow:
    try:
        return place, (yield from flow)
    except Exception as error:  # noqa: BLE001 - it belongs to one input: the collector decides what becomes of it
        return place, error


def _failing(error: Exception) -> Flow:
    """A flow that fails before its first ask."""
    yield from ()
    raise error
