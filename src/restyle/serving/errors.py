"""Errors as OpenAI's API words them: ``{"error": {"message", "type", "param", "code"}}``."""

from __future__ import annotations

from typing import Any

__all__ = ["ApiError", "invalid_type", "missing_parameter", "model_not_found"]

_KINDS = {
    bool: "a boolean",
    int: "an integer",
    float: "a decimal",
    str: "a string",
    list: "an array",
    dict: "an object",
}
_SERVER_FAULT = 500


class ApiError(Exception):
    """A request that gets an error for an answer.

    Attributes:
        status: The HTTP status.
        message: What is wrong, for people.
        param: The request's field that is wrong, or None.
        code: What is wrong, for programs, or None.
    """

    def __init__(self, status: int, message: str, *, param: str | None = None, code: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.param = param
        self.code = code

    def body(self) -> dict[str, Any]:
        """The JSON body of the answer."""
        kind = "server_error" if self.status >= _SERVER_FAULT else "invalid_request_error"
        return {"error": {"message": self.message, "type": kind, "param": self.param, "code": self.code}}


def missing_parameter(name: str) -> ApiError:
    """A field that must be there is not."""
    return ApiError(400, f"Missing required parameter: '{name}'.", param=name, code="missing_required_parameter")


def invalid_type(name: str, expected: str, value: object) -> ApiError:
    """A field holds another type than ``expected`` ("a string")."""
    found = "null" if value is None else _KINDS.get(type(value), type(value).__name__)
    message = f"Invalid type for '{name}': expected {expected}, but got {found} instead."
    return ApiError(400, message, param=name, code="invalid_type")


def model_not_found(name: str) -> ApiError:
    """There is no such model."""
    message = f"The model `{name}` does not exist or you do not have access to it."
    return ApiError(404, message, code="model_not_found")
