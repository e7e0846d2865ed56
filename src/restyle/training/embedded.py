"""The embedded provider: two phrase models, trained in this process in seconds."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from restyle._version import __version__
from restyle.data.pairs import PairSet
from restyle.data.rows import Row
from restyle.embedded import PhraseModel
from restyle.errors import PairsError, TrainingError
from restyle.messages import Role
from restyle.stage import Stage
from restyle.style import Style, check_name, styles_directory
from restyle.training.base import trained_parameters
from restyle.training.plans import OnProgress, Part, Plan, Progress
from restyle.training.scores import Scores, score

__all__ = ["EmbeddedTrainer", "EmbeddedTraining"]

_ROLES: tuple[Role, ...] = ("restyle", "destyle")
_BLIND = "embedded models see the text alone and not their prompt: whatever the value of {}, they write the same"


class EmbeddedTrainer:
    """Trains `restyle.embedded.PhraseModel` in both directions: word- and phrase-level style, no more.

    The models see no prompt: parameters stand in the card, but change nothing, of which the plan warns.
    """

    def prepare(self, pairs: PairSet, *, base: str | None = None, home: Path | None = None) -> EmbeddedTraining:
        """See `restyle.training.Trainer`.

        Raises:
            PairsError: There is nothing to train on.
            ValueError: A base was named: this provider starts from nothing.
        """
        if base is not None:
            raise ValueError(f"base is {base!r}, but the embedded provider starts from nothing: leave it out")
        check_name(pairs.style)
        # All rows first: a broken one is to be found before anything is trained, not between the two models.
        rows = {role: (pairs.rows(role, "train"), pairs.rows(role, "valid")) for role in _ROLES}
        if not rows["restyle"][0]:
            raise PairsError(
                f"{pairs.directory}: no pairs to train on: see dropped.jsonl there for what the filters left out"
            )
        parameters = trained_parameters(pairs)
        plan = Plan(
            style=pairs.style,
            provider="embedded",
            base=None,
            parts={role: Part(len(train), len(valid)) for role, (train, valid) in rows.items()},
            cost=0.0,
            warnings=(_BLIND.format(", ".join(f"${name}" for name in parameters)),) if parameters else (),
        )
        return EmbeddedTraining(plan, pairs, rows, parameters, home)


@dataclass(frozen=True, slots=True)
class EmbeddedTraining:
    """A `restyle.training.Training` in this process: `wait` trains, in seconds, and begins anew after a kill."""

    plan: Plan
    pairs: PairSet
    rows: Mapping[Role, tuple[Sequence[Row], Sequence[Row]]]
    parameters: dict[str, list[str]]
    home: Path | None
    trained: dict[Role, tuple[Stage, dict[str, Any]]] = field(default_factory=dict)

    @property
    def id(self) -> str:
        """See `restyle.training.Training`, as for the others."""
        return f"{self.pairs.style}-{hashlib.sha256(f'embedded {self.pairs.digest}'.encode()).hexdigest()[:12]}"

    def start(self) -> None:
        """Nothing: see `wait`."""

    def wait(self, on_progress: OnProgress | None = None) -> None:
        """Train both models."""
        folder = styles_directory(self.home) / self.pairs.style
        for role, (train, valid) in self.rows.items():
            self.trained[role] = _train(self.pairs, role, train, valid, folder)
            if on_progress:
                on_progress(Progress(role, "succeeded"))

    def cancel(self) -> None:
        """Nothing: nothing goes on outside of `wait`."""

    def result(self) -> Style:
        """Save the style's card and return it.

        Raises:
            TrainingError: `wait` has not returned.
        """
        if self.trained.keys() != self.rows.keys():
            raise TrainingError(f"{self.id} is not trained: call wait() first")
        (restyle, restyle_metrics), (destyle, destyle_metrics) = (self.trained[role] for role in _ROLES)
        style = Style(
            name=self.pairs.style,
            restyle=restyle,
            destyle=destyle,
            parameters=self.parameters,
            dataset=self.pairs.digest,
            training={
                "provider": "embedded",
                "restyle": __version__,
                "model": "statistical phrase model: word- and phrase-level style",
                "rows": self.plan.parts["restyle"].rows,
                "teachers": self.pairs.manifest["teachers"],
            },
            metrics={"restyle": restyle_metrics, "destyle": destyle_metrics},
        )
        style.save(self.home)
        return style


def _train(
    pairs: PairSet, role: Role, rows: Sequence[Row], held_out: Sequence[Row], folder: Path
) -> tuple[Stage, dict[str, Any]]:
    # Every text of the author's teaches the language model, those without a pair too. Held-out documents are not in it.
    monolingual = pairs.author_texts() if role == "restyle" else ()
    model = PhraseModel.fit([row.ask.user for row in rows], [row.answer for row in rows], monolingual=monolingual)
    stage = Stage(prompt=pairs.prompt(role), model=_save(model, role, folder), provider="embedded")
    scores = score(model.rewrite, [(row.ask.user, row.answer) for row in held_out])
    return stage, _metrics(scores) | {"sentence_pairs": model.pairs}


def _save(model: PhraseModel, role: Role, folder: Path) -> str:
    """Save under a name that follows from the content: an older card keeps the file that it means."""
    folder.mkdir(parents=True, exist_ok=True)
    temporary = folder / f".{role}.tmp"
    model.save(temporary)
    name = f"{role}-{hashlib.sha256(temporary.read_bytes()).hexdigest()[:12]}.json.gz"
    temporary.replace(folder / name)
    return name


def _metrics(scores: Scores | None) -> dict[str, Any]:
    if scores is None:
        return {"held_out": 0}
    return {
        "held_out": scores.rows,
        "bleu": round(scores.model, 1),
        "bleu_of_copy": round(scores.copy, 1),
        "unchanged": scores.unchanged,
    }
