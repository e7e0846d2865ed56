"""The language models of a style, and how asks become their messages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from llama_index.core.base.llms.types import ChatMessage, ChatResponse, MessageRole, TextBlock
from llama_index.core.callbacks import CallbackManager
from llama_index.core.llms.llm import LLM

from restyle.errors import CardError, ChatModelError
from restyle.known_differences import refuse_known_difference
from restyle.messages import Answer, Ask, Role
from restyle.style import Style

__all__ = ["ModelSpec", "chat_llm", "check_chat_model", "messages_of", "parse_response"]

ModelSpec = str | LLM | None
"""An LLM; a model's name; None: the one that the style card names."""


def chat_llm(
    style: Style, role: Role, spec: ModelSpec = None, *, callback_manager: CallbackManager | None = None
) -> LLM:
    """The model that plays ``role``. It is never ``Settings.llm``: that one was not trained for it.

    Args:
        style: The card; its stage says which model was trained, and where it is.
        role: ``destyle`` or ``restyle``.
        spec: A chat LLM, used as it is; a model's name at the stage's endpoint (``openai:NAME``: at OpenAI's); None:
            the stage's own.
        callback_manager: What hears of the calls; a given LLM keeps its own. None: nothing does but instrumentation.

    Raises:
        ModelError: ``restyle doctor`` found that the stage's endpoint renders another prompt than the trained one.
        CardError: The style has no such stage, its provider is unknown, or it has no endpoint for the name.
        ChatModelError: The LLM is given, but takes no messages.
    """
    if isinstance(spec, LLM):
        check_chat_model(spec)
        return spec
    stage = style.stage(role)
    if spec is None:
        refuse_known_difference(style, role)
    manager = callback_manager or CallbackManager([])
    if spec is None and stage.provider == "embedded":
        from llama_index_restyle.embedded_llm import EmbeddedLLM  # noqa: PLC0415 - only embedded styles need it

        return EmbeddedLLM(style=style, role=role, callback_manager=manager)
    from llama_index_restyle.endpoint_llm import EndpointLLM  # noqa: PLC0415 - only endpoints need it

    if spec is not None and spec.startswith("openai:"):
        name = spec.removeprefix("openai:")
        return EndpointLLM(model=name, base_url=None, request=stage.request, callback_manager=manager)
    if stage.provider == "embedded":
        raise CardError(
            f"style {style.name!r} is embedded and has no endpoint where a model {spec!r} could be: "
            f"write 'openai:{spec}' for OpenAI's, or give an LLM"
        )
    if stage.provider != "openai":
        raise CardError(f"provider {stage.provider!r} of {style.name!r} is unknown: use 'openai' or 'embedded'")
    return EndpointLLM(
        model=spec or stage.model, base_url=stage.base_url, request=stage.request, callback_manager=manager
    )


def check_chat_model(llm: LLM) -> None:
    """Refuse an LLM that would write the messages into one text, or that cannot say what it is.

    Raises:
        ChatModelError: It is such a one.
    """
    kind = type(llm).__name__
    try:
        is_chat_model = llm.metadata.is_chat_model
    except ValueError as error:  # what the OpenAI class says of names that it does not know
        raise ChatModelError(
            f"{kind} cannot describe its model and would refuse every call: give the model's name instead of the LLM, "
            "or llama_index_restyle.EndpointLLM, which takes any name"
        ) from error
    if not is_chat_model:
        raise ChatModelError(
            f"{kind} says metadata.is_chat_model=False: it would flatten system prompt and text into one completion "
            "prompt, which is not what the style was trained on: give a chat model (OpenAILike: is_chat_model=True)"
        )


def messages_of(ask: Ask) -> list[ChatMessage]:
    """An ask as LlamaIndex's messages: what the model was trained on, and nothing else."""
    # Message objects, not templates: the text is data and is never formatted.
    return [
        ChatMessage(role=MessageRole.SYSTEM, content=ask.system),
        ChatMessage(role=MessageRole.USER, content=ask.user),
        *(ChatMessage(role=MessageRole(turn.role), content=turn.text) for turn in ask.after),
    ]


def parse_response(response: ChatResponse) -> Answer:
    """What a model said."""
    message = response.message
    text = "".join(block.text for block in message.blocks if isinstance(block, TextBlock))
    more = message.additional_kwargs
    # By name: the oldest core that is supported has no class for such blocks.
    thoughts = [block for block in message.blocks if getattr(block, "block_type", "") == "thinking"]
    reasoning = more.get("reasoning_content") or "".join(getattr(block, "content", None) or "" for block in thoughts)
    finish_reason = _finish_reason(response.raw) or _finish_reason(response.additional_kwargs) or _finish_reason(more)
    return Answer(text or str(more.get("refusal") or ""), finish_reason, str(reasoning))


def _finish_reason(raw: object) -> str | None:
    """Why it stopped, where hosts say so: in the first choice or in the answer itself."""
    choices = _get(raw, "choices")
    first = choices[0] if isinstance(choices, list) and choices else raw
    found = _get(first, "finish_reason") or _get(first, "stop_reason") or _get(first, "done_reason")
    return found if isinstance(found, str) else None


def _get(raw: object, name: str) -> Any:
    return raw.get(name) if isinstance(raw, Mapping) else getattr(raw, name, None)
