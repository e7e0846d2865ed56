"""What a host of fine-tuning can do, as `restyle.training.hosts.trainer` needs it; each provider's file has one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, NamedTuple, Protocol

from restyle.golden import GoldenPrompt
from restyle.messages import Role
from restyle.training.losses import LossCurve

__all__ = ["FINAL", "Event", "Files", "Host", "Served", "State", "Status"]

Status = Literal["validating_files", "queued", "running", "paused", "succeeded", "failed", "cancelled"]
FINAL: frozenset[Status] = frozenset({"succeeded", "failed", "cancelled"})


class Files(NamedTuple):
    """The ids of a job's files at the host; ``valid`` is None where nothing is held out."""

    train: str
    valid: str | None = None


@dataclass(frozen=True, slots=True)
class State:
    """A job as it stands at the host.

    Attributes:
        status: In OpenAI's words, whatever the host's are.
        error: Why it failed: the host's code, message and parameter; empty where it did not.
        model: What it has made, by the host's name; None before it has succeeded.
        tokens: Trained tokens, which are what is billed; None: not told.
        seconds_left: By the host's estimate; None: not told.
    """

    status: Status
    error: str = ""
    model: str | None = None
    tokens: int | None = None
    seconds_left: float | None = None


@dataclass(frozen=True, slots=True)
class Event:
    """Something that a host says of a job; the figures are as in `restyle.training.plans.Progress`."""

    id: str
    message: str
    step: int | None = None
    steps: int | None = None
    loss: float | None = None
    held_out_loss: float | None = None


@dataclass(frozen=True, slots=True)
class Served:
    """How a trained model is reached; what a style card needs of it.

    Attributes:
        model: Its name at the endpoint.
        base_url: The endpoint; None means OpenAI's own.
        request: Options to send with every request, such as ``chat_template_kwargs``.
        golden: A prompt as the host has rendered it for training; None where it does not show that.
        record: More that is worth keeping in the card's record of training (an adapter's folder, a checkpoint).
        next_step: What the user has to do before the model answers; empty: nothing.
    """

    model: str
    base_url: str | None = None
    request: dict[str, Any] = field(default_factory=dict)
    golden: GoldenPrompt | None = None
    record: dict[str, Any] = field(default_factory=dict)
    next_step: str = ""


class Host(Protocol):
    """One account at a host, for one base and one set of options; a context manager, closed at the end.

    Every method asks again by itself where that is safe (HTTP 429 with its ``Retry-After``, and for all but `create`
    408, 5xx and broken connections) a few times, and raises a `restyle.errors.ModelError` with the HTTP status where
    the host refuses or stays silent. Messages never hold a key.
    """

    def upload(self, path: Path) -> str:
        """Send a ``.messages.jsonl`` file, wait until the host has taken it, and return its id there."""

    def create(self, files: Files, *, role: Role, tag: str) -> str:
        """Begin a job and return its id.

        It is asked for once, whatever happens (a 429 aside): an error without a status, or with 408 or 5xx, leaves open
        whether the host has begun it, see `find`. ``tag`` is put where `find` looks for it, if there is such a place.
        """

    def find(self, files: Files, *, tag: str) -> str | None:
        """The id of the job with that tag, or with those files, in the host's list; None where it is not there."""

    def state(self, job: str) -> State:
        """A job as it stands."""

    def events(self, job: str) -> Sequence[Event]:
        """What was said of a job, the oldest first."""

    def curve(self, job: str) -> LossCurve:
        """The losses of a job, from all that the host has of them: result files, checkpoints, events."""

    def cancel(self, job: str) -> None:
        """Cancel a job; one that is over stays as it is."""

    def serve(self, job: str, *, role: Role, model: str, folder: Path) -> Served:
        """Make the model that a job has made ready for use, as far as the host lets us; asked again, the same comes.

        Args:
            job: The job.
            role: The direction.
            model: `State.model`.
            folder: Where files beside the style card go, such as a downloaded adapter.
        """

    def close(self) -> None:
        """Close the connections."""
