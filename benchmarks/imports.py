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
    "llama_index_restyle": 120.0,
}  # milliseconds beyond bare Python
OURS = "from langchain_restyle import Restyle"
THEIRS = "from langchain_core.runnables import RunnableSerializable"  # what any component of LangChain's has to import
ROUNDS = 15


def seconds(code: str) -> float:
    """Wall time of one fresh interpreter."""
    start = time.perf_counter()
    subprocess.run([sys.executable, "-c", code], check=True)
    return time.perf_counter() - start


def main() -> None:
    """Print each package's cost and its share of what is promised, and the ratio of two first uses."""
    codes = ["pass", *(f"import {package}" for package in PROMISED), OURS, THEIRS]
    times: dict[str, list[float]] = {code: [] for code in codes}
    for _ in range(ROUNDS):  # in turn, so that a noisy moment falls on all alike
        for code in codes:
            times[code].append(seconds(code))
    medians = {code: statistics.median(taken) * 1000 for code, taken in times.items()}
    for package, promised in PROMISED.items():
        cost = medians[f"import {package}"] - medians["pass"]
        print(f"import {package}: +{cost:.1f} ms, {cost / promised:.2f} of the promised {promised:.0f} ms")
    print(f"{OURS}: {medians[OURS]:.0f} ms, {medians[OURS] / medians[THEIRS]:.2f} x {THEIRS}, promised 1")


if __name__ == "__main__":
    main()
