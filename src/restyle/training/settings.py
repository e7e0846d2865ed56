"""Options of a provider, given by name, as its settings; and what those of all LoRA adapters must be."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any, TypeVar, get_type_hints

from pydantic import TypeAdapter, ValidationError

from restyle.stage import is_endpoint

__all__ = ["check_adapter", "read_settings"]

S = TypeVar("S")


def read_settings(kind: type[S], options: Mapping[str, Any], provider: str) -> S:
    """The settings of a frozen dataclass with these options.

    Raises:
        ValueError: There is no such option, or its value is of another type or out of range.
    """
    known = [each.name for each in fields(kind)]  # type: ignore[arg-type]  # of dataclasses only
    if unknown := sorted(options.keys() - set(known)):
        raise ValueError(f"unknown option {unknown[0]!r}: the provider {provider!r} has {', '.join(known)}")
    types = get_type_hints(kind)
    for name, value in options.items():
        try:
            TypeAdapter(types[name]).validate_python(value, strict=True)
        except ValidationError as error:
            raise ValueError(f"{name} is {value!r}: {error.errors()[0]['msg']}") from error
    return kind(**options)


def check_adapter(*, rank: int, alpha: int, dropout: float, learning_rate: float, serve_url: str) -> None:
    """Whether a LoRA adapter can be trained and served so.

    Raises:
        ValueError: A value is out of its range.
    """
    for name, value in (("rank", rank), ("alpha", alpha)):
        if value < 1:
            raise ValueError(f"{name} is {value!r}: give 1 or more")
    if not 0 <= dropout < 1:
        raise ValueError(f"dropout is {dropout!r}: give a number from 0 to below 1")
    if not 0 < learning_rate < 1:
        raise ValueError(f"learning_rate is {learning_rate!r}: give a number between 0 and 1, such as 2e-4")
    if not is_endpoint(serve_url):  # not shown: it may hold a password
        raise ValueError("the serve_url must be http(s)://host[:port]/path: no user name, password or query")
