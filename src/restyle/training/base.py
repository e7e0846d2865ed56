"""What every provider does, and how one is found."""

from __future__ import annotations

import warnings
from importlib import import_module
from inspect import Parameter, signature
from pathlib import Path
from typing import Any, Protocol, cast

from restyle.data.pairs import PairSet
from restyle.errors import PairsError
from restyle.prompts import Prompt
from restyle.style import Style
from restyle.training.plans import OnProgress, Plan
from restyle.training.report import write_report

__all__ = ["PROVIDERS", "SAMPLING", "Trainer", "Training", "find_trainer", "prepare", "train", "trained_parameters"]

SAMPLING = {"temperature": 0.7, "top_p": 0.8}
"""What a card sends where the base's makers advise nothing, for servers differ: of the Qwen3 model cards for answers
without thinking. Not temperature 0, for an answer that lost facts is asked for again."""

PROVIDERS = {
    "embedded": "restyle.training.embedded:EmbeddedTrainer",
    "local": "restyle.training.local.trainer:LocalTrainer",
    "openai": "restyle.training.hosts.openai:OpenAITrainer",
    "azure": "restyle.training.hosts.azure:AzureTrainer",
    "nebius": "restyle.training.hosts.nebius:NebiusTrainer",
    "together": "restyle.training.hosts.together:TogetherTrainer",
}


class Training(Protocol):
    """One style's training, prepared and checked; nothing is sent, trained or paid before `start`."""

    @property
    def id(self) -> str:
        """``STYLE-DIGEST``: the same for the same pairs, base and settings."""

    @property
    def plan(self) -> Plan:
        """What would be done, and what it would cost."""

    def start(self) -> None:
        """Begin both directions; what has begun already, in this process or an earlier one, goes on."""

    def wait(self, on_progress: OnProgress | None = None) -> None:
        """Return when both directions have succeeded.

        Raises:
            TrainingError: One has failed, or was cancelled.
        """

    def cancel(self) -> None:
        """Stop what is under way, and keep what was finished."""

    def result(self) -> Style:
        """Save the style's card and return it; after `wait`."""


class Trainer(Protocol):
    """Trains both models of a style and leaves its card behind.

    A provider with settings takes them as further keywords; one that has none, like ``embedded``, takes no more.
    """

    def prepare(
        self,
        pairs: PairSet,
        *,
        base: str | None = None,
        home: Path | None = None,
        **options: Any,  # noqa: ANN401 - each provider checks its own
    ) -> Training:
        """Check everything that can be known before a training on ``pairs``.

        Each row has its own system prompt, rendered with the parameters of its pair; the card gets the templates, and
        `trained_parameters`.

        Args:
            pairs: What to learn from; the test split stays untouched.
            base: The model to start from; None means the provider's own choice.
            home: Where styles are kept; None: `restyle.files.home_directory`.
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


def prepare(
    pairs: PairSet | str | Path,
    /,
    *,
    provider: str = "embedded",
    base: str | None = None,
    home: Path | None = None,
    **options: Any,  # noqa: ANN401 - each provider checks its own
) -> Training:
    """Everything that `train` does before it begins; the plan of what comes out is the dry run.

    The arguments and errors are those of `train`.
    """
    opened = pairs if isinstance(pairs, PairSet) else PairSet.load(pairs)
    trainer = find_trainer(provider)
    kinds = [parameter.kind for parameter in signature(trainer.prepare).parameters.values()]
    if options and Parameter.VAR_KEYWORD not in kinds:
        raise ValueError(f"the provider {provider!r} has no option {min(options)!r}: leave it out")
    return trainer.prepare(opened, base=base, home=home, **options)


def train(
    pairs: PairSet | str | Path,
    /,
    *,
    provider: str = "embedded",
    base: str | None = None,
    home: Path | None = None,
    on_progress: OnProgress | None = None,
    **options: Any,  # noqa: ANN401 - each provider checks its own
) -> Style:
    """Train the style model and the de-style model of a pair set, save their card, and a report of losses beside it.

    The same call after a kill goes on where it was.

    Args:
        pairs: A pair set, or its folder.
        provider: Where to train; ``embedded`` needs nothing but this package, ``local`` an open model and the extra
            ``local``; ``openai``, ``azure``, ``nebius`` and ``together`` are hosts and want a key.
        base: The model to start from; None means the provider's own choice.
        home: Where styles are kept; None means ``RESTYLE_HOME`` or the user's data directory.
        on_progress: Called with everything that is heard while it trains.
        options: Settings of the provider: for ``local`` see `restyle.training.local.settings.LocalSettings`, for the
            others the settings class in their file under `restyle.training.hosts`.

    Raises:
        PairsError: The pair set is missing, was changed by hand, or has no pairs to train on.
        ValueError: The provider is unknown, has no such base, or not such an option.
        ModelError: A host refused, or did not answer; what it has begun goes on there.
        TrainingError: A training has failed, or was cancelled.
    """
    training = prepare(pairs, provider=provider, base=base, home=home, **options)
    for warning in training.plan.warnings:
        warnings.warn(warning, UserWarning, stacklevel=2)
    training.start()
    training.wait(on_progress)
    style = training.result()
    write_report(style)
    return style
