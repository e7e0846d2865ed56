"""Fine-tuning jobs: they train in threads, one after the other; those of a host that is played wait side by side.

A job that a stopped server has left unfinished is started again by the next one: training is deterministic and takes
seconds, and nothing of a job is used before it has succeeded.
"""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from restyle.errors import RestyleError
from restyle.serving.errors import ApiError
from restyle.serving.file_routes import is_processed
from restyle.serving.job_files import FileError, read_file
from restyle.serving.job_losses import checkpoints, loss_events, loss_file, told
from restyle.serving.job_records import FINAL, CancelledJobError, JobRecords
from restyle.serving.job_requests import JobRequest
from restyle.serving.job_scores import score_file, score_metrics, score_summary
from restyle.serving.store import Store
from restyle.serving.training import train
from restyle.serving.tuning_hosts import HOSTS, last_look, model_name
from restyle.serving.tuning_rules import TuningHost, TuningRules

__all__ = ["Jobs"]

_SIDE_BY_SIDE = 16  # jobs of a host that is played
_GLANCE = 0.005  # seconds between two looks at what a job waits for


class _StoppedError(Exception):
    """The server ends: the job is left to the next one."""


class Jobs:
    """Begins, runs and cancels the jobs of one server; ``records`` tells what became of them."""

    def __init__(self, store: Store, rules: TuningRules | None = None) -> None:
        self._rules = rules or TuningRules()
        self.records = JobRecords(store, self._rules)
        self._store = store
        self._one, self._many = (ThreadPoolExecutor(threads, "restyle-training") for threads in (1, _SIDE_BY_SIDE))
        self._training = threading.Lock()
        self._closing = threading.Event()

    def resume(self) -> None:
        """Start again what an earlier server did not finish."""
        for job in reversed(self.records.jobs()):
            if job["status"] not in FINAL:
                name = job["id"]
                status = HOSTS[self.records.host(name)].waiting
                self.records.note(name, "The server was restarted: the job begins again", status=status)
                self._submit(name)

    def close(self) -> None:
        """Wait for the job that trains; the others are left to the next server."""
        self._closing.set()
        for pool in (self._one, self._many):
            pool.shutdown(wait=True, cancel_futures=True)

    def _submit(self, name: str) -> None:
        pool = self._one if self.records.host(name) == "restyle" else self._many
        pool.submit(self._run, name)

    def create(self, request: JobRequest) -> dict[str, Any]:
        """Begin a job.

        Raises:
            ApiError: One of its files is not there, or not yet processed.
        """
        for param, name in (("training_file", request.training_file), ("validation_file", request.validation_file)):
            if name is None:
                continue
            if (file := self._store.file(name)) is None:
                message = f"File '{name}' does not exist: upload it first."
                raise ApiError(404, message, param=param, code="file_not_found")
            if not is_processed(file) and HOSTS[request.host].unprocessed:
                raise ApiError(400, f"File '{name}' is not ready: it is being processed.", param=param)
        name = self.records.create(request)
        if request.ignored and request.host == "restyle":
            self.records.note(name, f"A phrase model has no use for {', '.join(request.ignored)}", level="warn")
        self._submit(name)
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
                self._train(self.records.job(name), self.records.host(name), path)
            except FileError as error:
                self._fail(name, str(error), error.code, error.param)
            except RestyleError as error:
                self._fail(name, str(error), "training_failed")
            except _StoppedError:
                return
            except Exception as error:  # noqa: BLE001 - nobody waits for this thread: the job has to tell
                self._fail(name, f"{type(error).__name__}: {error}", "server_error")
        except CancelledJobError:
            path.unlink(missing_ok=True)

    def _fail(self, name: str, message: str, code: str, param: str | None = None) -> None:
        error = {"code": code, "message": message, "param": param}
        self.records.note(name, message, level="error", status="failed", error=error)

    def _train(self, job: dict[str, Any], host: TuningHost, path: Path) -> None:
        name = job["id"]
        rows = self._rows(job, host, "training_file")
        held_out = self._rows(job, host, "validation_file") if job["validation_file"] else []
        self.records.note(name, f"Files validated: {len(rows)} rows to train on, {len(held_out)} held out")
        finish = int(time.time() + self._rules.seconds) if self._rules.seconds else None
        self.records.note(name, "Fine-tuning job started", status="running", estimated_finish=finish)
        losses = told(self._rules.losses, held_out=bool(held_out))
        for message, data in loss_events(losses, host):
            self.records.note(name, message, metrics=data)
        self._wait(name)
        with self._training:
            failure, self._rules.fails = self._rules.fails, None
            if failure is not None:
                self._fail(name, failure, "server_error")
                return
            trained = train(rows, held_out, path)
        model = model_name(host, job)
        made = checkpoints(losses, host, job=name, model=model, created=int(time.time()))
        if host == "restyle":
            made[-1]["metrics"] = metrics = score_metrics(trained)
            for warning in trained.warnings:
                self.records.note(name, warning, level="warn")
            self.records.note(name, score_summary(trained), metrics=metrics)
            content: bytes | None = score_file(metrics)
        else:
            content = loss_file(losses, host, in_base64=self._rules.base64_results)
        self.records.note(name, f"New fine-tuned model created: {model}")
        self._succeed(name, made, content, trained_tokens=trained.words, **last_look(host, model, made))

    def _succeed(
        self,
        name: str,
        made: list[dict[str, Any]],
        content: bytes | None,
        **changes: Any,  # noqa: ANN401 - the fields of a job have many types
    ) -> None:
        """End a job with its checkpoints and the content of its result file."""
        files = [self._store.add_file("step_metrics.csv", "fine-tune-results", content)["id"]] if content else []
        message = "The job has successfully completed"
        try:
            self.records.note(name, message, checkpoints=made, status="succeeded", result_files=files, **changes)
        except CancelledJobError:
            for file in files:
                self._store.delete_file(file)
            raise

    def _wait(self, name: str) -> None:
        """Let a job run as long as the rules want it to."""
        begin = time.monotonic()
        while self._rules.hold or time.monotonic() - begin < self._rules.seconds:
            if self._closing.wait(_GLANCE):
                raise _StoppedError
            if self.records.job(name)["status"] == "cancelled":
                raise CancelledJobError(name)

    def _rows(self, job: dict[str, Any], host: TuningHost, param: str) -> list[tuple[str, str]]:
        self.records.note(job["id"], f"Validating {param.replace('_', ' ')}: {job[param]}")
        return read_file(self._store, job[param], param, host, needs_bom=self._rules.needs_bom)
