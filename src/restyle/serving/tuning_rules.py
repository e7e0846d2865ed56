"""How fine-tuning fares: whose rules are kept, and what the sandbox makes slow, faulty or forgotten."""

from __future__ import annotations

from collections import deque
from collections.abc import MutableSequence, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, Self

__all__ = ["Loss", "TuningHost", "TuningRules"]

TuningHost = Literal["restyle", "openai", "azure", "nebius"]


class Loss(NamedTuple):
    """What a job tells of one step, in nats a token; None: not told there.

    ``valid`` is of a batch of the validation file, ``full_valid`` of the whole, which hosts tell at an epoch's end.
    """

    step: int
    train: float
    valid: float | None = None
    full_valid: float | None = None


@dataclass(slots=True)
class TuningRules:
    """What happens to uploads and jobs; may be changed while the server runs.

    Attributes:
        host: Whose rules are kept; ``restyle``: those of `restyle serve`. A job keeps the host it was begun at.
        models: What can be trained; empty: a few that the host has.
        losses: What jobs tell in events, checkpoints and result files, as far as their host does.
        base64_results: Whether ``openai`` gives result files in base64, as its cookbook found them.
        fails: The next job that runs fails with this message; then None again.
        seconds: A job runs at least so long.
        hold: Jobs run until this is False again.
        file_seconds: So long is an upload not yet processed; ``nebius`` never tells.
        needs_bom: Whether ``azure`` wants files to begin with a byte order mark, as its guide does.
        forgets_metadata: Whether jobs come back without their metadata.
        deployments: At ``azure`` the names to chat with, and the fine-tuned models that they stand for.
        activation_seconds: At ``nebius`` so long it takes until a model can be used.
        activation_fails: At ``nebius`` the models that are activated fail with this reason; None: they do not.
        asked: The body of every job that was accepted: what a host would have to be paid for.
        uploads: The name and content of every file for fine-tuning that was accepted.
    """

    host: TuningHost = "restyle"
    models: tuple[str, ...] = ()
    losses: Sequence[Loss] = ()
    base64_results: bool = True
    fails: str | None = None
    seconds: float = 0.0
    hold: bool = False
    file_seconds: float = 0.0
    needs_bom: bool = True
    forgets_metadata: bool = False
    deployments: dict[str, str] = field(default_factory=dict)
    activation_seconds: float = 0.0
    activation_fails: str | None = None
    asked: MutableSequence[dict[str, Any]] = field(default_factory=list)
    uploads: MutableSequence[tuple[str, bytes]] = field(default_factory=list)

    @classmethod
    def of_a_server(cls) -> Self:
        """Those of ``restyle serve``, which would run out of memory if it remembered what it was sent."""
        return cls(asked=deque(maxlen=0), uploads=deque(maxlen=0))
