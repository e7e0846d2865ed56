"""What every provider does, and how one is found."""

from __future__ import annotations

from importlib import import_module
from inspect import Parameter, signature
from pathlib import Path
from typing import Any, Protocol, cast

from restyle.data.pairs import PairSet
from restyle.errors import PairsError
from restyle.prompts import Prompt
from restyle.style import Style

__all__ = ["PROVIDERS", "Trainer", "find_trainer", "train", "trained_parameters"]

PROVIDERS = {
    "embedded": "restyle.training.embedded:EmbeddedTrainer",
    "local": "restyle.training.local:LocalTrainer",
}


class Trainer(Protocol):
    """Trains both models of a style and leaves its card behind.

    A provider with settings takes them as further keywords; one that has none, like ``embedded``, takes no more.
    """

    def train(
        self,
        pairs: PairSet,
        *,
        base: str | None = None,
        home: Path | None = None,
        **options: Any,  # noqa: ANN401 - each provider checks its own
    ) -> Style:
        """Train on ``pairs``, save the card under ``home`` (None: `restyle.files.home_directory`) and return it.

        Each row has its own system prompt, rendered with the parameters of its pair; the card gets the templates, and
        `trained_parameters`.

        Args:
            pairs: What to learn from; the test split stays untouched.
            base: The model to start from; None means the provider's own choice.
            home: Where styles are kept.
            options: Settings of this provider.
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


def trained_parameters(pairs: PairSet) -> dict[str, list[str]]:
    """For every ``$parameter`` of a pair set's prompts the values in its training rows, as a style card lists them.

    Raises:
        PairsError: A prompt has a parameter of which the pairs have no value.
    """
    names = dict.fromkeys([*Prompt(pairs.prompt("restyle")).parameters, *Prompt(pairs.prompt("destyle")).parameters])
    found = pairs.parameters
    if missing := [name for name in names if not found.get(name)]:
        raise PairsError(
            f"{pairs.directory}: the prompts have ${missing[0]}, but no pair for training has a value of it: make the "
            "pairs again, nothing is paid twice"
        )
    return {name: found[name] for name in names}


def train(
    pairs: PairSet | str | Path,
    *,
    provider: str = "embedded",
    base: str | None = None,
    home: Path | None = None,
    **options: Any,  # noqa: ANN401 - each provider checks its own
) -> Style:
    """Train the style model and the de-style model of a pair set and save their card.

    Args:
        pairs: A pair set, or its folder.
        provider: Where to train; ``embedded`` needs nothing but this package, ``local`` an open model and the extra
            ``local``.
        base: The model to start from; None means the provider's own choice.
        home: Where styles are kept; None means ``RESTYLE_HOME`` or the user's data directory.
        options: Settings of the provider: for ``local`` see `restyle.training.local_settings.LocalSettings`.

    Raises:
        PairsError: The pair set is missing, was changed by hand, or has no pairs to train on.
        ValueError: The provider is unknown, has no such base, or not such an option.
    """
    opened = pairs if isinstance(pairs, PairSet) else PairSet.load(pairs)
    trainer = find_trainer(provider)
    kinds = [parameter.kind for parameter in signature(trainer.train).parameters.values()]
    if options and Parameter.VAR_KEYWORD not in kinds:
        raise ValueError(f"the provider {provider!r} has no option {min(options)!r}: leave it out")
    return trainer.train(opened, base=base, home=home, **options)
