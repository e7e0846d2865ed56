"""One fine-tuning run: rows in, a phrase model on disk and its scores out."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from restyle.training.scores import Scores, score

__all__ = ["HELD_OUT_LIMIT", "Trained", "train"]

HELD_OUT_LIMIT = 200  # held-out rows that are scored: rewriting them takes seconds, and the chat endpoint waits less

Row = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Trained:
    """What came of a run.

    Attributes:
        pairs: Sentence pairs that the model learnt from.
        words: Words in the training rows, both sides.
        warnings: What the model says against itself.
        scores: None without a validation file.
    """

    pairs: int
    words: int
    warnings: list[str]
    scores: Scores | None


def train(rows: Sequence[Row], held_out: Sequence[Row], path: Path) -> Trained:
    """Fit a phrase model to ``rows``, write it to ``path``, and score it on ``held_out``.

    Raises:
        PairsError: The rows hold nothing to learn from.
    """
    from restyle.embedded import PhraseModel  # noqa: PLC0415 - numpy, which a server that never trains does without

    with _collected_warnings() as notes:
        model = PhraseModel.fit([source for source, _ in rows], [target for _, target in rows])
    path.parent.mkdir(parents=True, exist_ok=True)
    model.save(path)
    words = sum(len(side.split()) for row in rows for side in row)
    return Trained(model.pairs, words, notes, score(model.rewrite, held_out[:HELD_OUT_LIMIT]))


@contextmanager
def _collected_warnings() -> Iterator[list[str]]:
    """The warnings that this module is given, as a list instead of on the screen.

    Python's warning filters belong to the whole process and not to a thread. So the filter names this module alone,
    and whatever another thread warns of meanwhile goes where it would have gone.
    """
    notes: list[str] = []
    show = warnings.showwarning
    with warnings.catch_warnings():
        warnings.filterwarnings("always", module=__name__.replace(".", r"\."))

        def collect(
            message: Warning | str,
            category: type[Warning],
            filename: str,
            lineno: int,
            file: TextIO | None = None,
            line: str | None = None,
        ) -> None:
            if filename == __file__:
                notes.append(str(message))
            else:
                show(message, category, filename, lineno, file, line)

        warnings.showwarning = collect
        yield notes
