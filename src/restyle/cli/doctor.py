"""``restyle doctor``: is a style served as it was trained?"""

from __future__ import annotations

from typing import Annotated

import typer
from rich.table import Table

from restyle.cli.options import EMBEDDED_NOTE, Home, console, errors
from restyle.diagnosis import Check, diagnose
from restyle.known_differences import note_differences
from restyle.style import Style

__all__ = ["doctor"]


def doctor(
    name: Annotated[str, typer.Argument(help="A style's name, or the path of its card.")], home: Home = None
) -> None:
    """Check a style's card, its endpoints, and that they render the prompt that was trained.

    Ends with status 1 where something is wrong; what a host does not show is called unverifiable. A rendering that
    differs is remembered beside the card, and rewriting with it is refused until doctor finds it mended.

    Example: restyle doctor author
    """
    style = Style.load(name, home)
    checks = diagnose(style)
    console.print(_table(checks))
    for check in checks:
        if check.diff:
            console.print(f"\n{check.role}: {check.diff}", soft_wrap=True)
        if check.next_step:
            console.print(f"\n{check.role}, {check.name}: {check.next_step}", soft_wrap=True)
    note_differences(style, {check.role: check.status for check in checks if check.name == "prompt"})
    console.print(f"\n{_verdict(checks)}", soft_wrap=True)
    if style.restyle.provider == "embedded":
        errors.print(EMBEDDED_NOTE, soft_wrap=True)
    if any(check.status == "error" for check in checks):
        raise typer.Exit(1)


def _verdict(checks: list[Check]) -> str:
    if wrong := sum(check.status == "error" for check in checks):
        return f"errors: {wrong}"
    if unseen := [f"{check.role} {check.name}" for check in checks if check.status == "unverifiable"]:
        return f"nothing is known to be wrong; unverifiable: {', '.join(unseen)}"
    return "nothing is wrong"


def _table(checks: list[Check]) -> Table:
    table = Table("model", "check", "result", "", box=None, pad_edge=False)
    for check in checks:
        table.add_row(check.role, check.name, check.status, check.detail)
    return table
