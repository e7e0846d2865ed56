"""The content of messages: which of its items are text, and what becomes of them when the text changes."""

from __future__ import annotations

from typing import Any

from langchain_core.messages import AIMessage, BaseMessage

__all__ = ["Item", "calls_tools", "is_final", "item_text", "with_text"]

Item = str | dict[str, Any]

# Providers leave calls in the content that LangChain does not list under `tool_calls`.
_CALLS = frozenset({"tool_call", "tool_call_chunk", "tool_use", "server_tool_call", "function_call"})
_OFFSETS = frozenset({"start_index", "end_index"})


def calls_tools(message: BaseMessage) -> bool:
    """Whether the message asks for tools, in any of the places where providers say so."""
    if isinstance(message, AIMessage) and (message.tool_calls or message.invalid_tool_calls):
        return True
    return any(isinstance(item, dict) and item.get("type") in _CALLS for item in message.content)


def is_final(message: BaseMessage) -> bool:
    """Whether its text is an answer in prose: no tools are called, and no schema was answered."""
    return not calls_tools(message) and message.additional_kwargs.get("parsed") is None


def item_text(item: Item) -> str:
    """The text of an item of a message's content; empty for what is no text."""
    if isinstance(item, str):
        return item
    return str(item.get("text") or "") if item.get("type") == "text" else ""


def with_text(item: Item, text: str) -> Item:
    """The item with another text; its annotations stay, without the offsets that they had in the old one."""
    if isinstance(item, str):
        return text
    annotations = item.get("annotations")
    if not isinstance(annotations, list):
        return {**item, "text": text}
    kept = [
        {key: value for key, value in each.items() if key not in _OFFSETS} if isinstance(each, dict) else each
        for each in annotations
    ]
    return {**item, "text": text, "annotations": kept}
