"""What the errors of the ``openai`` SDK mean: whether asking again may help, and what the host has said.

For files and jobs, batches and fine-tuning; an answer of a model is asked for elsewhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any

from restyle.errors import ModelError

__all__ = ["host_error", "mends", "transport_error"]

_MEND = frozenset({408, 409, 429})  # statuses beside the server's own that may be gone the next time
_NEVER = frozenset({"insufficient_quota", "billing_hard_limit_reached"})  # 429 that no waiting mends
_SERVER = 500
_SHOWN = 500  # characters of what a host says


def mends(error: Any) -> bool:  # noqa: ANN401 - the SDK's error, or its transport's
    """Whether the same request may do better later."""
    from openai import APIConnectionError, APIStatusError  # noqa: PLC0415 - half a second that only hosts pay

    if isinstance(error, APIStatusError):
        return (error.status_code in _MEND and error.code not in _NEVER) or error.status_code >= _SERVER
    return isinstance(error, APIConnectionError | transport_error())


def transport_error() -> type[Exception]:
    """What breaks off a download; the SDK translates only what happens before it."""
    from openai import DefaultAsyncHttpxClient  # noqa: PLC0415 - as above

    error: type[Exception] = import_module(str(DefaultAsyncHttpxClient.__base__.__module__)).HTTPError
    return error


def host_error(error: Any, where: str, variable: str, key: str, missing: str = "") -> ModelError:  # noqa: ANN401 - as above
    """The same failure with the host's code, message and parameter, and without the key, which hosts quote.

    Args:
        error: What the SDK, or its transport, raised.
        where: What to call the host.
        variable: The environment variable that holds the key.
        key: The key.
        missing: What is not there, where the host answers HTTP 404.
    """
    status = getattr(error, "status_code", None)
    if status is None:
        return ModelError(f"{where} did not answer ({type(error).__name__}): try again, what was begun goes on there")
    said = _said(error).replace(key, f"${variable}")[:_SHOWN] if key else _said(error)[:_SHOWN]
    if status == 401:  # noqa: PLR2004 - an HTTP status is its own name
        return ModelError(f"{where} refused the key (HTTP {status}): check {variable}", status)
    if status == 403:  # noqa: PLR2004 - as above
        return ModelError(f"{where} does not allow it with the key in {variable} (HTTP {status}): {said}", status)
    if status == 404 and missing:  # noqa: PLR2004 - as above
        return ModelError(f"{where} has {missing} (HTTP {status}): {said}", status)
    return ModelError(f"{where} failed with HTTP {status}: {said}", status)


def _said(error: Any) -> str:  # noqa: ANN401 - as above
    body = error.body
    if not isinstance(body, Mapping) or not body.get("message"):
        return " ".join(str(body or error).split())
    said = f"{error.code}: {body['message']}" if error.code else str(body["message"])
    return " ".join(f"{said} (parameter {error.param})".split() if error.param else said.split())
