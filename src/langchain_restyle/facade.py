"""`RestyledChatModel`: a chat model that answers in one author's words."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, AsyncIterator, Generator, Iterator, Mapping
from contextlib import aclosing, closing
from typing import Any, Self, Unpack

from langchain_core.caches import BaseCache
from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun, Callbacks
from langchain_core.language_models import LanguageModelInput
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage, message_chunk_to_message
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.runnables import Runnable, RunnableConfig, ensure_config
from langchain_core.runnables.utils import ConfigurableFieldSpec, get_unique_config_specs
from langchain_core.utils.uuid import uuid7
from pydantic import Field, InstanceOf, PrivateAttr

from langchain_restyle.runnable import Restyle, RestyleOptions
from langchain_restyle.stand_in import StandIn, identity, peel, with_stop
from langchain_restyle.unseen import anonymous, as_chunk, children_of, unseen
from restyle.style import Style, check_name

__all__ = ["RestyledChatModel", "RestyledChatModelOptions"]


class RestyledChatModelOptions(RestyleOptions, total=False):
    """The keyword arguments of `RestyledChatModel`: those of `Restyle`, and what any chat model takes."""

    cache: BaseCache | bool | None
    callbacks: Callbacks
    disable_streaming: bool
    metadata: dict[str, Any] | None
    output_version: str | None
    tags: list[str] | None


class RestyledChatModel(StandIn):
    """A chat model whose text answers come out in one author's style, wherever a chat model may stand.

    Messages that call tools, structured output (``response_format``, `with_structured_output`) and whatever is not text
    pass untouched. The inner model has no run of its own: to tracers, event streams and usage counters this model's run
    stands for it, and the runs of the style's two models are its descendants, which no event stream shows. What the
    inner model said reaches nobody but the callbacks that it has itself.

    While it streams, a message that calls tools may have said something before the call. With ``final_only=True``
    nothing of a message leaves before it is certain that it calls none; otherwise blocks that were complete by then are
    restyled.

    Example:
        ``model = RestyledChatModel(ChatOpenAI(model="gpt-6-luna"), "keeper")``

    Args:
        inner: A chat model, or any runnable that makes an `AIMessage` of messages: a binding, one with retries.
        style: The name of a style under ``RESTYLE_HOME``, or a card.
        options: Those of `Restyle`, and what any chat model takes.

    Raises:
        TypeError: ``inner`` is restyled already.
        ValidationError: An option is unknown, or its value is of no use.
        StyleNotFoundError, StyleNameError, CardError: The style cannot be used.
        ParameterError: A prompt parameter is unknown or missing.
        ShapeError: While running, where ``inner`` gives no `AIMessage`.
    """

    style: str | InstanceOf[Style]
    """The name of a style under ``RESTYLE_HOME``, or a card."""

    options: dict[str, Any] = Field(default_factory=dict)
    """The options of `Restyle`."""

    _restyle: Restyle = PrivateAttr()
    _card: Style = PrivateAttr()
    _config: RunnableConfig = PrivateAttr(default_factory=RunnableConfig)  # of the one run that a copy serves

    def __init__(
        self, inner: Runnable[Any, Any], style: str | Style, **options: Unpack[RestyledChatModelOptions]
    ) -> None:
        if isinstance(peel(inner).core, RestyledChatModel):
            raise TypeError("the model is restyled already: give the one inside it, or leave one of the two away")
        fields: dict[str, Any] = {**options}
        own = {name: fields.pop(name) for name in options if name in type(self).model_fields}
        given = {**own.pop("options", {}), **fields}
        # Before the rest, because pydantic would wrap what the card raises.
        card = Style.load(check_name(style)) if isinstance(style, str) else style
        restyle = Restyle(card, **given)
        super().__init__(inner, style=style, options=given, **own)
        self._restyle, self._card = restyle, card

    @classmethod
    def is_lc_serializable(cls) -> bool:
        """As far as the inner model is."""
        return True

    @property
    def config_specs(self) -> list[ConfigurableFieldSpec]:
        """What can be configured in the models inside."""
        return get_unique_config_specs([*super().config_specs, *self._restyle.config_specs])

    @property
    def _identifying_params(self) -> Mapping[str, Any]:
        options = {
            name: type(value).__name__ if isinstance(value, Runnable) else value for name, value in self.options.items()
        }
        return {**super()._identifying_params, "restyle": {"style": self._card.name, **options}}

    def _get_llm_string(self, stop: list[str] | None = None, **kwargs: Any) -> str:
        """Under which a cache keeps answers: two styles over one model never share any."""
        options = {
            name: identity(value) if isinstance(value, Runnable) else value for name, value in self.options.items()
        }
        parts = [identity(self.inner, stop=stop, **kwargs), self._card.to_json(), options]
        return json.dumps(parts, sort_keys=True)

    # LangChain does not tell a model that streams which run it streams for, so every call is made on a copy that knows.

    def _for_one_run(self, config: RunnableConfig | None) -> tuple[Self, RunnableConfig]:
        config = ensure_config(config)
        config["run_id"] = config.get("run_id") or uuid7()
        copy = self.model_copy()
        copy._config = {**config}  # noqa: SLF001 - it is this very class
        return copy, config

    def invoke(
        self,
        input: LanguageModelInput,
        config: RunnableConfig | None = None,
        *,
        stop: list[str] | None = None,
        **kwargs: Any,
    ) -> AIMessage:
        """Answer, in the style."""
        call, config = self._for_one_run(config)
        return super(RestyledChatModel, call).invoke(input, config, stop=stop, **kwargs)

    async def ainvoke(
        self,
        input: LanguageModelInput,
        config: RunnableConfig | None = None,
        *,
        stop: list[str] | None = None,
        **kwargs: Any,
    ) -> AIMessage:
        """Answer, in the style."""
        call, config = self._for_one_run(config)
        return await super(RestyledChatModel, call).ainvoke(input, config, stop=stop, **kwargs)

    def stream(
        self,
        input: LanguageModelInput,
        config: RunnableConfig | None = None,
        *,
        stop: list[str] | None = None,
        **kwargs: Any,
    ) -> Iterator[AIMessageChunk]:
        """Answer, in the style, block after block."""
        call, config = self._for_one_run(config)
        yield from super(RestyledChatModel, call).stream(input, config, stop=stop, **kwargs)

    async def astream(
        self,
        input: LanguageModelInput,
        config: RunnableConfig | None = None,
        *,
        stop: list[str] | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[AIMessageChunk]:
        """Answer, in the style, block after block."""
        call, config = self._for_one_run(config)
        stream = super(RestyledChatModel, call).astream(input, config, stop=stop, **kwargs)
        async with aclosing(stream) as chunks:  # type: ignore[type-var]  # it is a generator, typed as an iterator
            async for chunk in chunks:
                yield chunk

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        with unseen(self._config) as silent:
            answer: Any = anonymous(self.inner.invoke(messages, silent, **with_stop(kwargs, stop)))
        if not self._is_data(kwargs):
            answer = self._restyle.invoke(answer, children_of(self._config, run_manager))
        return ChatResult(generations=[ChatGeneration(message=message_chunk_to_message(answer))])

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        with unseen(self._config) as silent:
            answer: Any = anonymous(await self.inner.ainvoke(messages, silent, **with_stop(kwargs, stop)))
        if not self._is_data(kwargs):
            answer = await self._restyle.ainvoke(answer, children_of(self._config, run_manager))
        return ChatResult(generations=[ChatGeneration(message=message_chunk_to_message(answer))])

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        original = self._original(messages, with_stop(kwargs, stop))
        chunks: Any = original
        if not self._is_data(kwargs):
            chunks = self._restyle.transform(original, children_of(self._config, run_manager))
        with closing(chunks), closing(original):  # the original first: core reads up what is left of it otherwise
            for chunk in chunks:
                generation = ChatGenerationChunk(message=chunk)
                if run_manager is not None:
                    run_manager.on_llm_new_token(str(chunk.text), chunk=generation)
                yield generation

    async def _astream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[ChatGenerationChunk]:
        original = self._aoriginal(messages, with_stop(kwargs, stop))
        chunks: Any = original
        if not self._is_data(kwargs):
            chunks = self._restyle.atransform(original, children_of(self._config, run_manager))
        async with aclosing(original), aclosing(chunks):  # the original last: a task may still be reading it
            async for chunk in chunks:
                generation = ChatGenerationChunk(message=chunk)
                if run_manager is not None:
                    await run_manager.on_llm_new_token(str(chunk.text), chunk=generation)
                yield generation

    def _original(self, messages: list[BaseMessage], kwargs: dict[str, Any]) -> Generator[AIMessageChunk, None, None]:
        with unseen(self._config) as silent:
            chunks = iter(self.inner.stream(messages, silent, **kwargs))
        while True:
            with unseen(self._config):  # never across a yield: what the caller does between is no affair of ours
                chunk = next(chunks, None)
            if chunk is None:
                return
            yield as_chunk(chunk)

    async def _aoriginal(
        self, messages: list[BaseMessage], kwargs: dict[str, Any]
    ) -> AsyncGenerator[AIMessageChunk, None]:
        with unseen(self._config) as silent:
            stream = self.inner.astream(messages, silent, **kwargs)
        async with aclosing(stream) as chunks:  # type: ignore[type-var]  # as above
            while True:
                with unseen(self._config):
                    chunk = await anext(chunks, None)
                if chunk is None:
                    return
                yield as_chunk(chunk)

    def _is_data(self, kwargs: dict[str, Any]) -> bool:
        """Whether a schema is to be answered."""
        return {**peel(self.inner).kwargs, **kwargs}.get("response_format") not in (None, {"type": "text"})
