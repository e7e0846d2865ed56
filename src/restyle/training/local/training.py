"""A training on this machine: both adapters, one after the other, and the card that tells how to reach them."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from restyle._version import __version__
from restyle.data.pairs import PairSet
from restyle.errors import TrainingError
from restyle.messages import Role
from restyle.stage import Stage
from restyle.style import Style
from restyle.training.local.base import Base
from restyle.training.local.merging import merge, merged_folder
from restyle.training.local.precision import dtype_of
from restyle.training.local.processes import is_first
from restyle.training.local.run import Run
from restyle.training.local.settings import LocalSettings
from restyle.training.local.tuned import Tuned
from restyle.training.losses import judge
from restyle.training.plans import OnProgress, Plan

__all__ = ["PACKAGES", "LocalTraining"]

PACKAGES = ("torch", "transformers", "trl", "peft", "datasets", "accelerate")


@dataclass(frozen=True, slots=True)
class LocalTraining:
    """See `restyle.training.base.Training`: it trains within `wait`, for a process is all that it has.

    Of several processes of ``torchrun`` or ``accelerate launch`` each does all of this, and the first one writes.
    """

    id: str
    plan: Plan
    pairs: PairSet
    parameters: dict[str, list[str]]
    base: Base
    settings: LocalSettings
    runs: Mapping[Role, Run]
    home: Path | None

    def start(self) -> None:
        """See that this machine can do it.

        Raises:
            ValueError: Nothing here computes in what is wanted.
        """
        dtype_of(self.settings)

    def wait(self, on_progress: OnProgress | None = None) -> None:
        """Train both, or go on from the last checkpoints; after a kill or an interrupt the same call does.

        Raises:
            RowError: TRL would not train on the rows as they are.
            TrainingError: `cancel` was called meanwhile, here or in another process.
        """
        for run in self.runs.values():
            try:
                run.finish(on_progress)
            except KeyboardInterrupt as stop:
                stop.add_note(f"the checkpoints of {self.id} are kept: the same call goes on from the last one")
                raise
        if self.settings.merge and is_first():
            for run in self.runs.values():
                merge(self.base, run.adapter)

    def cancel(self) -> None:
        """Delete the checkpoints, and stop the process that writes them; a finished adapter stays."""
        for run in self.runs.values():
            run.cancel()

    def result(self) -> Style:
        """Save the style's card and return it.

        Raises:
            TrainingError: `wait` has not returned, here or in an earlier process.
        """
        if missing := [role for role, run in self.runs.items() if not run.finished]:
            raise TrainingError(f"{self.id} has no {missing[0]} adapter yet: call wait() first")
        tuned = {role: run.tuned for role, run in self.runs.items()}
        for role, run in self.runs.items():
            for sentence in judge(tuned[role].kept, run.overlap):
                warnings.warn(f"{role}: {sentence}", UserWarning, stacklevel=2)
        style = Style(
            name=self.pairs.style,
            restyle=self._stage("restyle", tuned["restyle"]),
            destyle=self._stage("destyle", tuned["destyle"]),
            parameters=self.parameters,
            dataset=self.pairs.digest,
            training={
                "provider": "local",
                "restyle": __version__,
                "base": self.base.name,
                "revision": self.base.revision,
                "settings": asdict(self.settings),
                "packages": {name: version(name) for name in PACKAGES},
                "rows": self.plan.parts["restyle"].rows,
                "teachers": self.pairs.manifest["teachers"],
                "adapters": {role: self._record(run, tuned[role]) for role, run in self.runs.items()},
            },
            metrics={role: _metrics(each) for role, each in tuned.items()},
        )
        if is_first():
            style.save(self.home)
        return style

    def _stage(self, role: Role, tuned: Tuned) -> Stage:
        kwargs = {"chat_template_kwargs": tuned.golden.kwargs} if tuned.golden.kwargs else {}
        return Stage(
            prompt=self.pairs.prompt(role),
            model=f"{self.pairs.style}-{role}",
            base_url=self.settings.serve_url,
            request=self.base.sampling | kwargs,  # servers differ in what they do where nothing is said
            golden=tuned.golden,
        )

    def _record(self, run: Run, tuned: Tuned) -> dict[str, Any]:
        return {
            "folder": run.adapter.name,
            **({"merged": merged_folder(run.adapter).name} if self.settings.merge else {}),
            "dtype": tuned.dtype,
            "base_dtype": "nf4" if self.settings.load_in_4bit else tuned.dtype,
            "steps": tuned.steps,
            "best_step": tuned.best_step,
            "longest_row": tuned.longest,
            "overlap": run.overlap,
            # As lists, which is how they are read again.
            "losses": {
                "train": list(map(list, tuned.curve.train)),
                "held_out": list(map(list, tuned.curve.full_held_out)),
            },
        }


def _metrics(tuned: Tuned) -> dict[str, Any]:
    if tuned.loss is None or tuned.curve.base is None:
        return {"held_out": 0}
    return {
        "held_out": tuned.held_out,
        "loss": round(tuned.loss, 4),
        "loss_of_base": round(tuned.curve.base, 4),
    }
