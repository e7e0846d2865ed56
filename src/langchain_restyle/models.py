"""The chat models of a style, and how asks become their messages."""

from __future__ import annotations

from typing import Any

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage
from langchain_core.runnables import Runnable, RunnableConfig
from langchain_core.runnables.config import merge_configs

from langchain_restyle.chat_model import EmbeddedChatModel
from langchain_restyle.endpoints import endpoint
from restyle.drivers import AnswerFunction, AsyncAnswerFunction
from restyle.errors import CardError
from restyle.messages import Answer, Ask, Role
from restyle.style import Style

__all__ = ["ModelSpec", "aanswer_with", "answer_with", "chat_model"]

ModelSpec = str | Runnable[Any, Any] | None


def chat_model(style: Style, role: Role, spec: ModelSpec = None) -> Runnable[Any, Any]:
    """The model that plays ``role``.

    Args:
        style: The card; its stage says which model was trained, and where it is.
        role: ``destyle`` or ``restyle``.
        spec: A chat model or any runnable over messages, used as it is; a model's name at the stage's endpoint
            (``openai:NAME``: at OpenAI's); None: the stage's own.

    Raises:
        CardError: The style has no such stage, its provider is unknown, or it has no endpoint for the name.
        ModelError: OpenAI is meant and ``OPENAI_API_KEY`` is not set.
        MissingExtraError: The endpoint needs ``langchain-openai``.
    """
    if isinstance(spec, Runnable):
        return spec
    stage = style.stage(role)
    if spec is None and stage.provider == "embedded":
        return EmbeddedChatModel(style=style, role=role)
    if spec is not None and spec.startswith("openai:"):
        return endpoint(spec.removeprefix("openai:"), None, stage.request)
    if stage.provider == "embedded":
        raise CardError(
            f"style {style.name!r} is embedded and has no endpoint where a model {spec!r} could be: "
            f"write 'openai:{spec}' for OpenAI's, or give a chat model"
        )
    if stage.provider != "openai":
        raise CardError(f"provider {stage.provider!r} of {style.name!r} is unknown: use 'openai' or 'embedded'")
    return endpoint(spec or stage.model, stage.base_url, stage.request)


def answer_with(models: dict[Role, Runnable[Any, Any]], config: RunnableConfig) -> AnswerFunction:
    """Answer asks with chat models, as children of the run that ``config`` belongs to."""

    def answer(ask: Ask) -> Answer:
        return _parse(models[ask.role].invoke(_messages(ask), _child(config, ask)))

    return answer


def aanswer_with(models: dict[Role, Runnable[Any, Any]], config: RunnableConfig) -> AsyncAnswerFunction:
    """As `answer_with`, awaiting. ``ainvoke`` and not ``astream``: only the former goes through LangChain's cache."""

    async def answer(ask: Ask) -> Answer:
        return _parse(await models[ask.role].ainvoke(_messages(ask), _child(config, ask)))

    return answer


def _messages(ask: Ask) -> list[BaseMessage]:
    # Message objects, not tuples or templates: the text is data and is never formatted.
    return [SystemMessage(content=ask.system), HumanMessage(content=ask.user)]


def _child(config: RunnableConfig, ask: Ask) -> RunnableConfig:
    role = "style" if ask.role == "restyle" else "destyle"
    return merge_configs(config, {"run_name": f"restyle:{role}", "tags": [f"restyle:{role}"]})


def _parse(output: Any) -> Answer:
    if isinstance(output, str):
        return Answer(output)
    if not isinstance(output, AIMessage):
        raise TypeError(f"a style's model must answer with a message or a string, not {type(output).__name__}")
    metadata = output.response_metadata
    reasoning = output.additional_kwargs.get("reasoning_content") or ""
    text = str(output.text) or output.additional_kwargs.get("refusal") or ""
    return Answer(text, metadata.get("finish_reason") or metadata.get("stop_reason"), str(reasoning))
