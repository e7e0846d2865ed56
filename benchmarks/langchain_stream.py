"""The first and the last output of a streaming chain that ends in `Restyle`, against the bound and the naive chain.

Upstream streams 800 tokens in 10 blocks at 2 ms a token; a model call takes 50 ms + 2 ms for every token of its answer,
at an endpoint in a process of its own. The bound of the first output is the first block complete and its two calls,
that of the last one upstream's end and the last block's two calls. The naive chain parses, de-styles and styles whole
texts, and its last model streams.

Run it: python benchmarks/langchain_stream.py.
"""

from __future__ import annotations

import asyncio
import re
import statistics
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

from langchain_core.messages import HumanMessage, SystemMessage
from langchain_core.output_parsers import StrOutputParser
from langchain_core.runnables import Runnable, RunnableGenerator, RunnableLambda
from langchain_openai import ChatOpenAI
from loopback import paragraphs, serving

from langchain_restyle import Restyle
from restyle import Stage, Style
from restyle.prompts import DESTYLE_PROMPT, RESTYLE_PROMPT

BLOCKS, WORDS = 10, 80
PACE, LATENCY = 0.002, 0.05  # seconds for a token, and for an answer beyond its tokens
ROUNDS = 3
NEAR, EARLIER, FASTER = 1.15, 4.0, 2.0  # promised

TEXT = "\n\n".join(paragraphs(BLOCKS, WORDS))
TOKENS = re.findall(r"\s*\S+", TEXT)
CALLS = 2 * (LATENCY + WORDS * PACE)
FIRST_BOUND = (WORDS + 1) * PACE + CALLS  # a block's end is known when the next one begins
TOTAL_BOUND = len(TOKENS) * PACE + CALLS


def speak(_: Iterator[Any]) -> Iterator[str]:
    """The application's model: every token at its time, however long the consumer took."""
    begin = time.perf_counter()
    for number, token in enumerate(TOKENS, 1):
        time.sleep(max(0.0, begin + number * PACE - time.perf_counter()))
        yield token


async def aspeak(_: AsyncIterator[Any]) -> AsyncIterator[str]:
    """As `speak`, awaiting."""
    begin = time.perf_counter()
    for number, token in enumerate(TOKENS, 1):
        await asyncio.sleep(max(0.0, begin + number * PACE - time.perf_counter()))
        yield token


def naive(base_url: str) -> Runnable[Any, str]:
    """What users write without restyle."""

    def asking(prompt: str) -> Runnable[str, Any]:
        return RunnableLambda(lambda text: [SystemMessage(prompt), HumanMessage(text)])

    destyle = ChatOpenAI(model="destyle", base_url=base_url, api_key="none")
    style = ChatOpenAI(model="style", base_url=base_url, api_key="none")
    chain = RunnableGenerator(speak, aspeak) | StrOutputParser()
    return (
        chain
        | asking(DESTYLE_PROMPT)
        | destyle
        | StrOutputParser()
        | asking(RESTYLE_PROMPT)
        | style
        | StrOutputParser()
    )


def ours(base_url: str) -> Runnable[Any, Any]:
    """The same with restyle, everything at its default."""
    card = Style("author", Stage(RESTYLE_PROMPT, "style", base_url), Stage(DESTYLE_PROMPT, "destyle", base_url))
    return RunnableGenerator(speak, aspeak) | Restyle(card)


def times(chain: Runnable[Any, str]) -> tuple[float, float]:
    """Seconds to the first output and to the last."""
    begin, first, text = time.perf_counter(), 0.0, ""
    for piece in chain.stream("go"):
        text += piece
        first = first or time.perf_counter() - begin
    return _checked(text, first, time.perf_counter() - begin)


async def atimes(chain: Runnable[Any, str]) -> tuple[float, float]:
    """As `times`."""
    begin, first, text = time.perf_counter(), 0.0, ""
    async for piece in chain.astream("go"):
        text += piece
        first = first or time.perf_counter() - begin
    return _checked(text, first, time.perf_counter() - begin)


def _checked(text: str, first: float, total: float) -> tuple[float, float]:
    if text != TEXT:
        raise AssertionError("the endpoint repeats what it is told")
    return first, total


def report(kind: str, mine: list[tuple[float, float]], other: list[tuple[float, float]]) -> None:
    """Print the four promises: medians over the rounds."""
    first, total = (statistics.median(column) for column in zip(*mine, strict=True))
    naive_first, naive_total = (statistics.median(column) for column in zip(*other, strict=True))
    print(f"{kind}: first output after {first:.3f} s, {first / FIRST_BOUND:.3f} x the bound, promised at most {NEAR}")
    print(f"{kind}: first output {naive_first / first:.2f} x earlier than the naive chain's, promised {EARLIER}")
    print(f"{kind}: last output after {total:.3f} s, {total / TOTAL_BOUND:.3f} x the bound, promised at most {NEAR}")
    print(f"{kind}: {naive_total / total:.2f} x faster than the naive chain, promised {FASTER}")


async def measure_async(base_url: str) -> None:
    """The asynchronous half, in one event loop."""
    chain, other = ours(base_url), naive(base_url)
    await atimes(chain)
    mine, theirs = [], []
    for _ in range(ROUNDS):  # in turn, so that a noisy moment falls on both alike
        mine.append(await atimes(chain))
        theirs.append(await atimes(other))
    report("async", mine, theirs)


def main() -> None:
    """Measure both halves."""
    with serving(LATENCY, PACE) as base_url:
        chain, other = ours(base_url), naive(base_url)
        times(chain)
        mine, theirs = [], []
        for _ in range(ROUNDS):
            mine.append(times(chain))
            theirs.append(times(other))
        report("sync", mine, theirs)
        asyncio.run(measure_async(base_url))


if __name__ == "__main__":
    main()
