"""2,000 blocks through `restyle.build_pairs`: whole commands from start to end, on an endpoint that takes its time.

* 1 s for an answer: 256 requests in flight given, and as many as it finds; memory.
* 0.1 s for an answer, 100 in flight: against a plain loop over ``AsyncOpenAI``, which keeps nothing, and against other
  tools where they are installed: CURATOR and DATA_DESIGNER hold the interpreters of environments with
  bespokelabs-curator and data-designer, for the scripts in ``peers``. All take turns.
* 600 requests and 100,000 tokens a minute, enforced as hosts do (`restyle.testing.Sandbox`), with times a tenth: how
  much of the limit is used, and how many requests are refused. Nearly all that has been saved up is taken out first.

Run it: python benchmarks/pairs_throughput.py. The load average stands beside the times: above 1 they say little.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from loopback import serving

from restyle.data.instructions import NEUTRALISE

if TYPE_CHECKING:
    from openai.types.chat import ChatCompletionMessageParam

    from restyle.testing import Sandbox

BLOCKS, WORDS = 2000, 180  # about 1 kB each
SLOW, QUICK = 1.0, 0.1  # seconds for an answer
GIVEN, FOUND, START = 1.12, 1.6, 2.0  # promised: times the bound, and seconds for the start
MEMORY, PLAIN, PEERS = 300, 1.5, 2.0  # promised: MB at most, times the plain loop, times as fast as the best peer
REQUESTS, TOKENS, FASTER = 600, 100_000, 10  # a minute's, and how many times shorter the minute is
USED, REFUSED = 0.90, 0.02  # promised
ROUNDS = 3

_VOCABULARY = """
harbour winter keeper lamp boat river window letter garden horse mill bridge captain book table field stone church road
forest island kitchen soldier teacher village mountain picture doctor engine clock barn cellar ferry orchard pilot wagon
carried followed watched remembered repaired left painted crossed measured forgot opened counted buried quiet narrow
"""


def block(number: int, words: int) -> str:
    """A paragraph, different for every number: sentences of twenty words that share no frame, a year in each."""
    luck = random.Random(number)
    vocabulary = _VOCABULARY.split()

    def sentence() -> str:
        phrases = " the ".join(" ".join(luck.choices(vocabulary, k=3)) for _ in range(4))
        return f"The {phrases} while it was {luck.randrange(1500, 2000)}."

    return " ".join(sentence() for _ in range(words // 20))


def documents(folder: Path, blocks: int, words: int) -> Path:
    """Twenty documents, a block under every heading."""
    folder.mkdir()
    texts = [block(number, words) for number in range(blocks)]
    for number in range(20):
        (folder / f"{number:02}.md").write_text("\n\n".join(f"# Of\n\n{text}" for text in texts[number::20]), "utf-8")
    return folder


def ours(base_url: str, concurrency: str, folder: str) -> None:
    """The whole job: pairs on disk."""
    from restyle import build_pairs  # noqa: PLC0415 - its time is ours only

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


def peers_rows(folder: Path) -> Path:
    """The same requests as a JSONL file, for tools that do not cut texts into blocks."""
    rows = folder / "rows.jsonl"
    texts = (block(number, WORDS) for number in range(BLOCKS))
    rows.write_text("".join(f"{json.dumps({'system': NEUTRALISE, 'text': text})}\n" for text in texts), "utf-8")
    return rows


def command(*line: object) -> tuple[float, str]:
    """Seconds of a Python script, from start to end, and what it printed."""
    begin = time.perf_counter()
    done = subprocess.run([str(part) for part in line], check=False, capture_output=True, text=True)
    seconds = time.perf_counter() - begin
    if done.returncode:
        raise RuntimeError(f"{line} failed:\n{done.stderr[-2000:]}")
    return seconds, done.stdout


def load() -> str:
    """How busy the machine is, besides."""
    return f"load {os.getloadavg()[0]:.1f}"


def slow_host(folder: Path) -> None:
    """Against the bound: all answers one after another in as many rows as are in flight."""
    bound = BLOCKS / 256 * SLOW
    promises = (("256 in flight", 256, GIVEN * bound + START), ("found in flight", 0, FOUND * bound))
    with serving(SLOW) as base_url:
        for name, concurrency, promised in promises:
            seconds, memory = command(sys.executable, __file__, "ours", base_url, concurrency, folder)
            print(
                f"{SLOW:g} s for an answer, {name}: {seconds:.1f} s, bound {bound:.1f} s, promised {promised:.1f} s; "
                f"{float(memory):.0f} MB, promised {MEMORY}; {load()}"
            )


def quick_host(folder: Path, rows: Path) -> None:
    """Against the plain loop, and others."""
    lines: dict[str, list[object]] = {
        "ours": [sys.executable, __file__, "ours"],
        "a plain loop": [sys.executable, __file__, "plain"],
    }
    for name, script in (("curator", "curator_pairs.py"), ("Data Designer", "data_designer_pairs.py")):
        if interpreter := os.environ.get(name.upper().replace(" ", "_")):
            lines[name] = [interpreter, Path(__file__).parent / "peers" / script]
    times: dict[str, list[float]] = {name: [] for name in lines}
    with serving(QUICK) as base_url:
        for _ in range(ROUNDS):
            for name, line in lines.items():
                source = folder if line[0] == sys.executable else rows
                times[name].append(command(*line, base_url, 100, source)[0])
    mine, loop, *others = (statistics.median(seconds) for seconds in times.values())
    print(f"{QUICK:g} s for an answer, 100 in flight, median of {ROUNDS}, {load()}:")
    print(f"  ours {mine:.1f} s, a plain loop {loop:.1f} s: {mine / loop:.2f} x, promised at most {PLAIN}")
    for name, seconds in zip([*lines][2:], others, strict=True):
        print(f"  {name} {seconds:.1f} s: {seconds / mine:.2f} x as long as ours, promised {PEERS:g}")
    if not others:
        print("  no other tool: CURATOR and DATA_DESIGNER are not set")


def spend(sandbox: Sandbox, tokens: int) -> None:
    """Take so many tokens of what has been saved up."""
    import openai  # noqa: PLC0415 - as above

    with openai.OpenAI(base_url=sandbox.base_url, api_key="none") as client:
        messages: list[ChatCompletionMessageParam] = [{"role": "user", "content": "spend"}]
        client.chat.completions.create(model="echo", messages=messages, max_tokens=tokens)


def limited_host(blocks: int, words: int, *, tokens: bool, given: bool) -> None:
    """How much of a minute's limits is used, and how often they are run into."""
    from restyle import build_pairs  # noqa: PLC0415 - no other part's time
    from restyle.testing import Sandbox  # noqa: PLC0415 - as above

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
        quick_host(texts, peers_rows(Path(folder)))
    limited_host(550, WORDS, tokens=True, given=True)
    limited_host(550, WORDS, tokens=True, given=False)
    limited_host(1000, 60, tokens=False, given=True)


if __name__ == "__main__":
    if sys.argv[1:]:
        {"ours": ours, "plain": plain}[sys.argv[1]](*sys.argv[2:])
        print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
    else:
        main()
