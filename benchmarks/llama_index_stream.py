"""The first and the last output of a streaming `RestyleQueryEngine`, against the bound and the naive way.

The work is that of langchain_stream.py: an answer of 800 tokens in 10 blocks. A model call takes 50 ms + 2 ms for every
token of its answer, at an endpoint in a process of its own, where the application's model is as well. The bound
of the first output is the first block complete and its two calls, that of the last one the application's model at its
end and the last block's two calls. The naive way waits for the answer, de-styles and styles whole texts, and its last
model streams. All models are of one class.

Run it: python benchmarks/llama_index_stream.py.
"""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import AsyncIterator, Iterator
from typing import cast

from llama_index.core import PromptTemplate, SummaryIndex
from llama_index.core.base.base_query_engine import BaseQueryEngine
from llama_index.core.base.llms.types import ChatMessage
from llama_index.core.base.response.schema import AsyncStreamingResponse, StreamingResponse
from llama_index.core.schema import TextNode
from loopback import paragraphs, serving

from llama_index_restyle import EndpointLLM, RestyleQueryEngine
from restyle import Stage, Style
from restyle.prompts import DESTYLE_PROMPT, RESTYLE_PROMPT

BLOCKS, WORDS = 10, 80
PACE, LATENCY = 0.002, 0.05  # seconds for a token, and for an answer beyond its tokens
ROUNDS = 3
NEAR, EARLIER, FASTER = 1.15, 4.0, 2.0  # promised

TEXT = "\n\n".join(paragraphs(BLOCKS, WORDS))
CALLS = 2 * (LATENCY + WORDS * PACE)
FIRST_BOUND = LATENCY + (WORDS + 1) * PACE + CALLS  # a block's end is known when the next one begins
TOTAL_BOUND = LATENCY + BLOCKS * WORDS * PACE + CALLS


def application(base_url: str) -> BaseQueryEngine:
    """An index over one text, and a model that answers with what was found."""
    llm = EndpointLLM(model="application", base_url=base_url)
    index = SummaryIndex([TextNode(text=TEXT)])
    return index.as_query_engine(llm=llm, streaming=True, text_qa_template=PromptTemplate("{context_str}"))


class Ours:
    """The application with restyle, everything at its default."""

    def __init__(self, base_url: str) -> None:
        card = Style("author", Stage(RESTYLE_PROMPT, "style", base_url), Stage(DESTYLE_PROMPT, "destyle", base_url))
        self._engine = RestyleQueryEngine(application(base_url), style=card)

    def stream(self) -> Iterator[str]:
        """The answer as it comes."""
        yield from cast("StreamingResponse", self._engine.query("go")).response_gen

    async def astream(self) -> AsyncIterator[str]:
        """The answer as it comes."""
        response = cast("AsyncStreamingResponse", await self._engine.aquery("go"))
        async for piece in response.async_response_gen():
            yield piece


class Naive:
    """What users write without restyle."""

    def __init__(self, base_url: str) -> None:
        self._engine = application(base_url)
        self._destyle = EndpointLLM(model="destyle", base_url=base_url)
        self._style = EndpointLLM(model="style", base_url=base_url)

    def stream(self) -> Iterator[str]:
        """The answer as it comes."""
        answer = str(self._engine.query("go"))
        neutral = self._destyle.chat(_asking(DESTYLE_PROMPT, answer)).message.content
        for response in self._style.stream_chat(_asking(RESTYLE_PROMPT, neutral)):
            yield response.delta or ""

    async def astream(self) -> AsyncIterator[str]:
        """The answer as it comes."""
        answer = str(await cast("AsyncStreamingResponse", await self._engine.aquery("go")).get_response())
        neutral = (await self._destyle.achat(_asking(DESTYLE_PROMPT, answer))).message.content
        async for response in await self._style.astream_chat(_asking(RESTYLE_PROMPT, neutral)):
            yield response.delta or ""


def _asking(prompt: str, text: str | None) -> list[ChatMessage]:
    return [ChatMessage(role="system", content=prompt), ChatMessage(role="user", content=text)]


def times(way: Ours | Naive) -> tuple[float, float]:
    """Seconds to the first output and to the last."""
    begin, first, text = time.perf_counter(), 0.0, ""
    for piece in way.stream():
        text += piece
        first = first or time.perf_counter() - begin
    return _checked(text, first, time.perf_counter() - begin)


async def atimes(way: Ours | Naive) -> tuple[float, float]:
    """As `times`."""
    begin, first, text = time.perf_counter(), 0.0, ""
    async for piece in way.astream():
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
    print(f"{kind}: first output {naive_first / first:.2f} x earlier than the naive way's, promised {EARLIER}")
    print(f"{kind}: last output after {total:.3f} s, {total / TOTAL_BOUND:.3f} x the bound, promised at most {NEAR}")
    print(f"{kind}: {naive_total / total:.2f} x faster than the naive way, promised {FASTER}")


async def measure_async(base_url: str) -> None:
    """The asynchronous half, in one event loop."""
    ours, naive = Ours(base_url), Naive(base_url)
    await atimes(ours)
    mine, theirs = [], []
    for _ in range(ROUNDS):  # in turn, so that a noisy moment falls on both alike
        mine.append(await atimes(ours))
        theirs.append(await atimes(naive))
    report("async", mine, theirs)


def main() -> None:
    """Measure both halves."""
    with serving(LATENCY, PACE) as base_url:
        ours, naive = Ours(base_url), Naive(base_url)
        times(ours)
        mine, theirs = [], []
        for _ in range(ROUNDS):
            mine.append(times(ours))
            theirs.append(times(naive))
        report("sync", mine, theirs)
        asyncio.run(measure_async(base_url))


if __name__ == "__main__":
    main()
