"""Building pair sets and looking into their files."""

from __future__ import annotations

import json
from pathlib import Path

from restyle.data.pairs import PairSet, build_pairs


def build(sources, teacher, out, **options) -> PairSet:
    return build_pairs(sources, style="author", teacher=teacher, out=out, **options)


def contents(directory: Path) -> dict[str, bytes]:
    """All files but the ledger's."""
    files = [path for path in directory.rglob("*") if path.is_file() and not path.name.startswith("ledger.db")]
    return {path.relative_to(directory).as_posix(): path.read_bytes() for path in files}


def lines(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text("utf-8").split("\n") if line]
