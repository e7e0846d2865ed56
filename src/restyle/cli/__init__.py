"""The command line: ``restyle demo | pairs | train | jobs | styles | show | rewrite | doctor | serve``."""

from __future__ import annotations

import sys

__all__ = ["main"]


def main() -> None:
    """Run the command line; what restyle raises on purpose becomes one line and exit status 1."""
    from restyle.cli.app import app  # noqa: PLC0415 - rich and typer are for the command line only
    from restyle.errors import RestyleError  # noqa: PLC0415

    try:
        app()
    except (RestyleError, ValueError, OSError) as error:
        sys.stderr.write(f"error: {' '.join(str(error).split())}\n")
        sys.exit(1)
