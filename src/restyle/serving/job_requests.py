"""What a client may ask of a fine-tuning job, checked as its host checks it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from restyle.serving.errors import ApiError, invalid_type, missing_parameter
from restyle.serving.hyperparameters import Hyperparameter, check_hyperparameters
from restyle.serving.models import BASE_MODEL
from restyle.serving.tuning_hosts import HOSTS, TRAINING_TYPES, HostFacts
from restyle.serving.tuning_rules import TuningHost, TuningRules

__all__ = ["JobRequest", "check_job"]

_SUFFIX = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_SEED = Hyperparameter(int, 0, 2**31 - 1, default=0)  # as in OpenAI's reference
_PAIRS, _KEY, _VALUE = 16, 64, 512  # limits of metadata, as in OpenAI's reference


@dataclass(frozen=True, slots=True)
class JobRequest:
    """A job that may be created; ``ignored`` names what was given and has no meaning for a phrase model."""

    model: str
    training_file: str
    validation_file: str | None
    suffix: str | None
    seed: int
    metadata: dict[str, str] | None
    hyperparameters: dict[str, Any]
    ignored: list[str] = field(default_factory=list)
    host: TuningHost = "restyle"
    training_type: str | None = None


def check_job(body: dict[str, Any], rules: TuningRules | None = None) -> JobRequest:
    """The request in ``body``; whether its files exist is not asked here.

    Args:
        body: What was sent.
        rules: Whose request it is; None: one of `restyle serve`.

    Raises:
        ApiError: A field is missing or is not what it must be.
    """
    rules = rules or TuningRules()
    host = HOSTS[rules.host]
    for name in body:
        if host.fields is not None and name not in host.fields:
            raise ApiError(400, f"Unknown parameter: '{name}'.", param=name, code="unknown_parameter")
    model, training_file = _text(body, "model"), _text(body, "training_file")
    if model is None:
        raise missing_parameter("model")
    if training_file is None:
        raise missing_parameter("training_file")
    if model not in (rules.models or host.models):
        train = f": train {BASE_MODEL}" if rules.host == "restyle" else ""
        message = f"Model {model} is not available for fine-tuning or does not exist{train}."
        raise ApiError(400, message, param="model", code="model_not_available")
    seed = body.get("seed") or 0
    if not isinstance(seed, int):
        raise invalid_type("seed", "an integer", seed)
    if rules.host != "restyle":
        _SEED.check("seed", seed)
        _check_integrations(body)
    given, name = _hyperparameters(body)
    if host.hyperparameters is not None:
        hyperparameters = check_hyperparameters(given, name, host.hyperparameters)
    else:
        _check_numbers(given, name)
        hyperparameters = {"n_epochs": "auto", "batch_size": "auto", "learning_rate_multiplier": "auto"} | given
    ignored = ["hyperparameters"] if set(given.values()) - {"auto"} else []
    ignored += [name for name in ("seed", "integrations") if body.get(name)]
    return JobRequest(
        model=model,
        training_file=training_file,
        validation_file=_text(body, "validation_file"),
        suffix=_suffix(body, rules.host, host),
        seed=seed,
        metadata=_metadata(body),
        hyperparameters=hyperparameters,
        ignored=ignored,
        host=rules.host,
        training_type=_training_type(body, model, host),
    )


def _suffix(body: dict[str, Any], name: TuningHost, host: HostFacts) -> str | None:
    suffix = _text(body, "suffix")
    if suffix is None:
        return None
    if name == "restyle" and not _SUFFIX.fullmatch(suffix):
        message = (
            f"Invalid 'suffix': {suffix!r}. Use 1-64 characters of A-Z a-z 0-9 . _ - beginning with one of A-Z a-z 0-9."
        )
        raise ApiError(400, message, param="suffix", code="invalid_value")
    if len(suffix) > host.suffix:
        expected = f"a string with maximum length {host.suffix}, but got a string with length {len(suffix)} instead"
        message = f"Invalid 'suffix': string too long. Expected {expected}."
        raise ApiError(400, message, param="suffix", code="string_above_max_length")
    if "." in suffix and not host.dots:
        message = f"Invalid 'suffix': {suffix!r}. A suffix has no dots."
        raise ApiError(400, message, param="suffix", code="invalid_value")
    return suffix


def _training_type(body: dict[str, Any], model: str, host: HostFacts) -> str | None:
    given = _text(body, "trainingType")
    if given is None and model in host.typed:
        raise missing_parameter("trainingType")
    if given is not None and given.lower() not in {name.lower() for name in TRAINING_TYPES}:
        supported = ", ".join(f"'{name}'" for name in TRAINING_TYPES)
        message = f"Invalid value: '{given}'. Supported values are: {supported}."
        raise ApiError(400, message, param="trainingType", code="invalid_value")
    return given


def _check_integrations(body: dict[str, Any]) -> None:
    for number, each in enumerate(body.get("integrations") or ()):
        kind = each.get("type") if isinstance(each, dict) else None
        if kind != "wandb":
            message = f"Invalid value: {kind!r}. Supported values are: 'wandb'."
            raise ApiError(400, message, param=f"integrations[{number}].type", code="invalid_value")


def _text(body: dict[str, Any], name: str) -> str | None:
    value = body.get(name)
    if value is not None and not isinstance(value, str):
        raise invalid_type(name, "a string", value)
    return value


def _hyperparameters(body: dict[str, Any]) -> tuple[dict[str, Any], str]:
    """Those of a request, and where it has them."""
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
        return {}, name
    if not isinstance(given, dict):
        raise invalid_type(name, "an object", given)
    return given, name


def _check_numbers(given: dict[str, Any], name: str) -> None:
    for key, value in given.items():
        if value != "auto" and (isinstance(value, bool) or not isinstance(value, int | float)):
            raise invalid_type(f"{name}.{key}", "a number or 'auto'", value)


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
