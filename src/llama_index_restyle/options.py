"""The options that every component of this package takes."""

from __future__ import annotations

from typing import TypedDict

from llama_index.core.callbacks import CallbackManager

from llama_index_restyle.models import ModelSpec
from restyle.policy import OnError, OnLoss

__all__ = ["RestyleOptions"]


class RestyleOptions(TypedDict, total=False):
    """The keyword arguments of `RestylePostprocessor` beside the style; its fields say what they mean."""

    parameters: dict[str, str]
    style_model: ModelSpec
    destyle_model: ModelSpec
    destyle: bool
    attempts: int
    on_loss: OnLoss
    on_error: OnError
    empty_response: str
    pydantic_fields: tuple[str, ...]
    include_report: bool
    include_neutral: bool
    max_concurrency: int
    callback_manager: CallbackManager
