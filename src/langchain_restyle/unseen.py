"""Runs inside a run: who hears of them, and what crosses the border between them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, cast

from langchain_core.callbacks import BaseCallbackHandler, CallbackManager
from langchain_core.callbacks.manager import BaseRunManager
from langchain_core.messages import AIMessage, AIMessageChunk
from langchain_core.runnables import RunnableConfig, ensure_config
from langchain_core.runnables.config import get_callback_manager_for_config, var_child_runnable_config
from langchain_core.tracers._streaming import _StreamingCallbackHandler, _V2StreamingCallbackHandler
from langchain_core.tracers.context import _configure_hooks
from langchain_core.utils.utils import LC_ID_PREFIX
from langsmith import tracing_context

from restyle.errors import ShapeError

__all__ = ["anonymous", "as_chunk", "children_of", "unseen"]

_OF_ONE_RUN = frozenset({"callbacks", "run_id", "run_name"})


@contextmanager
def unseen(config: RunnableConfig) -> Iterator[RunnableConfig]:
    """Nobody hears of the runs that begin inside: the run around them stands for them.

    Gives the config to call with. It alone would not do: usage and run collectors and LangSmith's tracer come out of
    context variables, and a model that calls another takes up the config of whoever called it.
    """
    silent: RunnableConfig = {**_shared(ensure_config(config)), "callbacks": []}
    settings: dict[ContextVar[Any], Any] = {hook[0]: None for hook in _configure_hooks}
    settings[var_child_runnable_config] = silent
    tokens = [(variable, variable.set(value)) for variable, value in settings.items()]
    try:
        with tracing_context(enabled=False):
            yield silent
    finally:
        for variable, token in tokens:
            variable.reset(token)


def children_of(config: RunnableConfig, run: BaseRunManager | None) -> RunnableConfig:
    """The config of what runs inside a chat model's run: seen by tracers and counters, by nobody who streams.

    Args:
        config: The config of the run, its ``run_id`` included.
        run: The run, where LangChain says which (it does not while it streams).
    """
    manager = run or get_callback_manager_for_config(config)
    handlers = [each for each in manager.inheritable_handlers if not _streams(each)]
    children = CallbackManager(
        handlers,
        [*handlers],
        parent_run_id=run.run_id if run else config.get("run_id"),
        tags=[*manager.inheritable_tags],
        inheritable_tags=[*manager.inheritable_tags],
        metadata={**manager.inheritable_metadata},
        inheritable_metadata={**manager.inheritable_metadata},
    )
    return {**_shared(config), "callbacks": children, "tags": [*config.get("tags", ()), "nostream"]}


def as_chunk(message: Any) -> AIMessageChunk:
    """A model's answer, or a part of it, as a part of the answer of another run.

    Raises:
        ShapeError: It is no message of a model.
    """
    whole = anonymous(message)
    if isinstance(whole, AIMessageChunk):
        return whole
    fields = {name: getattr(whole, name) for name in AIMessage.model_fields if name != "type"}
    return AIMessageChunk(**fields, chunk_position="last")


def anonymous(message: Any) -> AIMessage:
    """The message without the id of a run that nobody heard of; a provider's id stays.

    Raises:
        ShapeError: It is no message of a model.
    """
    if not isinstance(message, AIMessage):
        raise ShapeError(f"the inner model must answer with an AIMessage, not {type(message).__name__}")
    return message.model_copy(update={"id": None}) if (message.id or "").startswith(LC_ID_PREFIX) else message


def _streams(handler: BaseCallbackHandler) -> bool:
    return isinstance(handler, (_StreamingCallbackHandler, _V2StreamingCallbackHandler))


def _shared(config: RunnableConfig) -> RunnableConfig:
    """What a run and those inside it have in common."""
    return cast("RunnableConfig", {key: value for key, value in config.items() if key not in _OF_ONE_RUN})
