"""2,000 blocks through `restyle.build_pairs`: whole commands from start to end, on an endpoint that takes its time.

* 1 s for an answer: 256 requests in flight given, and as many as it finds; memory.
* 0.1 s for an answer, 100 in flight: against a plain loop over ``AsyncOpenAI``, which keeps nothing; they take turns.
* 600 requests and 100,000 tokens a minute, enforced as hosts do (`restyle.testing.Sandbox`), with times a tenth: how
  much of the limit is used, and how many requests are refused. Nearly all that has been saved up is taken out first.

Other tools run on the same endpoint where they are installed: CURATOR and DATA_DESIGNER hold the commands that do the
same with them, an interpreter and its script; each gets the base_url, the requests in flight and the folder of texts.

Run it: python benchmarks/pairs_throughput.py.
"""

from __future__ import annotations

import asyncio
import os
import random
import resource
import shlex
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from loopback import serving

from restyle import build_pairs
from restyle.data.instructions import NEUTRALISE
from restyle.testing import Sandbox

if TYPE_CHECKING:
    from openai.types.chat import ChatCompletionMessageParam

BLOCKS, WORDS = 2000, 180  # about 1 kB each
SLOW, QUICK = 1.0, 0.1  # seconds for an answer
GIVEN, FOUND, START = 1.12, 1.6, 2.0  # promised: times the bound, and seconds for the start
MEMORY, PLAIN, PEERS = 300, 1.5, 2.0  # promised: MB at most, times the plain loop, times as fast as the best peer
REQUESTS, TOKENS, FASTER = 600, 100_000, 10  # a minute's, and how many times shorter the minute is
USED, REFUSED = 0.90, 0.02  # promised
ROUNDS = 3

_WORDS = """
harbour winter keeper lamp boat river window letter garden horse mill bridge captain book table field stone church road
forest island kitchen soldier teacher village mountain picture doctor engine clock barn cellar ferry orchard pilot wagon
"""
_VERBS = "carried followed watched remembered repaired left painted crossed measured forgot opened counted buried"
_SENTENCE = "The {} of the {} {} the {} while the {} by the {} {} the {} near the {} of the {} in {}."


def block(number: int, words: int) -> str:
    """A paragraph of prose, different for every number."""
    luck = random.Random(number)
    word, verb = _WORDS.split(), _VERBS.split()
    parts = (word, word, verb, word, word, word, verb, word, word, word)
    sentences = words // len(_SENTENCE.split())
    return " ".join(_SENTENCE.format(*map(luck.choice, parts), luck.randrange(1500, 2000)) for _ in range(sentences))


def documents(folder: Path, blocks: int, words: int) -> Path:
    """Twenty documents, a block under every heading."""
    folder.mkdir()
    texts = [block(number, words) for number in range(blocks)]
    for number in range(20):
        (folder / f"{number:02}.md").write_text("\n\n".join(f"# Of\n\n{text}" for text in texts[number::20]), "utf-8")
    return folder


def ours(base_url: str, concurrency: str, folder: str) -> None:
    """The whole job: pairs on disk."""
    with tempfile.TemporaryDirectory() as out:
        pairs = build_pairs(
            folder,
            style="author",
            teacher="plain",
            base_url=base_url,
            out=out,
            max_concurrency=int(concurrency) or None,
        )
        if pairs.asked != BLOCKS:
            raise AssertionError(f"{pairs.asked} answers for {BLOCKS} blocks")


def plain(base_url: str, concurrency: str, folder: str) -> None:
    """What users write without restyle: the SDK as it comes, and a semaphore."""
    import openai  # noqa: PLC0415 - its time is the plain loop's own

    texts = [text for path in sorted(Path(folder).iterdir()) for text in path.read_text("utf-8").split("\n\n")[1::2]]

    async def run() -> None:
        gate = asyncio.Semaphore(int(concurrency))
        async with openai.AsyncOpenAI(base_url=base_url, api_key="none") as client:

            async def ask(text: str) -> str | None:
                async with gate:
                    answer = await client.chat.completions.create(
                        model="plain",
                        messages=[{"role": "system", "content": NEUTRALISE}, {"role": "user", "content": text}],
                    )
                return answer.choices[0].message.content

            answers = await asyncio.gather(*map(ask, texts))
        if len(answers) != BLOCKS:
            raise AssertionError(f"{len(answers)} answers for {BLOCKS} blocks")

    asyncio.run(run())


def command(*arguments: object) -> tuple[float, float]:
    """Seconds and MB of one of the two functions above, in a process of its own."""
    begin = time.perf_counter()
    line = [sys.executable, __file__, *map(str, arguments)]
    done = subprocess.run(line, check=True, stdout=subprocess.PIPE)
    return time.perf_counter() - begin, float(done.stdout)


def slow_host(folder: Path) -> None:
    """Against the bound: all answers one after another in as many rows as are in flight."""
    bound = BLOCKS / 256 * SLOW
    with serving(SLOW) as base_url:
        for name, concurrency, promised in (("256 in flight", 256, GIVEN), ("found in flight", 0, FOUND)):
            seconds, memory = command("ours", base_url, concurrency, folder)
            print(
                f"{SLOW:g} s for an answer, {name}: {seconds:.1f} s, promised {promised} x {bound:.1f} s + {START:g} s "
                f"= {promised * bound + START:.1f} s; {memory:.0f} MB, promised {MEMORY}"
            )


def quick_host(folder: Path) -> None:
    """Against the plain loop, and others."""
    with serving(QUICK) as base_url:
        rounds = [
            (command("ours", base_url, 100, folder), command("plain", base_url, 100, folder)) for _ in range(ROUNDS)
        ]
        mine, theirs = (statistics.median(seconds for seconds, _ in runs) for runs in zip(*rounds, strict=True))
        print(
            f"{QUICK:g} s for an answer, 100 in flight: {mine:.1f} s, a plain loop {theirs:.1f} s: "
            f"{mine / theirs:.2f} x, promised at most {PLAIN}"
        )
        for variable in ("CURATOR", "DATA_DESIGNER"):
            if peer := os.environ.get(variable):
                begin = time.perf_counter()
                line = [*shlex.split(peer), base_url, "100", str(folder)]
                subprocess.run(line, check=True, stdout=subprocess.DEVNULL)
                seconds = time.perf_counter() - begin
                print(f"  {variable}: {seconds:.1f} s, {seconds / mine:.1f} x as long, promised {PEERS}")
            else:
                print(f"  {variable}: not installed")


def spend(sandbox: Sandbox, tokens: int) -> None:
    """Take so many tokens of what has been saved up."""
    import openai  # noqa: PLC0415 - as above

    with openai.OpenAI(base_url=sandbox.base_url, api_key="none") as client:
        messages: list[ChatCompletionMessageParam] = [{"role": "user", "content": "spend"}]
        client.chat.completions.create(model="echo", messages=messages, max_tokens=tokens)


def limited_host(blocks: int, words: int, *, tokens: bool, given: bool) -> None:
    """How much of a minute's limits is used, and how often they are run into."""
    requests, most = REQUESTS * FASTER, TOKENS * FASTER if tokens else None
    replies = {"plain": lambda messages: messages[-1]["content"].replace(" the ", " a ")}
    with (
        tempfile.TemporaryDirectory() as folder,
        Sandbox(replies=replies, latency=QUICK, requests_per_minute=requests, tokens_per_minute=most) as sandbox,
    ):
        source = documents(Path(folder) / "texts", blocks, words)
        if tokens:
            spend(sandbox, int(0.99 * TOKENS * FASTER))
        begin = time.perf_counter()
        pairs = build_pairs(
            source,
            style="author",
            teacher="plain",
            base_url=sandbox.base_url,
            out=Path(folder) / "out",
            requests_per_minute=requests if given else None,
            tokens_per_minute=most if given else None,
        )
        seconds = time.perf_counter() - begin
        sent = sandbox.requests[1:] if tokens else sandbox.requests
        cost = len(NEUTRALISE.split()) + 2 * len(block(0, words).split())
    used = pairs.asked * cost / TOKENS if tokens else pairs.asked / REQUESTS
    minutes = seconds / 60 * FASTER
    refused = (len(sent) - pairs.asked) / len(sent)
    print(
        f"{REQUESTS} requests{f' and {TOKENS:,} tokens' if tokens else ''} a minute, {'given' if given else 'told'}: "
        f"{used / minutes:.1%} of the limit used, promised {USED:.0%}; {refused:.1%} refused, promised {REFUSED:.0%}"
    )


def main() -> None:
    """Keep all promises."""
    with tempfile.TemporaryDirectory() as folder:
        texts = documents(Path(folder) / "texts", BLOCKS, WORDS)
        slow_host(texts)
        quick_host(texts)
    limited_host(550, WORDS, tokens=True, given=True)
    limited_host(550, WORDS, tokens=True, given=False)
    limited_host(1000, 60, tokens=False, given=True)


if __name__ == "__main__":
    if sys.argv[1:]:
        {"ours": ours, "plain": plain}[sys.argv[1]](*sys.argv[2:])
        print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
    else:
        main()
