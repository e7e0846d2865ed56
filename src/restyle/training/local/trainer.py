"""The local provider: one open base model, a LoRA adapter for each direction, trained on this machine."""

from __future__ import annotations

import hashlib
import json
import os
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from restyle.data.export import file_name
from restyle.data.pairs import PairSet
from restyle.errors import MissingExtraError, PairsError
from restyle.messages import Role
from restyle.style import check_name, styles_directory
from restyle.training.base import trained_parameters
from restyle.training.local.base import Base, open_base
from restyle.training.local.packing import has_flash_attention
from restyle.training.local.precision import check_precision
from restyle.training.local.rows import Rows
from restyle.training.local.run import Run
from restyle.training.local.settings import LocalSettings
from restyle.training.local.training import PACKAGES, LocalTraining
from restyle.training.plans import Part, Plan

__all__ = ["LocalTrainer"]

_ROLES: tuple[Role, ...] = ("restyle", "destyle")


class LocalTrainer:
    """Trains two LoRA adapters with TRL and PEFT; see `LocalSettings` for what can be set.

    Adapters lie beside the card, in folders named after all that they were made from; checkpoints in
    ``...-training/`` until they are done. The same call after a kill goes on from the last checkpoint, and after the
    end it trains nothing and gives the same card.
    """

    def prepare(
        self,
        pairs: PairSet,
        *,
        base: str | None = None,
        home: Path | None = None,
        **options: Any,  # noqa: ANN401 - typed and checked by `LocalSettings`
    ) -> LocalTraining:
        """See `restyle.training.Trainer`; of the base its configuration and tokenizer are read, no weights.

        Raises:
            ValueError: No base was named, it cannot be read, or an option is unknown, out of range or not for it.
            PairsError: There is nothing to train on.
            RowError: A row does not fit into the model's window.
            PromptError: The base's chat template does not keep the prompt.
            MissingExtraError: The extra ``local`` is not installed, or ``qlora``, where it is needed.
        """
        settings = LocalSettings.of(options)
        if base is None:
            raise ValueError("the local provider needs a base: a model's folder, or its name on the Hugging Face Hub")
        folder = styles_directory(home).absolute() / check_name(pairs.style)
        parameters = trained_parameters(pairs)
        _check_packages()
        check_precision(settings)
        model = open_base(base, settings.revision)
        for name in ("load_in_4bit", "merge"):
            if getattr(settings, name) and model.quantised:
                raise ValueError(f"{name} is set, but {base} is quantised already: leave it out, or take its original")
        recipe = json.dumps([pairs.digest, model.name, model.state, settings.recipe | {"revision": model.revision}])
        digest = hashlib.sha256(recipe.encode()).hexdigest()[:12]
        # Both directions first: what is wrong is to be found before anything is trained, not between the two.
        runs = {role: _run(pairs, role, model, settings, folder / f"{role}-{digest}") for role in _ROLES}
        plan = Plan(
            style=pairs.style,
            provider="local",
            base=model.name,
            parts={role: _part(run) for role, run in runs.items()},
            epochs=settings.epochs,
            cost=0.0,
            warnings=tuple(_warnings(runs, model, settings)),
        )
        return LocalTraining(f"{pairs.style}-{digest}", plan, pairs, parameters, model, settings, runs, home)


def _check_packages() -> None:
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")  # read when huggingface_hub is imported
    if missing := [name for name in PACKAGES if find_spec(name) is None]:
        raise MissingExtraError(missing[0], "local", "training on this machine")


def _run(pairs: PairSet, role: Role, base: Base, settings: LocalSettings, adapter: Path) -> Run:
    train, valid = (
        Rows.measure(pairs.directory / file_name(role, split), pairs.rows(role, split), base)
        for split in ("train", "valid")
    )
    if not train.rows:
        raise PairsError(
            f"{pairs.directory}: no pairs to train on: see dropped.jsonl there for what the filters left out"
        )
    return Run(role, base, settings, train, valid, adapter)


def _part(run: Run) -> Part:
    return Part(len(run.train.rows), len(run.valid.rows), run.train.tokens, run.steps)


def _warnings(runs: dict[Role, Run], base: Base, settings: LocalSettings) -> list[str]:
    """Of the template with each prompt, of rows that are learnt and held out, and of what another training left."""
    found: dict[str, None] = {}
    if settings.packing and not has_flash_attention():
        found["packing is set, but flash-attn is not installed: without it, packing makes training slower"] = None
    for role, run in runs.items():
        for system in dict.fromkeys(row.ask.system for row in run.train.rows):
            found.update(dict.fromkeys(base.check(system)))
        if run.overlap:
            found[f"{run.train.path}: some of its texts are held out, too: their loss will tell nothing"] = None
        if others := run.unfinished_others():
            found[
                f"{others[0]}: an unfinished training with other pairs, settings or another state of the base, which "
                f"has no part in this {role} one: to go on with it, restore them; else delete it"
            ] = None
    return list(found)
