"""What a training would do, before anything is sent, trained or paid; and what is heard of it while it runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from restyle.messages import Role

__all__ = ["OnProgress", "Part", "Plan", "Progress"]


@dataclass(frozen=True, slots=True)
class Part:
    """One direction of a training.

    Attributes:
        rows: To learn.
        held_out: Rows held out; 0: none.
        tokens: Of the rows to learn, prompts included, once each; None where the model sees no tokens.
        steps: Optimizer steps at most; None where the host chooses, or there are none.
    """

    rows: int
    held_out: int
    tokens: int | None = None
    steps: int | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """What a training would do; nothing has been sent, trained or paid.

    Attributes:
        style: Its name.
        provider: Where it would be trained.
        base: The model to start from; None where the provider starts from nothing.
        parts: Both directions.
        epochs: Passes over the rows at most; None where the host chooses.
        exact: Whether tokens were counted by the model's own tokenizer, not estimated from characters.
        cost: Dollars; None where there is no price.
        advice: What to do about a missing price; empty where there is one, or nothing costs anything.
        warnings: What is questionable and no error: of the rows, the base, the host.
    """

    style: str
    provider: str
    base: str | None
    parts: Mapping[Role, Part]
    epochs: int | None = None
    exact: bool = True
    cost: float | None = None
    advice: str = ""
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Progress:
    """Something that was heard of one direction.

    Attributes:
        role: Which.
        status: ``validating_files``, ``queued``, ``running``, ``succeeded``, ``failed`` or ``cancelled``, as at OpenAI.
        message: What the host or the trainer said; may be empty.
        step: Of ``steps``; None: not told.
        steps: Optimizer steps in all; None: not told.
        loss: Training loss there, in nats per token; None: not told.
        held_out_loss: Held-out loss there, of the whole held-out file where it is known; None: not told.
        seconds_left: Until this direction is done, by the host's or the trainer's estimate; None: not told.
    """

    role: Role
    status: str
    message: str = ""
    step: int | None = None
    steps: int | None = None
    loss: float | None = None
    held_out_loss: float | None = None
    seconds_left: float | None = None


OnProgress: TypeAlias = Callable[[Progress], object]
