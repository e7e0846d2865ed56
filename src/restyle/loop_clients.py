"""One HTTP client for every running event loop, closed with it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from restyle.endpoint_client import EndpointClient

__all__ = ["client_of_this_loop"]

# For every event loop its client, the generator that closes it, and the task that started the generator.
_CLIENTS: dict[asyncio.AbstractEventLoop, tuple[EndpointClient, AsyncGenerator[None, None], asyncio.Future[None]]] = {}


def client_of_this_loop() -> EndpointClient | None:
    """The HTTP client of the running event loop; None in sync code.

    Connections die with the loop that opened them: a client that outlived ``asyncio.run`` would fail in the next one.
    """
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        return None
    if loop not in _CLIENTS:
        from restyle.endpoint_client import EndpointClient  # noqa: PLC0415 - half a second that only endpoints pay

        client = EndpointClient()
        closing = _close_with(loop, client)
        _CLIENTS[loop] = client, closing, asyncio.ensure_future(anext(closing))
    return _CLIENTS[loop][0]


async def _close_with(loop: asyncio.AbstractEventLoop, client: EndpointClient) -> AsyncGenerator[None, None]:
    """Waits to be closed with the other asynchronous generators of its loop, which is the last thing a loop does."""
    try:
        yield
    finally:
        del _CLIENTS[loop]
        await client.aclose()
