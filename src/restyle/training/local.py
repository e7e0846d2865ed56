"""The local provider: one open base model, a LoRA adapter for each direction, trained on this machine."""

from __future__ import annotations

import hashlib
import json
import os
import warnings
from dataclasses import asdict
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Any

from restyle._version import __version__
from restyle.data.export import file_name
from restyle.data.pairs import PairSet
from restyle.errors import MissingExtraError, PairsError
from restyle.messages import Role
from restyle.stage import Stage
from restyle.style import Style, check_name, styles_directory
from restyle.training.base import trained_parameters
from restyle.training.local_base import Base, open_base
from restyle.training.local_rows import Rows
from restyle.training.local_run import Run, Tuned
from restyle.training.local_settings import LocalSettings
from restyle.training.losses import judge

__all__ = ["LocalTrainer"]

_ROLES: tuple[Role, ...] = ("restyle", "destyle")
_PACKAGES = ("torch", "transformers", "trl", "peft", "datasets", "accelerate")

# Sent with every request, for servers differ in theirs. An answer that lost facts is asked for again, so not 0.
_SAMPLING = {"temperature": 0.7, "top_p": 0.95}


class LocalTrainer:
    """Trains two LoRA adapters with TRL and PEFT; see `LocalSettings` for what can be set.

    Adapters lie beside the card, in folders named after all that they were made from; checkpoints in
    ``...-training/`` until they are done. The same call after a kill goes on from the last checkpoint, and after the
    end it trains nothing and gives the same card.
    """

    def train(
        self,
        pairs: PairSet,
        *,
        base: str | None = None,
        home: Path | None = None,
        **options: Any,  # noqa: ANN401 - typed and checked by `LocalSettings`
    ) -> Style:
        """See `restyle.training.Trainer`.

        Raises:
            ValueError: No base was named, it cannot be read, or an option is unknown or out of range.
            PairsError: There is nothing to train on.
            RowError: A row does not fit into the model's window.
            PromptError: The base's chat template does not keep the prompt.
            MissingExtraError: The extra ``local`` is not installed.
        """
        settings = LocalSettings.of(options)
        if base is None:
            raise ValueError("the local provider needs a base: a model's folder, or its name on the Hugging Face Hub")
        folder = styles_directory(home).absolute() / check_name(pairs.style)
        parameters = trained_parameters(pairs)
        _check_packages()
        model = open_base(base, settings.revision)
        # Both directions first: what is wrong is to be found before anything is trained, not between the two.
        runs = {role: _plan(pairs, role, model, settings, folder) for role in _ROLES}
        tuned = {role: run.finish() for role, run in runs.items()}
        for role in _ROLES:
            for sentence in judge(tuned[role].kept, runs[role].overlap):
                warnings.warn(f"{role}: {sentence}", UserWarning, stacklevel=2)
        stages = {role: _stage(pairs, role, settings, tuned[role]) for role in _ROLES}
        style = Style(
            name=pairs.style,
            restyle=stages["restyle"],
            destyle=stages["destyle"],
            parameters=parameters,
            dataset=pairs.digest,
            training={
                "provider": "local",
                "restyle": __version__,
                "base": model.name,
                "revision": model.revision,
                "settings": asdict(settings),
                "packages": {name: version(name) for name in _PACKAGES},
                "rows": len(runs["restyle"].train.rows),
                "teachers": pairs.manifest["teachers"],
                "adapters": {role: _record(runs[role], tuned[role]) for role in _ROLES},
            },
            metrics={role: _metrics(tuned[role]) for role in _ROLES},
        )
        if os.environ.get("RANK", "0") == "0":  # of several processes one writes
            style.save(home)
        return style


def _check_packages() -> None:
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")  # read when huggingface_hub is imported
    for name in _PACKAGES:
        try:
            import_module(name)
        except ImportError as error:
            raise MissingExtraError(name, "local", "training on this machine") from error


def _plan(pairs: PairSet, role: Role, base: Base, settings: LocalSettings, folder: Path) -> Run:
    train, valid = (
        Rows.measure(pairs.directory / file_name(role, split), pairs.rows(role, split), base)
        for split in ("train", "valid")
    )
    if not train.rows:
        raise PairsError(
            f"{pairs.directory}: no pairs to train on: see dropped.jsonl there for what the filters left out"
        )
    for system in dict.fromkeys(row.ask.system for row in train.rows):
        base.check(system)
    # Where it is watched and served changes nothing in the adapter.
    settled = {name: value for name, value in asdict(settings).items() if name not in {"report_to", "serve_url"}}
    recipe = json.dumps([pairs.digest, role, base.name, settled | {"revision": base.revision}], sort_keys=True)
    return Run(base, settings, train, valid, folder / f"{role}-{hashlib.sha256(recipe.encode()).hexdigest()[:12]}")


def _stage(pairs: PairSet, role: Role, settings: LocalSettings, tuned: Tuned) -> Stage:
    kwargs = {"chat_template_kwargs": tuned.golden.kwargs} if tuned.golden.kwargs else {}
    return Stage(
        prompt=pairs.prompt(role),
        model=f"{pairs.style}-{role}",
        base_url=settings.serve_url,
        request=_SAMPLING | kwargs,
        golden=tuned.golden,
    )


def _record(run: Run, tuned: Tuned) -> dict[str, Any]:
    return {
        "folder": run.adapter.name,
        "steps": tuned.steps,
        "best_step": tuned.best_step,
        "longest_row": tuned.longest,
        # As lists, which is how they are read again.
        "losses": {"train": list(map(list, tuned.curve.train)), "held_out": list(map(list, tuned.curve.full_held_out))},
    }


def _metrics(tuned: Tuned) -> dict[str, Any]:
    if tuned.loss is None or tuned.curve.base is None:
        return {"held_out": 0}
    return {
        "held_out": tuned.held_out,
        "loss": round(tuned.loss, 4),
        "loss_of_base": round(tuned.curve.base, 4),
    }
