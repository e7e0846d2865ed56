"""The embedded provider: two phrase models, trained in this process in seconds."""

from __future__ import annotations

import hashlib
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
from restyle.training.scores import Scores, score

__all__ = ["EmbeddedTrainer"]

_ROLES: tuple[Role, ...] = ("restyle", "destyle")


class EmbeddedTrainer:
    """Trains `restyle.embedded.PhraseModel` in both directions: word- and phrase-level style, no more."""

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
        restyle, restyle_metrics = _train(pairs, "restyle", *rows["restyle"], folder)
        destyle, destyle_metrics = _train(pairs, "destyle", *rows["destyle"], folder)
        style = Style(
            name=pairs.style,
            restyle=restyle,
            destyle=destyle,
            dataset=pairs.digest,
            training={
                "provider": "embedded",
                "restyle": __version__,
                "model": "statistical phrase model: word- and phrase-level style",
                "rows": len(rows["restyle"][0]),
                "teacher": pairs.manifest["teacher"],
            },
            metrics={"restyle": restyle_metrics, "destyle": destyle_metrics},
        )
        style.save(home)
        return style


def _train(
    pairs: PairSet, role: Role, rows: Sequence[Row], held_out: Sequence[Row], folder: Path
) -> tuple[Stage, dict[str, Any]]:
    if not rows:
        raise PairsError(
            f"{pairs.directory}: no pairs to train on: see dropped.jsonl there for what the filters left out"
        )
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
