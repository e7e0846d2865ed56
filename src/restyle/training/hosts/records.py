"""Jobs at hosts as they are known here: a file each under ``HOME/jobs``, so that they outlive the process."""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter, ValidationError

from restyle.errors import TrainingError
from restyle.files import home_directory, write_atomically
from restyle.messages import Role
from restyle.training.base import find_trainer
from restyle.training.hosts.host import FINAL, Files, Status
from restyle.training.plans import Plan

if TYPE_CHECKING:
    from restyle.training.hosts.training import HostedTraining

__all__ = ["Direction", "Record", "jobs", "locked", "open_job"]

_ID = re.compile(r"[a-z0-9][a-z0-9._-]{0,127}")
_SCHEMA = 1


@dataclass(slots=True)
class Direction:
    """One direction at its host.

    Attributes:
        files: What was uploaded: the host's id, by split.
        attempt: How often it was begun anew.
        asked: When the host was asked to begin the job, in seconds since 1970; None: not yet, or it has refused. With
            no ``job``, the host may have one all the same.
        job: The host's id of it.
        status: As the host said last; None before there is a job.
        error: Why it failed.
    """

    files: dict[str, str] = field(default_factory=dict)
    attempt: int = 1
    asked: float | None = None
    job: str | None = None
    status: Status | None = None
    error: str = ""

    @property
    def is_over(self) -> bool:
        """Whether nothing more happens to it."""
        return self.status in FINAL

    @property
    def uploaded(self) -> Files:
        """Its files, once all of them are."""
        return Files(self.files["train"], self.files.get("valid"))

    def begin_anew(self) -> None:
        """Forget a job that is over, and its files, by which it could be taken for the next."""
        self.attempt += 1
        self.files, self.asked, self.job, self.status, self.error = {}, None, None, None, ""


@dataclass(slots=True)
class Record:
    """What has to be known to go on with a training and to write its card, even where its pair set is gone.

    Attributes:
        id: See `restyle.training.base.Training`.
        style: Its name.
        provider: The host.
        base: The model to start from.
        options: As they were given.
        pairs: The folder of the pair set.
        created: When it was begun, ISO 8601.
        plan: What was planned.
        card: Fields of the style card that the pair set tells.
        overlap: Whether texts for training are among those held out.
        directions: What became of each.
    """

    id: str
    style: str
    provider: str
    base: str
    options: dict[str, Any]
    pairs: str
    created: str
    plan: Plan
    card: dict[str, Any]
    overlap: bool
    directions: dict[Role, Direction]
    schema: int = _SCHEMA

    @property
    def status(self) -> str:
        """Of both directions, in OpenAI's words; ``prepared`` before the host has both jobs."""
        found = [direction.status for direction in self.directions.values()]
        for status in ("failed", "cancelled", "running", "paused", "queued", "validating_files"):
            if status in found:
                return status
        return "prepared" if None in found else "succeeded"

    def save(self, home: Path | None) -> None:
        """Write it under ``home`` (None: `restyle.files.home_directory`)."""
        write_atomically(_path(self.id, home), json.dumps(asdict(self), indent=1, ensure_ascii=False) + "\n")

    @classmethod
    def load(cls, name: str, home: Path | None) -> Record | None:
        """The record of that id; None where there is none.

        Raises:
            TrainingError: It cannot be read.
        """
        path = _path(name, home)
        try:
            record = TypeAdapter(cls).validate_json(path.read_bytes())
        except FileNotFoundError:
            return None
        except OSError as error:
            raise TrainingError(f"{path}: cannot be read ({error.strerror}): mend that") from error
        except ValidationError as error:
            advice = "restore it, or remove it and cancel its jobs at the host"
            raise TrainingError(f"{path}: not a job's record ({error.error_count()} errors): {advice}") from error
        if record.schema != _SCHEMA:
            raise TrainingError(f"{path}: has schema {record.schema}, this restyle reads {_SCHEMA}: upgrade restyle")
        return record


def jobs(home: Path | None = None) -> list[Record]:
    """All jobs at hosts, the newest first; what cannot be read is an error, see `Record.load`."""
    names = [path.stem for path in _folder(home).glob("*.json") if _ID.fullmatch(path.stem)]
    found = [record for name in names if (record := Record.load(name, home)) is not None]
    return sorted(found, key=lambda record: (record.created, record.id), reverse=True)


def open_job(name: str, home: Path | None = None) -> HostedTraining:
    """The training of that id, to `wait` for, to cancel, or to make the card of.

    Raises:
        TrainingError: There is none.
    """
    record = Record.load(name, home) if _ID.fullmatch(name) else None
    if record is None:
        known = ", ".join(each.id for each in jobs(home)) or "none"
        raise TrainingError(f"no job {name!r}: those known are {known}")
    from restyle.training.hosts.trainer import HostedTrainer  # noqa: PLC0415 - it imports this module

    trainer = find_trainer(record.provider)
    if not isinstance(trainer, HostedTrainer):
        raise TrainingError(f"job {name!r} is of the provider {record.provider!r}, which is no host: train again")
    return trainer.reopen(record, home)


@contextmanager
def locked(name: str, home: Path | None) -> Iterator[None]:
    """Keep other processes from beginning the same job; what the operating system frees when this one ends.

    Raises:
        TrainingError: Another one is beginning it.
    """
    path = _folder(home) / f"{name}.lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(path, timeout=0.0, isolation_level=None)) as lock:
        try:
            lock.execute("BEGIN EXCLUSIVE")
        except sqlite3.OperationalError as error:
            raise TrainingError(f"job {name!r} is being begun by another process: wait for that one") from error
        yield


def _folder(home: Path | None) -> Path:
    return (home or home_directory()) / "jobs"


def _path(name: str, home: Path | None) -> Path:
    return _folder(home) / f"{name}.json"
