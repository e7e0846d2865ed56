"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

__all__ = ["EMBEDDED_NOTE", "Home", "StyleName", "console", "errors"]

Home = Annotated[
    Path | None, typer.Option(help="Where styles are kept; default: RESTYLE_HOME, or the user's data directory.")
]
StyleName = Annotated[str, typer.Option(help="The style's name.")]

# Said wherever the embedded provider prints.
EMBEDDED_NOTE = (
    "embedded models are small statistical phrase models: they change words and phrases, not sentences or voice"
)

# No markup: paths and texts may hold square brackets.
console = Console(highlight=False, markup=False)
errors = Console(stderr=True, highlight=False, markup=False)
