"""What a client may ask of a fine-tuning job, checked as OpenAI checks it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from restyle.serving.errors import ApiError, invalid_type, missing_parameter
from restyle.serving.models import BASE_MODEL

__all__ = ["JobRequest", "check_job"]

_SUFFIX = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_PAIRS, _KEY, _VALUE = 16, 64, 512  # limits of metadata, as in OpenAI's reference


@dataclass(frozen=True, slots=True)
class JobRequest:
    """A job that may be created; ``ignored`` names what was given and has no meaning for a phrase model."""

    training_file: str
    validation_file: str | None
    suffix: str | None
    seed: int
    metadata: dict[str, str] | None
    hyperparameters: dict[str, Any]
    ignored: list[str] = field(default_factory=list)


def check_job(body: dict[str, Any]) -> JobRequest:
    """The request in ``body``; whether its files exist is not asked here.

    Raises:
        ApiError: A field is missing or is not what it must be.
    """
    model, training_file = _text(body, "model"), _text(body, "training_file")
    if model is None:
        raise missing_parameter("model")
    if training_file is None:
        raise missing_parameter("training_file")
    if model != BASE_MODEL:
        message = f"Model {model} is not available for fine-tuning or does not exist: train {BASE_MODEL}."
        raise ApiError(400, message, param="model", code="model_not_available")
    suffix = _text(body, "suffix")
    if suffix is not None and not _SUFFIX.fullmatch(suffix):
        message = (
            f"Invalid 'suffix': {suffix!r}. Use 1-64 characters of A-Z a-z 0-9 . _ - beginning with one of A-Z a-z 0-9."
        )
        raise ApiError(400, message, param="suffix", code="invalid_value")
    seed = body.get("seed") or 0
    if not isinstance(seed, int):
        raise invalid_type("seed", "an integer", seed)
    hyperparameters = _hyperparameters(body)
    ignored = ["hyperparameters"] if set(hyperparameters.values()) - {"auto"} else []
    ignored += [name for name in ("seed", "integrations") if body.get(name)]
    return JobRequest(
        training_file=training_file,
        validation_file=_text(body, "validation_file"),
        suffix=suffix,
        seed=seed,
        metadata=_metadata(body),
        hyperparameters={"n_epochs": "auto", "batch_size": "auto", "learning_rate_multiplier": "auto"}
        | hyperparameters,
        ignored=ignored,
    )


def _text(body: dict[str, Any], name: str) -> str | None:
    value = body.get(name)
    if value is not None and not isinstance(value, str):
        raise invalid_type(name, "a string", value)
    return value


def _hyperparameters(body: dict[str, Any]) -> dict[str, Any]:
    given, name = body.get("hyperparameters"), "hyperparameters"
    method = body.get("method")
    if method is not None:
        if not isinstance(method, dict):
            raise invalid_type("method", "an object", method)
        if method.get("type") != "supervised":
            message = f"Invalid value: {method.get('type')!r}. Supported values are: 'supervised'."
            raise ApiError(400, message, param="method.type", code="invalid_value")
        supervised = method.get("supervised") or {}
        if not isinstance(supervised, dict):
            raise invalid_type("method.supervised", "an object", supervised)
        given, name = supervised.get("hyperparameters", given), "method.supervised.hyperparameters"
    if given is None:
        return {}
    if not isinstance(given, dict):
        raise invalid_type(name, "an object", given)
    for key, value in given.items():
        if value != "auto" and (isinstance(value, bool) or not isinstance(value, int | float)):
            raise invalid_type(f"{name}.{key}", "a number or 'auto'", value)
    return given


def _metadata(body: dict[str, Any]) -> dict[str, str] | None:
    value = body.get("metadata")
    if value is None:
        return None
    if not isinstance(value, dict):
        raise invalid_type("metadata", "an object", value)
    if len(value) > _PAIRS:
        message = f"Invalid 'metadata': too many properties. Expected at most {_PAIRS}, but got {len(value)}."
        raise ApiError(400, message, param="metadata", code="object_above_max_properties")
    for key, text in value.items():
        if not isinstance(text, str):
            raise invalid_type(f"metadata.{key}", "a string", text)
        if len(key) > _KEY or len(text) > _VALUE:
            message = f"Invalid 'metadata.{key[:_KEY]}': keys have at most {_KEY} characters, values {_VALUE}."
            raise ApiError(400, message, param="metadata", code="string_above_max_length")
    return value
