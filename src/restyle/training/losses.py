"""Losses of a training run, from wherever the host tells them, and what they say.

All are means over tokens in nats. They compare within a run and with its base model on the same file and mask, and
with nothing else: masks and tokenizers differ (an empty think block alone lowers a loss by 4 %).
"""

from __future__ import annotations

import base64
import binascii
import csv
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import pairwise
from statistics import pstdev
from typing import NamedTuple

from restyle.errors import RowError

__all__ = [
    "IMPLAUSIBLE",
    "LossCurve",
    "Point",
    "averaged",
    "from_checkpoints",
    "from_events",
    "from_log_history",
    "from_result_file",
    "judge",
]

IMPLAUSIBLE = 0.3
"""Nats: held-out pairs of honest data end at 1 to 2, for a text can be rewritten in many ways; lower means that they
were seen. At 0.005 a model would repeat every fifth text of 300 tokens word for word."""

_AGAIN = "get it from the host once more"
_RISE = 0.02  # of the lowest: less may be chance
_GAP = (
    1.5  # held-out by training loss: over it, Microsoft's guide to fine-tuning calls a run suspicious, under 1.2 good
)
_GROUP, _GROUPS = 3, 4  # losses of single batches are noise (0.00 beside 1.76 in one run): 3 or more to a mean,
_ERRORS = 3  # and a rise of a mean is one where it is this many standard errors


class Point(NamedTuple):
    """A loss, in nats for a token, at a step from 0."""

    step: int
    loss: float


@dataclass(frozen=True, slots=True)
class LossCurve:
    """The losses of one run, each series in the order of its steps.

    Attributes:
        train: Of the batches trained on.
        held_out: Of single batches of the held-out file.
        full_held_out: Of the whole held-out file.
        base: The base model's, of the same held-out file and mask; None: not measured.
        diverged: Steps whose training loss was no number.
    """

    train: tuple[Point, ...] = ()
    held_out: tuple[Point, ...] = ()
    full_held_out: tuple[Point, ...] = ()
    base: float | None = None
    diverged: tuple[int, ...] = ()

    def merged(self, other: LossCurve) -> LossCurve:
        """Both in one, as of a result file and of checkpoints; where both know a step, ``other`` is right."""
        return LossCurve(
            _sorted(self.train, other.train),
            _sorted(self.held_out, other.held_out),
            _sorted(self.full_held_out, other.full_held_out),
            self.base if other.base is None else other.base,
            tuple(sorted({*self.diverged, *other.diverged})),
        )

    def until(self, step: int | None) -> LossCurve:
        """The losses up to a step; None: all of them."""
        if step is None:
            return self
        train, held_out, full = (
            tuple(point for point in points if point.step <= step)
            for points in (self.train, self.held_out, self.full_held_out)
        )
        return LossCurve(train, held_out, full, self.base, tuple(each for each in self.diverged if each <= step))


def from_result_file(content: bytes | str, name: str = "the result file", *, base: float | None = None) -> LossCurve:
    """The losses in a result file of OpenAI's or Azure's: CSV, or CSV in base64.

    Raises:
        RowError: It is neither, or a loss is no number; the message begins with ``name:line``.
    """
    text = content if isinstance(content, str) else content.decode("utf-8-sig", "replace")
    if "," not in text.partition("\n")[0]:
        with suppress(binascii.Error, ValueError):
            text = base64.b64decode("".join(text.split()), validate=True).decode("utf-8-sig")
    table = csv.DictReader(text.splitlines())
    try:
        rows = [(f"{name}:{table.line_num}", row) for row in table]
    except csv.Error as error:
        raise RowError(f"{name}:{table.line_num}: not CSV ({error}): {_AGAIN}") from error
    if "step" not in (table.fieldnames or ()):
        raise RowError(f"{name}:1: no CSV with a column 'step', it begins with {text[:40]!r}: {_AGAIN}")
    return _curve(rows, base)


def from_checkpoints(
    checkpoints: Iterable[object], *, base: float | None = None, whole_file: bool = False
) -> LossCurve:
    """The losses of a job's checkpoints, as the SDK gives them or as dictionaries.

    Args:
        checkpoints: With ``step_number`` and ``metrics``.
        base: See `LossCurve`.
        whole_file: The host has no ``full_valid_loss``, for its ``valid_loss`` is of the whole file (Nebius).
    """
    found = []
    for checkpoint in checkpoints:
        metrics, step = _fields(_get(checkpoint, "metrics")), _get(checkpoint, "step_number")
        if whole_file:
            metrics["full_valid_loss"] = metrics.pop("valid_loss", None)
        found.append(("checkpoint", metrics | {"step": metrics.get("step") if step is None else step}))
    return _curve(found, base)


def from_events(events: Iterable[object], *, base: float | None = None) -> LossCurve:
    """The losses in the events of a job, as the SDK gives them or as dictionaries, in any order."""
    found = (_fields(_get(event, "data")) for event in events if _get(event, "type") == "metrics")
    return _curve((("event", data) for data in found), base)


def from_log_history(history: Iterable[Mapping[str, object]], *, base: float | None = None) -> LossCurve:
    """The losses in the ``log_history`` of a Transformers or TRL trainer; it evaluates on the whole held-out file."""
    names = {"step": "step", "loss": "train_loss", "eval_loss": "full_valid_loss"}
    found = ({new: entry[old] for old, new in names.items() if old in entry} for entry in history)
    return _curve((("log_history", entry) for entry in found), base)


def averaged(points: Sequence[Point], groups: int) -> tuple[Point, ...]:
    """At most ``groups`` means of neighbouring points, each at the step of its last."""
    bounds = [round(number * len(points) / groups) for number in range(groups + 1)]
    parts = [points[start:end] for start, end in pairwise(bounds) if end > start]
    return tuple(Point(part[-1].step, math.fsum(point.loss for point in part) / len(part)) for part in parts)


def judge(curve: LossCurve, overlap: bool | None) -> list[str]:  # noqa: FBT001 - no switch: what is known of the files
    """What is wrong with a run, in sentences; nothing where nothing is.

    Args:
        curve: Its losses.
        overlap: Whether texts for training are among those held out, see `restyle.training.hosts.uploads.overlap_of`;
            None: that was not checked.
    """
    warnings = []
    if curve.diverged:
        at = f"at step {curve.diverged[0]}, and {len(curve.diverged)} times in all"
        warnings.append(f"the training loss was no number {at}: lower the learning rate and train again")
    held_out = curve.full_held_out or _means(curve.held_out)
    if not held_out:
        return [*warnings, "no held-out loss: whether the model learnt or memorised cannot be told; hold documents out"]
    what = "held-out loss" if curve.full_held_out else "held-out loss (of single batches, for want of full_valid_loss)"
    best, last = min(held_out, key=lambda point: point.loss), held_out[-1]
    margin = best.loss * _RISE if curve.full_held_out else _ERRORS * _standard_error(curve.held_out, len(held_out))
    if last.loss > best.loss + margin:
        warnings.append(_rise(what, best, last, curve.train))
    train = _at(_means(curve.train), last.step)
    if train is not None and last.loss > train * _GAP:
        ratio = f", {last.loss / train:.1f} times as much" if train else ""
        warnings.append(
            f"the {what} is {last.loss:.3f} where the training loss is {train:.3f}{ratio} (over {_GAP} is suspicious): "
            "the model memorises; train fewer epochs, or on more pairs"
        )
    if best.loss < IMPLAUSIBLE:
        warnings.append(f"the {what} of {best.loss:.3f} at step {best.step} is implausibly low: {_EXPLAINED[overlap]}")
    if curve.base is not None and last.loss >= curve.base:
        warnings.append(
            f"the {what} ends at {last.loss:.3f}, not under the base model's {curve.base:.3f}: nothing was learnt that "
            "helps; compare the prompts of the rows, and train with another learning rate"
        )
    return warnings


_EXPLAINED: Mapping[bool | None, str] = {
    True: "the check of the files found texts for training among those held out; split by document and train again",
    False: "no text for training was found among those held out; look for pairs whose two sides are nearly the same, "
    "and for very short answers",
    None: "the held-out texts may have been seen in training; run restyle.training.hosts.uploads.check_uploads on both "
    "files",
}


def _rise(what: str, best: Point, last: Point, train: Sequence[Point]) -> str:
    before, after = _at(_means(train), best.step), _at(_means(train), last.step)
    rose = f"the {what} rose from {best.loss:.3f} at step {best.step} to {last.loss:.3f} at step {last.step}"
    if before is not None and after is not None:
        if after > before:
            return f"{rose}, and the training loss rose, too: lower the learning rate and train again"
        rose += f" while the training loss went from {before:.3f} to {after:.3f}"
    return f"{rose}: the model memorises; use the checkpoint of step {best.step}, or train fewer epochs"


def _means(points: Sequence[Point]) -> tuple[Point, ...]:
    """Losses of single batches, evened out."""
    return averaged(points, min(_GROUPS, max(1, len(points) // _GROUP)))


def _standard_error(points: Sequence[Point], groups: int) -> float:
    """Of the mean of each group."""
    return pstdev(point.loss for point in points) / math.sqrt(len(points) / groups)


def _at(points: Sequence[Point], step: int) -> float | None:
    """The loss of the first point that is not before ``step``, or of the last."""
    return next((point.loss for point in points if point.step >= step), points[-1].loss if points else None)


def _curve(rows: Iterable[tuple[str, Mapping[str, object]]], base: float | None) -> LossCurve:
    train, held_out, full, diverged = list[Point](), list[Point](), list[Point](), list[int]()
    for place, row in rows:
        step = _number(row.get("step"), place, "step")
        if step is None or not math.isfinite(step):
            continue
        for series, name in ((train, "train_loss"), (held_out, "valid_loss"), (full, "full_valid_loss")):
            loss = _number(row.get(name), place, name)
            if loss is not None and math.isfinite(loss):
                series.append(Point(int(step), loss))
            elif loss is not None and series is train:
                diverged.append(int(step))
    return LossCurve(_sorted(train), _sorted(held_out), _sorted(full), base, tuple(sorted(set(diverged))))


def _number(value: object, place: str, name: str) -> float | None:
    """A loss; None where the cell is blank."""
    if value is None or value == "":
        return None
    try:
        return float(value)  # type: ignore[arg-type]  # what is no number is told below
    except (TypeError, ValueError) as error:
        raise RowError(f"{place}: {name} is {value!r}, not a number: {_AGAIN}") from error


def _sorted(*series: Iterable[Point]) -> tuple[Point, ...]:
    return tuple(Point(*item) for item in sorted({step: loss for points in series for step, loss in points}.items()))


def _get(value: object, name: str) -> object:
    return value.get(name) if isinstance(value, Mapping) else getattr(value, name, None)


def _fields(value: object) -> dict[str, object]:
    """What an object of the SDK's holds, or a dictionary."""
    if isinstance(value, Mapping):
        return dict(value)
    dump: Callable[[], dict[str, object]] = getattr(value, "model_dump", dict)
    return dump()
