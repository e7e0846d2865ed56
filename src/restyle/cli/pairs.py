"""``restyle pairs``: documents in, training files out."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from restyle.cli.options import StyleName, console, errors
from restyle.data.documents import read_documents
from restyle.data.pairs import PairOptions, PairSet, build_pairs, estimate_pairs
from restyle.data.report import REPORT
from restyle.prompts import DESTYLE_PROMPT, RESTYLE_PROMPT

__all__ = ["counts", "pairs", "progress_bar"]


def pairs(
    sources: Annotated[
        list[Path],
        typer.Argument(help="The author's files (text, Markdown, HTML, EPUB, JSONL), folders of them, or patterns."),
    ],
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
    sender: Annotated[
        str | None, typer.Option(help="Whose turns to learn from in conversations; default: the assistant's.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Deals documents to train, valid and test.")] = 0,
    limit: Annotated[
        int | None, typer.Option(min=0, help="Blocks to ask the teacher about now, at most; the others stay out.")
    ] = None,
    max_cost: Annotated[
        float | None, typer.Option(help="Dollars after which nothing more is asked; needs the model in prices.toml.")
    ] = None,
    near_duplicates: Annotated[
        float | None,
        typer.Option(help="Similarity (0.5 to 1) from which a block repeats another; default: equal ones."),
    ] = None,
    max_concurrency: Annotated[
        int | None, typer.Option(min=1, help="Requests in flight; default: as many as bring more.")
    ] = None,
    requests_per_minute: Annotated[
        float | None, typer.Option(help="Requests at most; default: as the host's headers say.")
    ] = None,
    tokens_per_minute: Annotated[float | None, typer.Option(help="The same for tokens, read and written.")] = None,
    *,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be asked for, and what it would cost; ask nothing.")
    ] = False,
) -> None:
    """Cut texts into blocks, have a teacher rewrite them neutrally, filter, and write training files.

    \b
    Example: restyle pairs letters --style author --teacher recorded.jsonl --out pairs
    """  # noqa: D301 - click's sign not to break the lines of a paragraph: examples are meant to be copied
    options = PairOptions(
        style=style,
        teacher=teacher,
        out=out,
        base_url=base_url,
        restyle_prompt=restyle_prompt,
        destyle_prompt=destyle_prompt,
        seed=seed,
        limit=limit,
        max_cost=max_cost,
        near_duplicates=near_duplicates,
        max_concurrency=max_concurrency,
        requests_per_minute=requests_per_minute,
        tokens_per_minute=tokens_per_minute,
    )
    documents = read_documents(sources, sender=sender)
    if dry_run:
        console.print(str(estimate_pairs(documents, **options)), highlight=False, soft_wrap=True)
        return
    bar = progress_bar()
    task = bar.add_task("neutral texts", total=None)
    options["on_progress"] = lambda done, total: bar.update(task, completed=done, total=total)
    # Where there is no terminal it is not even started: older versions of rich print a blank line all the same.
    with bar if errors.is_terminal else nullcontext(), _interruptible(out):
        made = build_pairs(documents, **options)
    console.print(counts(made))
    if not made.manifest["pairs"]["valid"]:
        errors.print("nothing is held out: give at least 3 documents (one per chapter or letter) to see honest scores")
    if not made.manifest["pairs"]["train"]:
        raise ValueError(f"no pair is fit for training: see {out / 'dropped.jsonl'} for the reasons")
    if failed := made.manifest["dropped"].get("failed"):
        raise ValueError(
            f"the teacher could not answer {failed} of the blocks: see 'failed' in {out / 'dropped.jsonl'}; the pairs "
            "of the others are written, and the same command asks about these again"
        )
    console.print(f"to look through: {out / REPORT}\nnext: restyle train {out}", soft_wrap=True)


@contextmanager
def _interruptible(out: Path) -> Iterator[None]:
    """Ctrl-C says what it leaves."""
    try:
        yield
    except KeyboardInterrupt:
        errors.print(
            f"stopped: what was answered is in {out / 'ledger.db'}; the same command goes on there", soft_wrap=True
        )
        raise typer.Exit(130) from None  # as shells call what was ended by SIGINT


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
