"""``restyle train``: a pair set in, a style out."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from restyle.cli.options import EMBEDDED_NOTE, Home, console, errors, warnings_told
from restyle.cli.training_progress import training_progress
from restyle.data.prices import CHARACTERS_PER_TOKEN
from restyle.errors import MissingExtraError
from restyle.style import Style
from restyle.training.base import Training, prepare
from restyle.training.plans import Plan
from restyle.training.report import write_pngs, write_report

__all__ = ["Png", "check_png", "collect", "scores", "train"]

_HERE = ("embedded", "local")  # providers that train on this machine; the others go on without it

# How the figures of a card are named in its table: BLEU of embedded models, losses of fine-tuned ones.
_FIGURES = {
    "held_out": "held-out pairs",
    "bleu": "BLEU",
    "bleu_of_copy": "BLEU of a copy",
    "loss": "held-out loss",
    "loss_of_base": "loss of the base model",
}

Png = Annotated[
    bool, typer.Option("--png", help="Draw the losses as losses-ROLE.png beside the card, too; takes the extra 'plot'.")
]


def train(
    directory: Annotated[Path, typer.Argument(help="A pair set made by 'restyle pairs'.")],
    provider: Annotated[
        str,
        typer.Option(
            help="Where to train: embedded; local (an open model, here); or a host, which wants a key: openai, azure, "
            "nebius, together."
        ),
    ] = "embedded",
    base: Annotated[
        str | None,
        typer.Option(help="Model to start from; for local a folder or a Hub name. embedded starts from nothing."),
    ] = None,
    home: Home = None,
    epochs: Annotated[int | None, typer.Option(help="Passes over the rows at most: all but embedded.")] = None,
    batch_size: Annotated[int | None, typer.Option(help="Rows per step: all but embedded.")] = None,
    seed: Annotated[int | None, typer.Option(help="Of the order of rows: all but embedded.")] = None,
    rank: Annotated[
        int | None, typer.Option(help="Rank of the LoRA adapters, default 16: local, nebius, together.")
    ] = None,
    learning_rate: Annotated[
        float | None, typer.Option(help="Its peak, default 2e-4, together 1e-4: local, nebius, together.")
    ] = None,
    suffix: Annotated[
        str | None, typer.Option(help="What the trained models' names end in, default the style's name: hosts.")
    ] = None,
    base_url: Annotated[str | None, typer.Option(help="Another address of the host: hosts.")] = None,
    serve_url: Annotated[
        str | None,
        typer.Option(
            help="Where the adapters will be served, default http://127.0.0.1:8000/v1: local, nebius, together."
        ),
    ] = None,
    revision: Annotated[str | None, typer.Option(help="Branch, tag or commit of the base on the Hub: local.")] = None,
    device_batch_size: Annotated[
        int | None, typer.Option(help="Rows at once on one device, default 4; less needs less memory: local.")
    ] = None,
    report_to: Annotated[str | None, typer.Option(help="trackio, wandb, tensorboard, default none: local.")] = None,
    option: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=VALUE", help="Any other option of the provider; a wrong name lists those it has."),
    ] = None,
    *,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be trained, and what it would cost; send nothing.")
    ] = False,
    png: Png = False,
) -> None:
    """Train the style model and the de-style model, and save the style's card.

    What was stopped goes on where it was when the same command is given again; what is trained at a host goes on there
    without it, see 'restyle jobs'.

    Example: restyle train pairs
    """
    flags: dict[str, Any] = {
        "epochs": epochs,
        "batch_size": batch_size,
        "seed": seed,
        "rank": rank,
        "learning_rate": learning_rate,
        "suffix": suffix,
        "base_url": base_url,
        "serve_url": serve_url,
        "revision": revision,
        "device_batch_size": device_batch_size,
        "report_to": report_to,
    }
    options = _options(option or [], flags)
    with warnings_told():
        training = prepare(directory, provider=provider, base=base, home=home, **options)
    if dry_run:
        _print_plan(training.plan)
    for warning in training.plan.warnings:
        errors.print(f"warning: {warning}", soft_wrap=True)
    if dry_run:
        return
    check_png(png=png)
    with warnings_told(), _interruptible(training, home):
        training.start()
    collect(training, home, png=png)


def collect(training: Training, home: Path | None, *, png: bool) -> None:
    """Watch a training to its end, save the style's card, and say what it has become."""
    plan = training.plan
    with warnings_told(), _interruptible(training, home), training_progress(plan) as on_progress:
        training.wait(on_progress)
        style = training.result()
    if style.directory is None:  # of several processes that train together one has saved it, and says so
        return
    with warnings_told():
        report = write_report(style)
        drawn = write_pngs(style) if png else []
    console.print(scores(style))
    for path in [report, *drawn]:
        if path is not None:
            console.print(f"losses: {path}", soft_wrap=True)
    console.print(f"{_note(style)} --style {style.name}", soft_wrap=True)


def check_png(*, png: bool) -> None:
    """Find out before hours of training, not after them, whether losses can be drawn.

    Raises:
        MissingExtraError: They cannot.
    """
    if png and find_spec("matplotlib") is None:
        raise MissingExtraError("matplotlib", "plot", "--png")


def scores(style: Style) -> Table:
    """Held-out figures beside those of doing nothing: a copy of the input, or the model as it was."""
    shown = [name for name in _FIGURES if any(name in metrics for metrics in style.metrics.values())]
    table = Table("model", *(_FIGURES[name] for name in shown), box=None, pad_edge=False)
    for role, metrics in style.metrics.items():
        table.add_row(role, *(str(metrics.get(name, "-")) for name in shown))
    return table


@contextmanager
def _interruptible(training: Training, home: Path | None) -> Iterator[None]:
    """Ctrl-C says what it leaves, and how to come back."""
    try:
        yield
    except KeyboardInterrupt:
        says = "stopped: the same command goes on where it was"
        if (host := training.plan.provider) not in _HERE:
            job = f"restyle jobs {training.id}{f' --home {shlex.quote(str(home))}' if home else ''}"
            says = (
                f"no longer watched: what has begun at {host} goes on there; '{job}' or the same command comes back to "
                f"it and saves the style, '{job} --cancel' ends it"
            )
        errors.print(says, soft_wrap=True)
        raise typer.Exit(130) from None  # as shells call what was ended by SIGINT


def _options(others: list[str], flags: Mapping[str, object]) -> dict[str, Any]:
    """What was given of the provider's options, under their own names."""
    found: dict[str, Any] = {name: value for name, value in flags.items() if value is not None}
    for text in others:
        given, equals, value = text.partition("=")
        name = given.replace("-", "_")
        if not equals:
            raise typer.BadParameter(f"{text!r} is not NAME=VALUE", param_hint="'--option'")
        if name in {*flags, "provider", "base", "home"}:
            raise typer.BadParameter(f"give it as --{name.replace('_', '-')} {value}", param_hint=f"'--option {given}'")
        if name in found:
            raise typer.BadParameter("it is given twice", param_hint=f"'--option {given}'")
        found[name] = _value(value)
    return found


def _value(text: str) -> object:
    """A number, true, false, null or a text in quotes as in JSON; anything else is the text itself."""
    with suppress(ValueError, RecursionError):
        value = json.loads(text)
        if not isinstance(value, list | dict):
            return value
    return text


def _print_plan(plan: Plan) -> None:
    console.print(
        f"style {plan.style!r}, provider {plan.provider}{f', base {plan.base}' if plan.base else ''}", soft_wrap=True
    )
    table = Table("model", box=None, pad_edge=False)
    for name in ("rows", "held out", "tokens", "steps"):
        table.add_column(name, justify="right")
    for role, part in plan.parts.items():
        numbers = (part.rows, part.held_out, part.tokens, part.steps)
        table.add_row(role, *("-" if number is None else f"{number:,}" for number in numbers))
    console.print(table)
    if any(part.tokens is not None for part in plan.parts.values()):  # else there are no tokens and no passes
        how = "counted by its tokenizer" if plan.exact else f"estimated at {CHARACTERS_PER_TOKEN} characters a token"
        epochs = f"at most {plan.epochs}" if plan.epochs else "the host chooses"
        console.print(f"tokens of one epoch: {how}\nepochs: {epochs}", soft_wrap=True)
    cost = f"about ${plan.cost:,.2f}" if plan.cost else f"unknown, {plan.advice}" if plan.advice else "nothing"
    console.print(f"cost: {cost}\nnothing was sent or trained", soft_wrap=True)


def _note(style: Style) -> str:
    if style.restyle.provider == "embedded":
        return f"{EMBEDDED_NOTE}\nsaved as {style.name!r}; next: restyle rewrite FILE"
    adapters = style.training["adapters"]
    if style.training["provider"] == "local":
        folders = "".join(
            f"\n  {style.stage(role).model}: {style.directory / record['folder']}" for role, record in adapters.items()
        )
        return (
            f"adapters, on {style.training['base']}:{folders}\nsaved as {style.name!r}; next: 'restyle serve --print "
            f"vllm {style.name}' tells how to serve them at {style.restyle.base_url}, 'restyle doctor {style.name}' "
            "whether they are, then: restyle rewrite FILE"
        )
    models = [f"{role}: {style.stage(role).model}" for role in adapters]
    steps = [
        f"{role}, before it answers: {record['next_step']}"
        for role, record in adapters.items()
        if "next_step" in record
    ]
    return "\n".join([*models, *steps, f"saved as {style.name!r}; next: restyle rewrite FILE"])
