"""restyle for LangChain: `Restyle` at the end of any chain, and what agents and training data need beside it.

Names are imported on first use (PEP 562): importing the package imports no framework.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from langchain_restyle.chat_model import EmbeddedChatModel
    from langchain_restyle.facade import RestyledChatModel
    from langchain_restyle.middleware import RestyleMiddleware
    from langchain_restyle.pairs import abuild_pairs, aestimate_pairs, build_pairs, estimate_pairs
    from langchain_restyle.runnable import Restyle
    from langchain_restyle.splitter import SingleIdeaSplitter
    from langchain_restyle.teachers import ChatTeacher

_HOMES = {
    "ChatTeacher": "langchain_restyle.teachers",
    "EmbeddedChatModel": "langchain_restyle.chat_model",
    "Restyle": "langchain_restyle.runnable",
    "RestyleMiddleware": "langchain_restyle.middleware",
    "RestyledChatModel": "langchain_restyle.facade",
    "SingleIdeaSplitter": "langchain_restyle.splitter",
    "abuild_pairs": "langchain_restyle.pairs",
    "aestimate_pairs": "langchain_restyle.pairs",
    "build_pairs": "langchain_restyle.pairs",
    "estimate_pairs": "langchain_restyle.pairs",
}

__all__ = [
    "ChatTeacher",
    "EmbeddedChatModel",
    "Restyle",
    "RestyleMiddleware",
    "RestyledChatModel",
    "SingleIdeaSplitter",
    "abuild_pairs",
    "aestimate_pairs",
    "build_pairs",
    "estimate_pairs",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'langchain_restyle' has no attribute {name!r}")
    try:
        module = import_module(_HOMES[name])
    except ModuleNotFoundError as error:
        if error.name is None or not error.name.startswith("langchain"):
            raise
        from restyle.errors import MissingExtraError  # noqa: PLC0415 - only where it is raised

        raise MissingExtraError(error.name, "langchain", f"langchain_restyle.{name}") from error
    value = getattr(module, name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
