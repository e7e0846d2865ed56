"""How batches fare: what the sandbox makes slow, small or faulty."""

from __future__ import annotations

from collections import deque
from collections.abc import MutableSequence
from dataclasses import dataclass, field
from typing import Any, Self

__all__ = ["BatchRules"]


@dataclass(slots=True)
class BatchRules:
    """What happens to batches; may be changed while the server runs.

    Attributes:
        delay: Seconds that a batch is in progress before its requests are answered.
        response_delay: Seconds between the creation of a batch and the answer that tells its id.
        lost_responses: So many batches are created and answered with HTTP 500.
        error_share: The share (0-1) of requests that fail, chosen anew each time.
        error_status: The HTTP status of these.
        expires_after: Requests of a batch that are answered before it expires; None: it never does.
        enqueued_words: Words of all batches under way; a batch beyond it fails. None: no limit.
        answered: The body of every request answered so far: what a host would have to be paid for.
    """

    delay: float = 0.0
    response_delay: float = 0.0
    lost_responses: int = 0
    error_share: float = 0.0
    error_status: int = 500
    expires_after: int | None = None
    enqueued_words: int | None = None
    answered: MutableSequence[dict[str, Any]] = field(default_factory=list)

    @classmethod
    def of_a_server(cls) -> Self:
        """Those of ``restyle serve``, which would run out of memory if it remembered what it has answered."""
        return cls(answered=deque(maxlen=0))
