"""What is known of every fine-tuning job: its fields, events and checkpoint, kept on disk at every change."""

from __future__ import annotations

import copy
import threading
import time
from pathlib import Path
from typing import Any

from restyle.serving.errors import ApiError
from restyle.serving.job_requests import JobRequest
from restyle.serving.models import BASE_MODEL
from restyle.serving.store import Store, new_id

__all__ = ["FINAL", "CancelledJobError", "JobRecords"]

FINAL = frozenset({"succeeded", "failed", "cancelled"})


class CancelledJobError(Exception):
    """The job was cancelled: nothing more can happen to it."""


class JobRecords:
    """The records of all jobs; every method may be called from any thread."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._lock = threading.RLock()
        self._records = {record["job"]["id"]: record for record in store.jobs()}

    def create(self, request: JobRequest) -> str:
        """A new job's id; its status is ``validating_files``."""
        name = new_id("ftjob")
        job = {
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
            "model": BASE_MODEL,
            "organization_id": "org-local",
            "result_files": [],
            "seed": request.seed,
            "status": "validating_files",
            "trained_tokens": None,
            "training_file": request.training_file,
            "user_provided_suffix": request.suffix,
            "validation_file": request.validation_file,
        }
        with self._lock:
            self._records[name] = {"order": time.time_ns(), "job": job, "events": [], "checkpoints": []}
            self.note(name, f"Created fine-tuning job: {name}")
        return name

    def note(
        self,
        name: str,
        message: str,
        *,
        level: str = "info",
        metrics: dict[str, Any] | None = None,
        checkpoint: dict[str, Any] | None = None,
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
            record["checkpoints"] += [checkpoint] if checkpoint else []
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

    def events(self, name: str) -> list[dict[str, Any]]:
        """What happened to a job, the latest first."""
        events: list[dict[str, Any]] = self._part(name, "events")
        return events[::-1]

    def checkpoints(self, name: str) -> list[dict[str, Any]]:
        """The one checkpoint of a job that has succeeded, which is its model."""
        checkpoints: list[dict[str, Any]] = self._part(name, "checkpoints")
        return checkpoints

    def jobs(self) -> list[dict[str, Any]]:
        """All jobs, the newest first."""
        with self._lock:
            return [copy.deepcopy(record["job"]) for record in reversed(self._records.values())]

    def trained(self) -> dict[str, Path]:
        """The finished fine-tunes: the model's name and its file."""
        models = {job["fine_tuned_model"]: self._store.model_path(job["id"]) for job in self.jobs()}
        return {name: path for name, path in models.items() if name is not None and path.is_file()}

    def _part(self, name: str, part: str) -> Any:  # noqa: ANN401 - the JSON of that part
        with self._lock:
            if name not in self._records:
                raise ApiError(404, f"Could not find fine tune: {name}", code="fine_tune_not_found")
            return copy.deepcopy(self._records[name][part])
