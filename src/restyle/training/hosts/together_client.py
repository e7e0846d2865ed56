"""Together's SDK, asked again where that costs nothing, and its errors in restyle's words."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from restyle.data.gate import retry_after
from restyle.errors import MissingExtraError, ModelError

if TYPE_CHECKING:
    from together import Together

__all__ = ["KEY", "TogetherClient", "pauses"]

KEY = "TOGETHER_API_KEY"

_URL = "https://api.together.ai"
_TIMEOUT = 120.0  # seconds without a byte
_ATTEMPTS = 6
_SLOWEST = 12  # times the first pause
_SERVER, _BUSY, _TIMED_OUT, _GONE = 500, 429, 408, 404
_REFUSED_KEY = frozenset({401, 403})
_SHOWN = 300  # characters of what a host says

T = TypeVar("T")


class TogetherClient:
    """A client whose own retries are off: they would begin a job twice where only the first answer was lost.

    Args:
        base_url: The host, with or without ``/v1``; None means Together's own.
        pause: Seconds before a request is sent again for the first time.

    Raises:
        ModelError: The environment has no ``TOGETHER_API_KEY``.
        MissingExtraError: The package ``together`` is not installed.
    """

    def __init__(self, base_url: str | None, pause: float) -> None:
        if not (key := os.environ.get(KEY)):
            raise ModelError(f"no {KEY} in the environment: set it to your key at Together")
        try:
            from together import Together  # noqa: PLC0415 - half a second that only this provider pays
        except ImportError as error:
            raise MissingExtraError("together", "together", "training at Together") from error
        self._where, self._pause, self._key = base_url or _URL, pause, key
        # Its paths begin with /v1; elsewhere that is the end of an endpoint.
        url = self._where.rstrip("/").removesuffix("/v1")
        self._sdk = Together(api_key=key, base_url=url, max_retries=0, timeout=_TIMEOUT)

    def ask(self, call: Callable[[Together], T], missing: str) -> T:
        """What ``call`` returns; it is called again where that may help, unless it may have begun a job.

        Args:
            call: Sends requests.
            missing: What HTTP 404 means here, after "Together has".

        Raises:
            ModelError: The host refuses, or does not answer.
        """
        from httpx import HTTPError  # noqa: PLC0415 - of together
        from together import APIError  # noqa: PLC0415 - as above

        # Transfers of files raise httpx's own errors: the SDK translates only what happens before them.
        for attempt, pause in enumerate(pauses(self._pause), 1):
            try:
                answer = call(self._sdk)
            except (APIError, HTTPError) as error:
                if attempt == _ATTEMPTS or not _mends(error):
                    raise self._said(error, missing) from None
                headers = getattr(getattr(error, "response", None), "headers", {})
                time.sleep(max(pause, retry_after(headers) or 0.0))
            else:
                if isinstance(answer, str):  # what the SDK makes of anything but JSON
                    raise ModelError(f"{self._where} does not answer in JSON: is that the address of an API?")
                return answer
        raise AssertionError  # unreachable: pauses have no end

    def close(self) -> None:
        """Close the connections."""
        self._sdk.close()

    def _said(self, error: Any, missing: str) -> ModelError:  # noqa: ANN401 - the SDK's error, or httpx's
        status = getattr(error, "status_code", None)
        if status is None:
            return ModelError(f"{self._where} did not answer ({type(error).__name__}): is it reachable?")
        if status == _GONE:
            return ModelError(f"{self._where} has {missing} (HTTP {status})", status)
        said = _message(error.body) or str(error)
        said = (said.replace(self._key, f"${KEY}").splitlines() or [""])[0][:_SHOWN]
        if status in _REFUSED_KEY:
            said += f"; check {KEY}, and the account's credit"
        return ModelError(f"{self._where} refused with HTTP {status}: {said}", status)


def pauses(first: float) -> Iterator[float]:
    """Seconds to wait, from ``first`` to twelve times as many."""
    pause = first
    while True:
        yield pause
        pause = min(first * _SLOWEST, pause * 2)


def _mends(error: Any) -> bool:  # noqa: ANN401 - as above
    """Whether the same may do better later, and certainly has begun nothing."""
    from together import APIStatusError  # noqa: PLC0415 - of the extra 'together'

    status = error.status_code if isinstance(error, APIStatusError) else None
    if error.request.method == "POST" and error.request.url.path.endswith("/fine-tunes"):
        return bool(status == _BUSY)
    return status is None or status in {_BUSY, _TIMED_OUT} or status >= _SERVER


def _message(body: object) -> str:
    """What the JSON of an error says."""
    if isinstance(body, Mapping):
        error = body.get("error", body)
        if isinstance(error, Mapping):
            parts = [str(error[name]) for name in ("message", "param") if error.get(name)]
            return ", ".join(parts)
        return str(error)
    return str(body or "")
