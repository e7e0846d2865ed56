"""What can be set for training at Nebius, and the reasons for what is set by default."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from restyle.training.hosts.settings import HostedSettings
from restyle.training.settings import check_adapter

__all__ = ["NebiusSettings"]

# In Nebius's reference, "Create a fine-tuning job".
_RANGES = {"epochs": (1, 20), "batch_size": (1, 64), "rank": (8, 128)}
_LEAST_ALPHA = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class NebiusSettings(HostedSettings):
    """Settings of the provider ``nebius``; ``epochs`` is 3 where it is None, ``batch_size`` 16.

    Learning rate, alpha and dropout are the provider ``local``'s and have its reasons. What is kept is the checkpoint
    with the lowest held-out loss; there is one an epoch. The key is in ``NEBIUS_API_KEY``.

    Attributes:
        rank: Of the LoRA matrices, 8-128. 16 is the largest that vLLM serves without ``--max-lora-rank``.
        alpha: LoRA scaling, 8 or more: updates are multiplied by alpha / rank.
        dropout: On the adapter's input, in [0, 1).
        learning_rate: Its peak, as it is and no multiplier; the host's own, 1e-5, is for training all weights.
        download: Fetch the adapter beside the style card also where the host serves it.
        serve_url: Where an adapter that the host does not serve will be, for the card; the default is vLLM's address.

    Raises:
        ValueError: A value is out of its range.
    """

    aside: ClassVar[frozenset[str]] = HostedSettings.aside | {"download", "serve_url"}

    rank: int = 16
    alpha: int = 32
    dropout: float = 0.05
    learning_rate: float = 2e-4
    download: bool = False
    serve_url: str = "http://127.0.0.1:8000/v1"

    def __post_init__(self) -> None:
        HostedSettings.__post_init__(self)  # classes with slots have no super() before Python 3.14
        for name, (low, high) in _RANGES.items():
            value = getattr(self, name)
            if value is not None and not low <= value <= high:
                raise ValueError(f"{name} is {value!r}: nebius takes {low} to {high}")
        if self.alpha < _LEAST_ALPHA:
            raise ValueError(f"alpha is {self.alpha!r}: nebius takes {_LEAST_ALPHA} or more")
        check_adapter(
            rank=self.rank,
            alpha=self.alpha,
            dropout=self.dropout,
            learning_rate=self.learning_rate,
            serve_url=self.serve_url,
        )

    @property
    def passes(self) -> int:
        """Over the rows: three, of which the best is kept, as the provider ``local`` does."""
        return self.epochs or 3

    @property
    def rows_per_step(self) -> int:
        """Rows per step."""
        return self.batch_size or 16

    @classmethod
    def of(cls, options: Mapping[str, Any], provider: str) -> Self:
        """See `HostedSettings.of`."""
        if "learning_rate_multiplier" in options:
            raise ValueError(
                "nebius multiplies no learning rate, it takes the rate itself: give learning_rate, such as 2e-4"
            )
        return super(NebiusSettings, cls).of(options, provider)
