"""Running the application with uvicorn: for good, or in a thread of its own."""

from __future__ import annotations

import contextlib
import ipaddress
import os
import socket
import warnings
from collections.abc import Callable
from pathlib import Path

from restyle.errors import MissingExtraError, RestyleError
from restyle.serving.app import create_app
from restyle.serving.web import ASGIApp

try:
    import uvicorn
except ImportError as error:
    raise MissingExtraError("uvicorn", "serve", "restyle serve") from error

__all__ = ["listen", "make_server", "serve"]

_GRACE = 2  # seconds that requests under way get when the server stops
_KEEP_ALIVE = 75  # seconds; clients that pool connections stumble over a server that closes them sooner than they do


def serve(
    host: str = "127.0.0.1",
    port: int = 8321,
    home: Path | None = None,
    *,
    on_listening: Callable[[str], None] | None = None,
) -> None:
    """Serve the embedded styles until interrupted.

    Args:
        host: The address to listen on. There is no authentication: a warning says so if it is not a loopback address.
        port: The port to listen on; 0 takes a free one.
        home: The folder of the styles; None means `restyle.files.home_directory`.
        on_listening: Called with the base URL for clients, ``http://HOST:PORT/v1``, once connections are taken.

    Raises:
        RestyleError: The address cannot be listened on.
    """
    if not _is_loopback(host):
        warnings.warn(
            f"{host} is not a loopback address and the server asks for no key: whoever reaches it can use it, "
            "train on it and read what was uploaded",
            UserWarning,
            stacklevel=2,
        )
    listener = listen(host, port)
    with listener, contextlib.suppress(KeyboardInterrupt):
        name = f"[{host}]" if ":" in host else host
        if on_listening is not None:
            on_listening(f"http://{name}:{listener.getsockname()[1]}/v1")
        make_server(create_app(home), log_level="warning").run(sockets=[listener])


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens on ``host`` and ``port``.

    Raises:
        RestyleError: It cannot.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # Only where the protocol is named does asyncio turn Nagle's algorithm off, which costs 40 ms an answer.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        if os.name == "posix":  # elsewhere it would let two servers share the port
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen()
    except (OSError, OverflowError) as error:
        listener.close()
        raise RestyleError(f"cannot listen on {host}:{port} ({error}): choose another port or address") from error
    return listener


def make_server(app: ASGIApp, *, log_level: str) -> uvicorn.Server:
    """A server for ``app``; it takes over signals only when it runs in the main thread."""
    config = uvicorn.Config(
        app,
        http="h11",
        ws="none",
        lifespan="on",
        log_config=None,  # the program's own logging decides where messages go
        log_level=log_level,
        access_log=False,
        server_header=False,
        timeout_keep_alive=_KEEP_ALIVE,
        timeout_graceful_shutdown=_GRACE,
    )
    return uvicorn.Server(config)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
