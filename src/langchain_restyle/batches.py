"""Many values, one pool: the blocks of all inputs as jobs of one driver, and their results back to their inputs."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Generator, Iterator, Sequence
from contextlib import aclosing, closing
from itertools import chain, islice
from typing import Any

from langchain_restyle.shapes import Opened
from restyle.blocks import Block
from restyle.drivers import arun, astream, run, stream
from restyle.errors import ShapeError
from restyle.flows import Flow, Rewritten
from restyle.jobs import Job
from restyle.messages import Answer, Ask
from restyle.rewriting import Rewrite, cut

__all__ = ["Input", "arestyle_all", "raised", "restyle_all"]

# How an input is taken apart, and the job of a block of it in its own run.
Input = tuple[Callable[[], Opened], Callable[[Block, int], Job[Any, Any, Any]]]
_Place = tuple[int, int, int]  # which input, which of its texts, which block of that
_Placed = tuple[_Place, Rewritten | Exception]
_PlacedFlow = Generator[Ask, Answer, _Placed]
_PlacedJob = tuple[_PlacedFlow, Any]


def restyle_all(inputs: Sequence[Input], *, concurrency: int, stop_on_error: bool) -> list[Any]:
    """One output or exception for every input, the calls of all of them under one limit.

    Args:
        inputs: The inputs.
        concurrency: Calls in flight.
        stop_on_error: Raise the first exception at once, so that no further call is made.
    """
    collector = _Collector(inputs, stop_on_error=stop_on_error)
    head, jobs = _ahead(collector.jobs())
    if jobs is None:  # threads or tasks for a single block would cost more than all else that is done for it
        for flow, answer in head:
            collector.add(run(flow, answer))
        return collector.outputs()
    with closing(stream(jobs, concurrency=concurrency)) as results:  # or a kept exception would keep its threads
        for placed in results:
            collector.add(placed)
    return collector.outputs()


async def arestyle_all(inputs: Sequence[Input], *, concurrency: int, stop_on_error: bool) -> list[Any]:
    """As `restyle_all`, for tasks."""
    collector = _Collector(inputs, stop_on_error=stop_on_error)
    head, jobs = _ahead(collector.jobs())
    if jobs is None:
        for flow, answer in head:
            collector.add(await arun(flow, answer))
        return collector.outputs()

    async def ajobs() -> AsyncGenerator[_PlacedJob, None]:
        for job in jobs:
            yield job

    async with aclosing(astream(ajobs(), concurrency=concurrency)) as results:
        async for placed in results:
            collector.add(placed)
    return collector.outputs()


def raised(output: Any) -> Any:
    """The output, unless it is an exception."""
    if isinstance(output, Exception):
        raise output
    return output


class _Collector:
    """Takes inputs apart and puts their results together."""

    def __init__(self, inputs: Sequence[Input], *, stop_on_error: bool) -> None:
        self._inputs, self._stop_on_error = inputs, stop_on_error
        self._opened: dict[int, Opened] = {}
        self._texts: list[list[list[Rewritten | None]]] = [[] for _ in inputs]
        self._errors: dict[int, Exception] = {}

    def jobs(self) -> Iterator[_PlacedJob]:
        """The flows of all blocks of all inputs, each with its place and its own run's way to answer."""
        for index, (open_input, job) in enumerate(self._inputs):
            try:
                opened = self._opened[index] = open_input()
            except ShapeError as error:
                self._fail(index, error)
                continue
            asked = 0
            for position, text in enumerate(opened.texts):
                slots: list[Rewritten | None] = []
                self._texts[index].append(slots)
                for slot, block in enumerate(cut([text])):
                    slots.append(Rewritten(block, block.text, "verbatim") if block.verbatim else None)
                    if not block.verbatim:
                        flow, answer, _ = job(block, asked)
                        asked += 1
                        yield _placed((index, position, slot), flow), answer

    def add(self, placed: _Placed) -> None:
        """Take one result."""
        (index, position, slot), result = placed
        if isinstance(result, Rewritten):
            self._texts[index][position][slot] = result
        else:
            self._fail(index, result)

    def outputs(self) -> list[Any]:
        """One output or exception for every input."""
        return [self._errors.get(index) or self._closed(index) for index in range(len(self._inputs))]

    def _fail(self, index: int, error: Exception) -> None:
        if self._stop_on_error:
            raise error
        self._errors.setdefault(index, error)

    def _closed(self, index: int) -> Any:
        texts = self._texts[index]
        return self._opened[index].close([Rewrite(tuple(each for each in slots if each)) for slots in texts])


def _ahead(jobs: Iterator[_PlacedJob]) -> tuple[list[_PlacedJob], Iterator[_PlacedJob] | None]:
    """The first job, if there is one; and all of them, if there are more."""
    head = list(islice(jobs, 2))
    return head, chain(head, jobs) if len(head) > 1 else None


def _placed(place: _Place, flow: Flow) -> _PlacedFlow:
    try:
        return place, (yield from flow)
    except Exception as error:  # noqa: BLE001 - it belongs to one input: the collector decides what becomes of it
        return place, error
