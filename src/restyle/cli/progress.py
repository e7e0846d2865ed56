"""How far a long command is, on standard error, where somebody looks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.progress import BarColumn, MofNCompleteColumn, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar
from rich.text import Text

from restyle.cli.options import errors
from restyle.data.pairs import Progress

__all__ = ["progress_bar"]


class _Rate(ProgressColumn):
    """Blocks per second, as of the last half minute."""

    def render(self, task: Task) -> Text:
        return Text("" if not task.speed else f"{task.speed:,.1f}/s" if task.speed < 100 else f"{task.speed:,.0f}/s")  # noqa: PLR2004 - digits enough


@contextmanager
def progress_bar(what: str) -> Iterator[Callable[[Progress], None]]:
    """A bar that goes away when it is done: blocks, rate, requests in flight, cost so far and time left."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        _Rate(),
        TextColumn("{task.fields[in_flight]} in flight"),
        TextColumn("{task.fields[cost]}"),
        TimeRemainingColumn(),
    )
    bar = Bar(*columns, console=errors, transient=True)
    task = bar.add_task(what, total=None, in_flight=0, cost="")

    def update(now: Progress) -> None:
        cost = "" if now.cost is None else f"${now.cost:,.2f}"
        bar.update(task, completed=now.done, total=now.total, in_flight=now.in_flight, cost=cost)

    if not errors.is_terminal:  # not even started: older versions of rich print a blank line all the same
        yield update
        return
    with bar:
        yield update
