"""The provider ``openai``: fine-tuning at OpenAI for as long as it lasts, or at a host with the same interface.

The dates are those of https://developers.openai.com/api/docs/deprecations, read in November 2026.
"""

from __future__ import annotations

import warnings
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any, ClassVar
from urllib.parse import urlsplit

from restyle.answering import KEY_VARIABLE, client_options
from restyle.errors import ModelError
from restyle.messages import Role
from restyle.training.hosts.host import Files
from restyle.training.hosts.openai_host import OpenAIHost, model_suffix, supervised
from restyle.training.hosts.settings import HostedSettings
from restyle.training.hosts.trainer import HostedTrainer
from restyle.training.hosts.upload_rules import Hosted

__all__ = ["EXAMPLE", "OpenAISettings", "OpenAITrainer", "job_body", "today"]

EXAMPLE = "gpt-4.1-mini-2025-04-14"
"""A base that can be trained, while OpenAI trains any."""

_HOST = "api.openai.com"
_NO_NEW_JOBS = date(2027, 1, 6)
_SHUTDOWN = date(2027, 1, 14)
_FAMILIES = ("gpt-4o", "gpt-4.1")  # what shuts down then


def today() -> date:
    """The day in UTC."""
    return datetime.now(UTC).date()


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenAISettings(HostedSettings):
    """Settings of the provider ``openai``; ``batch_size`` None is the host's choice.

    ``base_url`` None is OpenAI's own, with the key in ``OPENAI_API_KEY``; any other gets ``RESTYLE_API_KEY``.

    Attributes:
        epochs: Passes over the rows; 3 is what OpenAI's cookbook counts with. None: the host's choice, not told before
            it is paid.
        learning_rate_multiplier: Of the learning rate that the host takes for such a base; None: the host's choice.

    Raises:
        ValueError: A value is out of its range.
    """

    epochs: int | None = 3
    learning_rate_multiplier: float | None = None

    def __post_init__(self) -> None:
        HostedSettings.__post_init__(self)  # classes with slots have no super() before Python 3.14
        if self.learning_rate_multiplier is not None and not self.learning_rate_multiplier > 0:
            raise ValueError(
                f"learning_rate_multiplier is {self.learning_rate_multiplier!r}: give more than 0, or leave it out"
            )


class OpenAITrainer(HostedTrainer):
    """Trains at OpenAI: legacy, for it takes no new jobs from 2027-01-06 on."""

    provider: ClassVar[Hosted] = "openai"
    settings: ClassVar[type[HostedSettings]] = OpenAISettings

    def check(self, base: str | None, settings: OpenAISettings) -> tuple[str, list[str]]:
        """See `HostedTrainer.check`.

        Raises:
            ValueError: No base is named, or OpenAI takes no jobs any more.
        """
        if base is None:
            raise ValueError(f"openai has no base of its own choice: name one, such as {EXAMPLE!r}")
        if settings.base_url is not None and urlsplit(settings.base_url).hostname != _HOST:
            return base, []
        if today() > _NO_NEW_JOBS:
            raise ValueError(
                f"OpenAI has taken no fine-tuning jobs since {_NO_NEW_JOBS}: train an open model with the provider "
                "'local', 'together' or 'nebius', or give the base_url of a host with OpenAI's interface"
            )
        warning = (
            f"OpenAI ends fine-tuning: no new jobs from {_NO_NEW_JOBS} on, and none since 2026-05-07 of organisations "
            "that had never fine-tuned; open models last (providers 'local', 'together', 'nebius')"
        )
        if base.startswith(_FAMILIES):
            return base, [warning, f"{base} shuts down on {_SHUTDOWN}, and with it all models trained from it"]
        return base, [warning, f"models trained from {base} shut down with it: see OpenAI's page of deprecations"]

    def epochs(self, rows: int, settings: OpenAISettings) -> int | None:  # noqa: ARG002 - see `HostedTrainer`
        """Passes over the rows; None where the host chooses."""
        return settings.epochs

    def batch_size(self, rows: int, settings: OpenAISettings) -> int | None:  # noqa: ARG002 - as above
        """Rows per step; None where the host chooses."""
        return settings.batch_size

    def open(self, base: str, settings: OpenAISettings, *, style: str) -> OpenAIHost:
        """See `HostedTrainer.open`."""
        return _OpenAI(
            "openai",
            where=settings.base_url or "OpenAI",
            variable=KEY_VARIABLE if settings.base_url else "OPENAI_API_KEY",
            options=client_options(settings.base_url),
            body=lambda files, role: job_body("openai", base, settings, files, role, style),
            pause=settings.poll,
            newest_first=True,
        )


def job_body(
    provider: Hosted,
    base: str,
    settings: OpenAISettings,
    files: Files,
    role: Role,
    style: str,
    **more: Any,  # noqa: ANN401 - as the SDK has them
) -> dict[str, Any]:
    """The arguments of ``fine_tuning.jobs.create``, but ``metadata``."""
    hyperparameters = {
        "n_epochs": settings.epochs,
        "batch_size": settings.batch_size,
        "learning_rate_multiplier": settings.learning_rate_multiplier,
    }
    suffix = model_suffix(provider, settings.suffix or style, role)
    return supervised(base, files, hyperparameters, seed=settings.seed, suffix=suffix, **more)


class _OpenAI(OpenAIHost):
    """OpenAI tells of some models when they shut down."""

    def create(self, files: Files, *, role: Role, tag: str) -> str:
        base = self.body(files, role)["model"]
        with suppress(ModelError):  # whether there is such a base, the job itself will tell
            found = self.ask(lambda: self.client.models.retrieve(base), again=lambda _: False)
            if end := getattr(found, "shutdown_date", None):
                text = f"{base} shuts down on {end}, by {self.where}'s list of models: what is trained from it goes too"
                warnings.warn(text, UserWarning, stacklevel=2)
        return super().create(files, role=role, tag=tag)
