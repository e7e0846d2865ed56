"""What documents are called in pair sets: the same on every machine."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from restyle.errors import DocumentError

__all__ = ["content_id", "written_id"]


def written_id(value: object, place: str) -> str | None:
    """An id as it is written in pair sets; None where there is none.

    Paths under the working directory become relative to it, so that they are the same on every machine; another path
    stays as it is.

    Raises:
        DocumentError: The value is neither a string, a path nor a number.
    """
    if value is None or value == "":
        return None
    if not isinstance(value, str | int | os.PathLike):
        raise DocumentError(f"{place} is of type {type(value).__name__}, which names no source: give a string")
    path = Path(str(value))
    if path.is_absolute() and path.is_relative_to(Path.cwd()):
        return path.relative_to(Path.cwd()).as_posix()
    return str(value)


def content_id(text: str) -> str:
    """The id of a text that has none: the same for the same text, everywhere."""
    return f"sha256:{hashlib.sha256(text.encode(errors='replace')).hexdigest()[:16]}"
