"""What `Restyle` costs beyond its model calls: CPU of each block, against the same calls by hand.

The models answer at once and in this process. Many blocks are rewritten in several ways, as one text and as texts of
one block, and the same calls are made by hand in the same way: one after the other, in threads, in tasks. Process time
counts, not the clock.

Run it: python benchmarks/langchain_overhead.py.
"""

from __future__ import annotations

import asyncio
import gc
import statistics
import time
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from loopback import paragraphs
from pydantic import Field

from langchain_restyle import Restyle
from restyle import Stage, Style
from restyle.prompts import DESTYLE_PROMPT, RESTYLE_PROMPT

BLOCKS = 200
CONCURRENCY = 32  # Restyle's own default
ROUNDS = 7
PROMISED = 0.5  # milliseconds of a block
TEXTS = paragraphs(BLOCKS, words=180)
TEXT = "\n\n".join(TEXTS)


class Echo(BaseChatModel):
    """Says what it is told, and keeps it."""

    calls: list[str] = Field(default_factory=list)

    @property
    def _llm_type(self) -> str:
        return "echo"

    def _generate(self, messages: list[BaseMessage], *_: object, **__: object) -> ChatResult:
        text = messages[-1].text
        self.calls.append(text)
        return ChatResult(generations=[ChatGeneration(message=AIMessage(text))])

    async def _agenerate(self, messages: list[BaseMessage], *_: object, **__: object) -> ChatResult:
        await asyncio.sleep(0)
        return self._generate(messages)


class Hand:
    """Both calls of every block, without Restyle."""

    def __init__(self, model: Echo) -> None:
        self._model = model

    def block(self, text: str) -> None:
        """One block."""
        for prompt in (DESTYLE_PROMPT, RESTYLE_PROMPT):
            self._model.invoke([SystemMessage(prompt), HumanMessage(text)])

    async def ablock(self, text: str) -> None:
        """One block."""
        for prompt in (DESTYLE_PROMPT, RESTYLE_PROMPT):
            await self._model.ainvoke([SystemMessage(prompt), HumanMessage(text)])

    def threads(self) -> None:
        """All blocks."""
        with ThreadPoolExecutor(CONCURRENCY) as pool:
            list(pool.map(self.block, TEXTS))

    async def tasks(self) -> None:
        """All blocks."""
        gate = asyncio.Semaphore(CONCURRENCY)

        async def gated(text: str) -> None:
            async with gate:
                await self.ablock(text)

        await asyncio.gather(*map(gated, TEXTS))


async def consume(runnable: Restyle) -> None:
    """All blocks, as a stream."""
    async for _ in runnable.astream(TEXT):
        pass


async def one_by_one(block: Callable[[str], Coroutine[Any, Any, object]]) -> None:
    """All blocks, one after the other."""
    for text in TEXTS:
        await block(text)


def main() -> None:
    """Print the overhead of every way, in milliseconds and as a part of what is promised."""
    model = Echo()
    hand = Hand(model)
    card = Style(
        "author", Stage(RESTYLE_PROMPT, "style", "http://host/v1"), Stage(DESTYLE_PROMPT, "destyle", "http://host/v1")
    )
    restyle = Restyle(card, style_model=model, destyle_model=model)

    def cost(work: Callable[[], object]) -> float:
        """Milliseconds of CPU for each block."""
        gc.collect()  # so that nobody pays for what another left behind
        model.calls.clear()
        begin = time.process_time()
        work()
        taken = time.process_time() - begin
        if sorted(model.calls) != sorted(TEXTS * 2):
            raise AssertionError("not the two calls of every block")
        return taken * 1000 / BLOCKS

    with asyncio.Runner() as loop:
        ways: dict[str, tuple[Callable[[], object], Callable[[], object]]] = {
            "invoke": (lambda: restyle.invoke(TEXT), hand.threads),
            "ainvoke": (lambda: loop.run(restyle.ainvoke(TEXT)), lambda: loop.run(hand.tasks())),
            "stream": (lambda: list(restyle.stream(TEXT)), hand.threads),
            "astream": (lambda: loop.run(consume(restyle)), lambda: loop.run(hand.tasks())),
            "invoke, one block each": (
                lambda: list(map(restyle.invoke, TEXTS)),
                lambda: list(map(hand.block, TEXTS)),
            ),
            "ainvoke, one block each": (
                lambda: loop.run(one_by_one(restyle.ainvoke)),
                lambda: loop.run(one_by_one(hand.ablock)),
            ),
        }
        for name, (restyling, calling) in ways.items():
            cost(restyling), cost(calling)  # warm
            beyond = statistics.median(cost(restyling) - cost(calling) for _ in range(ROUNDS))
            share = beyond / PROMISED
            print(f"{name}: {beyond:.3f} ms of each block beyond its calls, {share:.2f} of the promised {PROMISED} ms")


if __name__ == "__main__":
    main()
