"""`Restyle`: what comes out of a chain, in the author's words, in the shape it had."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing
from functools import partial
from typing import TYPE_CHECKING, Any, TypedDict, TypeVar, Unpack, cast

from langchain_core.runnables import ConfigurableFieldSpec, Runnable, RunnableConfig, RunnableSerializable
from langchain_core.runnables.utils import get_unique_config_specs
from pydantic import ConfigDict, Field, InstanceOf, PrivateAttr

from langchain_restyle.specs import ModelSpec
from restyle.policy import OnError, OnLoss, Policy
from restyle.style import Style, check_name

__all__ = ["Restyle", "RestyleOptions"]

if TYPE_CHECKING:
    from langchain_restyle.shapes import RestyleIO
    from langchain_restyle.work import Work

T = TypeVar("T", bound="RestyleIO")  # the same shape goes out


class RestyleOptions(TypedDict, total=False):
    """The keyword arguments of `Restyle`, whose fields say what they mean."""

    parameters: dict[str, str]
    style_model: ModelSpec
    destyle_model: ModelSpec
    destyle: bool
    attempts: int
    on_loss: OnLoss
    on_error: OnError
    key: str | None
    final_only: bool
    include_neutral: bool
    max_concurrency: int
    name: str | None


class Restyle(RunnableSerializable[Any, Any]):
    """Rewrites what a chain says in one author's style, block by block, without changing what it says.

    What comes in goes out in the same shape: strings; messages with their id, metadata and all content that is no text;
    prompts (their last word); dictionaries with an answer in them. A message that calls tools and structured output
    pass untouched. Annotations of a rewritten text stay, without the offsets that they had in the old one. While the
    chain still streams, a block is rewritten as soon as it is complete.

    Every option can be bound (``.bind(style="other")``) or made configurable.

    Example:
        ``chain = prompt | model | StrOutputParser() | Restyle(style="keeper")``

    Raises:
        StyleNotFoundError, StyleNameError, CardError: The style cannot be used.
        ParameterError: A prompt parameter is unknown or missing.
        ShapeError: While running, where a value holds nothing that could be rewritten.
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
    """What stands in for a block whose facts did not survive: ``original``, ``neutral``, ``keep`` or ``raise``.

    With ``keep`` the block at the head of a stream leaves token by token; it is not asked for again then, and passes by
    LangChain's cache. Not so where it has citation markers, which are put back at its end, or with
    ``on_error="original"``.
    """

    on_error: OnError = "raise"
    """Whether a model's exception is raised, or the ``original`` block passed on."""

    key: str | None = None
    """Where a dictionary has its text; None: under any of ``answer``, ``output``, ``result`` and ``messages``."""

    final_only: bool = False
    """True lets nothing of a streaming message leave before it is certain that it calls no tools.

    Otherwise the text before a tool call is rewritten where it forms whole blocks before the call is seen.
    """

    include_neutral: bool = False
    """Whether a message's report, in ``response_metadata["restyle"]``, has the neutral text of every block."""

    max_concurrency: int = Field(default=32, ge=1)
    """Model calls in flight; ``max_concurrency`` in a call's config wins."""

    _loaded: tuple[str | Style, Style] = PrivateAttr()  # the style, and its card

    def __init__(self, style: str | Style, **options: Unpack[RestyleOptions]) -> None:
        super().__init__(style=style, **options)
        # Not in a validator: pydantic would wrap what the card raises, and users could not catch it by its name.
        self._loaded = self.style, self._checked_card()

    def _card(self) -> Style:
        if self._loaded[0] is not self.style:  # a copy, or another style was set
            self._loaded = self.style, self._checked_card()
        return self._loaded[1]

    def _checked_card(self) -> Style:
        card = Style.load(check_name(self.style)) if isinstance(self.style, str) else self.style
        card.check_parameters(self.parameters, destyle=self.destyle)
        if self.destyle and self.destyle_model is not None:
            card.stage("destyle")  # without its prompt the model could not be asked
        return card

    @classmethod
    def is_lc_serializable(cls) -> bool:
        """Its fields are all there is to it."""
        return True

    @property
    def InputType(self) -> Any:  # noqa: N802 - the base class's name for it
        """What it takes."""
        from langchain_restyle.shapes import RestyleIO  # noqa: PLC0415 - as in `_work`

        return RestyleIO

    @property
    def OutputType(self) -> Any:  # noqa: N802 - as above
        """What it gives: the same."""
        return self.InputType

    @property
    def config_specs(self) -> list[ConfigurableFieldSpec]:
        """What can be configured in the two models, where they were given."""
        models = (self.destyle_model, self.style_model)
        return get_unique_config_specs(
            spec for model in models if isinstance(model, Runnable) for spec in model.config_specs
        )

    def invoke(self, input: T, config: RunnableConfig | None = None, **kwargs: Any) -> T:
        """Rewrite one value; keyword arguments stand in for fields."""
        return cast("T", self._call_with_config(self._work(kwargs).invoke, input, config))

    async def ainvoke(self, input: T, config: RunnableConfig | None = None, **kwargs: Any) -> T:
        """Rewrite one value."""
        return cast("T", await self._acall_with_config(self._work(kwargs).ainvoke, input, config))

    def batch(
        self,
        inputs: list[T],
        config: RunnableConfig | list[RunnableConfig] | None = None,
        *,
        return_exceptions: bool = False,
        **kwargs: Any,
    ) -> list[T]:
        """Rewrite many values, the blocks of all of them under one limit."""
        work = partial(self._work(kwargs).batch, stop_on_error=not return_exceptions)
        return self._batch_with_config(work, inputs, config, return_exceptions=return_exceptions)

    async def abatch(
        self,
        inputs: list[T],
        config: RunnableConfig | list[RunnableConfig] | None = None,
        *,
        return_exceptions: bool = False,
        **kwargs: Any,
    ) -> list[T]:
        """Rewrite many values, the blocks of all of them under one limit."""
        work = partial(self._work(kwargs).abatch, stop_on_error=not return_exceptions)
        return await self._abatch_with_config(work, inputs, config, return_exceptions=return_exceptions)

    def stream(self, input: T, config: RunnableConfig | None = None, **kwargs: Any) -> Iterator[T]:
        """Rewrite one value, block after block."""
        return self.transform(iter([input]), config, **kwargs)

    async def astream(
        self,
        input: T,
        config: RunnableConfig | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[T]:
        """Rewrite one value, block after block."""

        async def once() -> AsyncIterator[T]:
            yield input

        async with aclosing(self.atransform(once(), config, **kwargs)) as chunks:  # type: ignore[type-var]  # as below
            async for chunk in chunks:
                yield chunk

    def transform(
        self,
        input: Iterator[T],
        config: RunnableConfig | None = None,
        **kwargs: Any,
    ) -> Iterator[T]:
        """Rewrite what arrives while it arrives."""
        yield from self._transform_stream_with_config(input, self._work(kwargs).transform, config)

    async def atransform(
        self,
        input: AsyncIterator[T],
        config: RunnableConfig | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[T]:
        """Rewrite what arrives while it arrives."""
        stream_ = self._atransform_stream_with_config(input, self._work(kwargs).atransform, config)
        async with aclosing(stream_) as chunks:  # type: ignore[type-var]  # it is a generator, typed as an iterator
            async for chunk in chunks:
                yield chunk

    def _work(self, options: dict[str, Any]) -> Work:
        """What one call goes by; ``options`` stand in for fields."""
        from langchain_restyle.work import Work  # noqa: PLC0415 - a chain may be imported and never run

        if options:
            return type(self)(**{**dict(self), **options})._work({})  # noqa: SLF001 - its own kind
        policy = Policy(
            self.parameters,
            destyle=self.destyle,
            attempts=self.attempts,
            on_loss=self.on_loss,
            on_error=self.on_error,
        )
        return Work(
            self._card(),
            policy,
            style_model=self.style_model,
            destyle_model=self.destyle_model,
            key=self.key,
            final_only=self.final_only,
            include_neutral=self.include_neutral,
            max_concurrency=self.max_concurrency,
        )
