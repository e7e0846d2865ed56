"""An LLM over an embedded style: real, small, and on this machine."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from llama_index.core.base.llms.types import (
    ChatMessage,
    ChatResponse,
    ChatResponseAsyncGen,
    ChatResponseGen,
    LLMMetadata,
    MessageRole,
)
from pydantic import Field, field_serializer

from llama_index_restyle.chat_llm import ChatLLM, response_of, text_of
from restyle.messages import Role
from restyle.phrase_answers import by_sentence, phrase_answer
from restyle.style import Style

__all__ = ["EmbeddedLLM"]


class EmbeddedLLM(ChatLLM):
    """Rewrites the last user message with one of an embedded style's two phrase models.

    It knows nothing but rewriting: the system message and earlier turns are not read, and there is no sampling. Of the
    options of a call it takes ``stop``. Usage is counted in words: a phrase model has no tokens of another kind.

    Example:
        ``EmbeddedLLM(style="keeper").complete("It was very cold.")``

    Raises:
        StyleNotFoundError, CardError, ModelFileError: On the first call, where the style cannot be used.
    """

    style: str | Path | Style
    """The style's name, the path of its card, or the card."""

    role: Role = "restyle"
    """Which of its two models: ``restyle`` or ``destyle``."""

    strength: float = Field(default=0.4, ge=0.0, le=1.0)
    """How boldly to rewrite: 0.0 safest, 1.0 boldest."""

    @classmethod
    def class_name(cls) -> str:
        """The class's name in what is serialized."""
        return "restyle_embedded"

    @property
    def model_name(self) -> str:
        """``NAME:ROLE``, as `restyle serve` calls the same model."""
        return f"{self._card().name}:{self.role}"

    @property
    def metadata(self) -> LLMMetadata:
        """A chat model of that name."""
        return LLMMetadata(is_chat_model=True, model_name=self.model_name)

    @field_serializer("style")
    def _plain_style(self, style: str | Path | Style) -> str | dict[str, Any]:
        """What JSON can hold, and `from_dict` can read."""
        if not isinstance(style, Style):
            return str(style)
        return asdict(style) | {"directory": style.directory and str(style.directory)}

    def _chat(self, messages: Sequence[ChatMessage], options: dict[str, Any]) -> ChatResponse:
        source, text = self._rewrite(messages, options)
        return response_of(text, self._raw(source, text))

    async def _achat(self, messages: Sequence[ChatMessage], options: dict[str, Any]) -> ChatResponse:
        return await asyncio.to_thread(self._chat, messages, options)

    def _stream(self, messages: Sequence[ChatMessage], options: dict[str, Any]) -> ChatResponseGen:
        source, text = self._rewrite(messages, options)
        yield from self._pieces(source, text)

    async def _astream(self, messages: Sequence[ChatMessage], options: dict[str, Any]) -> ChatResponseAsyncGen:
        source, text = await asyncio.to_thread(self._rewrite, messages, options)
        for response in self._pieces(source, text):
            yield response

    def _rewrite(self, messages: Sequence[ChatMessage], options: dict[str, Any]) -> tuple[str, str]:
        """The text and what becomes of it."""
        if options.get("model", self.model_name) != self.model_name:
            raise ValueError(f"model is {options['model']!r}, but this is {self.model_name!r}: make another for that")
        source, stop = _last_user_text(messages), options.get("stop")
        words = [stop] if isinstance(stop, str) else stop
        return source, phrase_answer(self._card(), self.role, source, self.strength, words)

    def _pieces(self, source: str, text: str) -> ChatResponseGen:
        so_far = ""
        for piece in by_sentence(text):
            so_far += piece
            yield response_of(so_far, {"model": self.model_name}, delta=piece)
        yield response_of(text, self._raw(source, text), delta="")

    def _raw(self, source: str, text: str) -> dict[str, Any]:
        read, written = len(source.split()), len(text.split())
        usage = {"prompt_tokens": read, "completion_tokens": written, "total_tokens": read + written}
        choice = {"index": 0, "finish_reason": "stop"}
        return {"model": self.model_name, "choices": [choice], "usage": usage}

    def _card(self) -> Style:
        return self.style if isinstance(self.style, Style) else Style.load(self.style)


def _last_user_text(messages: Sequence[ChatMessage]) -> str:
    for message in reversed(messages):
        if message.role == MessageRole.USER:
            return text_of(message)
    raise ValueError("there is no user message to rewrite: send the text as the last message of that role")
