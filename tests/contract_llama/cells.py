"""Every query engine with every adapter: as it was, and restyled."""

from __future__ import annotations

import pytest
from llama_index.core.base.base_query_engine import BaseQueryEngine
from llama_index.core.llms.llm import LLM

from contract_llama.engines import KINDS, Kind
from contract_llama.models import Models
from llama_index_restyle import RestyleQueryEngine, RestyleSynthesizer

__all__ = ["cells", "plain", "restyled", "streaming"]

cells = pytest.mark.parametrize(
    ("kind", "adapter"),
    [
        pytest.param(kind, adapter, id=f"{kind.name}-{adapter}")
        for kind in KINDS
        for adapter in ("engine", "synthesizer")
        if adapter == "engine" or kind.synthesizer
    ],
)

streaming = pytest.mark.parametrize("streaming", [False, True], ids=["whole", "streaming"])


def plain(kind: Kind, llm: LLM, *, streaming: bool = False) -> BaseQueryEngine:
    return kind.build(llm, streaming, lambda inner: inner)


def restyled(kind: Kind, adapter: str, models: Models, llm: LLM, *, streaming: bool = False) -> BaseQueryEngine:
    if adapter == "engine":
        return RestyleQueryEngine(plain(kind, llm, streaming=streaming), **models.options)
    return kind.build(llm, streaming, lambda inner: RestyleSynthesizer(inner, **models.options))
