"""How users name the model of a stage."""

from __future__ import annotations

from typing import Any

from langchain_core.runnables import Runnable

__all__ = ["ModelSpec"]

ModelSpec = str | Runnable[Any, Any] | None
"""A chat model or any runnable over messages; a model's name; None: the one that the style card names."""
