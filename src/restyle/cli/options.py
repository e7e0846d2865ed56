"""Options that several commands share."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

__all__ = ["EMBEDDED_NOTE", "Home", "StyleName", "console", "errors", "warnings_told"]

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


@contextmanager
def warnings_told() -> Iterator[None]:
    """What is warned of is told once, as a line on standard error."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        yield
    for text in dict.fromkeys(str(warning.message) for warning in caught):
        errors.print(f"warning: {text}", soft_wrap=True)
