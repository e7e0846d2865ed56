"""The chat models of a style, and how asks become their messages."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, TypeVar

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage
from langchain_core.runnables import Runnable, RunnableConfig

from langchain_restyle.endpoints import endpoint
from langchain_restyle.specs import ModelSpec
from restyle.errors import CardError
from restyle.jobs import AnswerFunction, AnyFlow, AsyncAnswerFunction, AsyncSpeakFunction, Job, SpeakFunction
from restyle.known_differences import refuse_known_difference
from restyle.messages import Answer, Ask, Role
from restyle.style import Style

__all__ = ["Asking", "chat_model", "messages_of", "parse_message"]

R = TypeVar("R")


def chat_model(style: Style, role: Role, spec: ModelSpec = None) -> Runnable[Any, Any]:
    """The model that plays ``role``.

    Args:
        style: The card; its stage says which model was trained, and where it is.
        role: ``destyle`` or ``restyle``.
        spec: A chat model or any runnable over messages, used as it is; a model's name at the stage's endpoint
            (``openai:NAME``: at OpenAI's); None: the stage's own.

    Raises:
        CardError: The style has no such stage, its provider is unknown, or it has no endpoint for the name.
        ModelError: OpenAI is meant and ``OPENAI_API_KEY`` is not set, or ``restyle doctor`` found that the stage's
            endpoint renders another prompt than the trained one.
        MissingExtraError: The endpoint needs ``langchain-openai``.
    """
    if isinstance(spec, Runnable):
        return spec
    stage = style.stage(role)
    if spec is None:
        refuse_known_difference(style, role)
    if spec is None and stage.provider == "embedded":
        from langchain_restyle.chat_model import EmbeddedChatModel  # noqa: PLC0415 - only embedded styles need it

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


@dataclass(frozen=True, slots=True)
class Asking:
    """Answers asks with chat models, as children of the run that ``config`` belongs to."""

    models: dict[Role, Runnable[Any, Any]]
    config: RunnableConfig

    def job(self, flow: AnyFlow[R], index: int) -> Job[R, AnswerFunction, SpeakFunction]:
        """The job of the block ``index`` of an input."""

        def answer(ask: Ask) -> Answer:
            return parse_message(self.models[ask.role].invoke(messages_of(ask), self._child(ask, index)))

        def speak(ask: Ask, show: Callable[[str], None]) -> Answer:
            whole = None
            for chunk in self.models[ask.role].stream(messages_of(ask), self._child(ask, index)):
                whole = _grown(whole, chunk, show)
            return parse_message("" if whole is None else whole)

        return Job(flow, answer, speak)

    def ajob(self, flow: AnyFlow[R], index: int) -> Job[R, AsyncAnswerFunction, AsyncSpeakFunction]:
        """As `job`, for tasks. ``ainvoke`` where it can be: only that goes through LangChain's cache."""

        async def answer(ask: Ask) -> Answer:
            return parse_message(await self.models[ask.role].ainvoke(messages_of(ask), self._child(ask, index)))

        async def speak(ask: Ask, show: Callable[[str], None]) -> Answer:
            whole = None
            stream = self.models[ask.role].astream(messages_of(ask), self._child(ask, index))
            async with aclosing(stream) as chunks:  # type: ignore[type-var]  # it is a generator, typed as an iterator
                async for chunk in chunks:
                    whole = _grown(whole, chunk, show)
            return parse_message("" if whole is None else whole)

        return Job(flow, answer, speak)

    def _child(self, ask: Ask, index: int) -> RunnableConfig:
        role = "restyle:style" if ask.role == "restyle" else "restyle:destyle"
        # LangGraph would show whoever reads messages the neutral texts, and blocks in any order.
        tags = [*self.config["tags"], role, f"restyle:block:{index}", "nostream"]
        # Not `merge_configs`: it copies a complete config, its callbacks included, twice for every call.
        return {**self.config, "run_name": role, "tags": tags}


def _grown(whole: Any, chunk: Any, show: Callable[[str], None]) -> Any:
    """What came so far and the next chunk of it, whose text is shown."""
    if isinstance(chunk, str | AIMessage):  # `parse_message` will refuse whatever else it is
        show(chunk if isinstance(chunk, str) else str(chunk.text))
    return chunk if whole is None else whole + chunk


def messages_of(ask: Ask) -> list[BaseMessage]:
    """An ask as LangChain's messages: what the model was trained on, and nothing else."""
    # Message objects, not tuples or templates: the text is data and is never formatted.
    turns = [(AIMessage if turn.role == "assistant" else HumanMessage)(content=turn.text) for turn in ask.after]
    return [SystemMessage(content=ask.system), HumanMessage(content=ask.user), *turns]


def parse_message(output: Any) -> Answer:
    """What a model said, from the message or string that it gave.

    Raises:
        TypeError: It gave something else.
    """
    if isinstance(output, str):
        return Answer(output)
    if not isinstance(output, AIMessage):
        raise TypeError(f"a style's model must answer with a message or a string, not {type(output).__name__}")
    metadata = output.response_metadata
    reasoning = output.additional_kwargs.get("reasoning_content") or ""
    text = str(output.text) or output.additional_kwargs.get("refusal") or ""
    return Answer(text, metadata.get("finish_reason") or metadata.get("stop_reason"), str(reasoning))
