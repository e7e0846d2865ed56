"""A model's BLEU on held-out pairs, beside that of copying the input: alone, neither figure says anything."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

__all__ = ["Scores", "score"]


@dataclass(frozen=True, slots=True)
class Scores:
    """BLEU (sacreBLEU, tokenizer 13a, 0-100) against the targets of held-out pairs.

    Attributes:
        rows: How many pairs.
        model: The model's.
        copy: That of changing nothing.
        unchanged: Inputs that the model left as they were.
    """

    rows: int
    model: float
    copy: float
    unchanged: int


def score(rewrite: Callable[[str], str], pairs: Sequence[tuple[str, str]]) -> Scores | None:
    """Rewrite the sources of ``pairs`` and compare; None where nothing is held out."""
    if not pairs:
        return None
    from sacrebleu import corpus_bleu  # noqa: PLC0415 - 200 ms, after training only

    sources = [source for source, _ in pairs]
    targets = [[target for _, target in pairs]]
    outputs = [rewrite(source) for source in sources]
    return Scores(
        rows=len(pairs),
        model=corpus_bleu(outputs, targets).score,
        copy=corpus_bleu(sources, targets).score,
        unchanged=sum(output == source for output, source in zip(outputs, sources, strict=True)),
    )
