"""A chat model over an embedded style: real, small, and on this machine."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from langchain_core.callbacks import CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel, LangSmithParams
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage, HumanMessage
from langchain_core.messages.ai import UsageMetadata
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from pydantic import Field, InstanceOf

from restyle.messages import Role
from restyle.phrase_answers import by_sentence, phrase_answer
from restyle.style import Style

__all__ = ["EmbeddedChatModel"]


class EmbeddedChatModel(BaseChatModel):
    """Rewrites the last human message with one of an embedded style's two phrase models.

    It knows nothing but rewriting: the system message and earlier turns are not read, and there is no sampling.

    Example:
        ``EmbeddedChatModel(style="keeper").invoke("It was very cold.")``

    Raises:
        StyleNotFoundError, CardError, ModelFileError: On the first call, where the style cannot be used.
    """

    style: str | Path | InstanceOf[Style]
    """The style's name, the path of its card, or the card."""

    role: Role = "restyle"
    """Which of its two models: ``restyle`` or ``destyle``."""

    strength: float = Field(default=0.4, ge=0.0, le=1.0)
    """How boldly to rewrite: 0.0 safest, 1.0 boldest."""

    @property
    def model_name(self) -> str:
        """``NAME:ROLE``, as `restyle serve` calls the same model."""
        return f"{self._card().name}:{self.role}"

    @property
    def _llm_type(self) -> str:
        return "restyle-embedded"

    @property
    def _identifying_params(self) -> dict[str, Any]:
        card = self._card()  # the file is named after its content: a style trained anew is another model
        return {"model_name": self.model_name, "model": card.stage(self.role).model, "strength": self.strength}

    def _get_ls_params(self, stop: list[str] | None = None, **kwargs: Any) -> LangSmithParams:
        params = super()._get_ls_params(stop=stop, **kwargs)
        params["ls_provider"] = "restyle"
        return params

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        source, text = self._rewrite(messages, stop, kwargs)
        message = AIMessage(
            content=text,
            response_metadata={"model_name": self.model_name, "finish_reason": "stop"},
            usage_metadata=_usage(source, text),
        )
        return ChatResult(generations=[ChatGeneration(message=message)])

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        source, text = self._rewrite(messages, stop, kwargs)
        for piece in by_sentence(text):
            chunk = ChatGenerationChunk(message=AIMessageChunk(content=piece))
            if run_manager is not None:
                run_manager.on_llm_new_token(piece, chunk=chunk)
            yield chunk
        yield ChatGenerationChunk(
            message=AIMessageChunk(
                content="",
                response_metadata={"model_name": self.model_name, "finish_reason": "stop"},
                usage_metadata=_usage(source, text),
                chunk_position="last",
            )
        )

    def _rewrite(self, messages: list[BaseMessage], stop: list[str] | None, options: dict[str, Any]) -> tuple[str, str]:
        """The text and what becomes of it."""
        if options.get("model", self.model_name) != self.model_name:
            raise ValueError(f"model is {options['model']!r}, but this is {self.model_name!r}: make another for that")
        source = _last_human_text(messages)
        return source, phrase_answer(self._card(), self.role, source, self.strength, stop)

    def _card(self) -> Style:
        return self.style if isinstance(self.style, Style) else Style.load(self.style)


def _last_human_text(messages: list[BaseMessage]) -> str:
    for message in reversed(messages):
        if isinstance(message, HumanMessage):
            return str(message.text)
    raise ValueError("there is no human message to rewrite: send the text as the last HumanMessage")


def _usage(source: str, text: str) -> UsageMetadata:
    """Usage in words: a phrase model has no tokens of another kind."""
    read, written = len(source.split()), len(text.split())
    return UsageMetadata(input_tokens=read, output_tokens=written, total_tokens=read + written)
