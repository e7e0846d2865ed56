"""The HTTP client of endpoints: the SDK's on aiohttp, and a short way for whole answers.

Imported only where an endpoint is asked: the SDK takes half a second.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextvars import ContextVar
from importlib import import_module
from typing import Any, NamedTuple
from urllib.request import getproxies

import aiohttp
from openai import DefaultAioHttpClient, DefaultAsyncHttpxClient

from restyle.answering import TIMEOUT

__all__ = ["EndpointClient", "Response", "first_response"]

_OF_THE_TRANSFER = frozenset({"content-encoding", "content-length", "transfer-encoding"})  # aiohttp has undone these
_HTTPX: Any = import_module(str(DefaultAsyncHttpxClient.__base__.__module__))  # httpx or httpx2, as the SDK has it
_TLS = _HTTPX.create_ssl_context()  # the costly part of a client, the same for all loops


class Response(NamedTuple):
    """What came of one request."""

    status: int
    headers: Mapping[str, str]
    body: bytes


first_response: ContextVar[Response | Exception | None] = ContextVar("first_response", default=None)
"""What came of the short way, on its way to the SDK."""


class EndpointClient(DefaultAioHttpClient):
    """The SDK's client on aiohttp (its default collapses past about 32 requests in flight), with a short way."""

    def __init__(self) -> None:
        super().__init__(verify=_TLS)
        self.direct = not getproxies()  # httpx knows how to find and use them
        connector = aiohttp.TCPConnector(limit=1000, ssl=_TLS)  # as many as the SDK's
        timeout = aiohttp.ClientTimeout(sock_connect=TIMEOUT, sock_read=TIMEOUT)
        self._session = aiohttp.ClientSession(connector=connector, timeout=timeout, cookie_jar=aiohttp.DummyCookieJar())

    async def post_directly(self, url: str, headers: dict[str, str], body: bytes) -> Response | Exception:
        """One request without retries; what aiohttp raised is returned."""
        try:
            async with self._session.post(url, headers=headers, data=body) as response:
                read = await response.read()
        except (aiohttp.ClientError, OSError) as error:
            return error
        return Response(response.status, response.headers, read)

    async def send(self, request: Any, **options: Any) -> Any:  # noqa: ANN401 - httpx or httpx2, as the SDK has it
        """As httpx has it; what the short way left behind comes instead of a request."""
        first = first_response.get()
        first_response.set(None)
        if first is None:
            return await super().send(request, **options)
        if isinstance(first, Exception):
            kind = _HTTPX.ReadTimeout if isinstance(first, TimeoutError) else _HTTPX.ReadError
            raise kind(str(first), request=request) from first
        headers = {key: value for key, value in first.headers.items() if key.lower() not in _OF_THE_TRANSFER}
        return _HTTPX.Response(first.status, headers=headers, content=first.body, request=request)

    async def aclose(self) -> None:
        """Close both ways."""
        await self._session.close()
        await super().aclose()
