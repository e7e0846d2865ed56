"""What can be wrong with a chat template: twenty traps, and one found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["Finding", "Trap"]

Trap = Literal[
    "fails",  # no row can be rendered
    "system-rejected",  # rows without a system message can
    "system-dropped",
    "system-folded",  # it stands in the user's turn, or after it
    "system-default",  # the template has its own where none is given
    "changed",  # a text is altered, missing, or stands there twice
    "trimmed",
    "injected",
    "clock",
    "thinking-trained",  # the answer is trained with a scaffold that the prompt does not have
    "thinking-prompted",  # the prompt opens one that training does not have
    "thinking-unpinned",  # a switch is left to the server
    "not-a-prefix",
    "header-trained",  # the prompt ends before the answer's header
    "token-boundary",
    "double-bos",
    "eos-missing",
    "stop-differs",  # the turn's end is not the tokenizer's EOS
    "control-in-prompt",
    "kwarg-ignored",
]


@dataclass(frozen=True, slots=True)
class Finding:
    """A trap in a template.

    Attributes:
        kind: Which.
        severity: An ``error`` makes the model see other tokens than it was trained on; a ``warning`` may, elsewhere.
        detail: What happens, and what to do about it.
        diff: The two texts that differ, or the lines that were added; may be empty.
    """

    kind: Trap
    severity: Literal["error", "warning"]
    detail: str
    diff: str = ""
