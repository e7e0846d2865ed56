"""One thing that was looked at, and what came of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from restyle.messages import Role

__all__ = ["Check", "Status"]

Status = Literal["ok", "warning", "error", "unverifiable"]


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at.

    Attributes:
        role: Which of the style's two models.
        name: ``card``, ``model file``, ``endpoint``, ``model``, ``shutdown``, ``adapter`` or ``prompt``.
        status: ``unverifiable`` where the host does not show it.
        detail: What was found.
        next_step: What to do about it; empty where nothing is to be done.
        diff: Of a prompt that differs: where, and how.
    """

    role: Role
    name: str
    status: Status
    detail: str
    next_step: str = ""
    diff: str = ""
