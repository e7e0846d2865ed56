"""A chat model that stands in for another one: whoever asks what it is hears what the other is."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from langchain_core.language_models import BaseChatModel, LangSmithParams, LanguageModelInput, ModelProfile
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.runnables import Runnable, RunnableBinding, RunnableConfig, RunnableWithFallbacks
from langchain_core.runnables.base import RunnableBindingBase
from langchain_core.runnables.utils import ConfigurableFieldSpec
from langchain_core.tools import BaseTool
from pydantic import BaseModel

__all__ = ["Peeled", "StandIn", "identity", "peel", "with_stop"]


class Peeled(NamedTuple):
    """A runnable without what is wrapped around it.

    Attributes:
        core: The chat model in it; None where there is none.
        kwargs: What is bound to it.
        config: The tags and metadata that its bindings give to its runs.
    """

    core: BaseChatModel | None
    kwargs: dict[str, Any]
    config: RunnableConfig


def peel(runnable: Runnable[Any, Any]) -> Peeled:
    """Look through bindings, retries and fallbacks."""
    kwargs: dict[str, Any] = {}
    config = RunnableConfig(tags=[], metadata={})
    while isinstance(runnable, RunnableBindingBase | RunnableWithFallbacks):
        if isinstance(runnable, RunnableWithFallbacks):
            runnable = runnable.runnable
            continue
        kwargs = {**runnable.kwargs, **kwargs}
        config["tags"] = [*runnable.config.get("tags", ()), *config["tags"]]
        config["metadata"] = {**runnable.config.get("metadata", {}), **config["metadata"]}
        runnable = runnable.bound
    return Peeled(runnable if isinstance(runnable, BaseChatModel) else None, kwargs, config)


def with_stop(kwargs: dict[str, Any], stop: list[str] | None) -> dict[str, Any]:
    """Keyword arguments for any runnable; only chat models know what a ``stop`` of None is."""
    return kwargs if stop is None else {**kwargs, "stop": stop}


def identity(model: Runnable[Any, Any], *, stop: list[str] | None = None, **kwargs: Any) -> str:
    """What LangChain's cache knows a model by; of other runnables, how they are written."""
    core, bound, _ = peel(model)
    if core is None:
        return repr((model, stop, sorted(kwargs.items())))
    return core._get_llm_string(**{**bound, **with_stop(kwargs, stop)})  # noqa: SLF001 - LangChain has no other word for it


class StandIn(BaseChatModel):
    """A chat model around another one; subclasses make the answers.

    Args:
        inner: A chat model, or any runnable that makes an `AIMessage` of messages: a binding, one with retries.
        fields: Those of any chat model, and the subclass's.
    """

    inner: Runnable[Any, Any]
    """The model that answers."""

    def __init__(self, inner: Runnable[Any, Any], **fields: Any) -> None:
        core, _, config = peel(inner)
        # This model's run carries the marks that the inner model's would: a "nostream" among them must not be lost.
        tags = [*((core and core.tags) or ()), *config["tags"]]
        metadata = {**((core and core.metadata) or {}), **config["metadata"]}
        # The environment's output version is the inner model's affair: twice would be once too often.
        given = {"tags": tags or None, "metadata": metadata, "output_version": None, **fields}
        super().__init__(inner=inner, **given)

    @property
    def core(self) -> BaseChatModel | None:
        """The chat model in ``inner``; None where there is none."""
        return peel(self.inner).core

    @property
    def model_name(self) -> str:
        """The inner model's; empty where it has none."""
        names = (getattr(self.core, name, None) for name in ("model_name", "model", "model_id"))
        return next((name for name in names if name), "")

    @property
    def config_specs(self) -> list[ConfigurableFieldSpec]:
        """What can be configured in the inner model."""
        return self.inner.config_specs

    # These are LangChain's own protocol between models, hence the access to another object's underscored names.

    @property
    def _llm_type(self) -> str:
        return self.core._llm_type if self.core else type(self.inner).__name__  # noqa: SLF001 - see above

    @property
    def _identifying_params(self) -> Mapping[str, Any]:
        return self.core._identifying_params if self.core else {}  # noqa: SLF001 - see above

    def _get_ls_params(self, stop: list[str] | None = None, **kwargs: Any) -> LangSmithParams:
        core, bound, _ = peel(self.inner)
        if core is None:
            return super()._get_ls_params(stop=stop, **kwargs)
        return core._get_ls_params(**{**bound, **with_stop(kwargs, stop)})  # noqa: SLF001 - see above

    def _resolve_model_profile(self) -> ModelProfile | None:
        return self.core.profile if self.core else None

    def get_token_ids(self, text: str) -> list[int]:
        """As the inner model counts."""
        return self.core.get_token_ids(text) if self.core else super().get_token_ids(text)

    def get_num_tokens(self, text: str) -> int:
        """As the inner model counts."""
        return self.core.get_num_tokens(text) if self.core else super().get_num_tokens(text)

    def get_num_tokens_from_messages(self, messages: list[BaseMessage], tools: Sequence[Any] | None = None) -> int:
        """As the inner model counts."""
        count = self.core.get_num_tokens_from_messages if self.core else super().get_num_tokens_from_messages
        return count(messages, tools) if tools else count(messages)  # not every model's takes tools

    def bind_tools(
        self,
        tools: Sequence[dict[str, Any] | type | Callable[..., Any] | BaseTool],
        *,
        tool_choice: str | None = None,
        **kwargs: Any,
    ) -> Runnable[LanguageModelInput, AIMessage]:
        """The same over the inner model with these tools.

        Raises:
            NotImplementedError: It has no tools.
        """
        bound = self._inner_method("bind_tools")(tools, tool_choice=tool_choice, **kwargs)
        if isinstance(bound, RunnableBinding) and bound.bound is self.core:
            return self.bind(**bound.kwargs)  # binding at the core would lose what is around it: retries, settings
        return type(self)(**{name: getattr(self, name) for name in self.model_fields_set} | {"inner": bound}).bind()

    def with_structured_output(
        self, schema: dict[str, Any] | type, *, include_raw: bool = False, **kwargs: Any
    ) -> Runnable[LanguageModelInput, dict[str, Any] | BaseModel]:
        """The inner model's own.

        Raises:
            NotImplementedError: It has none.
        """
        structured: Runnable[LanguageModelInput, dict[str, Any] | BaseModel]
        structured = self._inner_method("with_structured_output")(schema, include_raw=include_raw, **kwargs)
        return structured

    def _inner_method(self, name: str) -> Callable[..., Any]:
        method: Callable[..., Any] | None = getattr(self.inner, name, None) or getattr(self.core, name, None)
        if method is None:
            raise NotImplementedError(f"{type(self.inner).__name__} has no {name}: use a chat model that has")
        return method
