"""Jobs at Together: begun with everything set, proven by a preview, watched, and their adapters fetched."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from restyle.errors import ModelError
from restyle.messages import Role
from restyle.training.hosts.host import FINAL, Event, Files, Served, State
from restyle.training.hosts.together_adapter import fetch_adapter
from restyle.training.hosts.together_client import TogetherClient, pauses
from restyle.training.hosts.together_preview import golden_of, prove_file
from restyle.training.hosts.together_watch import curve_of, events_of, state_of
from restyle.training.losses import LossCurve

if TYPE_CHECKING:
    from together import Together
    from together.types import FinetuneEvent, FinetuneResponse
    from together.types.finetune_model_limits import FinetuneModelLimits

    from restyle.training.hosts.together import TogetherSettings

__all__ = ["ROOM", "TogetherHost"]

ROOM = 23
"""Characters of a suffix that Together's 40 leave beside the direction and a job's mark."""

_BATCH = 16
_EVALUATIONS = 2  # an epoch; tokens held out are billed with each of them
_WARMUP = 0.03  # of all steps, as local training has it
_PATIENCE = 3600.0  # seconds that Together may take to look at a file
_MARK = 8  # digits
_GONE = 404


class TogetherHost:
    """See `restyle.training.hosts.host.Host`.

    Args:
        base: The base model.
        settings: What was set.
        style: Its name.
        epochs: Passes over the rows.
    """

    def __init__(self, base: str, settings: TogetherSettings, *, style: str, epochs: int) -> None:
        self._base, self._settings, self._style, self._epochs = base, settings, style, epochs
        self._client = TogetherClient(settings.base_url, settings.poll)

    def upload(self, path: Path) -> str:
        """See `Host`; the file is refused, too, if Together would train it in another way than is meant.

        Raises:
            ValueError: A setting does not fit the base.
            RowError: A row would be cut.
            PromptError: The chat template does not keep a prompt, or the loss would not be on the answer.
        """
        self._check_limits()
        sent = self._client.ask(
            lambda sdk: sdk.files.upload(path, purpose="fine-tune", check=False), "no place for files"
        )
        self._wait_for(sent.id)
        with path.open("rb") as lines:
            prove_file(self._client, self._base, sent.id, lines, str(path))
        return sent.id

    def create(self, files: Files, *, role: Role, tag: str) -> str:
        """See `Host`."""
        settings, limits = self._settings, self._limits
        epochs = min(self._epochs, limits.max_num_epochs)
        evaluations = min(_EVALUATIONS * epochs, limits.max_num_evals) if files.valid else 0
        bounds = limits.lora_training
        name = (settings.suffix or self._style)[:ROOM].rstrip("._-")
        job = self._client.ask(
            lambda sdk: sdk.fine_tuning.create(
                model=self._base,
                training_file=files.train,
                validation_file=files.valid,
                n_evals=evaluations,
                early_stopping_enabled=evaluations > _EVALUATIONS,
                early_stopping_patience=_EVALUATIONS if evaluations > _EVALUATIONS else None,
                early_stopping_warmup_evals=0 if evaluations > _EVALUATIONS else None,
                n_epochs=epochs,
                n_checkpoints=min(epochs, limits.max_num_checkpoints),
                batch_size=settings.batch_size or max(min(_BATCH, bounds.max_batch_size), bounds.min_batch_size),
                learning_rate=settings.learning_rate,
                warmup_ratio=_WARMUP,
                packing=False,
                lora=True,
                lora_r=settings.rank,
                lora_alpha=settings.alpha,
                lora_dropout=settings.dropout,
                lora_trainable_modules="all-linear",
                training_method="sft",
                train_on_inputs=False,
                random_seed=settings.seed,
                suffix=f"{name}-{role}-{_mark(tag)}",
                model_limits=limits,
            ),
            f"no base {self._base!r} to train, or not the files any more",
        )
        return job.id

    def find(self, files: Files, *, tag: str) -> str | None:  # noqa: ARG002 - equal files have the same id there
        """See `Host`; the tag's mark ends the suffix, and so stands in the model's name as well."""
        jobs = self._client.ask(lambda sdk: sdk.fine_tuning.list(), "no list of jobs").data
        mark = f"-{_mark(tag)}"
        return next((job.id for job in jobs if mark in f"{job.suffix} {job.x_model_output_name}"), None)

    def state(self, job: str) -> State:
        """See `Host`."""
        found = self._retrieve(job)
        return state_of(found, lambda: self._told(job))

    def events(self, job: str) -> Sequence[Event]:
        """See `Host`."""
        return events_of(self._told(job), self._metrics(job))

    def curve(self, job: str) -> LossCurve:
        """See `Host`."""
        return curve_of(self._metrics(job))

    def cancel(self, job: str) -> None:
        """See `Host`."""
        if self.state(job).status in FINAL:
            return
        try:
            self._client.ask(lambda sdk: sdk.fine_tuning.cancel(job), f"no job {job}")
        except ModelError:
            if self.state(job).status not in FINAL:  # it may have ended just before
                raise

    def serve(self, job: str, *, role: Role, model: str, folder: Path) -> Served:  # noqa: ARG002 - its name there
        """See `Host`: the adapter is downloaded, to be served with its base by a server of the user's.

        Raises:
            TrainingError: What was downloaded is no adapter, or cannot be written.
        """
        found = self._retrieve(job)
        adapter = folder / f"{role}-{hashlib.sha256(job.encode()).hexdigest()[:12]}"
        fetch_adapter(adapter, lambda path: self._download(job, path))
        golden = golden_of(self._client, self._base, found.training_file, adapter)
        record: dict[str, object] = {"folder": adapter.name}
        if found.early_stopped and found.early_stopping_best_metric is not None:
            record["best_step"] = found.early_stopping_best_step
        return Served(
            model=f"{self._style}-{role}",
            base_url=self._settings.serve_url,
            request={"chat_template_kwargs": golden.kwargs} if golden and golden.kwargs else {},
            golden=golden,
            record=record,
            next_step=f"restyle serve --print vllm {self._style}",
        )

    def close(self) -> None:
        """See `Host`."""
        self._client.close()

    @cached_property
    def _limits(self) -> FinetuneModelLimits:
        return self._client.ask(
            lambda sdk: sdk.fine_tuning.model_limits(model_name=self._base),
            f"no base {self._base!r} to train: 'tg fine-tuning model-limits {self._base}' and its documentation tell",
        )

    def _check_limits(self) -> None:
        settings, limits = self._settings, self._limits
        lora = limits.lora_training
        allowed: dict[str, tuple[float, float]] = {
            "epochs": (1, limits.max_num_epochs),
            "batch_size": (lora.min_batch_size, lora.max_batch_size),
            "rank": (1, lora.max_rank),
            "learning_rate": (limits.min_learning_rate, limits.max_learning_rate),
        }
        for name, (least, most) in allowed.items():
            value = getattr(settings, name)
            if value is not None and not least <= value <= most:
                raise ValueError(f"{name} is {value!r}: for {self._base} Together takes {least:g} to {most:g}")

    def _wait_for(self, file: str) -> None:
        """Return when Together has looked at a file and found nothing wrong."""
        ends = time.monotonic() + _PATIENCE
        for pause in pauses(self._settings.poll):
            found = self._client.ask(lambda sdk: sdk.files.retrieve(file), f"no file {file}")
            if found.processing_status in {None, "COMPLETED"}:
                return
            if found.processing_status in {"FAILED", "INVALID_FORMAT"}:
                why = found.validation_report.error if found.validation_report else None
                raise ModelError(f"Together refuses the file {found.filename}: {why or found.processing_status}", 400)
            if time.monotonic() > ends:
                raise ModelError(f"Together has not looked at the file {found.filename} for an hour: try again later")
            time.sleep(pause)

    def _retrieve(self, job: str) -> FinetuneResponse:
        return self._client.ask(lambda sdk: sdk.fine_tuning.retrieve(job), f"no job {job} for this key")

    def _told(self, job: str) -> list[FinetuneEvent]:
        return self._client.ask(lambda sdk: sdk.fine_tuning.list_events(job), f"no events of job {job}").data

    def _metrics(self, job: str) -> list[dict[str, float]]:
        try:
            return self._client.ask(lambda sdk: sdk.fine_tuning.list_metrics(job), "no metrics").metrics or []
        except ModelError as error:
            if error.status != _GONE:  # a job has none before it begins
                raise
            return []

    def _download(self, job: str, path: Path) -> None:
        def download(sdk: Together) -> None:
            with sdk.fine_tuning.with_streaming_response.content(ft_id=job, checkpoint="adapter") as response:
                response.stream_to_file(path)

        self._client.ask(download, f"no adapter of job {job}")


def _mark(tag: str) -> str:
    """What of a tag fits into a suffix."""
    return hashlib.sha256(tag.encode()).hexdigest()[:_MARK]
