"""``restyle pairs``: documents in, training files out."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from restyle.cli.options import StyleName, console, errors
from restyle.data.pairs import PairSet, build_pairs
from restyle.prompts import DESTYLE_PROMPT, RESTYLE_PROMPT

__all__ = ["counts", "pairs", "progress_bar"]


def pairs(
    sources: Annotated[list[Path], typer.Argument(help="The author's .txt and .md files, or folders of them.")],
    style: StyleName,
    out: Annotated[Path, typer.Option(help="Folder of the pair set; run again to go on where it stopped.")],
    teacher: Annotated[
        str | None,
        typer.Option(help="Who writes the neutral side: openai:MODEL, MODEL with --base-url, or a recorded .jsonl."),
    ] = None,
    base_url: Annotated[
        str | None, typer.Option(help="OpenAI-compatible endpoint; its key is RESTYLE_API_KEY.")
    ] = None,
    restyle_prompt: Annotated[str, typer.Option(help="System prompt of the style model.")] = RESTYLE_PROMPT,
    destyle_prompt: Annotated[str, typer.Option(help="System prompt of the de-style model.")] = DESTYLE_PROMPT,
    seed: Annotated[int, typer.Option(help="Deals documents to train, valid and test.")] = 0,
    max_concurrency: Annotated[int, typer.Option(min=1, help="Requests in flight.")] = 32,
) -> None:
    """Cut texts into blocks, have a teacher rewrite them neutrally, filter, and write training files.

    \b
    Example: restyle pairs letters --style author --teacher recorded.jsonl --out pairs
    """  # noqa: D301 - click's sign not to break the lines of a paragraph: examples are meant to be copied
    bar = progress_bar()
    task = bar.add_task("neutral texts", total=None)
    # Where there is no terminal it is not even started: older versions of rich print a blank line all the same.
    with bar if errors.is_terminal else nullcontext():
        made = build_pairs(
            sources,
            style=style,
            teacher=teacher,
            out=out,
            base_url=base_url,
            restyle_prompt=restyle_prompt,
            destyle_prompt=destyle_prompt,
            seed=seed,
            max_concurrency=max_concurrency,
            on_progress=lambda done, total: bar.update(task, completed=done, total=total),
        )
    console.print(counts(made))
    if not made.manifest["pairs"]["valid"]:
        errors.print("nothing is held out: give at least 3 documents (one per chapter or letter) to see honest scores")
    if not made.manifest["pairs"]["train"]:
        raise ValueError(f"no pair is fit for training: see {out / 'dropped.jsonl'} for the reasons")
    console.print(f"next: restyle train {out}", soft_wrap=True)


def progress_bar() -> Progress:
    """A bar on standard error that goes away when it is done."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    return Progress(*columns, console=errors, transient=True)


def counts(made: PairSet) -> Table:
    """What became of the blocks, filter by filter."""
    table = Table("", "blocks", box=None, pad_edge=False)
    table.columns[1].justify = "right"
    table.add_row("cut from the documents", str(made.manifest["blocks"]))
    table.add_row("answered by the teacher now", str(made.asked))
    table.add_row("answers found in the ledger, not asked again", str(made.reused))
    for reason, number in made.manifest["dropped"].items():
        table.add_row(f"dropped: {reason}", str(number))
    for split, number in made.manifest["pairs"].items():
        table.add_row(f"pairs for {split}", str(number))
    return table
