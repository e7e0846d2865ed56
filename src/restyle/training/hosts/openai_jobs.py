"""Jobs as OpenAI's interface tells of them, read so that nothing a host leaves out or adds does harm."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING

from restyle.training.hosts.host import Event, State, Status

if TYPE_CHECKING:
    from openai.types.fine_tuning import FineTuningJob, FineTuningJobEvent

__all__ = ["event_of", "state_of", "status_of"]

_STATUSES: Mapping[str, Status] = {
    "validating_files": "validating_files",
    "queued": "queued",
    "pending": "queued",
    "created": "queued",
    "notrunning": "queued",
    "paused": "paused",
    "succeeded": "succeeded",
    "completed": "succeeded",
    "failed": "failed",
    "error": "failed",
    "cancelled": "cancelled",
    "canceled": "cancelled",
    "deleted": "cancelled",
}


def state_of(job: FineTuningJob) -> State:
    """A job as it stands."""
    finish = getattr(job, "estimated_finish", None)
    return State(
        status_of(job),
        error=_error(job),
        model=job.fine_tuned_model or None,
        tokens=job.trained_tokens,
        seconds_left=None if finish is None else max(0.0, finish - time.time()),
    )


def status_of(job: FineTuningJob) -> Status:
    """A job's status; unknown ones, such as ``pausing``, are neither waiting nor over."""
    return _STATUSES.get(str(job.status).lower(), "running")


def _error(job: FineTuningJob) -> str:
    """Empty also where the host sends an error without anything in it, as OpenAI does for jobs that go well."""
    code, message, param = (getattr(job.error, name, None) for name in ("code", "message", "param"))
    said = ": ".join(str(each) for each in (code, message) if each)
    return f"{said} (parameter {param})" if said and param else said


def event_of(event: FineTuningJobEvent) -> Event:
    """An event; whatever its untyped data hold is a figure or left out."""
    data = event.data if isinstance(event.data, Mapping) else {}
    step, steps = _number(data.get("step")), _number(data.get("total_steps"))
    full = _number(data.get("full_valid_loss"))
    return Event(
        event.id,
        event.message,
        step=None if step is None else int(step),
        steps=None if steps is None else int(steps),
        loss=_number(data.get("train_loss")),
        held_out_loss=_number(data.get("valid_loss")) if full is None else full,
    )


def _number(value: object) -> float | None:
    """A figure of an event, which are not typed; None where it is none."""
    with suppress(TypeError, ValueError):
        number = float(value)  # type: ignore[arg-type]  # what is no number is suppressed
        return number if math.isfinite(number) else None
    return None
