"""The commands, each a few lines: parse, call one function of the library, print."""

from __future__ import annotations

import typer

from restyle._version import __version__
from restyle.cli.demo import demo
from restyle.cli.doctor import doctor
from restyle.cli.jobs import jobs
from restyle.cli.pairs import pairs
from restyle.cli.rewrite import rewrite
from restyle.cli.serve import serve
from restyle.cli.styles import show, styles
from restyle.cli.train import train

__all__ = ["app"]

app = typer.Typer(
    name="restyle",
    help="Make any LLM application sound like one particular author, without changing what it says.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # help texts are printed as they stand: their examples are meant to be copied
)


@app.callback(invoke_without_command=True)
def _version(version: bool = typer.Option(False, "--version", help="Print the version and stop.")) -> None:  # noqa: FBT001, FBT003 - typer's way
    if version:
        typer.echo(__version__)
        raise typer.Exit


for command in (demo, pairs, train, jobs, styles, show, rewrite, doctor, serve):
    app.command()(command)
