"""A million short blocks through `build_pairs` with recorded answers: time and memory for each block, by how many.

Run it: python benchmarks/pairs_million.py [BLOCKS...]. Every number of blocks gets a process of its own; what it needs
on disk, about 3 KB for each block, is removed at its end.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

SIZES = (100_000, 1_000_000)
BLOCKS_PER_DOCUMENT = 1_000
PROMISED_MB = 400.0

_ADJECTIVES = ("calm", "bright", "heavy", "narrow", "quiet", "broken", "early", "distant", "wooden", "silver")
_NOUNS = ("boat", "tower", "letter", "garden", "window", "bridge", "keeper", "winter", "harbour", "field")


def block(number: int) -> tuple[str, str]:
    """A block of the author's and its neutral version; each number gives another.

    All are somewhat alike, none a near-duplicate of another: there is nothing harder for what looks for those.
    """
    thing = f"{_ADJECTIVES[number % 10]} {_NOUNS[number // 10 % 10]} at number {number + 1000}"
    return (
        f"Methinks the {thing} stood sorrowful that morn, and naught would mend it.",
        f"I think the {thing} looked sad that morning, because nothing could repair it.",
    )


def write(folder: Path, blocks: int) -> None:
    """The author's documents, and the recording."""
    (folder / "texts").mkdir()
    with (folder / "recorded.jsonl").open("w", encoding="utf-8") as recorded:
        for start in range(0, blocks, BLOCKS_PER_DOCUMENT):
            pairs = [block(number) for number in range(start, min(blocks, start + BLOCKS_PER_DOCUMENT))]
            text = "\n\n".join(styled for styled, _ in pairs)
            (folder / f"texts/{start // BLOCKS_PER_DOCUMENT:05}.txt").write_text(text, "utf-8")
            recorded.writelines(json.dumps({"text": styled, "neutral": plain}) + "\n" for styled, plain in pairs)


def measure(blocks: int) -> None:
    """Print seconds and peak memory of one run, as JSON."""
    from restyle import build_pairs  # noqa: PLC0415 - in the process that is measured

    with tempfile.TemporaryDirectory(prefix="restyle-million-") as name:
        folder = Path(name)
        write(folder, blocks)
        start = time.perf_counter()
        made = build_pairs(
            folder / "texts",
            style="author",
            teacher=folder / "recorded.jsonl",
            out=folder / "pairs",
            aim=17,
            minimum=9,
            maximum=30,
        )
        seconds = time.perf_counter() - start
        on_disk = sum(path.stat().st_size for path in (folder / "pairs").rglob("*") if path.is_file())
    assert sum(made.manifest["pairs"].values()) == made.asked == blocks, made.manifest["dropped"]  # noqa: S101 - else the numbers mean nothing
    megabytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"seconds": seconds, "megabytes": megabytes, "disk": on_disk / 1e6}))


def runs(sizes: list[int]) -> Iterator[tuple[int, dict[str, float]]]:
    """Each number of blocks with what its process measured."""
    for blocks in sizes:
        command = [sys.executable, __file__, "measure", str(blocks)]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        yield blocks, json.loads(done.stdout)


def main() -> None:
    """Measure all sizes, and print each beside the smallest."""
    if sys.argv[1:2] == ["measure"]:
        measure(int(sys.argv[2]))
        return
    first: float | None = None
    for blocks, measured in runs([int(size) for size in sys.argv[1:]] or list(SIZES)):
        each = measured["seconds"] / blocks
        first = first or each
        print(
            f"{blocks:>9,} blocks: {measured['seconds']:7.1f} s, {each * 1000:.3f} ms a block, "
            f"{each / first:.2f} x the first; peak RSS {measured['megabytes']:.0f} MB, "
            f"{measured['megabytes'] / PROMISED_MB:.2f} of the promised {PROMISED_MB:.0f} MB; "
            f"{measured['disk']:,.0f} MB of pairs and ledger",
            flush=True,
        )


if __name__ == "__main__":
    main()
