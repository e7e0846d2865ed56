"""The lines of a batch's files: requests as the host reads them, and what it makes of them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any, NamedTuple

from restyle.answering import parse
from restyle.data.replies import OK, request_body
from restyle.errors import ModelError
from restyle.messages import Answer, Ask

__all__ = ["MOST_BYTES", "MOST_REQUESTS", "Packing", "Result", "read_line", "request_line"]

MOST_REQUESTS, MOST_BYTES = 50_000, 200_000_000  # of one file; OpenAI's API reference, "Create batch"

_KEY = re.compile(r"[0-9a-f]{64}")
_REFUSED = frozenset(range(400, 500)) - {408, 409, 429}  # statuses that the same request will get again


class Result(NamedTuple):
    """What became of one request: its answer, or None and whether the host would refuse it again."""

    key: str
    answer: Answer | None
    refused: bool = False


class Packing:
    """Cuts a stream of asks into the inputs of batches; true as long as there are more."""

    def __init__(self, asks: Iterable[Ask], model: str) -> None:
        self._asks, self._model = iter(asks), model
        self._next = next(self._asks, None)

    def __bool__(self) -> bool:
        return self._next is not None

    def batch(self, most: int = MOST_REQUESTS) -> Iterator[Ask]:
        """The asks of the next input."""
        count = size = 0
        while self._next is not None and count < most:
            size += len(request_line("0" * 64, self._model, self._next))
            if count and size > MOST_BYTES:
                return
            ask, self._next = self._next, next(self._asks, None)
            count += 1
            yield ask


def request_line(key: str, model: str, ask: Ask) -> bytes:
    """A line of a batch's input; its body is what the model is asked without a batch."""
    row = {"custom_id": key, "method": "POST", "url": "/v1/chat/completions", "body": request_body(model, ask)}
    return json.dumps(row, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


def read_line(line: bytes) -> Result | None:
    """A line of a batch's output or of its errors; None where it belongs to no request of ours."""
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        return None
    key = row.get("custom_id") if isinstance(row, dict) else None
    if not isinstance(key, str) or not _KEY.fullmatch(key):
        return None
    response = row.get("response")
    status, body = (response.get("status_code"), response.get("body")) if isinstance(response, dict) else (None, None)
    return Result(key, _answer(body) if status == OK else None, refused=isinstance(status, int) and status in _REFUSED)


def _answer(body: Any) -> Answer | None:  # noqa: ANN401 - whatever JSON holds
    from openai.types.chat import ChatCompletion  # noqa: PLC0415 - half a second that only endpoints pay

    if not isinstance(body, dict) or not body.get("choices"):
        return None
    try:
        answer = parse(ChatCompletion.construct(**body))
    except (ModelError, AttributeError, TypeError, ValueError):  # of another shape
        return None
    if not all(isinstance(count, int) for count in answer.usage or ()):
        answer = replace(answer, usage=None)
    return answer if isinstance(answer.finish_reason, str | None) else None
