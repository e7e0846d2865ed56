"""What a job of restyle's own server tells: a phrase model has no losses, but held-out rows can be scored."""

from __future__ import annotations

from typing import Any

from restyle.serving.training import Trained

__all__ = ["score_file", "score_metrics", "score_summary"]

# The columns of OpenAI's result files, empty because a phrase model has no loss, and then what was measured.
_COLUMNS = "step,train_loss,train_accuracy,valid_loss,valid_mean_token_accuracy,pairs,valid_rows,valid_bleu,copy_bleu"


def score_metrics(trained: Trained) -> dict[str, Any]:
    """The figures of a run."""
    metrics: dict[str, Any] = {"step": 1, "total_steps": 1, "pairs": trained.pairs}
    if trained.scores is not None:
        scores = trained.scores
        metrics |= {"valid_rows": scores.rows, "valid_bleu": round(scores.model, 2), "copy_bleu": round(scores.copy, 2)}
    return metrics


def score_summary(trained: Trained) -> str:
    """The same in a sentence."""
    learnt = f"Step 1/1: learnt from {trained.pairs} sentence pairs"
    if trained.scores is None:
        return f"{learnt}; not scored, for there is no validation file"
    scores = trained.scores
    return f"{learnt}; BLEU {scores.model:.2f} on {scores.rows} held-out rows, {scores.copy:.2f} if nothing is changed"


def score_file(metrics: dict[str, Any]) -> bytes:
    """The same as a result file, which is CSV."""
    values = ",".join(str(metrics.get(column, "")) for column in _COLUMNS.split(","))
    return f"{_COLUMNS}\n{values}\n".encode()
