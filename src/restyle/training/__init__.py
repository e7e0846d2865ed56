"""A pair set in, a style card and its two models out: one provider a file, behind one small protocol."""

from __future__ import annotations

from restyle.training.base import Trainer, Training, find_trainer, prepare, train
from restyle.training.plans import Plan, Progress

__all__ = ["Plan", "Progress", "Trainer", "Training", "find_trainer", "prepare", "train"]
