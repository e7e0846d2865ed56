"""Batches killed again and again: what was bought beside what was needed, and what it takes.

``python benchmarks/pairs_batch.py [REQUESTS [KILLS]]``: 5,000 and 8 if left out. The sandbox takes a while to tell that
it has accepted a batch, lets batches expire part way, and fails two requests in a hundred.
"""

from __future__ import annotations

import asyncio
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from restyle.data import batching
from restyle.data.batching import Pace, fill
from restyle.data.endpoint_teacher import EndpointTeacher
from restyle.data.ledger import Ledger
from restyle.messages import Ask
from restyle.testing import Sandbox

WORDS = 180
PACE = Pace(0.05, 0.2, 0.5)


def ask_of(number: int) -> Ask:
    """A text as long as a block."""
    return Ask("Rewrite the text neutrally.", f"Text {number}: " + "word " * WORDS, "destyle")


def buy(path: Path, base_url: str, requests: int) -> None:
    """Fill the ledger."""
    teacher = EndpointTeacher("echo", base_url)
    batching.MOST_REQUESTS = max(1, requests // 4)
    with Ledger(path) as ledger:

        def pending() -> Iterator[Ask]:
            for ask in map(ask_of, range(requests)):
                if ledger.find(teacher.identity, ask) is None:
                    yield ask

        while next(pending(), None) is not None:  # three failures of one request are possible here
            asyncio.run(fill(teacher, ledger, pending, pace=PACE))


def run(path: Path, sandbox: Sandbox, requests: int, seconds: float | None) -> bool:
    """Whether it came to its end in a process of its own; after so many ``seconds`` that is killed."""
    command = [sys.executable, __file__, "buy", str(path), sandbox.base_url, str(requests)]
    with subprocess.Popen(command) as process:
        try:
            status = process.wait(seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            return False
    if status:
        raise RuntimeError(f"the run ended with {status}")
    return True


def measure(folder: Path, requests: int, kills: int) -> tuple[int, int, float]:
    """How many requests were bought, how many kills there were, and how long it took."""
    choose = random.Random(time.time_ns())
    with Sandbox() as sandbox:
        rules = sandbox.batches
        rules.delay, rules.response_delay, rules.error_share, rules.expires_after = 0.2, 0.3, 0.02, requests // 5
        start, killed = time.perf_counter(), 0
        while not run(folder / "ledger.db", sandbox, requests, choose.uniform(0.8, 3.0) if killed < kills else None):
            killed += 1
        seconds = time.perf_counter() - start
        bought = Counter(body["messages"][1]["content"] for body in rules.answered)
    if bought.keys() != {ask_of(number).user for number in range(requests)}:
        raise RuntimeError("what was bought is not what was needed")
    with Ledger(folder / "ledger.db") as ledger:
        if len(ledger) != requests:
            raise RuntimeError(f"{len(ledger)} answers of {requests}")
    return bought.total(), killed, seconds


def main() -> None:
    """Run it, and print what it cost."""
    if sys.argv[1:2] == ["buy"]:
        buy(Path(sys.argv[2]), sys.argv[3], int(sys.argv[4]))
        return
    requests, kills = map(int, sys.argv[1:3] or (5000, 8))
    with tempfile.TemporaryDirectory(prefix="restyle-batch-") as folder:
        bought, killed, seconds = measure(Path(folder), requests, kills)
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    print(
        f"{requests:,} requests, {killed} kills: {bought:,} bought, {bought / requests:.3f} x what was needed; "
        f"{seconds:.1f} s, at most {peak:.0f} MB of memory"
    )


if __name__ == "__main__":
    main()
