"""What is known of every fine-tuning job: its fields, events and checkpoint, kept on disk at every change."""

from __future__ import annotations

import copy
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from restyle.serving.errors import ApiError
from restyle.serving.job_requests import JobRequest
from restyle.serving.store import Store, new_id
from restyle.serving.tuning_hosts import HOSTS, first_look
from restyle.serving.tuning_rules import TuningHost, TuningRules

__all__ = ["FINAL", "Activation", "CancelledJobError", "JobRecords"]

FINAL = frozenset({"succeeded", "failed", "cancelled"})


class CancelledJobError(Exception):
    """The job was cancelled: nothing more can happen to it."""


@dataclass(frozen=True, slots=True)
class Activation:
    """A checkpoint that is made ready for chat, as at ``nebius``.

    Attributes:
        name: What to chat with.
        base_model: The model under it, by the name it has in chat.
        source: ``JOB:CHECKPOINT``.
        description: What the client says of it.
        created_at: When that was asked for, in seconds since 1970.
        ready_at: When it is done.
        error: Why it fails then; None: it does not.
    """

    name: str
    base_model: str
    source: str
    description: str | None
    created_at: int
    ready_at: float
    error: str | None = None

    @property
    def status(self) -> str:
        """``validating``, then ``active`` or ``error``."""
        if time.time() < self.ready_at:
            return "validating"
        return "active" if self.error is None else "error"


class JobRecords:
    """The records of all jobs; every method may be called from any thread."""

    def __init__(self, store: Store, rules: TuningRules | None = None) -> None:
        self._store = store
        self._rules = rules or TuningRules()
        self._lock = threading.RLock()
        self._records = {record["job"]["id"]: record for record in store.jobs()}

    def create(self, request: JobRequest) -> str:
        """A new job's id; its status is ``validating_files``, or what its host calls that."""
        name = new_id("ftjob")
        job: dict[str, Any] = {
            "id": name,
            "object": "fine_tuning.job",
            "created_at": int(time.time()),
            "error": None,
            "estimated_finish": None,
            "fine_tuned_model": None,
            "finished_at": None,
            "hyperparameters": request.hyperparameters,
            "integrations": [],
            "metadata": request.metadata,
            "method": {"type": "supervised", "supervised": {"hyperparameters": request.hyperparameters}},
            "model": request.model,
            "organization_id": "org-local",
            "result_files": [],
            "seed": request.seed,
            "trained_tokens": None,
            "training_file": request.training_file,
            "user_provided_suffix": request.suffix,
            "validation_file": request.validation_file,
        }
        if request.training_type is not None:
            job["trainingType"] = request.training_type
        job = first_look(request.host, job)
        record: dict[str, Any] = {
            "order": time.time_ns(),
            "host": request.host,
            "job": job,
            "events": [],
            "checkpoints": [],
        }
        with self._lock:
            self._records[name] = record
            self.note(name, f"Created fine-tuning job: {name}")
        return name

    def note(
        self,
        name: str,
        message: str,
        *,
        level: str = "info",
        metrics: dict[str, Any] | None = None,
        checkpoints: Sequence[dict[str, Any]] = (),
        **changes: Any,  # noqa: ANN401 - the fields of a job have many types
    ) -> None:
        """Add an event to a job and change the job's fields with it.

        Raises:
            CancelledJobError: The job was cancelled meanwhile; nothing is added.
        """
        with self._lock:
            record = self._records[name]
            if record["job"]["status"] == "cancelled":
                raise CancelledJobError(name)
            if changes.get("status") in FINAL:
                changes["finished_at"] = int(time.time())
            record["job"].update(changes)
            record["checkpoints"] += checkpoints
            event = {
                "id": new_id("ftevent"),
                "object": "fine_tuning.job.event",
                "created_at": int(time.time()),
                "level": level,
                "message": message,
                "type": "metrics" if metrics else "message",
                "data": metrics or {},
            }
            record["events"].append(event)
            self._store.write_job(record)

    def cancel(self, name: str) -> None:
        """Set a job's status to ``cancelled``.

        Raises:
            ApiError: There is no such job, or it is over.
        """
        with self._lock:
            status = self.job(name)["status"]
            if status in FINAL:
                raise ApiError(400, f"Job has already completed: {name} is {status}.", code="job_already_completed")
            self.note(name, "The job was cancelled", status="cancelled")

    def job(self, name: str) -> dict[str, Any]:
        """The job of that id.

        Raises:
            ApiError: There is none.
        """
        job: dict[str, Any] = self._part(name, "job")
        return job

    def host(self, name: str) -> TuningHost:
        """The host that a job was begun at."""
        host: TuningHost = self._records[name].get("host", "restyle")
        return host

    def events(self, name: str) -> list[dict[str, Any]]:
        """What happened to a job, the latest first where its host has them so."""
        events: list[dict[str, Any]] = self._part(name, "events")
        return events[::-1] if HOSTS[self.host(name)].newest_first else events

    def checkpoints(self, name: str) -> list[dict[str, Any]]:
        """The checkpoints of a job that has succeeded, the latest first where its host has them so."""
        checkpoints: list[dict[str, Any]] = self._part(name, "checkpoints")
        return checkpoints[::-1] if HOSTS[self.host(name)].newest_first else checkpoints

    def activate(self, name: str, activation: Activation) -> None:
        """Let a job's model be chatted with under another name; for ``nebius``."""
        with self._lock:
            record = self._records[name]
            record.setdefault("activations", []).append(asdict(activation))
            self._store.write_job(record)

    def activations(self) -> list[Activation]:
        """All that there were, the oldest first."""
        with self._lock:
            return [Activation(**each) for record in self._records.values() for each in record.get("activations", ())]

    def jobs(self) -> list[dict[str, Any]]:
        """All jobs, the newest first."""
        with self._lock:
            return [copy.deepcopy(record["job"]) for record in reversed(self._records.values())]

    def trained(self) -> dict[str, Path]:
        """The names that answer with a fine-tune, and the file of its model."""
        with self._lock:
            found = [
                (name, self._store.model_path(record["job"]["id"]))
                for record in self._records.values()
                for name in self._names(record)
            ]
        return {name: path for name, path in found if path.is_file()}

    def _names(self, record: dict[str, Any]) -> Iterator[str]:
        """What to chat with for the models of a job."""
        host: TuningHost = record.get("host", "restyle")
        if host == "nebius":
            activations = [Activation(**each) for each in record.get("activations", ())]
            yield from (each.name for each in activations if each.status == "active")
            return
        models = {each["fine_tuned_model_checkpoint"] for each in record["checkpoints"]}
        if host == "azure":
            yield from (name for name, model in self._rules.deployments.items() if model in models)
        else:
            yield from models

    def _part(self, name: str, part: str) -> Any:  # noqa: ANN401 - the JSON of that part
        with self._lock:
            if name not in self._records:
                raise ApiError(404, f"Could not find fine tune: {name}", code="fine_tune_not_found")
            return copy.deepcopy(self._records[name][part])
