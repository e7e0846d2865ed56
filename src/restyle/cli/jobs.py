"""``restyle jobs``: what is trained at hosts, and how to come back to it."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import typer
from rich.table import Table

from restyle.cli.options import Home, console, errors
from restyle.cli.train import Png, check_png, collect
from restyle.training.hosts.records import Record, open_job
from restyle.training.hosts.records import jobs as known_jobs

__all__ = ["jobs"]


def jobs(
    job: Annotated[str | None, typer.Argument(metavar="ID", help="Of a job: watch it, and save its style.")] = None,
    home: Home = None,
    *,
    cancel: Annotated[
        bool, typer.Option("--cancel", help="End the job at its host instead; the record stays.")
    ] = False,
    png: Png = False,
) -> None:
    """List the trainings at hosts, or go on with one: watch it until it is done, and save the style's card.

    States are those that were heard last: a job that nobody watches may have come further.

    Example: restyle jobs
    """
    if job is None:
        if cancel:
            raise typer.BadParameter("say which job: its ID stands in 'restyle jobs'", param_hint="'--cancel'")
        _list(known_jobs(home))
        return
    training = open_job(job, home)
    if cancel:
        training.cancel()
        _list([record for record in known_jobs(home) if record.id == job])
        return
    check_png(png=png)
    collect(training, home, png=png)


def _list(found: list[Record]) -> None:
    if not found:
        errors.print("no jobs: 'restyle train DIR --provider HOST' begins one", soft_wrap=True)
        return
    table = Table(box=None, pad_edge=False)
    table.add_column("id", no_wrap=True)  # to be copied
    for name in ("style", "provider", "base", "state", "since"):
        table.add_column(name, overflow="fold")
    for record in found:
        since = f"{datetime.fromisoformat(record.created).astimezone():%Y-%m-%d %H:%M}"
        table.add_row(record.id, record.style, record.provider, record.base, record.status, since)
    console.print(table)
