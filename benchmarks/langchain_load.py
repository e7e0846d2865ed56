"""256 concurrent `Restyle.ainvoke` against the same two calls by hand with `ChatOpenAI`, both with default settings.

The endpoint takes 50 ms for every answer, in a process of its own. Rounds of the same time take turns, so that a noisy
moment falls on both alike.

Run it: python benchmarks/langchain_load.py.
"""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Awaitable, Callable

from langchain_core.messages import HumanMessage, SystemMessage
from langchain_openai import ChatOpenAI
from loopback import paragraphs, serving

from langchain_restyle import Restyle
from restyle import Stage, Style
from restyle.prompts import DESTYLE_PROMPT, RESTYLE_PROMPT

LATENCY = 0.05  # seconds for an answer
IN_FLIGHT = 256
ROUNDS, SECONDS = 7, 4.0
TEXTS = paragraphs(64, words=180)  # about 900 characters
FASTER, SLOWEST = 3.5, 5.0  # promised: times the requests by hand, and the 99th percentile in medians

Call = Callable[[str], Awaitable[object]]


def by_hand(base_url: str) -> Call:
    """What users write without restyle."""
    destyle = ChatOpenAI(model="destyle", base_url=base_url, api_key="none")
    style = ChatOpenAI(model="style", base_url=base_url, api_key="none")

    async def call(text: str) -> str:
        neutral = await destyle.ainvoke([SystemMessage(DESTYLE_PROMPT), HumanMessage(text)])
        styled = await style.ainvoke([SystemMessage(RESTYLE_PROMPT), HumanMessage(neutral.text)])
        return styled.text

    return call


async def play(call: Call) -> tuple[float, list[float]]:
    """Requests per second, and the seconds that each took."""
    taken: list[float] = []
    begin = time.perf_counter()

    async def work(worker: int) -> None:
        text = TEXTS[worker % len(TEXTS)]
        while (start := time.perf_counter()) < begin + SECONDS:
            if await call(text) != text:
                raise AssertionError("the endpoint repeats what it is told")
            taken.append(time.perf_counter() - start)

    await asyncio.gather(*map(work, range(IN_FLIGHT)))
    return len(taken) / (time.perf_counter() - begin), taken


async def measure(base_url: str) -> None:
    """Print the two promises."""
    card = Style("author", Stage(RESTYLE_PROMPT, "style", base_url), Stage(DESTYLE_PROMPT, "destyle", base_url))
    ours, hand = Restyle(card).ainvoke, by_hand(base_url)
    await play(ours), await play(hand)  # warm
    rates, rates_by_hand, taken = [], [], []
    for _ in range(ROUNDS):
        rate, seconds = await play(ours)
        rates.append(rate)
        taken.extend(seconds)
        rates_by_hand.append((await play(hand))[0])
    rate, rate_by_hand = statistics.median(rates), statistics.median(rates_by_hand)
    print(
        f"{IN_FLIGHT} in flight: {rate:.0f} requests/s against {rate_by_hand:.0f} by hand, "
        f"{rate / rate_by_hand:.2f} x as many, promised {FASTER}"
    )
    median, slowest = statistics.median(taken), statistics.quantiles(taken, n=100)[98]
    print(f"99th percentile: {slowest / median:.2f} x the median, promised at most {SLOWEST}")


def main() -> None:
    """Start the endpoint and measure."""
    with serving(LATENCY) as base_url:
        asyncio.run(measure(base_url))


if __name__ == "__main__":
    main()
