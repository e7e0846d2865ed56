"""What a chat model is known by in a ledger: everything that changes its answers, and nothing else."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from langchain_core.language_models import BaseChatModel, BaseLLM
from langchain_core.load import dumpd
from langchain_core.runnables import Runnable, RunnableSequence, RunnableWithFallbacks
from langchain_core.runnables.base import RunnableBindingBase

from restyle.errors import TeacherMissingError

__all__ = ["identity_of"]

# How a model is reached and watched, not what it says. Headers carry tokens that are renewed by the hour. What is
# missing from this list is asked again, never taken for something that it is not.
_REACHING = frozenset(
    {
        "cache",
        "callbacks",
        "custom_get_token_ids",
        "default_headers",
        "disable_streaming",
        "extra_headers",
        "http_async_client",
        "http_client",
        "max_retries",
        "metadata",
        "name",
        "openai_proxy",
        "rate_limiter",
        "request_timeout",
        "stream_chunk_timeout",
        "stream_usage",
        "streaming",
        "tags",
        "timeout",
        "verbose",
    }
)


def identity_of(model: Runnable[Any, Any]) -> str:
    """``langchain:NAME:DIGEST``, the same in every process for models that are set up alike.

    The digest is over the class, the parameters (by the model's own account: its serialised form, or
    ``_identifying_params`` where it has none), bound arguments, and all members of sequences and fallbacks. Keys,
    headers, retries, time limits, callbacks and tags play no part.

    Raises:
        TeacherMissingError: It holds code that cannot be told from other code, such as a ``RunnableLambda``.
    """
    described = json.dumps(_describe(model), sort_keys=True, default=_class_name)
    return f"langchain:{_name(model)}:{hashlib.sha256(described.encode()).hexdigest()[:16]}"


def _describe(runnable: Runnable[Any, Any]) -> Any:
    if isinstance(runnable, RunnableBindingBase):
        bound = _describe(runnable.bound)
        given = {**_of_weight(runnable.kwargs), **runnable.config.get("configurable", {})}
        return {"bound": bound, "with": given} if given else bound
    if isinstance(runnable, RunnableSequence):
        return [_describe(step) for step in runnable.steps]
    if isinstance(runnable, RunnableWithFallbacks):
        return {"first of": [_describe(each) for each in runnable.runnables]}
    if isinstance(runnable, BaseChatModel | BaseLLM):
        if runnable.is_lc_serializable():
            return _cleaned(dumpd(runnable))
        return {"class": _class_name(runnable), "parameters": _of_weight(runnable.asdict())}
    dumped = dumpd(runnable)
    if "'not_implemented'" in str(dumped):
        raise TeacherMissingError(
            f"the teacher holds a {type(runnable).__name__}, and the ledger cannot tell its code from other code: give "
            "langchain_restyle.ChatTeacher(model, identity='...'), and change that name whenever its answers would "
            "change"
        )
    return _cleaned(dumped)


def _cleaned(dumped: Any) -> Any:
    """A dump without addresses in memory and what is not of weight; of secrets it has but their names."""
    if isinstance(dumped, list):
        return [_cleaned(each) for each in dumped]
    if not isinstance(dumped, dict):
        return dumped
    kind = dumped.get("type") if "lc" in dumped else None
    if kind == "not_implemented":
        return dumped["id"]
    if kind == "constructor":
        return [dumped["id"], _cleaned(_of_weight(dumped["kwargs"]))]
    return {key: _cleaned(value) for key, value in dumped.items()}


def _of_weight(parameters: Any) -> dict[str, Any]:
    return {key: value for key, value in parameters.items() if key not in _REACHING}


def _class_name(value: object) -> str:
    return f"{type(value).__module__}.{type(value).__qualname__}"


def _name(runnable: Runnable[Any, Any]) -> str:
    """What people call the model, or the first of several."""
    if isinstance(runnable, RunnableBindingBase):
        return _name(runnable.bound)
    if isinstance(runnable, RunnableSequence):
        return _name(runnable.first)
    if isinstance(runnable, RunnableWithFallbacks):
        return _name(runnable.runnable)
    name = getattr(runnable, "model_name", None) or getattr(runnable, "model", None)
    return name if isinstance(name, str) else type(runnable).__name__
