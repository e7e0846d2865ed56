"""`RestyleQueryEngine`: any query engine, answering in the author's words."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Unpack

from llama_index.core.base.base_query_engine import BaseQueryEngine
from llama_index.core.base.base_retriever import BaseRetriever
from llama_index.core.base.response.schema import RESPONSE_TYPE, AsyncStreamingResponse, StreamingResponse
from llama_index.core.callbacks import CBEventType, EventPayload
from llama_index.core.callbacks.base import EventContext
from llama_index.core.schema import NodeWithScore, QueryBundle
from llama_index_instrumentation import get_dispatcher

from llama_index_restyle.nesting import wrapping
from llama_index_restyle.options import RestyleOptions
from llama_index_restyle.wrapper import PromptWrapper
from restyle.style import Style

__all__ = ["RestyleQueryEngine"]

_DISPATCHER = get_dispatcher(__name__)


class RestyleQueryEngine(PromptWrapper[BaseQueryEngine], BaseQueryEngine):
    """Answers as the engine inside does, in one author's words; see `RestylePostprocessor`.

    Prompts, callbacks and retrieval are those of the engine inside. Wrap the outermost engine: what routers and agents
    get from an engine, they put into their own words.

    Args:
        query_engine: Any query engine.
        style: The name of a style under ``RESTYLE_HOME``, or a card.
        streaming: False makes whole answers of streams, as agents' tools need them; None leaves them as they are.
        **options: As for `RestylePostprocessor`.

    Example:
        ``RestyleQueryEngine(index.as_query_engine(), style="keeper").query("Who lights the lamp?")``

    Raises:
        StyleNotFoundError, StyleNameError, CardError: The style cannot be used.
        ParameterError: A prompt parameter is unknown or missing.
        ChatModelError: A given LLM takes no messages.
        LossError: While running, where facts did not survive and ``on_loss="raise"``.
    """

    def __init__(
        self,
        query_engine: BaseQueryEngine,
        *,
        style: str | Style,
        streaming: bool | None = None,
        **options: Unpack[RestyleOptions],
    ) -> None:
        self._wrap(query_engine, style, options)
        self._streaming = streaming
        super().__init__(self._postprocessor.callback_manager)

    def retrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        """What the engine inside retrieves."""
        return self._inner.retrieve(query_bundle)

    async def aretrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        """What the engine inside retrieves."""
        return await self._inner.aretrieve(query_bundle)  # type: ignore[attr-defined,no-any-return]  # not all have it

    @property
    def retriever(self) -> BaseRetriever:
        """The retriever of the engine inside."""
        return self._inner.retriever  # type: ignore[attr-defined,no-any-return]  # as above

    @_DISPATCHER.span
    def synthesize(
        self,
        query_bundle: QueryBundle,
        nodes: list[NodeWithScore],
        additional_source_nodes: Sequence[NodeWithScore] | None = None,
    ) -> RESPONSE_TYPE:
        """An answer made of these nodes."""
        with wrapping(self) as outermost:
            response = self._inner.synthesize(query_bundle, nodes, additional_source_nodes)
        return self._finished(response, outermost=outermost)

    @_DISPATCHER.span
    async def asynthesize(
        self,
        query_bundle: QueryBundle,
        nodes: list[NodeWithScore],
        additional_source_nodes: Sequence[NodeWithScore] | None = None,
    ) -> RESPONSE_TYPE:
        """An answer made of these nodes."""
        with wrapping(self) as outermost:
            response = await self._inner.asynthesize(query_bundle, nodes, additional_source_nodes)
        return await self._afinished(response, outermost=outermost)

    def _query(self, query_bundle: QueryBundle) -> RESPONSE_TYPE:
        with self._event(query_bundle) as event:
            with wrapping(self) as outermost:
                response = self._inner.query(query_bundle)
            response = self._finished(response, outermost=outermost)
            event.on_end(payload={EventPayload.RESPONSE: response})
        return response

    async def _aquery(self, query_bundle: QueryBundle) -> RESPONSE_TYPE:
        with self._event(query_bundle) as event:
            with wrapping(self) as outermost:
                response = await self._inner.aquery(query_bundle)
            response = await self._afinished(response, outermost=outermost)
            event.on_end(payload={EventPayload.RESPONSE: response})
        return response

    def _event(self, query_bundle: QueryBundle) -> AbstractContextManager[EventContext]:
        return self.callback_manager.event(CBEventType.QUERY, payload={EventPayload.QUERY_STR: query_bundle.query_str})

    def _finished(self, response: RESPONSE_TYPE, *, outermost: bool) -> RESPONSE_TYPE:
        if outermost:
            response = self._postprocessor.postprocess_response(response)
        if self._streaming is False and isinstance(response, StreamingResponse):
            return response.get_response()
        return response

    async def _afinished(self, response: RESPONSE_TYPE, *, outermost: bool) -> RESPONSE_TYPE:
        if outermost:
            response = await self._postprocessor.apostprocess_response(response)
        if self._streaming is False and isinstance(response, AsyncStreamingResponse):
            return await response.get_response()
        if self._streaming is False and isinstance(response, StreamingResponse):
            return await asyncio.to_thread(response.get_response)  # some engines stream to tasks without await
        return response
