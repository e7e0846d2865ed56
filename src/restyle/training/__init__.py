"""A pair set in, a style card and its two models out: one provider a file, behind one small protocol."""

from __future__ import annotations

from restyle.training.base import Trainer, find_trainer, train

__all__ = ["Trainer", "find_trainer", "train"]
