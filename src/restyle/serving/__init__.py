"""An OpenAI-compatible server over the embedded models: chat completions, files, fine-tuning jobs.

The names below need the extra ``serve`` and are imported on first use.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from restyle.serving.app import create_app
    from restyle.serving.run import serve

__all__ = ["create_app", "serve"]

_HOMES = {"create_app": "restyle.serving.app", "serve": "restyle.serving.run"}


def __getattr__(name: str) -> Any:  # noqa: ANN401 - a module's attributes have any type
    if name not in _HOMES:
        raise AttributeError(f"module 'restyle.serving' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
