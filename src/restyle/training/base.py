"""What every provider does, and how one is found."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Protocol, cast

from restyle.data.pairs import PairSet
from restyle.style import Style

__all__ = ["PROVIDERS", "Trainer", "find_trainer", "train"]

PROVIDERS = {"embedded": "restyle.training.embedded:EmbeddedTrainer"}


class Trainer(Protocol):
    """Trains both models of a style and leaves its card behind."""

    def train(self, pairs: PairSet, *, base: str | None = None, home: Path | None = None) -> Style:
        """Train on ``pairs``, save the card under ``home`` (None: `restyle.files.home_directory`) and return it.

        Args:
            pairs: What to learn from; the test split stays untouched.
            base: The model to start from; None means the provider's own choice.
            home: Where styles are kept.
        """


def find_trainer(provider: str) -> Trainer:
    """The trainer of a provider.

    Raises:
        ValueError: There is no such provider.
    """
    if provider not in PROVIDERS:
        raise ValueError(f"unknown provider {provider!r}: choose one of {', '.join(sorted(PROVIDERS))}")
    module, name = PROVIDERS[provider].split(":")
    return cast("Trainer", getattr(import_module(module), name)())


def train(
    pairs: PairSet | str | Path, *, provider: str = "embedded", base: str | None = None, home: Path | None = None
) -> Style:
    """Train the style model and the de-style model of a pair set and save their card.

    Args:
        pairs: A pair set, or its folder.
        provider: Where to train; ``embedded`` needs nothing but this package.
        base: The model to start from; None means the provider's own choice.
        home: Where styles are kept; None means ``RESTYLE_HOME`` or the user's data directory.

    Raises:
        PairsError: The pair set is missing, was changed by hand, or has no pairs to train on.
        ValueError: The provider is unknown, or has no such base.
    """
    opened = pairs if isinstance(pairs, PairSet) else PairSet.load(pairs)
    return find_trainer(provider).train(opened, base=base, home=home)
