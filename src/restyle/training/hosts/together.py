"""The provider ``together``: open models trained at Together, and served wherever the adapters are taken."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import ClassVar

from restyle.training.hosts.host import Host
from restyle.training.hosts.settings import HostedSettings
from restyle.training.hosts.trainer import HostedTrainer
from restyle.training.hosts.upload_rules import Hosted
from restyle.training.settings import check_adapter

__all__ = ["TogetherSettings", "TogetherTrainer"]

_BASE = "Qwen/Qwen2.5-7B-Instruct"
_EPOCHS = 3
_THINKS = re.compile(r"thinking|reasoning|gpt-oss|\bR1\b", re.IGNORECASE)
_NO_CHAT = re.compile(r"-base$", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class TogetherSettings(HostedSettings):
    """Settings of the provider ``together``; what Together allows depends on the base, and is asked before an upload.

    The adapter is on all linear layers (Dettmers et al. 2023, QLoRA; arXiv 2305.14314). Rows are not packed together:
    tokens are what is billed, so that would save nothing, and no row is to share its window with another. Held-out
    loss is measured twice an epoch; a training ends after an epoch without improvement, with its best state.

    Attributes:
        epochs: See `HostedSettings`; None: 3, or the most that the base allows.
        batch_size: See `HostedSettings`; None: 16, or what is nearest to it that the base allows.
        rank: Of the LoRA matrices. 16 is the largest that vLLM serves without ``--max-lora-rank``.
        alpha: LoRA scaling: updates are multiplied by alpha / rank.
        dropout: On the adapter's input, in [0, 1).
        learning_rate: Its peak. Together's own default, 1e-5, is for full fine-tuning, and LoRA takes ten times as
            much: QLoRA has 2e-4 for models of up to 13 billion parameters, and 1e-4 for larger ones.
        serve_url: Where the adapters will be served, for the card; the default is vLLM's own address.

    Raises:
        ValueError: A value is out of its range.
    """

    aside: ClassVar[frozenset[str]] = HostedSettings.aside | {"serve_url"}

    rank: int = 16
    alpha: int = 32
    dropout: float = 0.05
    learning_rate: float = 1e-4
    serve_url: str = "http://127.0.0.1:8000/v1"

    def __post_init__(self) -> None:
        HostedSettings.__post_init__(self)  # a class with slots is another one than `super` would look for
        check_adapter(
            rank=self.rank,
            alpha=self.alpha,
            dropout=self.dropout,
            learning_rate=self.learning_rate,
            serve_url=self.serve_url,
        )


class TogetherTrainer(HostedTrainer):
    """Trains two LoRA adapters at Together, proves by its preview what they see, and downloads them."""

    provider: ClassVar[Hosted] = "together"
    settings: ClassVar[type[HostedSettings]] = TogetherSettings

    def check(self, base: str | None, settings: TogetherSettings) -> tuple[str, list[str]]:
        """See `HostedTrainer`.

        The default base has a template that changes no text and does not think. Whether Together trains a base is
        asked before the first upload: the list changes.
        """
        from restyle.training.hosts.together_host import ROOM  # noqa: PLC0415 - a host is not needed to be planned for

        if base is not None and not base.strip():
            raise ValueError(f"base is {base!r}: give a model's name at Together, such as {_BASE}")
        if settings.suffix is not None and len(settings.suffix) > ROOM:
            raise ValueError(
                f"the suffix {settings.suffix!r} has {len(settings.suffix)} characters: {ROOM} leave room for the "
                "direction behind it"
            )
        base = base or _BASE
        warnings = []
        if _THINKS.search(base):
            warnings.append(f"{base} thinks before it answers, which the rows do not: take an instruct model")
        if _NO_CHAT.search(base):
            warnings.append(f"{base} has learnt no chat: take the instruct model of that name")
        return base, warnings

    def epochs(self, rows: int, settings: TogetherSettings) -> int:  # noqa: ARG002 - the same for any number of rows
        """See `HostedTrainer`."""
        return settings.epochs or _EPOCHS

    def batch_size(self, rows: int, settings: TogetherSettings) -> int | None:  # noqa: ARG002 - as above
        """See `HostedTrainer`; unless it was set, it depends on limits that are not known here."""
        return settings.batch_size

    def open(self, base: str, settings: TogetherSettings, *, style: str) -> Host:
        """See `HostedTrainer`."""
        from restyle.training.hosts.together_host import TogetherHost  # noqa: PLC0415 - as above

        return TogetherHost(base, settings, style=style, epochs=self.epochs(0, settings))
