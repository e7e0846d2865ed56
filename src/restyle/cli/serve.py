"""``restyle serve``: the embedded styles behind an OpenAI-compatible endpoint."""

from __future__ import annotations

from typing import Annotated

import typer

from restyle.cli.options import EMBEDDED_NOTE, Home, errors

__all__ = ["serve"]


def serve(
    host: Annotated[str, typer.Option(help="Address to listen on; there is no authentication.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on; 0 takes a free one.")] = 8321,
    home: Home = None,
) -> None:
    """Serve the embedded styles as OpenAI-compatible models NAME:restyle and NAME:destyle.

    Example: restyle serve --port 8321
    """
    from restyle.serving import serve as run  # noqa: PLC0415 - the extra 'serve'

    run(
        host=host,
        port=port,
        home=home,
        on_listening=lambda base_url: errors.print(f"{base_url}  ({EMBEDDED_NOTE})", soft_wrap=True),
    )
