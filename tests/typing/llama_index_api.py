"""The LlamaIndex side of the public API as a user writes it. Type checkers read this file; nothing runs it."""

from __future__ import annotations

from pathlib import Path
from typing import assert_type

from llama_index.core import SimpleDirectoryReader, VectorStoreIndex
from llama_index.core.agent.workflow import AgentOutput, AgentWorkflow, FunctionAgent
from llama_index.core.base.base_query_engine import BaseQueryEngine
from llama_index.core.base.response.schema import RESPONSE_TYPE
from llama_index.core.callbacks import CallbackManager
from llama_index.core.chat_engine.types import BaseChatEngine, StreamingAgentChatResponse
from llama_index.core.ingestion import IngestionPipeline
from llama_index.core.llms import LLM, ChatMessage
from llama_index.core.query_engine import RetrieverQueryEngine
from llama_index.core.response_synthesizers import BaseSynthesizer
from llama_index.core.schema import BaseNode, Document
from llama_index.core.tools import QueryEngineTool
from llama_index.core.workflow import Event

from llama_index_restyle import (
    DestyleNodePostprocessor,
    EmbeddedLLM,
    EndpointLLM,
    LLMTeacher,
    RestyleAgentMixin,
    RestyleChatEngine,
    RestyleFinetuneEngine,
    RestyleNodePostprocessor,
    RestylePostprocessor,
    RestyleQueryEngine,
    RestyleSynthesizer,
    RestyleWorkflow,
    SingleIdeaNodeParser,
    abuild_pairs,
    build_pairs,
)
from restyle import PairSet, Style


def answer(index: VectorStoreIndex, card: Style, llm: LLM) -> RESPONSE_TYPE:
    engine: BaseQueryEngine = RestyleQueryEngine(index.as_query_engine(llm=llm), style="author")
    RestyleQueryEngine(
        engine,
        style=card,
        streaming=False,
        parameters={"tone": "merry"},
        style_model=EndpointLLM(model="author", base_url="http://localhost:8000/v1", request={"temperature": 0.2}),
        destyle_model="openai:ft:gpt-9",
        destyle=True,
        attempts=3,
        on_loss="neutral",
        on_error="original",
        empty_response="Nothing.",
        pydantic_fields=("body",),
        include_report=False,
        include_neutral=True,
        max_concurrency=8,
        callback_manager=CallbackManager([]),
    )
    QueryEngineTool.from_defaults(engine, name="notes", description="what the author noted")
    return engine.query("Who lights the lamp?")


async def postprocess(response: RESPONSE_TYPE) -> None:
    postprocessor = RestylePostprocessor(style="author", style_model=EmbeddedLLM(style="author", role="restyle"))
    assert_type(postprocessor.postprocess_response(response), RESPONSE_TYPE)
    assert_type(await postprocessor.apostprocess_response(response), RESPONSE_TYPE)


def synthesize(inner: BaseSynthesizer, index: VectorStoreIndex, llm: LLM) -> BaseQueryEngine:
    passages = [DestyleNodePostprocessor(style="author"), RestyleNodePostprocessor(style="author")]
    RetrieverQueryEngine.from_args(index.as_retriever(), llm=llm, node_postprocessors=[*passages])
    return index.as_query_engine(llm=llm, response_synthesizer=RestyleSynthesizer(inner, style="author"))


async def chat(inner: BaseChatEngine) -> str:
    engine: BaseChatEngine = RestyleChatEngine(inner, style="author", memory="neutral")
    assert_type(engine.stream_chat("Who?"), StreamingAgentChatResponse)
    reply = await engine.achat("Who?", chat_history=[ChatMessage("Hello.")])
    return str(reply)


class Author(RestyleAgentMixin, FunctionAgent):
    """An agent with a voice of its own."""


async def agents(llm: LLM) -> AgentOutput:
    agent = Author(llm=llm, tools=[], style="author")
    workflow = RestyleWorkflow(AgentWorkflow(agents=[agent]), style="author", on_loss="keep")
    handler = workflow.run(user_msg="Who lights the lamp?")
    async for event in handler.stream_events():
        assert_type(event, Event)
    output = await handler
    assert isinstance(output, AgentOutput)
    return output


async def data(folder: Path, documents: list[Document], nodes: list[BaseNode], llm: LLM) -> LLM:
    reader = SimpleDirectoryReader(str(folder))
    assert_type(build_pairs(reader, style="author", teacher=llm, out="pairs", minimum=20), PairSet)
    build_pairs(documents, style="author", teacher="openai:gpt-6-luna", out=folder)
    build_pairs(nodes, style="author", teacher=LLMTeacher(llm, identity="mine"), out=folder)
    build_pairs({"anna": nodes, "bert": reader}, style="both", teacher=[llm, "openai:gpt-6-luna"], out=folder)
    await abuild_pairs(folder, style="author", teacher=None, out=folder)
    IngestionPipeline(transformations=[SingleIdeaNodeParser(aim=150, minimum=40, maximum=300)]).run(documents=documents)
    engine = RestyleFinetuneEngine(None, "pairs")
    engine.finetune()
    return engine.get_finetuned_model()
