"""What a rewriting does about what can go wrong."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

__all__ = ["OnError", "OnLoss", "Policy"]

OnLoss = Literal["original", "neutral", "keep", "raise"]
OnError = Literal["raise", "original"]


@dataclass(frozen=True, slots=True)
class Policy:
    """How a rewriting deals with what can go wrong.

    Attributes:
        parameters: Values for the ``$parameters`` of the style's prompts.
        destyle: False skips the de-style model, for text known to be neutral.
        attempts: How often a block is styled before it counts as lost; at least 1.
        on_loss: What stands in for a block whose facts did not survive: the original, its neutral text, the lossy text
            after all, or a `restyle.errors.LossError`. With ``"keep"`` (and ``on_error="raise"``) a block without
            citation markers may leave while its answer still comes; such a block is not asked for again.
        on_error: Whether an exception of a model is raised, or the original block passed on.
    """

    parameters: Mapping[str, str] = field(default_factory=dict)
    destyle: bool = True
    attempts: int = 2
    on_loss: OnLoss = "original"
    on_error: OnError = "raise"

    def __post_init__(self) -> None:
        if self.attempts < 1:
            raise ValueError(f"attempts is {self.attempts}: a block is asked for at least once")
        if self.on_loss not in {"original", "neutral", "keep", "raise"}:
            raise ValueError(f"on_loss is {self.on_loss!r}: choose original, neutral, keep or raise")
        if self.on_error not in {"raise", "original"}:
            raise ValueError(f"on_error is {self.on_error!r}: choose raise or original")
