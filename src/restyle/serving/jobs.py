"""Fine-tuning jobs: they train in a thread of their own, one after the other.

A job that a stopped server has left unfinished is started again by the next one: training is deterministic and takes
seconds, and nothing of a job is used before it has succeeded.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from restyle.errors import RestyleError, RowError
from restyle.serving.errors import ApiError
from restyle.serving.job_records import FINAL, CancelledJobError, JobRecords
from restyle.serving.job_requests import JobRequest
from restyle.serving.models import BASE_MODEL
from restyle.serving.rows import read_rows
from restyle.serving.store import Store, new_id
from restyle.serving.training import Trained, train

__all__ = ["LEAST_ROWS", "Jobs"]

LEAST_ROWS = 10  # as at OpenAI

# The columns of OpenAI's result files, empty because a phrase model has no loss, and then what was measured.
_COLUMNS = "step,train_loss,train_accuracy,valid_loss,valid_mean_token_accuracy,pairs,valid_rows,valid_bleu,copy_bleu"


class _FileError(Exception):
    """A training or validation file that cannot be used."""

    def __init__(self, message: str, param: str, code: str = "invalid_file") -> None:
        super().__init__(message)
        self.param = param
        self.code = code


class Jobs:
    """Begins, runs and cancels the jobs of one server; ``records`` tells what became of them."""

    def __init__(self, store: Store) -> None:
        self.records = JobRecords(store)
        self._store = store
        self._pool = ThreadPoolExecutor(1, "restyle-training")

    def resume(self) -> None:
        """Start again what an earlier server did not finish."""
        for job in reversed(self.records.jobs()):
            if job["status"] not in FINAL:
                self.records.note(
                    job["id"], "The server was restarted: the job begins again", status="validating_files"
                )
                self._pool.submit(self._run, job["id"])

    def close(self) -> None:
        """Wait for the job that trains; those behind it are left to the next server."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    def create(self, request: JobRequest) -> dict[str, Any]:
        """Begin a job.

        Raises:
            ApiError: One of its files is not there.
        """
        for param, file in (("training_file", request.training_file), ("validation_file", request.validation_file)):
            if file is not None and self._store.file(file) is None:
                message = f"File '{file}' does not exist: upload it first."
                raise ApiError(404, message, param=param, code="file_not_found")
        name = self.records.create(request)
        if request.ignored:
            self.records.note(name, f"A phrase model has no use for {', '.join(request.ignored)}", level="warn")
        self._pool.submit(self._run, name)
        return self.records.job(name)

    def cancel(self, name: str) -> dict[str, Any]:
        """Cancel a job; if it trains already, its model is thrown away when it is done.

        Raises:
            ApiError: There is no such job, or it is over.
        """
        self.records.cancel(name)
        return self.records.job(name)

    def _run(self, name: str) -> None:
        path = self._store.model_path(name)
        try:
            try:
                self._train(self.records.job(name), path)
            except _FileError as error:
                self._fail(name, str(error), error.code, error.param)
            except RestyleError as error:
                self._fail(name, str(error), "training_failed")
            except Exception as error:  # noqa: BLE001 - nobody waits for this thread: the job has to tell
                self._fail(name, f"{type(error).__name__}: {error}", "server_error")
        except CancelledJobError:
            path.unlink(missing_ok=True)

    def _fail(self, name: str, message: str, code: str, param: str | None = None) -> None:
        error = {"code": code, "message": message, "param": param}
        self.records.note(name, message, level="error", status="failed", error=error)

    def _train(self, job: dict[str, Any], path: Path) -> None:
        name = job["id"]
        rows = self._rows(job, "training_file", LEAST_ROWS)
        held_out = self._rows(job, "validation_file", 1) if job["validation_file"] else []
        self.records.note(name, f"Files validated: {len(rows)} rows to train on, {len(held_out)} held out")
        self.records.note(name, "Fine-tuning job started", status="running")
        trained = train(rows, held_out, path)
        for warning in trained.warnings:
            self.records.note(name, warning, level="warn")
        metrics = _metrics(trained)
        self.records.note(name, _summary(trained), metrics=metrics)
        model = f"ft:{BASE_MODEL}:{job['user_provided_suffix'] or 'restyle'}::{name[-8:]}"
        self.records.note(name, f"New fine-tuned model created: {model}")
        results = self._store.add_file("step_metrics.csv", "fine-tune-results", _result_file(metrics))
        try:
            self.records.note(
                name,
                "The job has successfully completed",
                checkpoint=_checkpoint(name, model, metrics, results["created_at"]),
                status="succeeded",
                fine_tuned_model=model,
                trained_tokens=trained.words,
                result_files=[results["id"]],
            )
        except CancelledJobError:
            self._store.delete_file(results["id"])
            raise

    def _rows(self, job: dict[str, Any], param: str, least: int) -> list[tuple[str, str]]:
        file = job[param]
        self.records.note(job["id"], f"Validating {param.replace('_', ' ')}: {file}")
        if self._store.file(file) is None:
            raise _FileError(f"{file} was deleted before the job began: upload it again", param)
        try:
            rows = read_rows(self._store.content(file), file)
        except RowError as error:
            raise _FileError(str(error), param, "invalid_file_format") from error
        if len(rows) < least:
            kind = param.replace("_", " ").capitalize()
            message = f"{kind} has {len(rows)} example(s), but must have at least {least} examples"
            raise _FileError(message, param, "invalid_n_examples")
        return rows


def _metrics(trained: Trained) -> dict[str, Any]:
    metrics: dict[str, Any] = {"step": 1, "total_steps": 1, "pairs": trained.pairs}
    if trained.scores is not None:
        scores = trained.scores
        metrics |= {"valid_rows": scores.rows, "valid_bleu": round(scores.model, 2), "copy_bleu": round(scores.copy, 2)}
    return metrics


def _summary(trained: Trained) -> str:
    learnt = f"Step 1/1: learnt from {trained.pairs} sentence pairs"
    if trained.scores is None:
        return f"{learnt}; not scored, for there is no validation file"
    scores = trained.scores
    return f"{learnt}; BLEU {scores.model:.2f} on {scores.rows} held-out rows, {scores.copy:.2f} if nothing is changed"


def _result_file(metrics: dict[str, Any]) -> bytes:
    values = ",".join(str(metrics.get(column, "")) for column in _COLUMNS.split(","))
    return f"{_COLUMNS}\n{values}\n".encode()


def _checkpoint(job: str, model: str, metrics: dict[str, Any], created: int) -> dict[str, Any]:
    return {
        "id": new_id("ftckpt"),
        "object": "fine_tuning.job.checkpoint",
        "created_at": created,
        "fine_tuned_model_checkpoint": model,
        "fine_tuning_job_id": job,
        "metrics": metrics,
        "step_number": 1,
    }
