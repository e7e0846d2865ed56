"""The processes that train one model together: those of ``torchrun``, ``accelerate launch`` or Ray Train."""

from __future__ import annotations

import os

__all__ = ["check_processes", "devices", "is_first"]


def is_first() -> bool:
    """Whether this is the process that writes: the only one, or the first of several."""
    return os.environ.get("RANK", "0") == "0"


def devices() -> int:
    """How many share a step: the processes, or where there is one, its GPUs."""
    import torch  # noqa: PLC0415 - of the extra 'local'

    return int(os.environ.get("WORLD_SIZE", "0")) or max(1, torch.cuda.device_count())


def check_processes(found: int) -> None:
    """See that all processes that were begun have found each other; ``found`` is how many have.

    Raises:
        ValueError: They have not, and each would train the whole.
    """
    if found != (begun := int(os.environ.get("WORLD_SIZE", "1"))):
        raise ValueError(
            f"{begun} processes were begun, but {found} train together: where there is no GPU, set "
            "ACCELERATE_USE_CPU=true in the environment"
        )
