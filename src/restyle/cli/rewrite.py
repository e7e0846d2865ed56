"""``restyle rewrite``: a file or standard input in, the author's words out."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, cast, get_args

import typer

from restyle.cli.options import EMBEDDED_NOTE, Home, StyleName, errors
from restyle.errors import DocumentError, DocumentNotFoundError
from restyle.policy import OnLoss
from restyle.rewriting import rewrite_stream
from restyle.style import Style

__all__ = ["rewrite"]


def rewrite(
    style: StyleName,
    file: Annotated[Path | None, typer.Argument(help="A UTF-8 text; standard input where it is missing.")] = None,
    parameter: Annotated[
        list[str] | None, typer.Option(help="NAME=VALUE for a $NAME of the prompts; repeatable.")
    ] = None,
    destyle: Annotated[bool, typer.Option(help="De-style first; --no-destyle for text known to be neutral.")] = True,  # noqa: FBT002 - typer's way
    attempts: Annotated[int, typer.Option(min=1, help="How often a block is styled before it counts as lost.")] = 2,
    on_loss: Annotated[
        str, typer.Option(help="For blocks that lose facts: original, neutral, keep or raise.")
    ] = "original",
    home: Home = None,
) -> None:
    """Rewrite a text in a style; blocks are printed as they are done, a summary goes to standard error.

    Example: restyle rewrite report.md --style author
    """
    if on_loss not in get_args(OnLoss):
        raise typer.BadParameter(f"{on_loss!r} is none of {', '.join(get_args(OnLoss))}", param_hint="--on-loss")
    card = Style.load(style, home)
    parameters = dict(_name_and_value(each) for each in parameter or ())
    outcomes: Counter[str] = Counter()
    for block in rewrite_stream(
        _chunks(file),
        card,
        parameters=parameters,
        destyle=destyle,
        attempts=attempts,
        on_loss=cast("OnLoss", on_loss),
    ):
        # Bytes: the terminal's own encoding and line ends must change nothing.
        sys.stdout.buffer.write(block.text.encode())
        sys.stdout.buffer.flush()
        if block.block.kind != "gap":
            outcomes[block.outcome] += 1
    summary = ", ".join(f"{number} {outcome}" for outcome, number in sorted(outcomes.items())) or "nothing to rewrite"
    errors.print(f"blocks: {summary}", soft_wrap=True)
    if card.restyle.provider == "embedded":
        errors.print(EMBEDDED_NOTE, soft_wrap=True)


def _chunks(file: Path | None) -> Iterator[str]:
    """Lines as they come, their ends untouched: what is not rewritten leaves byte for byte as it came."""
    name = str(file or "standard input")
    try:
        with file.open("rb") if file else sys.stdin.buffer as stream:
            for number, line in enumerate(stream, 1):
                try:
                    yield line.decode("utf-8")
                except UnicodeDecodeError as error:
                    raise DocumentError(f"{name}:{number}: not UTF-8 ({error.reason}): save it as UTF-8") from error
    except FileNotFoundError as error:
        raise DocumentNotFoundError(f"{name}: no such file: check the path") from error
    except OSError as error:
        raise DocumentError(f"{name}: cannot be read ({error.strerror})") from error


def _name_and_value(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise typer.BadParameter(f"{text!r} is not NAME=VALUE", param_hint="--parameter")
    return name, value
