"""What `import restyle` costs beyond bare Python, medians of interpreters started in turn.

Run it: python benchmarks/imports.py.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time

PACKAGES = ("restyle", "langchain_restyle", "llama_index_restyle")
PROMISED = 120.0  # milliseconds
ROUNDS = 15


def seconds(code: str) -> float:
    """Wall time of one fresh interpreter."""
    start = time.perf_counter()
    subprocess.run([sys.executable, "-c", code], check=True)
    return time.perf_counter() - start


def main() -> None:
    """Print each package's cost and its share of what is promised."""
    codes = {"bare": "pass", **{package: f"import {package}" for package in PACKAGES}}
    times: dict[str, list[float]] = {name: [] for name in codes}
    for _ in range(ROUNDS):  # in turn, so that a noisy moment falls on all alike
        for name, code in codes.items():
            times[name].append(seconds(code))
    bare = statistics.median(times["bare"])
    for package in PACKAGES:
        cost = (statistics.median(times[package]) - bare) * 1000
        print(f"import {package}: +{cost:.1f} ms, {cost / PROMISED:.2f} of the promised {PROMISED:.0f} ms")


if __name__ == "__main__":
    main()
