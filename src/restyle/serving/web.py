"""The one place that imports the web framework, and the JSON that goes in and out."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from functools import partial
from typing import Any, ParamSpec, TypeVar

from restyle.errors import MissingExtraError
from restyle.serving.errors import ApiError

try:
    import python_multipart  # noqa: F401 - Starlette asks for it only at the first upload; miss it now
    from starlette.applications import Starlette
    from starlette.datastructures import UploadFile
    from starlette.exceptions import HTTPException
    from starlette.requests import ClientDisconnect, Request
    from starlette.responses import Response, StreamingResponse
    from starlette.routing import Route
    from starlette.types import ASGIApp, Message, Receive, Scope, Send
except ImportError as error:
    package = (error.name or "starlette").partition(".")[0].replace("_", "-")
    raise MissingExtraError(package, "serve", "restyle serve") from error

__all__ = [
    "ASGIApp",
    "ClientDisconnect",
    "HTTPException",
    "Message",
    "Receive",
    "Request",
    "Response",
    "Route",
    "Scope",
    "Send",
    "Starlette",
    "StreamingResponse",
    "UploadFile",
    "error_response",
    "in_thread",
    "json_response",
    "page",
    "read_object",
]

_P = ParamSpec("_P")
_T = TypeVar("_T")


async def in_thread(pool: Executor, function: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
    """What ``function`` returns, called in a thread of ``pool``: the event loop stays free."""
    return await asyncio.get_running_loop().run_in_executor(pool, partial(function, *args, **kwargs))


def json_response(content: Mapping[str, Any], status: int = 200) -> Response:
    """A JSON answer in ASCII: text may hold lone surrogates, which UTF-8 cannot carry but escapes can."""
    return Response(json.dumps(content), status, media_type="application/json")


def error_response(error: ApiError) -> Response:
    """The answer that says what is wrong."""
    return json_response(error.body(), error.status)


async def read_object(request: Request) -> dict[str, Any]:
    """The JSON object in a request's body.

    Raises:
        ApiError: It is none.
    """
    try:
        body = json.loads(await request.body())
    except (ValueError, RecursionError) as error:
        raise ApiError(400, f"We could not parse the JSON body of your request: {error}") from error
    if not isinstance(body, dict):
        raise ApiError(400, f"The body of your request must be a JSON object, this is a {type(body).__name__}.")
    return body


def page(items: list[dict[str, Any]], request: Request, *, limit: int) -> Response:
    """A page of a list, as the query's ``after`` (an id) and ``limit`` ask for it.

    Raises:
        ApiError: ``after`` is in the list no more, or ``limit`` is no positive number.
    """
    wanted = request.query_params.get("limit", str(limit))
    if not wanted.isdecimal() or int(wanted) < 1:
        raise ApiError(400, f"Invalid 'limit': expected a positive integer, but got {wanted!r} instead.", param="limit")
    start = 0
    if after := request.query_params.get("after"):
        ids = [item["id"] for item in items]
        if after not in ids:
            raise ApiError(400, f"Invalid 'after': there is no {after!r} in this list.", param="after")
        start = ids.index(after) + 1
    chosen = items[start : start + int(wanted)]
    ends = {"first_id": chosen[0]["id"], "last_id": chosen[-1]["id"]} if chosen else {"first_id": None, "last_id": None}
    return json_response({"object": "list", "data": chosen, **ends, "has_more": start + len(chosen) < len(items)})
