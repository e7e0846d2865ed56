"""What is heard of a training, in words."""

from __future__ import annotations

from datetime import timedelta

from restyle.training.plans import Progress

__all__ = ["duration", "words"]


def words(now: Progress) -> str:
    """Status, step, losses and message, such as ``running, step 9 of 90, loss 1.234``."""
    said = [now.status.replace("_", " ")]
    if now.step is not None:
        said.append(f"step {now.step:,}" if now.steps is None else f"step {now.step:,} of {now.steps:,}")
    if now.loss is not None:
        said.append(f"loss {now.loss:.3f}")
    if now.held_out_loss is not None:
        of_base = " of the base model" if now.step == 0 else ""  # which is what the model is before the first step
        said.append(f"held-out loss{of_base} {now.held_out_loss:.3f}")
    return ", ".join([*said, now.message] if now.message else said)


def duration(seconds: float) -> str:
    """As ``[D days, ]H:MM:SS``."""
    return str(timedelta(seconds=round(seconds)))
