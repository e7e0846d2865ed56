"""What can be set for training on this machine, and the reasons for what is set by default."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Self

from restyle.stage import is_endpoint

__all__ = ["LocalSettings"]


@dataclass(frozen=True, slots=True)
class LocalSettings:
    """Settings of the provider ``local``.

    The adapter is on all linear layers, where it equals full fine-tuning (Dettmers et al. 2023, QLoRA; arXiv
    2305.14314), and learning rate, alpha and dropout are those of that paper or near it. Held-out loss is measured four
    times an epoch; training ends after an epoch without improvement, and the best state is kept.

    Attributes:
        revision: Branch, tag or commit of a base on the Hub; its commit is what the card records. None means ``main``.
        epochs: Passes over the rows at most, 1-3: more of them makes a model less diverse.
        rank: Of the LoRA matrices. 16 is the largest that vLLM serves without ``--max-lora-rank``.
        alpha: LoRA scaling: updates are multiplied by alpha / rank.
        dropout: On the adapter's input, in [0, 1).
        learning_rate: Its peak; ten times what full fine-tuning takes.
        batch_size: Rows per step, over all devices.
        device_batch_size: Rows at once on one device, the rest of a step after them: less needs less memory.
        seed: Of the adapter's initialisation, the order of rows and dropout.
        report_to: TRL's ``report_to``: ``none``, ``trackio``, ``wandb``, ``tensorboard``, ...
        serve_url: Where the adapters will be served, for the card; the default is vLLM's own address.

    Raises:
        ValueError: A value is out of its range.
    """

    revision: str | None = None
    epochs: int = 3
    rank: int = 16
    alpha: int = 32
    dropout: float = 0.05
    learning_rate: float = 2e-4
    batch_size: int = 16
    device_batch_size: int = 4
    seed: int = 0
    report_to: str = "none"
    serve_url: str = "http://127.0.0.1:8000/v1"

    def __post_init__(self) -> None:
        for name in ("epochs", "rank", "alpha", "batch_size", "device_batch_size"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)!r}: give 1 or more")
        if not 0 <= self.dropout < 1:
            raise ValueError(f"dropout is {self.dropout!r}: give a number from 0 to below 1")
        if not 0 < self.learning_rate < 1:
            raise ValueError(f"learning_rate is {self.learning_rate!r}: give a number between 0 and 1, such as 2e-4")
        if self.batch_size % self.device_batch_size:
            raise ValueError(
                f"batch_size is {self.batch_size}, no multiple of device_batch_size, {self.device_batch_size}"
            )
        if not is_endpoint(self.serve_url):
            raise ValueError(f"serve_url is {self.serve_url!r}: give http(s)://host[:port]/path")

    @classmethod
    def of(cls, options: Mapping[str, Any]) -> Self:
        """The settings with these options.

        Raises:
            ValueError: There is no such option, or its value is out of range.
        """
        known = [each.name for each in fields(cls)]
        if unknown := sorted(options.keys() - set(known)):
            raise ValueError(f"unknown option {unknown[0]!r}: the provider 'local' has {', '.join(known)}")
        return cls(**options)
