"""``report.html``: a pair set to look at, in one file that loads nothing, runs nothing and prints well."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from restyle.data.manifest import MANIFEST, read_manifest
from restyle.data.report_counts import Seen
from restyle.data.report_page import page
from restyle.errors import PairsError, RowError
from restyle.files import write_atomically

__all__ = ["REPORT", "write_report"]

REPORT = "report.html"

_ADVICE = "make the pairs again, nothing is paid twice"


def write_report(directory: Path) -> Path:
    """Write ``report.html`` of the pair set under ``directory``: equal sets give equal bytes.

    It holds counts, histograms, what was dropped and why, and examples with their words compared. Rows are read one
    after the other; the examples are chosen by hash.

    Returns:
        Its path.

    Raises:
        PairsError: There is no pair set, or a file of it is missing.
        RowError: A row does not fit; the message begins with ``path:line``.
    """
    manifest = read_manifest(directory)
    seen = Seen()
    for row in _read(directory / "pairs.jsonl", ("document", "split", "teacher", "neutral", "styled")):
        seen.add_pair(row)
    for row in _read(directory / "dropped.jsonl", ("document", "reason", "detail", "text")):
        seen.add_drop(row)
    digest = hashlib.sha256((directory / MANIFEST).read_bytes()).hexdigest()
    write_atomically(directory / REPORT, page(manifest, digest, seen).encode(errors="replace"))
    return directory / REPORT


def _read(path: Path, texts: tuple[str, ...]) -> Iterator[dict[str, Any]]:
    try:
        with path.open("rb") as file:
            for number, line in enumerate(file, 1):
                try:
                    row = json.loads(line)
                except (ValueError, RecursionError) as error:
                    raise RowError(f"{path}:{number}: not JSON ({error}): {_ADVICE}") from error
                if not isinstance(row, dict) or not all(isinstance(row.get(name), str) for name in texts):
                    raise RowError(f"{path}:{number}: expected an object with the texts {', '.join(texts)}: {_ADVICE}")
                yield row
    except FileNotFoundError as error:
        raise PairsError(f"{path}: missing from the pair set: {_ADVICE}") from error
