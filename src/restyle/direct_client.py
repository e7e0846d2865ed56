"""Whole answers by aiohttp alone, without the SDK, which takes half a second to import."""

from __future__ import annotations

from collections.abc import Mapping
from ssl import SSLContext
from typing import NamedTuple
from urllib.request import getproxies

import aiohttp

__all__ = ["DirectClient", "Response"]


class Response(NamedTuple):
    """What came of one request."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class DirectClient:
    """Sends what it is given, once.

    Args:
        timeout: Seconds for connecting, and between any two parts of an answer.
        tls: How ``https`` hosts are known; None where there are none.

    Attributes:
        usable: False where a proxy stands between, which only the SDK's own client knows how to find and use.
    """

    def __init__(self, timeout: float, tls: SSLContext | None = None) -> None:
        self.usable = not getproxies()
        connector = aiohttp.TCPConnector(limit=1000, ssl=tls or True)  # as many as the SDK's
        limits = aiohttp.ClientTimeout(sock_connect=timeout, sock_read=timeout)
        self._session = aiohttp.ClientSession(connector=connector, timeout=limits, cookie_jar=aiohttp.DummyCookieJar())

    async def post(self, url: str, headers: Mapping[str, str], body: bytes) -> Response | Exception:
        """One request without retries; what aiohttp raised is returned."""
        try:
            async with self._session.post(url, headers=headers, data=body) as response:
                read = await response.read()
        except (aiohttp.ClientError, OSError) as error:
            return error
        return Response(response.status, response.headers, read)

    async def aclose(self) -> None:
        """Close its connections."""
        await self._session.close()
