"""The five books of ``../shared/data/prose`` through both engines of `build_pairs`: the same files, and the times.

Run it: python benchmarks/pairs_ray.py [LATENCY CONCURRENCY]. It ends with an error if a file differs. Without the books
it measures nothing.
"""

from __future__ import annotations

import re
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from hashlib import sha256
from pathlib import Path

import ray

from restyle import build_pairs
from restyle.data.documents import Document, read_documents
from restyle.data.pairs import PairSet, Progress
from restyle.testing import Sandbox

BOOKS = Path(__file__).parents[1] / "../shared/data/prose"
CORES = 8  # that the cluster is told of, whatever there is: two actors
_WORDS = "the and of to a in that it was he is with as for had but his at be on by you him so all my are"
_OTHERS = (
    "that plus from into some within which this got someone becomes using like because held though their near become "
    "upon through people them thus everything our become"
)
_OTHER_WORDS = dict(zip(_WORDS.split(), _OTHERS.split(), strict=True))
_WORD = re.compile(r"\b[a-z]+\b")


def neutral(messages: list[dict[str, str]]) -> str:
    """Enough of another wording for most blocks to become pairs; the facts stay."""
    return _WORD.sub(lambda word: _OTHER_WORDS.get(word[0], word[0]), messages[1]["content"])


def books() -> list[Document]:
    """A document a chapter: what neither engine has to do while it is timed."""
    return list(read_documents(sorted(BOOKS.glob("*.jsonl")), source_id_key="chapter"))


def timed(build: Callable[..., PairSet], out: Path) -> tuple[PairSet, float, float]:
    """What was built, in how many seconds, and in how many between the first and the last progress."""
    moments: list[tuple[float, int]] = []

    def note(now: Progress) -> None:
        moments.append((time.perf_counter(), now.asked))

    start = time.perf_counter()
    made = build(out=out, on_progress=note)
    seconds = time.perf_counter() - start
    answered = [moment for moment, asked in moments if asked]
    return made, seconds, answered[-1] - answered[0]


def digest(directory: Path) -> str:
    """Of all files but the ledger's."""
    files = [path for path in directory.rglob("*") if path.is_file() and not path.name.startswith("ledger.db")]
    whole = sha256()
    for path in sorted(files):
        whole.update(path.relative_to(directory).as_posix().encode() + b"\0" + path.read_bytes())
    return whole.hexdigest()


def main() -> None:
    """Build with one engine, with the other, and compare."""
    latency, concurrency = float((sys.argv[1:] or ["0.1"])[0]), int((sys.argv[2:] or ["100"])[0])
    if not BOOKS.exists():
        print(f"{BOOKS}: no books here, nothing to measure")
        return
    documents, digests = books(), {}
    started = time.perf_counter()
    ray.init(num_cpus=CORES, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
    print(f"Ray started in {time.perf_counter() - started:.1f} s")
    sandbox = Sandbox(replies={"neutral": neutral}, latency=latency)
    with sandbox, tempfile.TemporaryDirectory(prefix="restyle-ray-") as folder:
        options = {"teacher": "neutral", "base_url": sandbox.base_url, "max_concurrency": concurrency}
        build = partial(build_pairs, documents, style="author", **options)
        for name, engine in (("default", "local"), ("Ray", "ray"), ("Ray, its workers warm", "ray")):
            out = Path(folder, name)
            made, seconds, asking = timed(partial(build, engine=engine), out)
            digests[name] = digest(out)
            bound = made.asked / concurrency * latency
            print(
                f"{name}: {made.manifest['blocks']:,} blocks, {made.asked:,} answers, {made.manifest['pairs']} pairs, "
                f"digest {digests[name][:16]}; {seconds:.1f} s, {asking:.1f} s from the first to the last answer "
                f"(bound {bound:.1f} s)"
            )
    ray.shutdown()
    if len(set(digests.values())) > 1:
        raise RuntimeError(f"the engines made different files: {digests}")


if __name__ == "__main__":
    main()
