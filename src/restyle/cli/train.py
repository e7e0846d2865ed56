"""``restyle train``: a pair set in, a style out."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from restyle.cli.options import EMBEDDED_NOTE, Home, console, warnings_told
from restyle.style import Style
from restyle.training import train as train_style

__all__ = ["scores", "train"]

# How the figures of a card are named in its table: BLEU of embedded models, losses of fine-tuned ones.
_FIGURES = {
    "held_out": "held-out pairs",
    "bleu": "BLEU",
    "bleu_of_copy": "BLEU of a copy",
    "loss": "held-out loss",
    "loss_of_base": "loss of the base model",
}


def train(
    directory: Annotated[Path, typer.Argument(help="A pair set made by 'restyle pairs'.")],
    provider: Annotated[
        str, typer.Option(help="Where to train: embedded, or local (an open model, here).")
    ] = "embedded",
    base: Annotated[
        str | None, typer.Option(help="Model to start from, where the provider takes one: a folder or a Hub name.")
    ] = None,
    home: Home = None,
    revision: Annotated[str | None, typer.Option(help="Branch, tag or commit of the base on the Hub.")] = None,
    epochs: Annotated[int | None, typer.Option(help="Passes over the rows at most; default 3.")] = None,
    rank: Annotated[int | None, typer.Option(help="Rank of the LoRA adapters; default 16.")] = None,
    learning_rate: Annotated[float | None, typer.Option(help="Its peak; default 2e-4.")] = None,
    batch_size: Annotated[int | None, typer.Option(help="Rows per step; default 16.")] = None,
    device_batch_size: Annotated[
        int | None, typer.Option(help="Rows at once on one device: less needs less memory; default 4.")
    ] = None,
    report_to: Annotated[str | None, typer.Option(help="trackio, wandb, tensorboard; default none.")] = None,
    serve_url: Annotated[
        str | None, typer.Option(help="Where the adapters will be served; default http://127.0.0.1:8000/v1, vLLM's.")
    ] = None,
) -> None:
    """Train the style model and the de-style model, and save the style's card.

    The options from --revision on are those of the provider 'local'. What was killed goes on where it was when the same
    command is given again.

    Example: restyle train pairs
    """
    options: dict[str, Any] = {
        "revision": revision,
        "epochs": epochs,
        "rank": rank,
        "learning_rate": learning_rate,
        "batch_size": batch_size,
        "device_batch_size": device_batch_size,
        "report_to": report_to,
        "serve_url": serve_url,
    }
    given = {name: value for name, value in options.items() if value is not None}
    with warnings_told():
        style = train_style(directory, provider=provider, base=base, home=home, **given)
    console.print(scores(style))
    console.print(f"{_note(style)} --style {style.name}", soft_wrap=True)


def scores(style: Style) -> Table:
    """Held-out figures beside those of doing nothing: a copy of the input, or the model as it was."""
    shown = [name for name in _FIGURES if any(name in metrics for metrics in style.metrics.values())]
    table = Table("model", *(_FIGURES[name] for name in shown), box=None, pad_edge=False)
    for role, metrics in style.metrics.items():
        table.add_row(role, *(str(metrics.get(name, "-")) for name in shown))
    return table


def _note(style: Style) -> str:
    if style.restyle.provider == "embedded":
        return f"{EMBEDDED_NOTE}\nsaved as {style.name!r}; next: restyle rewrite FILE"
    adapters = "".join(
        f"\n  {style.stage(role).model}: {style.directory / record['folder']}"
        for role, record in style.training["adapters"].items()
    )
    return (
        f"adapters, on {style.training['base']}:{adapters}\nsaved as {style.name!r}; next: serve the base with both "
        f"adapters under these names at {style.restyle.base_url}, then: restyle rewrite FILE"
    )
