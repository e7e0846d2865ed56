"""What a host has made, as a style card."""

from __future__ import annotations

import warnings
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

from restyle._version import __version__
from restyle.errors import TrainingError
from restyle.messages import Role
from restyle.stage import Stage
from restyle.style import Style
from restyle.training.base import SAMPLING
from restyle.training.hosts.host import Host, Served
from restyle.training.hosts.records import Record
from restyle.training.hosts.settings import HostedSettings
from restyle.training.losses import LossCurve, judge

__all__ = ["make_card"]


class _Made(NamedTuple):
    """What a card says of one direction."""

    stage: Stage
    record: dict[str, Any]
    metrics: dict[str, Any]


def make_card(record: Record, settings: HostedSettings, host: Host, styles: Path) -> Style:
    """Make both models ready for use, as far as the host lets us, and describe them; the card is not saved.

    Args:
        record: A training both directions of which have succeeded.
        settings: Its settings.
        host: Where it was trained.
        styles: The folder of all styles; adapters are downloaded into the style's own.

    Raises:
        TrainingError: A job has made no model.
        ModelError: The host refuses, or does not answer.
    """
    made = {role: _made(record, role, host, styles / record.style) for role in record.directions}
    return Style(
        name=record.style,
        restyle=made["restyle"].stage,
        destyle=made["destyle"].stage,
        parameters=record.card["parameters"],
        dataset=record.card["dataset"],
        training={
            "provider": record.provider,
            "restyle": __version__,
            "base": record.base,
            "job": record.id,
            "settings": asdict(settings),
            "rows": record.plan.parts["restyle"].rows,
            "teachers": record.card["teachers"],
            "adapters": {role: each.record for role, each in made.items()},
        },
        metrics={role: each.metrics for role, each in made.items()},
    )


def _made(record: Record, role: Role, host: Host, folder: Path) -> _Made:
    job = str(record.directions[role].job)
    state, curve = host.state(job), host.curve(job)
    if state.model is None:
        raise TrainingError(f"job {job} has succeeded without a model: ask the host")
    served = host.serve(job, role=role, model=state.model, folder=folder)
    # A rise behind the checkpoint that is served was found in time.
    for sentence in judge(curve.until(served.record.get("best_step")), record.overlap):
        warnings.warn(f"{role}: {sentence}", UserWarning, stacklevel=5)
    stage = Stage(
        prompt=record.card["prompts"][role],
        model=served.model,
        base_url=served.base_url,
        request=SAMPLING | served.request,
        golden=served.golden,
    )
    losses = {
        "train": list(map(list, curve.train)),
        "held_out": list(map(list, curve.full_held_out)),
        "single_batches": list(map(list, curve.held_out)),
    }
    kept = {"job": job, "trained_tokens": state.tokens, "losses": losses, "overlap": record.overlap, **served.record}
    if served.next_step:
        kept["next_step"] = served.next_step
    return _Made(stage, kept, _metrics(curve, record.plan.parts[role].held_out, served))


def _metrics(curve: LossCurve, held_out: int, served: Served) -> dict[str, Any]:
    """Held-out loss of the whole file, where the host tells it; of the checkpoint that is served, else the last."""
    points = {point.step: point.loss for point in curve.full_held_out}
    if not points:
        return {"held_out": held_out}
    return {"held_out": held_out, "loss": round(points.get(served.record.get("best_step", -1), points[max(points)]), 4)}
