"""The hyperparameters that hosts know, and how they check them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from restyle.serving.errors import ApiError, invalid_type

__all__ = ["NEBIUS", "OPENAI", "Hyperparameter", "check_hyperparameters"]


@dataclass(frozen=True, slots=True)
class Hyperparameter:
    """One of them; numbers from ``least`` to ``most``, both included.

    Attributes:
        kind: Its type; a float may be given as an integer.
        least: None: there is no limit.
        most: None: there is no limit.
        positive: Whether it must be more than 0.
        default: What it is where it is left out; ``"auto"`` can be given only where it is the default.
        shown: Whether jobs show it.
    """

    kind: type[bool | int | float]
    least: float | None = None
    most: float | None = None
    positive: bool = False
    default: bool | float | str = "auto"
    shown: bool = True

    def check(self, name: str, value: object) -> None:
        """Raise an `ApiError` that names it ``name`` where ``value`` does not fit."""
        if value == self.default == "auto":
            return
        kinds = (int, float) if self.kind is float else self.kind
        if not isinstance(value, kinds) or isinstance(value, bool) is not (self.kind is bool):
            expected = {bool: "a boolean", int: "an integer", float: "a decimal"}[self.kind]
            raise invalid_type(name, f"{expected} or 'auto'" if self.default == "auto" else expected, value)
        word = "integer" if self.kind is int else "decimal"
        if self.least is not None and value < self.least:
            raise _out_of_range(name, f"{word} below minimum value", f">= {self.least:g}", value)
        if self.positive and value <= 0:
            raise _out_of_range(name, f"{word} below minimum value", "> 0", value)
        if self.most is not None and value > self.most:
            raise _out_of_range(name, f"{word} above maximum value", f"<= {self.most:g}", value)


# The ranges are in OpenAI's specification of its API.
OPENAI: Mapping[str, Hyperparameter] = {
    "n_epochs": Hyperparameter(int, 1, 50),
    "batch_size": Hyperparameter(int, 1, 256),
    "learning_rate_multiplier": Hyperparameter(float, positive=True),
}

# Names and defaults are in Nebius's reference; the ranges are the widest that make sense. The last is given in its
# cookbook and not in the reference: the host takes it, and what it does with it is not known.
NEBIUS: Mapping[str, Hyperparameter] = {
    "batch_size": Hyperparameter(int, 1, default=8),
    "learning_rate": Hyperparameter(float, positive=True, default=1e-5),
    "n_epochs": Hyperparameter(int, 1, default=3),
    "warmup_ratio": Hyperparameter(float, 0, 1, default=0),
    "weight_decay": Hyperparameter(float, 0, default=0),
    "packing": Hyperparameter(bool, default=True),
    "max_grad_norm": Hyperparameter(float, 0, default=1),
    "context_length": Hyperparameter(int, 1, default=8192),
    "lora": Hyperparameter(bool, default=False),
    "lora_r": Hyperparameter(int, 1, default=8),
    "lora_alpha": Hyperparameter(int, 1, default=8),
    "lora_dropout": Hyperparameter(float, 0, 1, default=0),
    "learning_rate_multiplier": Hyperparameter(float, positive=True, shown=False),
}


def check_hyperparameters(
    given: Mapping[str, Any], name: str, known: Mapping[str, Hyperparameter]
) -> dict[str, bool | float | str]:
    """All hyperparameters of a job that is asked for with those ``given``.

    Args:
        given: What the request has.
        name: Where it has them.
        known: Those of the host.

    Raises:
        ApiError: One is not known, or does not fit.
    """
    for key, value in given.items():
        if key not in known:
            raise ApiError(400, f"Unknown parameter: '{name}.{key}'.", param=f"{name}.{key}", code="unknown_parameter")
        known[key].check(f"{name}.{key}", value)
    return {key: given.get(key, parameter.default) for key, parameter in known.items() if parameter.shown}


def _out_of_range(name: str, problem: str, expected: str, value: object) -> ApiError:
    message = f"Invalid '{name}': {problem}. Expected a value {expected}, but got {value} instead."
    return ApiError(400, message, param=name, code=problem.replace(" ", "_").replace("imum", ""))
