"""The provider ``nebius``: LoRA adapters of open bases, trained at Nebius Token Factory.

Sources, read in November 2026: https://docs.tokenfactory.nebius.com (API reference, "How to fine-tune", "Models") and
github.com/nebius/token-factory-cookbook; where those are silent, what users of the API published that autumn.
"""

from __future__ import annotations

import re
from typing import ClassVar

from restyle.training.hosts.nebius_host import SERVED, NebiusHost
from restyle.training.hosts.nebius_settings import NebiusSettings
from restyle.training.hosts.settings import HostedSettings
from restyle.training.hosts.trainer import HostedTrainer
from restyle.training.hosts.upload_rules import Hosted

__all__ = ["NebiusSettings", "NebiusTrainer"]

_LIST = "https://docs.tokenfactory.nebius.com/post-training/models"
_EXAMPLE = "Qwen/Qwen3-8B"
# What is on that list changes, so that of others is only warned.
_LISTED = re.compile(
    r"Qwen/(Qwen3-(0\.6|1\.7|4|8|14|32)B(-Base)?|Qwen3-(30B-A3B|235B-A22B)[\w-]*|Qwen2\.5-[\d.]+B(-Instruct)?"
    r"|Qwen2\.5-Coder-32B(-Instruct)?)|meta-llama/Llama-3\.[123]-\d+B(-Instruct)?|unsloth/gpt-oss-(20|120)b-BF16"
)
_TRAINED = {served: trained for trained, served in SERVED.items()}


class NebiusTrainer(HostedTrainer):
    """Trains LoRA adapters at Nebius."""

    provider: ClassVar[Hosted] = "nebius"
    settings: ClassVar[type[HostedSettings]] = NebiusSettings

    def check(self, base: str | None, settings: NebiusSettings) -> tuple[str, list[str]]:  # noqa: ARG002 - see `HostedTrainer`
        """See `HostedTrainer.check`.

        Raises:
            ValueError: No base is named.
        """
        if base is None:
            raise ValueError(f"nebius has no base of its own choice: name one of {_LIST}, such as {_EXAMPLE!r}")
        warning = (
            "nebius serves adapters on request only (since 2026, in beta): where it refuses, yours are fetched beside "
            "the card, and 'restyle serve' prints how to serve them"
        )
        if trained := _TRAINED.get(base):
            return base, [warning, f"{base} is what it is called where it is served: for training that is {trained!r}"]
        if not _LISTED.fullmatch(base):
            return base, [warning, f"{base} was not listed for LoRA in autumn 2026, and may be refused: see {_LIST}"]
        return base, [warning]

    def epochs(self, rows: int, settings: NebiusSettings) -> int:  # noqa: ARG002 - as above
        """Passes over the rows."""
        return settings.passes

    def batch_size(self, rows: int, settings: NebiusSettings) -> int:  # noqa: ARG002 - as above
        """Rows per step."""
        return settings.rows_per_step

    def open(self, base: str, settings: NebiusSettings, *, style: str) -> NebiusHost:
        """See `HostedTrainer.open`."""
        return NebiusHost(base, settings, style)
