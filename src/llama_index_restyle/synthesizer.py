"""`RestyleSynthesizer`: any response synthesizer, answering in the author's words."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Generator, Sequence
from typing import Any, Unpack, cast

from llama_index.core.base.llms.types import ChatMessage
from llama_index.core.base.response.schema import (
    RESPONSE_TYPE,
    AsyncStreamingResponse,
    PydanticResponse,
    Response,
    StreamingResponse,
)
from llama_index.core.bridge.pydantic import BaseModel
from llama_index.core.callbacks import CallbackManager
from llama_index.core.response_synthesizers import BaseSynthesizer
from llama_index.core.schema import NodeWithScore, QueryType
from llama_index.core.types import RESPONSE_TEXT_TYPE

from llama_index_restyle.nesting import wrapping
from llama_index_restyle.options import RestyleOptions
from llama_index_restyle.wrapper import PromptWrapper
from restyle.style import Style

__all__ = ["RestyleSynthesizer"]


class RestyleSynthesizer(PromptWrapper[BaseSynthesizer], BaseSynthesizer):
    """Makes the answers that the synthesizer inside makes, in one author's words; see `RestylePostprocessor`.

    For what insists on engines of its own kind: ``index.as_query_engine(response_synthesizer=...)``. Chat engines
    with a context of their own take no notice of what a synthesizer says: wrap them with `RestyleChatEngine`.

    Args:
        inner: Any synthesizer, such as ``get_response_synthesizer()`` gives. Whether it streams is its own affair.
        style: The name of a style under ``RESTYLE_HOME``, or a card.
        **options: As for `RestylePostprocessor`.

    Raises:
        StyleNotFoundError, StyleNameError, CardError: The style cannot be used.
        ParameterError: A prompt parameter is unknown or missing.
        ChatModelError: A given LLM takes no messages.
        LossError: While running, where facts did not survive and ``on_loss="raise"``.
    """

    # The base class's constructor is passed by: it would look for `Settings.llm`, and there is nothing of its own here.
    def __init__(self, inner: BaseSynthesizer, *, style: str | Style, **options: Unpack[RestyleOptions]) -> None:
        self._wrap(inner, style, options)

    def synthesize(
        self,
        query: QueryType,
        nodes: list[NodeWithScore],
        additional_source_nodes: Sequence[NodeWithScore] | None = None,
        **response_kwargs: Any,
    ) -> RESPONSE_TYPE:
        """An answer made of these nodes."""
        with wrapping(self) as outermost:
            response = self._inner.synthesize(query, nodes, additional_source_nodes, **response_kwargs)
        return self._postprocessor.postprocess_response(response) if outermost else response

    async def asynthesize(
        self,
        query: QueryType,
        nodes: list[NodeWithScore],
        additional_source_nodes: Sequence[NodeWithScore] | None = None,
        **response_kwargs: Any,
    ) -> RESPONSE_TYPE:
        """An answer made of these nodes."""
        with wrapping(self) as outermost:
            response = await self._inner.asynthesize(query, nodes, additional_source_nodes, **response_kwargs)
        return await self._postprocessor.apostprocess_response(response) if outermost else response

    # Routers, sub-question engines and others call these, with texts in place of nodes.

    def get_response(self, query_str: str, text_chunks: Sequence[str], **response_kwargs: Any) -> RESPONSE_TEXT_TYPE:
        """An answer made of these texts."""
        with wrapping(self) as outermost:
            text = self._inner.get_response(query_str, text_chunks, **response_kwargs)
        return _text_of(self._postprocessor.postprocess_response(_response_of(text))) if outermost else text

    async def aget_response(
        self, query_str: str, text_chunks: Sequence[str], **response_kwargs: Any
    ) -> RESPONSE_TEXT_TYPE:
        """An answer made of these texts."""
        with wrapping(self) as outermost:
            text = await self._inner.aget_response(query_str, text_chunks, **response_kwargs)
        return _text_of(await self._postprocessor.apostprocess_response(_response_of(text))) if outermost else text

    def get_response_from_messages(
        self, query_str: str, message_chunks: Sequence[ChatMessage], **response_kwargs: Any
    ) -> RESPONSE_TEXT_TYPE:
        """An answer made of these messages."""
        with wrapping(self) as outermost:
            text = self._inner.get_response_from_messages(query_str, message_chunks, **response_kwargs)
        return _text_of(self._postprocessor.postprocess_response(_response_of(text))) if outermost else text

    async def aget_response_from_messages(
        self, query_str: str, message_chunks: Sequence[ChatMessage], **response_kwargs: Any
    ) -> RESPONSE_TEXT_TYPE:
        """An answer made of these messages."""
        with wrapping(self) as outermost:
            text = await self._inner.aget_response_from_messages(query_str, message_chunks, **response_kwargs)
        return _text_of(await self._postprocessor.apostprocess_response(_response_of(text))) if outermost else text

    @property
    def callback_manager(self) -> CallbackManager:
        """That of the synthesizer inside."""
        return self._inner.callback_manager

    @callback_manager.setter
    def callback_manager(self, callback_manager: CallbackManager) -> None:
        self._inner.callback_manager = callback_manager
        self._postprocessor.callback_manager = callback_manager

    # Chat engines switch this on and off.

    @property
    def _streaming(self) -> bool:
        return self._inner._streaming

    @_streaming.setter
    def _streaming(self, streaming: bool) -> None:
        self._inner._streaming = streaming


def _response_of(text: RESPONSE_TEXT_TYPE) -> RESPONSE_TYPE:
    if isinstance(text, str):
        return Response(text)
    if isinstance(text, Generator):
        return StreamingResponse(text)
    if isinstance(text, AsyncGenerator):
        return AsyncStreamingResponse(text)
    return PydanticResponse(text)


def _text_of(response: RESPONSE_TYPE) -> RESPONSE_TEXT_TYPE:
    if isinstance(response, StreamingResponse | AsyncStreamingResponse):
        return response.response_gen
    return cast("str | BaseModel", response.response)
