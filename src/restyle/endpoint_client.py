"""The HTTP client of endpoints: the SDK's on aiohttp, and a short way for whole answers.

Imported only where an endpoint is asked: the SDK takes half a second.
"""

from __future__ import annotations

from contextvars import ContextVar
from importlib import import_module
from typing import Any

from openai import DefaultAioHttpClient, DefaultAsyncHttpxClient

from restyle.answering import TIMEOUT
from restyle.direct_client import DirectClient, Response

__all__ = ["EndpointClient", "Response", "first_response"]

_OF_THE_TRANSFER = frozenset({"content-encoding", "content-length", "transfer-encoding"})  # aiohttp has undone these
_HTTPX: Any = import_module(str(DefaultAsyncHttpxClient.__base__.__module__))  # httpx or httpx2, as the SDK has it
_TLS = _HTTPX.create_ssl_context()  # the costly part of a client, the same for all loops


first_response: ContextVar[Response | Exception | None] = ContextVar("first_response", default=None)
"""What came of the short way, on its way to the SDK."""


class EndpointClient(DefaultAioHttpClient):
    """The SDK's client on aiohttp (its default collapses past about 32 requests in flight), with a short way."""

    def __init__(self) -> None:
        super().__init__(verify=_TLS)
        self._direct = DirectClient(TIMEOUT, _TLS)
        self.direct = self._direct.usable

    async def post_directly(self, url: str, headers: dict[str, str], body: bytes) -> Response | Exception:
        """One request without retries; what aiohttp raised is returned."""
        return await self._direct.post(url, headers, body)

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
        await self._direct.aclose()
        await super().aclose()
