"""``restyle styles`` and ``restyle show``: what is there."""

from __future__ import annotations

from typing import Annotated

import typer

from restyle.cli.options import EMBEDDED_NOTE, Home, console, errors
from restyle.style import Style, styles_directory

__all__ = ["show", "styles"]


def styles(home: Home = None) -> None:
    """List the styles at hand.

    Example: restyle styles
    """
    names = Style.list(home)
    if not names:
        errors.print(f"no styles under {styles_directory(home)}: make one with 'restyle demo'", soft_wrap=True)
    for name in names:
        console.print(name)


def show(
    name: Annotated[str, typer.Argument(help="A style's name, or the path of its card.")], home: Home = None
) -> None:
    """Print a style's card.

    Example: restyle show author
    """
    style = Style.load(name, home)
    typer.echo(style.to_json(), nl=False)
    if style.restyle.provider == "embedded":
        errors.print(EMBEDDED_NOTE, soft_wrap=True)
