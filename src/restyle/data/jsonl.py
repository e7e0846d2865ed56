"""JSONL files from outside, read line by line: what is wrong with a line is told with its place."""

from __future__ import annotations

import codecs
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from restyle.errors import RowError

__all__ = ["read_jsonl"]


def read_jsonl(path: Path, advice: str) -> Iterator[tuple[str, Any]]:
    """The values of a JSONL file, each with its place ``path:line``; blank lines are passed over.

    Args:
        path: The file; only a line feed ends a line, for U+2028 may stand inside a JSON string.
        advice: What to do about a broken line; ends the messages of errors.

    Raises:
        FileNotFoundError: There is no such file.
        RowError: A line is not UTF-8 or not JSON; the message begins with ``path:line``.
    """
    with path.open("rb") as lines:
        for number, bytes_of_line in enumerate(lines, 1):
            line = bytes_of_line.removeprefix(codecs.BOM_UTF8 if number == 1 else b"").removesuffix(b"\n")
            if not line.strip():
                continue
            try:
                value = json.loads(line.decode())
                if b"\\u" in line:  # half of an escaped surrogate pair is JSON, but no text to be written again
                    json.dumps(value, ensure_ascii=False).encode()
            except UnicodeDecodeError as error:
                reason = f"{error.reason} at byte {error.start}"
                raise RowError(f"{path}:{number}: not UTF-8 ({reason}): {advice}") from error
            except (ValueError, RecursionError) as error:
                raise RowError(f"{path}:{number}: not JSON ({error}): {advice}") from error
            yield f"{path}:{number}", value
