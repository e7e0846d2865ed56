"""How far a training is, on standard error: a bar for each direction, or a line now and then."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from rich.progress import BarColumn, ProgressColumn, Task, TextColumn
from rich.progress import Progress as Bar
from rich.text import Text

from restyle.cli.options import errors
from restyle.messages import Role
from restyle.training.hosts.host import FINAL
from restyle.training.plans import OnProgress, Plan, Progress
from restyle.training.progress_text import duration, words

__all__ = ["training_progress"]

_EVERY = 5.0  # seconds at least between two lines of figures of one direction
_BAR, _AROUND = 8, 26  # columns of a bar, and of all that stands beside what is heard
_PERIOD = 600.0  # seconds of which rich takes the mean rate: a step may last some


@contextmanager
def training_progress(plan: Plan) -> Iterator[OnProgress]:
    """Show what is heard of a training: on a terminal bars that go away when it is done, else lines.

    A new status is a line at once; of figures there is one every five seconds at most, and the last ones at the end.
    """
    shown = _Bars(plan) if errors.is_terminal else _Lines()
    try:
        yield shown.hear
    finally:
        shown.close()


class _Bars:
    """One for each direction: status, step, losses, time left."""

    def __init__(self, plan: Plan) -> None:
        heard = TextColumn("{task.fields[heard]}", markup=False)  # a host's words may hold square brackets
        columns = (TextColumn("{task.description}"), BarColumn(_BAR), heard, _TimeLeft())
        self._bar = Bar(*columns, console=errors, transient=True, speed_estimate_period=_PERIOD)
        self._tasks = {role: self._bar.add_task(role, total=part.steps, heard="") for role, part in plan.parts.items()}
        self._latest = dict[Role, Progress]()
        self._bar.start()

    def hear(self, now: Progress) -> None:
        self._latest[now.role] = whole = _added(self._latest.get(now.role), now)
        task = self._tasks[now.role]
        text, room = words(whole), errors.width - _AROUND
        self._bar.update(task, heard=text if len(text) <= room else f"{text[:room]}…", seconds_left=now.seconds_left)
        if whole.step is not None:
            self._bar.update(task, completed=whole.step, total=whole.steps)

    def close(self) -> None:
        self._bar.stop()


class _Lines:
    """What is heard, as lines."""

    def __init__(self) -> None:
        self._latest, self._told = dict[Role, Progress](), dict[Role, Progress]()
        self._times = dict[Role, float]()

    def hear(self, now: Progress) -> None:
        self._tell_ends({*self._latest} - {now.role})
        self._latest[now.role] = _added(self._latest.get(now.role), now)
        told, start = self._told.get(now.role), self._times.setdefault(now.role, time.monotonic())
        # What hosts say with the last status is older than it: that is heard after it.
        is_old = now.status in FINAL and (_has_figures(now) or (now.status == "succeeded" and now.message != ""))
        is_new = (told is None or now.status != told.status) and not _has_figures(now)
        if not is_old and (is_new or time.monotonic() - start >= _EVERY):
            self._tell(now.role)

    def close(self) -> None:
        for role, whole in self._latest.items():
            if whole != self._told.get(role):
                self._tell(role)

    def _tell_ends(self, roles: set[Role]) -> None:
        for role in roles:
            if self._latest[role].status in FINAL and self._latest[role] != self._told.get(role):
                self._tell(role)

    def _tell(self, role: Role) -> None:
        self._told[role], self._times[role] = self._latest[role], time.monotonic()
        errors.print(f"{role}: {words(self._latest[role])}{_left(self._latest[role].seconds_left)}", soft_wrap=True)


class _TimeLeft(ProgressColumn):
    """As the host or the trainer estimates, else from the steps so far."""

    def render(self, task: Task) -> Text:
        told = task.fields.get("seconds_left")
        seconds = task.time_remaining if told is None else told
        return Text("" if seconds is None else duration(seconds))


def _has_figures(now: Progress) -> bool:
    return now.step is not None or now.loss is not None or now.held_out_loss is not None


def _added(before: Progress | None, now: Progress) -> Progress:
    """What is known now: figures stay until there are newer ones, and stand for a message that tells them, too."""
    known = replace(now, message="" if _has_figures(now) and now.status not in FINAL else now.message)
    if before is None:
        return known
    figures = ["step", "steps", "loss"] if before.step == 0 else ["step", "steps", "loss", "held_out_loss"]
    return replace(known, **{name: getattr(before, name) for name in figures if getattr(known, name) is None})


def _left(seconds: float | None) -> str:
    return "" if seconds is None else f", {duration(seconds)} left"
