"""`Restyle`: what comes out of a chain, in the author's words, in the shape it had."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import aclosing
from functools import partial
from typing import Any, TypedDict, Unpack

from langchain_core.callbacks import AsyncCallbackManagerForChainRun, CallbackManagerForChainRun
from langchain_core.runnables import Runnable, RunnableConfig, RunnableSerializable
from pydantic import ConfigDict, Field, InstanceOf, PrivateAttr

from langchain_restyle.batches import arestyle_all, raised, restyle_all
from langchain_restyle.models import ModelSpec, aanswer_with, answer_with, chat_model
from langchain_restyle.shapes import RestyleIO
from langchain_restyle.streams import arestyle_stream, restyle_stream
from restyle.flows import OnError, OnLoss, Policy
from restyle.messages import Role
from restyle.style import Style, check_name

__all__ = ["Restyle", "RestyleOptions"]


class RestyleOptions(TypedDict, total=False):
    """The keyword arguments of `Restyle`, whose fields say what they mean."""

    parameters: dict[str, str]
    style_model: ModelSpec
    destyle_model: ModelSpec
    destyle: bool
    attempts: int
    on_loss: OnLoss
    on_error: OnError
    max_concurrency: int
    name: str | None


class Restyle(RunnableSerializable[RestyleIO, RestyleIO]):
    """Rewrites what a chain says in one author's style, block by block, without changing what it says.

    Strings come out as strings, messages as messages with their id, metadata and tool calls; a message that calls tools
    passes untouched. While the chain still streams, a block is rewritten as soon as it is complete.

    Example:
        ``chain = prompt | model | StrOutputParser() | Restyle(style="keeper")``

    Raises:
        StyleNotFoundError, StyleNameError, CardError: The style cannot be used.
        ParameterError: A prompt parameter is unknown or missing.
        LossError: While running, where facts did not survive and ``on_loss="raise"``.
    """

    model_config = ConfigDict(arbitrary_types_allowed=True, extra="forbid")  # a misspelt option must not pass unseen

    style: str | InstanceOf[Style]
    """The name of a style under ``RESTYLE_HOME``, or a card."""

    parameters: dict[str, str] = Field(default_factory=dict)
    """Values for the ``$parameters`` of the style's prompts."""

    style_model: ModelSpec = None
    """The style model, where it is not the card's: a chat model, any runnable over messages, or a model's name."""

    destyle_model: ModelSpec = None
    """The de-style model, where it is not the card's."""

    destyle: bool = True
    """False skips the de-style model, for text known to be neutral."""

    attempts: int = Field(default=2, ge=1)
    """How often a block is styled before its facts count as lost."""

    on_loss: OnLoss = "original"
    """What stands in for a block whose facts did not survive: ``original``, ``neutral``, ``keep`` or ``raise``."""

    on_error: OnError = "raise"
    """Whether a model's exception is raised, or the ``original`` block passed on."""

    max_concurrency: int = Field(default=32, ge=1)
    """Model calls in flight; ``max_concurrency`` in a call's config wins."""

    _card: Style = PrivateAttr()

    def __init__(self, style: str | Style, **options: Unpack[RestyleOptions]) -> None:
        super().__init__(style=style, **options)
        # Not in a validator: pydantic would wrap what the card raises, and users could not catch it by its name.
        self._card = Style.load(check_name(self.style)) if isinstance(self.style, str) else self.style
        self._card.check_parameters(self.parameters, destyle=self.destyle)
        if self.destyle and self.destyle_model is not None:
            self._card.stage("destyle")  # without its prompt the model could not be asked

    @classmethod
    def is_lc_serializable(cls) -> bool:
        """Its fields are all there is to it."""
        return True

    def invoke(self, input: RestyleIO, config: RunnableConfig | None = None, **kwargs: Any) -> RestyleIO:
        """Rewrite one value."""
        return self._call_with_config(self._invoke, input, config, **kwargs)

    async def ainvoke(self, input: RestyleIO, config: RunnableConfig | None = None, **kwargs: Any) -> RestyleIO:
        """Rewrite one value."""
        return await self._acall_with_config(self._ainvoke, input, config, **kwargs)

    def batch(
        self,
        inputs: list[RestyleIO],
        config: RunnableConfig | list[RunnableConfig] | None = None,
        *,
        return_exceptions: bool = False,
        **kwargs: Any,
    ) -> list[RestyleIO]:
        """Rewrite many values, the blocks of all of them under one limit."""
        work = partial(self._batch, stop_on_error=not return_exceptions)
        return self._batch_with_config(work, inputs, config, return_exceptions=return_exceptions, **kwargs)

    async def abatch(
        self,
        inputs: list[RestyleIO],
        config: RunnableConfig | list[RunnableConfig] | None = None,
        *,
        return_exceptions: bool = False,
        **kwargs: Any,
    ) -> list[RestyleIO]:
        """Rewrite many values, the blocks of all of them under one limit."""
        work = partial(self._abatch, stop_on_error=not return_exceptions)
        return await self._abatch_with_config(work, inputs, config, return_exceptions=return_exceptions, **kwargs)

    def stream(self, input: RestyleIO, config: RunnableConfig | None = None, **kwargs: Any) -> Iterator[RestyleIO]:
        """Rewrite one value, block after block."""
        return self.transform(iter([input]), config, **kwargs)

    async def astream(
        self,
        input: RestyleIO,
        config: RunnableConfig | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[RestyleIO]:
        """Rewrite one value, block after block."""

        async def once() -> AsyncIterator[RestyleIO]:
            yield input

        async with aclosing(self.atransform(once(), config, **kwargs)) as chunks:  # type: ignore[type-var]  # as below
            async for chunk in chunks:
                yield chunk

    def transform(
        self,
        input: Iterator[RestyleIO],
        config: RunnableConfig | None = None,
        **kwargs: Any,
    ) -> Iterator[RestyleIO]:
        """Rewrite what arrives while it arrives."""
        yield from self._transform_stream_with_config(input, self._transform, config, **kwargs)

    async def atransform(
        self,
        input: AsyncIterator[RestyleIO],
        config: RunnableConfig | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[RestyleIO]:
        """Rewrite what arrives while it arrives."""
        stream_ = self._atransform_stream_with_config(input, self._atransform, config, **kwargs)
        async with aclosing(stream_) as chunks:  # type: ignore[type-var]  # it is a generator, typed as an iterator
            async for chunk in chunks:
                yield chunk

    def _policy(self) -> Policy:
        return Policy(
            self.parameters,
            destyle=self.destyle,
            attempts=self.attempts,
            on_loss=self.on_loss,
            on_error=self.on_error,
        )

    def _models(self) -> dict[Role, Runnable[Any, Any]]:
        """The two models, built on first use: a chain may be constructed where nothing can be reached yet."""
        models: dict[Role, Runnable[Any, Any]] = {"restyle": chat_model(self._card, "restyle", self.style_model)}
        if self.destyle and self._card.destyle is not None:
            models["destyle"] = chat_model(self._card, "destyle", self.destyle_model)
        return models

    def _concurrency(self, config: RunnableConfig) -> int:
        return config.get("max_concurrency") or self.max_concurrency

    # The helpers below have the signatures that core's `_..._with_config` functions look for; the config that they get
    # is already the child's.

    def _invoke(self, value: RestyleIO, run_manager: CallbackManagerForChainRun, config: RunnableConfig) -> RestyleIO:
        (output,) = self._batch([value], [run_manager], [config], stop_on_error=True)
        return raised(output)

    async def _ainvoke(
        self, value: RestyleIO, run_manager: AsyncCallbackManagerForChainRun, config: RunnableConfig
    ) -> RestyleIO:
        (output,) = await self._abatch([value], [run_manager], [config], stop_on_error=True)
        return raised(output)

    def _batch(
        self,
        values: list[RestyleIO],
        run_manager: list[CallbackManagerForChainRun],
        config: list[RunnableConfig],
        *,
        stop_on_error: bool,
    ) -> list[RestyleIO | Exception]:
        models, limit = self._models(), self._concurrency(config[0])
        answers = [answer_with(models, each) for each in config]
        return restyle_all(values, answers, self._card, self._policy(), concurrency=limit, stop_on_error=stop_on_error)

    async def _abatch(
        self,
        values: list[RestyleIO],
        run_manager: list[AsyncCallbackManagerForChainRun],
        config: list[RunnableConfig],
        *,
        stop_on_error: bool,
    ) -> list[RestyleIO | Exception]:
        models, limit = self._models(), self._concurrency(config[0])
        answers = [aanswer_with(models, each) for each in config]
        return await arestyle_all(
            values, answers, self._card, self._policy(), concurrency=limit, stop_on_error=stop_on_error
        )

    def _transform(
        self, chunks: Iterator[RestyleIO], run_manager: CallbackManagerForChainRun, config: RunnableConfig
    ) -> Iterator[RestyleIO]:
        answer, limit = answer_with(self._models(), config), self._concurrency(config)
        return restyle_stream(chunks, answer, self._card, self._policy(), concurrency=limit)

    async def _atransform(
        self,
        chunks: AsyncIterator[RestyleIO],
        run_manager: AsyncCallbackManagerForChainRun,
        config: RunnableConfig,
    ) -> AsyncGenerator[RestyleIO, None]:
        answer, limit = aanswer_with(self._models(), config), self._concurrency(config)
        results = arestyle_stream(chunks, answer, self._card, self._policy(), concurrency=limit)
        async with aclosing(results):
            async for result in results:
                yield result
