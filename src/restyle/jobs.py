"""One flow and how to answer it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Generator
from dataclasses import dataclass
from functools import partial
from typing import Generic, NamedTuple, TypeAlias, TypeVar

from restyle.messages import Answer, Ask

__all__ = [
    "AnswerFunction",
    "AnyFlow",
    "Aside",
    "AsyncAnswerFunction",
    "AsyncSpeakFunction",
    "Delta",
    "Job",
    "SpeakFunction",
    "arun",
    "run",
]

R = TypeVar("R")
P = TypeVar("P")
A = TypeVar("A")
S = TypeVar("S")
AnyFlow: TypeAlias = Generator[Ask, Answer, R]
AnswerFunction: TypeAlias = Callable[[Ask], Answer]
AsyncAnswerFunction: TypeAlias = Callable[[Ask], Awaitable[Answer]]
# As the two above, and calls back with every piece of the answer's text as it comes.
SpeakFunction: TypeAlias = Callable[[Ask, Callable[[str], None]], Answer]
AsyncSpeakFunction: TypeAlias = Callable[[Ask, Callable[[str], None]], Awaitable[Answer]]


class Job(NamedTuple, Generic[R, A, S]):
    """A flow, how to answer it, and how to answer piece by piece what it lets be shown (None: not at all)."""

    flow: AnyFlow[R]
    answer: A
    speak: S | None = None


@dataclass(frozen=True, slots=True)
class Aside(Generic[P]):
    """Something that passes by the flows: it leaves at once, whatever waits."""

    value: P


@dataclass(frozen=True, slots=True)
class Delta:
    """A piece of the answer that the flow at the head is getting; the flow's result comes after all of them."""

    text: str


def run(flow: AnyFlow[R], answer: AnswerFunction, begun: Ask | None = None) -> R:
    """Answer one flow to its end. What ``answer`` raises is thrown into the flow, whose policy decides.

    ``begun`` is what the flow has asked, where it was started already.
    """
    resume: Callable[[], Ask] = partial(next, flow) if begun is None else lambda: begun
    while True:
        # Only the flow itself may end the loop: a StopIteration out of `answer` must not look like its end.
        try:
            ask = resume()
        except StopIteration as stop:
            return stop.value  # type: ignore[no-any-return]  # typeshed cannot know a generator's return type here
        try:
            resume = partial(flow.send, answer(ask))
        except Exception as error:  # noqa: BLE001 - whatever a model raises is the flow's to judge
            resume = partial(flow.throw, error)


async def arun(flow: AnyFlow[R], answer: AsyncAnswerFunction, begun: Ask | None = None) -> R:
    """As `run`, awaiting each answer."""
    resume: Callable[[], Ask] = partial(next, flow) if begun is None else lambda: begun
    while True:
        try:
            ask = resume()
        except StopIteration as stop:
            return stop.value  # type: ignore[no-any-return]  # as above
        try:
            resume = partial(flow.send, await answer(ask))
        except Exception as error:  # noqa: BLE001 - as above
            resume = partial(flow.throw, error)
