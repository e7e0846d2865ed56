"""``restyle train``: a pair set in, a style out."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from restyle.cli.options import EMBEDDED_NOTE, Home, console, warnings_told
from restyle.style import Style
from restyle.training import train as train_style

__all__ = ["scores", "train"]


def train(
    directory: Annotated[Path, typer.Argument(help="A pair set made by 'restyle pairs'.")],
    provider: Annotated[str, typer.Option(help="Where to train.")] = "embedded",
    base: Annotated[str | None, typer.Option(help="Model to start from, where the provider takes one.")] = None,
    home: Home = None,
) -> None:
    """Train the style model and the de-style model, and save the style's card.

    Example: restyle train pairs
    """
    with warnings_told():
        style = train_style(directory, provider=provider, base=base, home=home)
    console.print(scores(style))
    console.print(
        f"{EMBEDDED_NOTE}\nsaved as {style.name!r}; next: restyle rewrite FILE --style {style.name}", soft_wrap=True
    )


def scores(style: Style) -> Table:
    """Held-out scores beside those of copying the input."""
    table = Table("model", "held-out pairs", "BLEU", "BLEU of a copy", box=None, pad_edge=False)
    for role, metrics in style.metrics.items():
        figures = [str(metrics.get(key, "-")) for key in ("held_out", "bleu", "bleu_of_copy")]
        table.add_row(role, *figures)
    return table
