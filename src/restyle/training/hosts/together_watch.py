"""What Together says of a job, in the words of `restyle.training.hosts.host`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from restyle.training.hosts.host import FINAL, Event, State, Status
from restyle.training.losses import LossCurve, from_log_history

if TYPE_CHECKING:
    from together.types import FinetuneEvent, FinetuneResponse

__all__ = ["curve_of", "events_of", "state_of"]

_STATUSES: Mapping[str, Status] = {
    "pending": "queued",
    "queued": "queued",
    "cancelled": "cancelled",
    "error": "failed",
    "user_error": "failed",
    "completed": "succeeded",
}  # all others, and those to come, are "running": nothing but these ends a job
_FAILURES = frozenset({"job_error", "job_user_error", "billing_limit"})
_ENDS = frozenset({"training_complete", "early_stopped", "job_stopped", "job_complete", *_FAILURES})
_STEP = "train/global_step"  # which rows of evaluations have as well
_LOSSES = {"train/loss": "loss", "eval/loss": "eval_loss"}


def state_of(job: FinetuneResponse, events: Callable[[], Sequence[FinetuneEvent]]) -> State:
    """The state of a job; the error is among its events, which are asked for where it has failed."""
    status = _STATUSES.get(job.status, "running")
    left = None
    if status not in FINAL and job.progress is not None and job.progress.estimate_available:
        left = float(job.progress.seconds_remaining)
    return State(
        status,
        error=_why(events()) if status == "failed" else "",
        model=(job.x_model_output_name or job.adapter_object_name) if status == "succeeded" else None,
        tokens=job.token_count,
        seconds_left=left,
    )


def events_of(told: Sequence[FinetuneEvent], metrics: Sequence[Mapping[str, float]]) -> list[Event]:
    """Events, with the losses where the training was."""
    told = sorted(told, key=lambda event: event.created_at)
    steps = max((event.total_steps or 0 for event in told), default=0) or None
    events = [
        Event(
            id=f"{each.created_at} {each.type} {each.message}",
            message=each.message,
            step=each.step if each.early_stopping_best_metric_value is None else each.early_stopping_best_step,
            steps=steps,
            held_out_loss=each.early_stopping_best_metric_value,
        )
        for each in told
    ]
    losses = [
        Event(
            id=f"{' '.join(sorted(row.keys() & _LOSSES.keys()))} at {row[_STEP]}",
            message="",
            step=int(row[_STEP]),
            steps=steps,
            loss=row.get("train/loss"),
            held_out_loss=row.get("eval/loss"),
        )
        for row in metrics
        if _STEP in row and row.keys() & _LOSSES.keys()
    ]
    place = next((number for number, each in enumerate(told) if each.type.lower() in _ENDS), len(told))
    return [*events[:place], *losses, *events[place:]]


def curve_of(metrics: Sequence[Mapping[str, float]]) -> LossCurve:
    """The losses; each evaluation is over the whole held-out file, for which its tokens are billed."""
    return from_log_history(
        {"step": row.get(_STEP), **{_LOSSES[name]: row[name] for name in row.keys() & _LOSSES.keys()}}
        for row in metrics
    )


def _why(events: Sequence[FinetuneEvent]) -> str:
    said = [
        event.message
        for event in sorted(events, key=lambda event: event.created_at)
        if event.type.lower() in _FAILURES or (event.level or "").lower().endswith("error")
    ]
    return said[-1] if said else "Together does not say why"
