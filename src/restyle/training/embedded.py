"""The embedded provider: two phrase models, trained in this process in seconds."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from restyle._version import __version__
from restyle.data.pairs import PairSet
from restyle.data.rows import Row
from restyle.embedded import PhraseModel
from restyle.errors import PairsError
from restyle.messages import Role
from restyle.stage import Stage
from restyle.style import Style, check_name, styles_directory
from restyle.training.base import trained_parameters
from restyle.training.scores import Scores, score

__all__ = ["EmbeddedTrainer"]

_ROLES: tuple[Role, ...] = ("restyle", "destyle")
_BLIND = "embedded models see the text alone and not their prompt: whatever the value of {}, they write the same"


class EmbeddedTrainer:
    """Trains `restyle.embedded.PhraseModel` in both directions: word- and phrase-level style, no more.

    The models see no prompt: parameters stand in the card, but change nothing, of which a warning is given.
    """

    def train(self, pairs: PairSet, *, base: str | None = None, home: Path | None = None) -> Style:
        """See `restyle.training.Trainer`.

        Raises:
            PairsError: There is nothing to train on.
            ValueError: A base was named: this provider starts from nothing.
        """
        if base is not None:
            raise ValueError(f"base is {base!r}, but the embedded provider starts from nothing: leave it out")
        folder = styles_directory(home) / check_name(pairs.style)
        # All rows first: a broken one is to be found before anything is trained, not between the two models.
        rows = {role: (pairs.rows(role, "train"), pairs.rows(role, "valid")) for role in _ROLES}
        if not rows["restyle"][0]:
            raise PairsError(
                f"{pairs.directory}: no pairs to train on: see dropped.jsonl there for what the filters left out"
            )
        if parameters := trained_parameters(pairs):
            warnings.warn(_BLIND.format(", ".join(f"${name}" for name in parameters)), UserWarning, stacklevel=2)
        restyle, restyle_metrics = _train(pairs, "restyle", *rows["restyle"], folder)
        destyle, destyle_metrics = _train(pairs, "destyle", *rows["destyle"], folder)
        style = Style(
            name=pairs.style,
            restyle=restyle,
            destyle=destyle,
            parameters=parameters,
            dataset=pairs.digest,
            training={
                "provider": "embedded",
                "restyle": __version__,
                "model": "statistical phrase model: word- and phrase-level style",
                "rows": len(rows["restyle"][0]),
                "teachers": pairs.manifest["teachers"],
            },
            metrics={"restyle": restyle_metrics, "destyle": destyle_metrics},
        )
        style.save(home)
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
