"""Every kind of query engine, each with the same answer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from llama_index.core import get_response_synthesizer
from llama_index.core.base.base_query_engine import BaseQueryEngine
from llama_index.core.base.base_retriever import BaseRetriever
from llama_index.core.evaluation import BaseEvaluator, EvaluationResult
from llama_index.core.indices.query.query_transform.base import BaseQueryTransform
from llama_index.core.llms.llm import LLM
from llama_index.core.node_parser import TokenTextSplitter
from llama_index.core.query_engine import (
    CitationQueryEngine,
    RetrieverQueryEngine,
    RetryQueryEngine,
    RouterQueryEngine,
    SubQuestionQueryEngine,
    TransformQueryEngine,
)
from llama_index.core.question_gen import LLMQuestionGenerator
from llama_index.core.response_synthesizers import BaseSynthesizer, ResponseMode, TreeSummarize
from llama_index.core.schema import NodeWithScore, QueryBundle
from llama_index.core.selectors import LLMMultiSelector, LLMSingleSelector
from llama_index.core.tools import QueryEngineTool

from contract_llama.texts import ANSWER, CONTEXT, SOURCES, TWICE

__all__ = ["KINDS", "Around", "Kind", "Shelf", "Strict", "retrieving", "tools"]

Around = Callable[[BaseSynthesizer], BaseSynthesizer]
"""What is done to the synthesizer that has the last word."""


@dataclass(frozen=True)
class Kind:
    """One kind.

    Attributes:
        name: Of its tests.
        build: Makes one: over the application's model, streaming or not.
        answer: What it answers.
        blocks: How many blocks of that the models of a style must see.
        streams: Whether LlamaIndex lets it stream.
        synthesizer: Whether a synthesizer of its own has the last word.
    """

    name: str
    build: Callable[[LLM, bool, Around], BaseQueryEngine]
    answer: str = ANSWER
    blocks: int = 3
    streams: bool = True
    synthesizer: bool = True


class Shelf(BaseRetriever):
    """It has these nodes, always the same objects."""

    def __init__(self, nodes: Sequence[NodeWithScore] = SOURCES) -> None:
        super().__init__()
        self.nodes = nodes

    def _retrieve(self, _: QueryBundle) -> list[NodeWithScore]:
        return [*self.nodes]


def retrieving(
    llm: LLM, *, streaming: bool = False, around: Around = lambda inner: inner, mode: str = "compact", **options
) -> RetrieverQueryEngine:
    """Over the shelf."""
    synthesizer = get_response_synthesizer(llm, response_mode=ResponseMode(mode), streaming=streaming, **options)
    return RetrieverQueryEngine(Shelf(), around(synthesizer))


def tools(*engines: BaseQueryEngine) -> list[QueryEngineTool]:
    return [
        QueryEngineTool.from_defaults(engine, name=name, description=f"Knows very much: {name}")
        for name, engine in zip(("one", "two"), engines, strict=True)
    ]


def _mode(name: str, answer: str = ANSWER, blocks: int = 3, *, streams: bool = True) -> Kind:
    return Kind(
        name,
        lambda llm, streaming, around: retrieving(llm, streaming=streaming, around=around, mode=name),
        answer,
        blocks,
        streams=streams,
    )


def _router_single(llm, streaming, around):
    other = retrieving(llm, streaming=streaming, mode="no_text")
    selector = LLMSingleSelector.from_defaults(llm)
    return RouterQueryEngine(selector, tools(other, retrieving(llm, streaming=streaming, around=around)), llm=llm)


def _router_multi(llm, streaming, around):
    # The engines do not stream: a task cannot read what is streamed to it where it wants a string.
    engines = tools(retrieving(llm), retrieving(llm, mode="refine"))
    summarizer = around(TreeSummarize(llm, streaming=streaming))
    return RouterQueryEngine(LLMMultiSelector.from_defaults(llm), engines, llm=llm, summarizer=summarizer)


def _sub_question(llm, streaming, around):
    return SubQuestionQueryEngine.from_defaults(
        tools(retrieving(llm), retrieving(llm, mode="tree_summarize")),
        llm=llm,
        question_gen=LLMQuestionGenerator.from_defaults(llm),
        response_synthesizer=around(get_response_synthesizer(llm, streaming=streaming)),
        verbose=False,
        use_async=False,
    )


def _citation(llm, streaming, around):
    splitter = TokenTextSplitter(chunk_size=16, chunk_overlap=0, tokenizer=str.split)
    synthesizer = around(get_response_synthesizer(llm, streaming=streaming))
    return CitationQueryEngine(Shelf(), llm, synthesizer, text_splitter=splitter)


class _Longer(BaseQueryTransform):
    def _get_prompts(self):
        return {}

    def _update_prompts(self, prompts):
        pass

    def _run(self, query_bundle, **_):
        return QueryBundle(f"{query_bundle.query_str} Very much so?")


def _transform(llm, streaming, around):
    return TransformQueryEngine(retrieving(llm, streaming=streaming, around=around), _Longer())


class Strict(BaseEvaluator):
    """Nothing is good enough the first time."""

    def __init__(self):
        self.seen = []

    def evaluate(self, query=None, response=None, **_):
        self.seen.append(response)
        return EvaluationResult(query=query, response=response, passing=len(self.seen) > 1, feedback="Try again.")

    async def aevaluate(self, *_, **__):
        raise NotImplementedError

    def _get_prompts(self):
        return {}

    def _update_prompts(self, prompts):
        pass


def _retry(llm, streaming, _):
    return RetryQueryEngine(retrieving(llm, streaming=streaming), Strict())


KINDS = [
    _mode("compact"),
    _mode("refine"),
    _mode("tree_summarize"),
    _mode("simple_summarize"),
    _mode("accumulate", TWICE, 6, streams=False),
    _mode("compact_accumulate", f"Response 1: {ANSWER}", streams=False),
    _mode("no_text", "", 0),
    _mode("context_only", CONTEXT, 2),
    Kind("router_single", _router_single),
    Kind("router_multi", _router_multi),
    Kind("sub_question", _sub_question),
    Kind("citation", _citation),
    Kind("transform", _transform),
    Kind("retry", _retry, synthesizer=False),  # it would evaluate what was restyled already
]
