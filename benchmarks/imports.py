"""What imports cost, medians of interpreters started in turn.

Run it: python benchmarks/imports.py.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time

PROMISED = {
    "restyle": 120.0,
    "langchain_restyle": 30.0,
    "llama_index_restyle": 30.0,
}  # milliseconds beyond bare Python
FIRST_USES = {  # beside what any component of the framework has to import
    "from langchain_restyle import Restyle": "from langchain_core.runnables import RunnableSerializable",
    "from llama_index_restyle import RestyleQueryEngine": (
        "from llama_index.core.base.base_query_engine import BaseQueryEngine"
    ),
}
ROUNDS = 15


def seconds(code: str) -> float:
    """Wall time of one fresh interpreter."""
    start = time.perf_counter()
    subprocess.run([sys.executable, "-c", code], check=True)
    return time.perf_counter() - start


def main() -> None:
    """Print each package's cost and its share of what is promised, and first uses beside the frameworks' own."""
    codes = ["pass", *(f"import {package}" for package in PROMISED), *FIRST_USES, *FIRST_USES.values()]
    times: dict[str, list[float]] = {code: [] for code in codes}
    for _ in range(ROUNDS):  # in turn, so that a noisy moment falls on all alike
        for code in codes:
            times[code].append(seconds(code))
    medians = {code: statistics.median(taken) * 1000 for code, taken in times.items()}
    for package, promised in PROMISED.items():
        cost = medians[f"import {package}"] - medians["pass"]
        print(f"import {package}: +{cost:.1f} ms, {cost / promised:.2f} of the promised {promised:.0f} ms")
    for ours, theirs in FIRST_USES.items():
        print(f"{ours}: {medians[ours]:.0f} ms, {medians[ours] / medians[theirs]:.2f} x {theirs}, promised 1")


if __name__ == "__main__":
    main()
