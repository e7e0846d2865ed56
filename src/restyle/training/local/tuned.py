"""What came out of one direction of local training, as it lies beside the adapter."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from pydantic import TypeAdapter

from restyle.files import write_atomically
from restyle.golden import GoldenPrompt
from restyle.training.losses import LossCurve

__all__ = ["Tuned"]

_RECORD = "training.json"


@dataclass(frozen=True, slots=True)
class Tuned:
    """What came out of one direction.

    Attributes:
        golden: The prompt of the first row, its ids cut from what the collator gave.
        held_out: Rows held out.
        loss: Held-out loss of the adapter that was kept, in nats per token of the completions, averaged over batches;
            None where nothing is held out.
        best_step: The step whose adapter was kept.
        steps: Steps trained.
        longest: Tokens of the longest row: longer texts than that were never seen.
        dtype: What was computed in.
        curve: Losses by step, the held-out ones of the whole file.
    """

    golden: GoldenPrompt
    held_out: int
    loss: float | None
    best_step: int
    steps: int
    longest: int
    dtype: str
    curve: LossCurve

    @property
    def kept(self) -> LossCurve:
        """The losses up to the step whose adapter was kept: a rise after it was found in time."""
        return self.curve.until(self.best_step)

    def write(self, adapter: Path) -> None:
        """Put it into an adapter's folder."""
        write_atomically(adapter / _RECORD, json.dumps(asdict(self), indent=2, ensure_ascii=False))

    @classmethod
    def read(cls, adapter: Path) -> Tuned:
        """What `write` put there."""
        return TypeAdapter(cls).validate_json((adapter / _RECORD).read_bytes())
