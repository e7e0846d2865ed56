"""Whether rows that lie end to end in one sequence are read each for itself."""

from __future__ import annotations

from typing import Any

__all__ = ["check_packing", "has_flash_attention"]

_NOISE = 0.01  # of the logits' norm: experts that get other tokens beside a row's compute it a little differently


def has_flash_attention() -> bool:
    """Whether a sequence of several rows costs no more than the rows: else all pairs of their tokens are computed."""
    from transformers.utils import is_flash_attn_2_available  # noqa: PLC0415 - of the extra 'local'

    return bool(is_flash_attn_2_available())


def check_packing(trainer: Any, base: str) -> None:  # noqa: ANN401 - trl is not installed where types are checked
    """Put two different rows before the same one: what the model makes of it must be the same.

    It is where attention heeds the positions, which begin anew with each row. Layers that do not would let the model
    learn from rows that it will never see again.

    Raises:
        ValueError: It is not.
    """
    import torch  # noqa: PLC0415 - of the extra 'local'

    one, two = trainer.train_dataset[0], trainer.train_dataset[min(1, len(trainer.train_dataset) - 1)]
    backwards = {**one, "input_ids": one["input_ids"][::-1]}
    seen = []
    trainer.model.eval()
    for first in (one, backwards):
        batch = trainer.data_collator([first, two])
        inputs = {name: each.to(trainer.args.device) if torch.is_tensor(each) else each for name, each in batch.items()}
        with torch.no_grad():
            seen.append(trainer.model(**inputs).logits[0, len(one["input_ids"]) :].float())
    before, after = seen
    if (before - after).norm() > _NOISE * before.norm():
        raise ValueError(f"packing is set, but in {base} a row sees the one before it: leave packing out")
