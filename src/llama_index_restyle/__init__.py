"""restyle for LlamaIndex: wrappers for engines, synthesizers and agents, models, a node parser, and training data.

Names are imported on first use (PEP 562): importing the package imports no framework.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from llama_index_restyle.agents import RestyleAgentMixin
    from llama_index_restyle.chat_engine import RestyleChatEngine
    from llama_index_restyle.embedded_llm import EmbeddedLLM
    from llama_index_restyle.endpoint_llm import EndpointLLM
    from llama_index_restyle.finetuning import RestyleFinetuneEngine
    from llama_index_restyle.node_parser import SingleIdeaNodeParser
    from llama_index_restyle.node_postprocessors import DestyleNodePostprocessor, RestyleNodePostprocessor
    from llama_index_restyle.pairs import abuild_pairs, aestimate_pairs, build_pairs, estimate_pairs
    from llama_index_restyle.postprocessor import RestylePostprocessor
    from llama_index_restyle.query_engine import RestyleQueryEngine
    from llama_index_restyle.synthesizer import RestyleSynthesizer
    from llama_index_restyle.teachers import LLMTeacher
    from llama_index_restyle.workflow import RestyleWorkflow

_HOMES = {
    "DestyleNodePostprocessor": "llama_index_restyle.node_postprocessors",
    "EmbeddedLLM": "llama_index_restyle.embedded_llm",
    "EndpointLLM": "llama_index_restyle.endpoint_llm",
    "LLMTeacher": "llama_index_restyle.teachers",
    "RestyleAgentMixin": "llama_index_restyle.agents",
    "RestyleChatEngine": "llama_index_restyle.chat_engine",
    "RestyleFinetuneEngine": "llama_index_restyle.finetuning",
    "RestyleNodePostprocessor": "llama_index_restyle.node_postprocessors",
    "RestylePostprocessor": "llama_index_restyle.postprocessor",
    "RestyleQueryEngine": "llama_index_restyle.query_engine",
    "RestyleSynthesizer": "llama_index_restyle.synthesizer",
    "RestyleWorkflow": "llama_index_restyle.workflow",
    "SingleIdeaNodeParser": "llama_index_restyle.node_parser",
    "abuild_pairs": "llama_index_restyle.pairs",
    "aestimate_pairs": "llama_index_restyle.pairs",
    "build_pairs": "llama_index_restyle.pairs",
    "estimate_pairs": "llama_index_restyle.pairs",
}

__all__ = [
    "DestyleNodePostprocessor",
    "EmbeddedLLM",
    "EndpointLLM",
    "LLMTeacher",
    "RestyleAgentMixin",
    "RestyleChatEngine",
    "RestyleFinetuneEngine",
    "RestyleNodePostprocessor",
    "RestylePostprocessor",
    "RestyleQueryEngine",
    "RestyleSynthesizer",
    "RestyleWorkflow",
    "SingleIdeaNodeParser",
    "abuild_pairs",
    "aestimate_pairs",
    "build_pairs",
    "estimate_pairs",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'llama_index_restyle' has no attribute {name!r}")
    try:
        module = import_module(_HOMES[name])
    except ModuleNotFoundError as error:
        if error.name is None or not error.name.startswith("llama_index"):
            raise
        from restyle.errors import MissingExtraError  # noqa: PLC0415 - only where it is raised

        raise MissingExtraError(error.name, "llama-index", f"llama_index_restyle.{name}") from error
    value = getattr(module, name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
