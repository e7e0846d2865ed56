"""The input file of a batch, and the request that begins one, checked as OpenAI checks them."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, NamedTuple

from restyle.serving.errors import ApiError, invalid_type, missing_parameter

__all__ = ["ENDPOINT", "BatchRow", "check_batch", "read_batch"]

ENDPOINT = "/v1/chat/completions"
_MOST, _BYTES = 50_000, 200_000_000  # as at OpenAI
_SHOWN = 100  # errors


class BatchRow(NamedTuple):
    """One request of a batch."""

    custom_id: str
    body: dict[str, Any]


def check_batch(body: dict[str, Any]) -> tuple[str, dict[str, str] | None]:
    """The input file's id and the metadata of a batch that may be created; whether the file exists is not asked here.

    Raises:
        ApiError: A field is missing or is not what it must be.
    """
    for name, only in (("input_file_id", None), ("endpoint", ENDPOINT), ("completion_window", "24h")):
        if name not in body:
            raise missing_parameter(name)
        if not isinstance(body[name], str):
            raise invalid_type(name, "a string", body[name])
        if only not in (None, body[name]):
            message = f"Invalid value: '{body[name]}'. Supported values are: '{only}'."
            raise ApiError(400, message, param=name, code="invalid_value")
    metadata = body.get("metadata")
    if metadata is not None and not isinstance(metadata, dict):
        raise invalid_type("metadata", "an object", metadata)
    for key, value in (metadata or {}).items():
        if not isinstance(value, str):
            raise invalid_type(f"metadata.{key}", "a string", value)
    return body["input_file_id"], metadata


def read_batch(content: bytes, has_model: Callable[[str], bool]) -> tuple[list[BatchRow], list[dict[str, Any]]]:
    """The requests in an input file, and what is wrong with it as a batch's ``errors`` tell it."""
    lines = content.split(b"\n")[: -1 if content.endswith(b"\n") else None]
    if not content or len(lines) > _MOST or len(content) > _BYTES:
        code = "too_many_requests" if len(lines) > _MOST else "file_too_large" if content else "empty_file"
        return [], [_error(code, f"The input file has {len(lines)} requests in {len(content)} bytes.")]
    rows: list[BatchRow] = []
    errors: list[dict[str, Any]] = []
    seen: set[str] = set()
    for number, line in enumerate(lines, start=1):
        try:
            rows.append(_row(line, seen, has_model))
        except _RowError as error:
            errors.append(_error(error.code, str(error), number))
        else:
            seen.add(rows[-1].custom_id)
    return rows, errors[:_SHOWN]


class _RowError(Exception):
    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def _row(line: bytes, seen: set[str], has_model: Callable[[str], bool]) -> BatchRow:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise _RowError("invalid_json_line", "This line is not parseable as valid JSON.") from error
    if not isinstance(row, dict) or not isinstance(row.get("custom_id"), str) or not isinstance(row.get("body"), dict):
        raise _RowError("invalid_request", "A line is an object with 'custom_id', 'method', 'url' and 'body'.")
    if (row.get("method"), row.get("url")) != ("POST", ENDPOINT):
        raise _RowError("mismatched_endpoint", f"All requests are to be 'POST' to '{ENDPOINT}'.")
    name, model = row["custom_id"], row["body"].get("model")
    if name in seen:
        raise _RowError("duplicate_custom_id", f"The custom_id '{name}' was used before.")
    if not isinstance(model, str) or not has_model(model):
        raise _RowError("model_not_found", f"The model `{model}` does not exist.")
    return BatchRow(name, row["body"])


def _error(code: str, message: str, line: int | None = None) -> dict[str, Any]:
    return {"code": code, "message": message, "param": None, "line": line}
