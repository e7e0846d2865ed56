"""What can be set for training at any host; each provider's file adds its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from restyle.stage import is_endpoint
from restyle.training.settings import read_settings

__all__ = ["HostedSettings"]


@dataclass(frozen=True, slots=True, kw_only=True)
class HostedSettings:
    """Settings of every host.

    Attributes:
        epochs: Passes over the rows, 1-3 for style: more of them makes a model less diverse. None: see the provider.
        batch_size: Rows per step; None: see the provider.
        seed: Of the order of rows; None: the host's own.
        suffix: What the models' names end in, with the direction behind it; None: the style's name, as far as it fits.
        base_url: Another address of the host; None: see the provider.
        aside: Names of settings that change only how a job is watched or its model served, and make no other job.
        poll: Seconds between two looks at a job, at first; where nothing happens they grow to twelve times as many.

    Raises:
        ValueError: A value is out of its range.
    """

    aside: ClassVar[frozenset[str]] = frozenset({"poll"})

    epochs: int | None = None
    batch_size: int | None = None
    seed: int | None = None
    suffix: str | None = None
    base_url: str | None = None
    poll: float = 5.0

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ValueError(f"{name} is {value!r}: give 1 or more, or leave it out")
        if self.base_url is not None and not is_endpoint(self.base_url):
            raise ValueError("the base_url must be http(s)://host[:port]/path: no user name, password or query")
        if not self.poll > 0:
            raise ValueError(f"poll is {self.poll!r}: give seconds, more than 0")

    @classmethod
    def of(cls, options: Mapping[str, Any], provider: str) -> Self:
        """The settings with these options.

        Raises:
            ValueError: There is no such option, or its value is of another type or out of range.
        """
        return read_settings(cls, options, provider)
