"""``restyle serve``: the embedded styles behind an OpenAI-compatible endpoint, and how to serve the others."""

from __future__ import annotations

from typing import Annotated

import typer

from restyle.cli.options import EMBEDDED_NOTE, Home, errors
from restyle.serving.recipes import KINDS, recipe
from restyle.style import Style

__all__ = ["serve"]


def serve(
    name: Annotated[str | None, typer.Argument(help="With --print: the style whose models are to be served.")] = None,
    print_: Annotated[
        str | None, typer.Option("--print", help=f"Print commands that serve a style: {', '.join(KINDS)}.")
    ] = None,
    host: Annotated[str, typer.Option(help="Address to listen on; there is no authentication.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on; 0 takes a free one.")] = 8321,
    home: Home = None,
) -> None:
    """Serve the embedded styles as OpenAI-compatible models NAME:restyle and NAME:destyle.

    Models that were trained on open weights are served by servers of their own: --print vllm NAME prints the commands
    that do it as the style's card needs it, and runs none.

    Example: restyle serve --port 8321
    """
    if (print_ is None) != (name is None):
        raise typer.BadParameter("--print KIND and a style's NAME belong together", param_hint="--print")
    if print_ is not None and name is not None:
        if print_ not in KINDS:
            raise typer.BadParameter(f"{print_!r} is none of {', '.join(KINDS)}", param_hint="--print")
        typer.echo(recipe(Style.load(name, home), print_), nl=False)
        return
    from restyle.serving import serve as run  # noqa: PLC0415 - the extra 'serve'

    run(
        host=host,
        port=port,
        home=home,
        on_listening=lambda base_url: errors.print(f"{base_url}  ({EMBEDDED_NOTE})", soft_wrap=True),
    )
