"""Make any LLM application sound like one particular author, without changing what it says.

Names are imported on first use (PEP 562), so that ``import restyle`` costs next to nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from restyle._version import __version__

if TYPE_CHECKING:
    from restyle.blocks import Block, Splitter, split_blocks
    from restyle.data.pairs import PairSet, abuild_pairs, aestimate_pairs, build_pairs, estimate_pairs
    from restyle.errors import RestyleError
    from restyle.facts import Loss, losses
    from restyle.flows import Rewritten
    from restyle.policy import Policy
    from restyle.prompts import Prompt
    from restyle.rewriting import Rewrite, arewrite, arewrite_stream, rewrite, rewrite_stream
    from restyle.stage import Stage
    from restyle.style import Style
    from restyle.training import train

_HOMES = {
    "Block": "restyle.blocks",
    "Loss": "restyle.facts",
    "PairSet": "restyle.data.pairs",
    "Policy": "restyle.policy",
    "Prompt": "restyle.prompts",
    "RestyleError": "restyle.errors",
    "Rewrite": "restyle.rewriting",
    "Rewritten": "restyle.flows",
    "Splitter": "restyle.blocks",
    "Stage": "restyle.stage",
    "Style": "restyle.style",
    "abuild_pairs": "restyle.data.pairs",
    "aestimate_pairs": "restyle.data.pairs",
    "arewrite": "restyle.rewriting",
    "arewrite_stream": "restyle.rewriting",
    "build_pairs": "restyle.data.pairs",
    "estimate_pairs": "restyle.data.pairs",
    "losses": "restyle.facts",
    "rewrite": "restyle.rewriting",
    "rewrite_stream": "restyle.rewriting",
    "split_blocks": "restyle.blocks",
    "train": "restyle.training",
}

__all__ = [
    "Block",
    "Loss",
    "PairSet",
    "Policy",
    "Prompt",
    "RestyleError",
    "Rewrite",
    "Rewritten",
    "Splitter",
    "Stage",
    "Style",
    "__version__",
    "abuild_pairs",
    "aestimate_pairs",
    "arewrite",
    "arewrite_stream",
    "build_pairs",
    "estimate_pairs",
    "losses",
    "rewrite",
    "rewrite_stream",
    "split_blocks",
    "train",
]


def __getattr__(name: str) -> Any:  # noqa: ANN401 - a module's attributes have any type
    if name not in _HOMES:
        raise AttributeError(f"module 'restyle' has no attribute {name!r}")
    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
