"""What an LLM is known by in a ledger: everything that changes its answers, and nothing else."""

from __future__ import annotations

import dataclasses
import hashlib
import inspect
import json
import re
from collections.abc import Mapping
from enum import Enum
from pathlib import Path
from typing import Any

from llama_index.core.llms.llm import LLM
from pydantic import BaseModel, SecretStr

from llama_index_restyle.embedded_llm import EmbeddedLLM
from restyle.errors import TeacherMissingError
from restyle.style import Style

__all__ = ["identity_of"]

# How a model is reached, not what it says. What is missing here is asked again, never taken for what it is not.
_REACHING = frozenset(
    {
        "async_client",
        "async_http_client",
        "client",
        "default_headers",
        "extra_headers",
        "http_client",
        "max_retries",
        "proxies",
        "proxy",
        "request_timeout",
        "reuse_client",
        "timeout",
        "verbose",
    }
)
# Not just "token": an end-of-text token changes answers.
_SECRET = re.compile(
    r"(.*_)?(api_?key|access_key(_id)?|secret(_key)?|password|credentials?|headers|(access|ad|api|auth|session)_token)"
    r"|token|hf_token",
    re.IGNORECASE,
)


def identity_of(llm: LLM) -> str:
    """``llama_index:NAME:DIGEST``, the same in every process for LLMs that are set up alike.

    The digest is over the class and its fields, nested ones too. What is None or excluded from serialised form plays no
    part (callbacks, for one), nor do keys, headers, clients, retries and time limits.

    Raises:
        TeacherMissingError: It names no model, or a field holds code or an object that cannot be told from others.
    """
    name = _name(llm)
    described = _fields(llm, _state(llm) or {})
    if isinstance(llm, EmbeddedLLM) and not isinstance(llm.style, Style):
        # A style that is trained again keeps its name; its card does not stay the same.
        described["style"] = _describe(Style.load(llm.style), "style")
    digest = hashlib.sha256(json.dumps(described, sort_keys=True).encode()).hexdigest()
    return f"llama_index:{name}:{digest[:16]}"


def _describe(value: object, place: str) -> Any:
    """A value as JSON; ``place`` is where it stands in the LLM."""
    if isinstance(value, Enum):
        value = value.value
    if isinstance(value, set | frozenset):
        value = sorted(value, key=repr)
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, list | tuple):
        return [_describe(each, f"{place}[{index}]") for index, each in enumerate(value)]
    if isinstance(value, Mapping):
        return _of_weight({str(key): each for key, each in value.items()}, place)
    if (state := _state(value)) is not None:
        return _fields(value, state, place)
    return _code_name(value, place)


def _state(value: object) -> dict[str, object] | None:
    """The fields of what has fields."""
    if isinstance(value, BaseModel):
        names = (name for name, field in type(value).model_fields.items() if not field.exclude)
        return {name: getattr(value, name) for name in names} | (value.model_extra or {})
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        # A card does not compare where it lies, which differs from machine to machine.
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value) if field.compare}
    return None


def _code_name(value: object, place: str) -> str:
    """The name of a function or class that has one of its own."""
    if inspect.isfunction(value) or inspect.isbuiltin(value) or isinstance(value, type):
        name = _class_name(value)
        if "<" not in name:  # as in <lambda> and <locals>
            return name
    raise _unknown(f"its {place} is of type {type(value).__name__}, which cannot be told from another of that type")


def _fields(owner: object, values: Mapping[str, object], place: str = "") -> dict[str, Any]:
    return {"class": _class_name(type(owner)), **_of_weight(values, place)}


def _of_weight(values: Mapping[str, object], place: str) -> dict[str, Any]:
    return {
        name: _describe(value, f"{place}.{name}" if place else name)
        for name, value in values.items()
        if not (value is None or isinstance(value, SecretStr) or name in _REACHING or _SECRET.fullmatch(name))
    }


def _name(llm: LLM) -> str:
    """What people call the model."""
    for name in (getattr(llm, "model_name", None), getattr(llm, "model", None), llm.metadata.model_name):
        if isinstance(name, str) and name not in {"", "unknown"}:
            return name
    raise _unknown(f"{type(llm).__name__} names no model, and its settings may be anywhere")


def _class_name(value: Any) -> str:
    return f"{value.__module__}.{value.__qualname__}"


def _unknown(why: str) -> TeacherMissingError:
    return TeacherMissingError(
        f"the ledger could not tell the teacher's answers from others': {why}: give "
        "llama_index_restyle.LLMTeacher(llm, identity='...'), and change that name whenever its answers would change"
    )
