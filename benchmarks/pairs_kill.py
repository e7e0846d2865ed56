"""``restyle pairs`` killed at random moments and started again, over a host that fails one request in ten.

Run it: python benchmarks/pairs_kill.py [BLOCKS KILLS]. It ends with an error if a pair is lost or doubled, a file
differs from that of an undisturbed run, or more requests were paid twice than were in flight at the kills.
"""

from __future__ import annotations

import json
import random
import re
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path

from restyle import build_pairs
from restyle.data.ledger import Ledger
from restyle.testing import Fault, Sandbox

IN_FLIGHT = 16
BLOCKS_PER_DOCUMENT = 20
LATENCY = 0.05  # seconds
EMPTY = 50  # one block in so many is answered without a text at first

_TRANSPORT = (
    Fault("status", status=429, retry_after=0.1),
    Fault("status", status=500),
    Fault("drop"),
    Fault("truncate"),
)
_STYLED = (
    "Methinks the old mill at number {n} stood right sorrowful that morn, for the wheel was broke and naught would "
    "mend it. Old Barnaby did tarry by the weir with {m} of his kin, and they did speak full long of the flood of "
    "{n} ere they went home. 'Twas a grievous thing to behold, and yet the river ran merry as ever it did."
)
_PLAIN = (
    "I think the old mill at number {n} looked sad that morning, because the wheel was broken and nothing could repair "
    "it. Old Barnaby stayed at the weir with {m} of his relatives, and they talked about the flood of {n} for a long "
    "time before they went home. It was a terrible sight, but the river flowed as cheerfully as it always does."
)
_FIRST = 1000


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of it: ``twice`` were paid twice, ``lost_in_flight`` had no time to be kept when the kills came."""

    kills: int
    requests: int
    twice: int
    lost_in_flight: int
    seconds: float


class Host:
    """Answers as a teacher would; ``faulty``: some blocks get no text when they are asked about first."""

    faulty = False

    def __call__(self, messages: list[dict[str, str]]) -> str:
        """The plain version of the passage asked about."""
        number = _number(messages[1]["content"])
        if self.faulty and number % EMPTY == 0 and len(messages) == 2:  # noqa: PLR2004 - instructions and text
            return ""
        return _PLAIN.format(n=number, m=number + 1)


def write_texts(folder: Path, blocks: int) -> None:
    """The author's documents, a block under each heading."""
    folder.mkdir()
    for start in range(0, blocks, BLOCKS_PER_DOCUMENT):
        numbers = range(_FIRST + start, _FIRST + min(blocks, start + BLOCKS_PER_DOCUMENT))
        parts = [f"## Passage {number}\n\n{_STYLED.format(n=number, m=number + 1)}\n" for number in numbers]
        (folder / f"{start // BLOCKS_PER_DOCUMENT:04}.md").write_text("\n".join(parts), "utf-8")


def kill_and_restart(folder: Path, blocks: int, kills: int, seed: int = 0) -> Outcome:
    """Do it, and compare.

    Raises:
        RuntimeError: Something was lost, doubled, changed or paid for without need.
    """
    choose = random.Random(seed)
    write_texts(folder / "texts", blocks)
    host = Host()
    with Sandbox(replies={"luna": host}, latency=LATENCY) as sandbox:
        build_pairs(
            folder / "texts",
            style="author",
            teacher="luna",
            base_url=sandbox.base_url,
            out=folder / "undisturbed",
            max_concurrency=IN_FLIGHT,
        )
        sandbox.requests.clear()
        host.faulty = True
        faults = _faults(choose, 4 * blocks)
        for fault in faults:
            sandbox.inject(fault)
        start = time.perf_counter()
        killed = lost = 0
        while True:
            more = choose.randrange(1, max(2, blocks // kills)) if killed < kills else None
            done = _run(folder, sandbox, more, choose)
            paid = [request.raw for request, fault in zip(sandbox.requests, faults, strict=False) if _is_paid(fault)]
            if done:
                break
            killed += 1
            with Ledger(folder / "pairs/ledger.db") as ledger:
                lost = len(paid) - len(ledger)
        seconds = time.perf_counter() - start
    twice = sum(Counter(paid).values()) - len(set(paid))
    _check(folder, blocks)
    with Ledger(folder / "pairs/ledger.db") as ledger:
        _insist(len(ledger) == len(set(paid)), f"{len(ledger)} answers kept of {len(set(paid))} paid for")
    _insist(twice <= lost <= killed * IN_FLIGHT, f"{twice} paid twice, {lost} in flight at {killed} kills")
    return Outcome(killed, len(sandbox.requests), twice, lost, seconds)


def _run(folder: Path, sandbox: Sandbox, more: int | None, choose: random.Random) -> bool:
    """Whether the command came to its end; after so many ``more`` requests it is killed."""
    command = [sys.executable, "-c", "from restyle.cli import main; main()", "pairs", str(folder / "texts")]
    command += [
        "--style",
        "author",
        "--teacher",
        "luna",
        "--base-url",
        sandbox.base_url,
        "--out",
        str(folder / "pairs"),
    ]
    before = len(sandbox.requests)
    with subprocess.Popen([*command, "--max-concurrency", str(IN_FLIGHT)], stdout=subprocess.DEVNULL) as process:
        while more is not None and process.poll() is None:
            if len(sandbox.requests) >= before + more:
                time.sleep(choose.uniform(0.0, 2 * LATENCY))
                process.kill()
                process.wait()
                time.sleep(2 * LATENCY)  # what it sent still arrives
                return False
            time.sleep(0.001)
    _insist(process.returncode == 0, f"restyle pairs ended with {process.returncode}")
    return True


def _faults(choose: random.Random, requests: int) -> list[Fault]:
    """Eight requests in a hundred fail on the way; empty answers are the host's own."""
    kinds = cycle(_TRANSPORT)
    return [next(kinds) if choose.random() < 0.08 else Fault("slow", delay=0.0) for _ in range(requests)]  # noqa: PLR2004 - as said


def _is_paid(fault: Fault) -> bool:
    return fault.kind == "slow"


def _check(folder: Path, blocks: int) -> None:
    made, undisturbed = _contents(folder / "pairs"), _contents(folder / "undisturbed")
    lines = made["pairs.jsonl"].decode().splitlines()
    numbers = Counter(_number(json.loads(line)["styled"]) for line in lines)
    _insist(numbers == Counter(range(_FIRST, _FIRST + blocks)), "pairs were lost or doubled")
    _insist(made == undisturbed, f"files differ: {[name for name in made if made[name] != undisturbed.get(name)]}")


def _contents(directory: Path) -> dict[str, bytes]:
    """All files but the ledger's and those that a killed run had begun."""
    files = [path for path in directory.rglob("*") if path.is_file() and not path.name.startswith(("ledger.db", "."))]
    return {path.relative_to(directory).as_posix(): path.read_bytes() for path in files}


def _number(text: str) -> int:
    return int(re.findall(r"number (\d+)", text)[0])


def _insist(holds: bool, otherwise: str) -> None:  # noqa: FBT001 - as `assert`, which -O would leave out
    if not holds:
        raise RuntimeError(otherwise)


def main() -> None:
    """Run it, and print what it cost."""
    blocks, kills = map(int, sys.argv[1:3] or (2000, 10))
    with tempfile.TemporaryDirectory(prefix="restyle-kill-") as folder:
        outcome = kill_and_restart(Path(folder), blocks, kills, seed=time.time_ns())
    share = outcome.twice / max(outcome.lost_in_flight, 1)
    print(
        f"{blocks:,} blocks, {outcome.kills} kills: no pair lost or doubled, all files as in an undisturbed run; "
        f"{outcome.requests:,} requests, {outcome.twice} paid twice, {share:.2f} x those {outcome.lost_in_flight} in "
        f"flight at the kills; {outcome.seconds:.1f} s"
    )


if __name__ == "__main__":
    main()
