"""What the server keeps on disk: uploaded files, jobs, trained models. Each file is written whole or not at all."""

from __future__ import annotations

import json
import logging
import re
import secrets
import time
from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import Any

from restyle.files import write_atomically

__all__ = ["Store", "new_id"]

_ID = re.compile(r"[a-z]+-[0-9a-f]{24}")
_FILE_FIELDS = frozenset({"id", "created_at", "filename", "purpose"})
_JOB_FIELDS = frozenset({"order", "job", "events", "checkpoints"})
_LOG = logging.getLogger(__name__)


def new_id(kind: str) -> str:
    """A fresh identifier: ``kind`` and 24 hexadecimal digits."""
    return f"{kind}-{secrets.token_hex(12)}"


class Store:
    """Files, jobs and models under one folder.

    ``files/ID.json`` describes an upload and ``files/ID.bin`` is its content; ``jobs/ID.json`` is a job with its
    events; ``models/ID.json.gz`` is the model that job ``ID`` has trained. What a client sends as an id is never made
    into a path unless it has the form of one of ours.
    """

    def __init__(self, root: Path) -> None:
        self._root = root

    def add_file(self, filename: str, purpose: str, content: bytes, seconds: float = 0.0) -> dict[str, Any]:
        """Keep an uploaded file, which is processed after so many seconds, and return its description."""
        description: dict[str, Any] = {
            "id": new_id("file"),
            "object": "file",
            "bytes": len(content),
            "created_at": int(time.time()),
            "filename": filename,
            "purpose": purpose,
            "status": "processed",
        }
        if seconds:
            description["processed_at"] = time.time() + seconds
        # The description comes last: a file that is listed has its content.
        write_atomically(self._path("files", description["id"], "bin"), content)
        self._write("files", description["id"], description)
        return description

    def file(self, name: str) -> dict[str, Any] | None:
        """The description of a file, or None where there is none of that id."""
        return self._read(self._path("files", name, "json")) if _ID.fullmatch(name) else None

    def content(self, name: str) -> bytes:
        """The content of a file that `file` has found."""
        return self._path("files", name, "bin").read_bytes()

    def files(self) -> list[dict[str, Any]]:
        """All files, the newest first."""
        return sorted(self._all("files", _FILE_FIELDS), key=lambda each: (each["created_at"], each["id"]), reverse=True)

    def delete_file(self, name: str) -> bool:
        """Forget a file; False where there was none of that id."""
        if self.file(name) is None:
            return False
        self._path("files", name, "json").unlink(missing_ok=True)
        self._path("files", name, "bin").unlink(missing_ok=True)
        return True

    def write_job(self, record: dict[str, Any]) -> None:
        """Keep a job as it stands now."""
        self._write("jobs", record["job"]["id"], record)

    def jobs(self) -> list[dict[str, Any]]:
        """All jobs, the oldest first."""
        return sorted(self._all("jobs", _JOB_FIELDS), key=lambda record: int(record["order"]))

    def model_path(self, job: str) -> Path:
        """Where the model of that job is, or will be."""
        return self._path("models", job, "json.gz")

    def _path(self, folder: str, name: str, suffix: str) -> Path:
        return self._root / folder / f"{name}.{suffix}"

    def _write(self, folder: str, name: str, record: dict[str, Any]) -> None:
        write_atomically(self._path(folder, name, "json"), json.dumps(record, indent=1) + "\n")

    def _all(self, folder: str, fields: AbstractSet[str]) -> list[dict[str, Any]]:
        found = []
        for path in (self._root / folder).glob("*.json"):
            record = self._read(path) if _ID.fullmatch(path.stem) else None
            if record is not None and record.keys() >= fields:
                found.append(record)
            else:
                _LOG.warning("%s is not one of this server's records and is left out", path)
        return found

    def _read(self, path: Path) -> dict[str, Any] | None:
        try:
            record = json.loads(path.read_bytes())
        except FileNotFoundError:
            return None
        except ValueError:
            return None
        return record if isinstance(record, dict) else None
