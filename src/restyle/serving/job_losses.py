"""What a job tells of its losses: events, checkpoints and a result file, as each host does."""

from __future__ import annotations

import base64
import csv
import io
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from restyle.serving.store import new_id
from restyle.serving.tuning_hosts import HOSTS
from restyle.serving.tuning_rules import Loss, TuningHost

__all__ = ["checkpoints", "loss_events", "loss_file", "told"]

_OPENAI_COLUMNS = ("step", "train_loss", "train_accuracy", "valid_loss", "valid_mean_token_accuracy")
_AZURE_COLUMNS = (
    "step",
    "train_loss",
    "train_mean_token_accuracy",
    "valid_loss",
    "validation_mean_token_accuracy",
    "full_valid_loss",
    "full_valid_mean_token_accuracy",
)
# What the columns are called in events.
_IN_EVENTS = {
    "train_accuracy": "train_mean_token_accuracy",
    "validation_mean_token_accuracy": "valid_mean_token_accuracy",
}


def told(losses: Sequence[Loss], *, held_out: bool) -> list[Loss]:
    """The losses that a job can tell: without a validation file there are none of it."""
    return list(losses) if held_out else [Loss(loss.step, loss.train) for loss in losses]


def loss_events(losses: Sequence[Loss], host: TuningHost) -> Iterator[tuple[str, dict[str, Any]]]:
    """The message and the data of every event of kind ``metrics``; ``nebius`` and ``restyle`` have none of these."""
    if host not in {"openai", "azure"}:
        return
    for loss in losses:
        data, place = _metrics(loss), f"Step {loss.step}"
        if host == "openai":
            data["total_steps"] = losses[-1].step
            place += f"/{losses[-1].step}"
        names = {"train_loss": "training", "valid_loss": "validation", "full_valid_loss": "full validation"}
        said = ", ".join(f"{word} loss={data[name]:.2f}" for name, word in names.items() if name in data)
        yield f"{place}: {said}", data


def checkpoints(
    losses: Sequence[Loss], host: TuningHost, *, job: str, model: str, created: int
) -> list[dict[str, Any]]:
    """The checkpoints of a job, the oldest first: one an epoch, which is where a loss of the whole file is told.

    The last is the model itself. Where no such loss is told, there is one for each loss; without losses only the last.
    """
    epochs = [loss for loss in losses if loss.full_valid is not None] or list(losses)
    if (kept := HOSTS[host].kept) is not None:
        epochs = epochs[-kept:]
    found: list[tuple[int, dict[str, Any]]] = [(loss.step, _metrics(loss)) for loss in epochs] or [(1, {"step": 1})]
    made = []
    for step, metrics in found:
        name = model if step == found[-1][0] else f"{model}:ckpt-step-{step}"
        each = {
            "id": new_id("ftckpt"),
            "object": "fine_tuning.job.checkpoint",
            "created_at": created,
            "fine_tuned_model_checkpoint": name,
            "fine_tuning_job_id": job,
            "metrics": metrics,
            "step_number": step,
        }
        if host == "nebius":  # its valid_loss is of the whole file
            whole = metrics.pop("full_valid_loss", metrics.get("valid_loss"))
            each |= {"metrics": {"step": step, "train_loss": metrics.get("train_loss"), "valid_loss": whole}}
            each["fine_tuned_model_checkpoint"] = each["id"]
        made.append(each)
    return made


def loss_file(losses: Sequence[Loss], host: TuningHost, *, in_base64: bool) -> bytes | None:
    """The CSV of a job, a line for each step; cells of what is not told are blank. None where there is no such file."""
    columns = {"openai": _OPENAI_COLUMNS, "azure": _AZURE_COLUMNS}.get(host)
    if columns is None:
        return None
    text = io.StringIO(newline="")
    table = csv.writer(text)
    table.writerow(columns)
    for metrics in map(_metrics, losses):
        table.writerow([metrics.get(_IN_EVENTS.get(column, column), "") for column in columns])
    content = text.getvalue().encode()
    return base64.b64encode(content) if in_base64 and host == "openai" else content


def _metrics(loss: Loss) -> dict[str, Any]:
    """The figures of a step; the accuracies are those of a model that is equally sure of every token."""
    given: Mapping[str, float | None] = {"train": loss.train, "valid": loss.valid, "full_valid": loss.full_valid}
    metrics: dict[str, Any] = {"step": loss.step}
    for name, value in given.items():
        if value is not None:
            metrics |= {f"{name}_loss": value, f"{name}_mean_token_accuracy": math.exp(-value)}
    return metrics
