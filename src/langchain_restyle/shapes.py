"""What a chain hands over, taken apart into texts, and the same shape with others in their place."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import copy
from dataclasses import dataclass
from itertools import islice
from typing import Any

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage
from langchain_core.prompt_values import ChatPromptValue, PromptValue, StringPromptValue
from pydantic import BaseModel

from langchain_restyle.content import is_final, item_text, with_text
from restyle.errors import ShapeError
from restyle.rewriting import Rewrite

__all__ = ["KEYS", "Opened", "RestyleIO", "keys_of", "missing_key", "open_entry", "open_value"]

RestyleIO = str | AIMessage | PromptValue | dict[str, Any]

KEYS = ("answer", "output", "result", "messages")
"""Where chains keep their answer, in dictionaries."""


@dataclass(frozen=True, slots=True)
class Opened:
    """A value taken apart.

    Attributes:
        texts: What is to be rewritten, in order; empty where the value passes untouched.
        close: Makes the same value again with one rewrite in the place of each text.
    """

    texts: list[str]
    close: Callable[[Sequence[Rewrite]], Any]


def open_value(value: Any, key: str | None = None, *, neutral: bool = False) -> Opened:
    """Take a value apart.

    Args:
        value: A string, a message, a prompt, or a dictionary with one of these (or a list of messages, whose last one
            counts) in it. A pydantic object is structured output: it passes untouched.
        key: Where in a dictionary; None means under any of `KEYS`.
        neutral: Whether the report in a message's metadata holds the neutral texts.

    Raises:
        ShapeError: The value is of another kind, or a dictionary without such a key.
    """
    if isinstance(value, str):
        return Opened([value], lambda rewrites: rewrites[0].text)
    if isinstance(value, AIMessage):
        return _open_message(value, neutral=neutral)
    if isinstance(value, PromptValue):
        return _open_prompt(value, neutral=neutral)
    if isinstance(value, dict):
        return _open_dictionary(value, key, neutral=neutral)
    if isinstance(value, BaseModel) and not isinstance(value, BaseMessage):
        return _untouched(value)
    raise ShapeError(
        f"Restyle takes a string, an AIMessage, a prompt or a dictionary, not {type(value).__name__}: "
        "parse the output first"
    )


def keys_of(value: dict[str, Any], key: str | None) -> list[str]:
    """The keys of a dictionary under which there may be text to rewrite.

    Raises:
        ShapeError: ``value`` is what an agent streams, not what it answers.
    """
    if key is not None:
        return [key] if key in value else []
    found = [each for each in KEYS if each in value]
    if not found and any(isinstance(each, dict) and "messages" in each for each in value.values()):
        raise ShapeError(
            f"the updates of an agent's nodes ({', '.join(map(str, value))}) hold its original answer: "
            "restyle inside the agent with RestyleMiddleware"
        )
    if value.get("structured_response") is not None and "messages" in found:
        found.remove("messages")  # they end with the same data
        return found or ["structured_response"]
    return found


def missing_key(keys: Sequence[Any], key: str | None) -> ShapeError:
    """The error of a dictionary in which nothing can be rewritten."""
    wanted = repr(key) if key is not None else f"any of {', '.join(KEYS)}"
    return ShapeError(f"a dictionary with the keys {', '.join(map(repr, keys))} has not {wanted}: say which with key=")


def _open_dictionary(value: dict[str, Any], key: str | None, *, neutral: bool) -> Opened:
    if not (keys := keys_of(value, key)):
        raise missing_key(list(value), key)
    opened = {each: open_entry(value[each], strict=key is not None, neutral=neutral) for each in keys}

    def close(rewrites: Sequence[Rewrite]) -> dict[str, Any]:
        left = iter(rewrites)
        again = copy(value)  # of the same class, whatever dictionary it is
        again.update({each: entry.close(list(islice(left, len(entry.texts)))) for each, entry in opened.items()})
        return again

    return Opened([text for entry in opened.values() for text in entry.texts], close)


def open_entry(value: Any, *, strict: bool, neutral: bool) -> Opened:
    """Take apart what stands under a key; ``strict`` where the user said that it is text.

    Raises:
        ShapeError: It is none.
    """
    if isinstance(value, str | AIMessage | PromptValue):
        return open_value(value, neutral=neutral)
    if isinstance(value, list) and all(isinstance(each, BaseMessage) for each in value):
        return _open_messages(value, neutral=neutral)
    if strict and not isinstance(value, BaseModel):
        raise ShapeError(f"there is no text to rewrite in a {type(value).__name__}: name another key")
    return _untouched(value)


def _open_messages(messages: list[BaseMessage], *, neutral: bool) -> Opened:
    """The last message, where it is an answer."""
    if not messages or not isinstance(messages[-1], AIMessage):
        return _untouched(messages)
    last = _open_message(messages[-1], neutral=neutral)
    return Opened(last.texts, lambda rewrites: [*messages[:-1], last.close(rewrites)])


def _open_message(message: BaseMessage, *, neutral: bool) -> Opened:
    if not is_final(message):
        return _untouched(message)
    content = message.content
    texts = [content] if isinstance(content, str) else [text for item in content if (text := item_text(item))]

    def close(rewrites: Sequence[Rewrite]) -> BaseMessage:
        if not any(rewrite.is_rewritten for rewrite in rewrites):
            return message
        report = {"blocks": [row for rewrite in rewrites for row in rewrite.report(neutral=neutral)["blocks"]]}
        left = iter(rewrite.text for rewrite in rewrites)
        changed = (
            next(left)
            if isinstance(content, str)
            else [with_text(item, next(left)) if item_text(item) else item for item in content]
        )
        metadata = {**message.response_metadata, "restyle": report}
        return message.model_copy(update={"content": changed, "response_metadata": metadata})

    return Opened(texts, close)


def _open_prompt(prompt: PromptValue, *, neutral: bool) -> Opened:
    """A prompt's last word, be it the user's or the model's."""
    if isinstance(prompt, StringPromptValue):
        return Opened([prompt.text], lambda rewrites: prompt.model_copy(update={"text": rewrites[0].text}))
    if not isinstance(prompt, ChatPromptValue):
        raise ShapeError(f"there is no text to rewrite in a {type(prompt).__name__}: give a string or messages")
    messages = list(prompt.messages)
    places = [place for place, each in enumerate(messages) if isinstance(each, HumanMessage | AIMessage)]
    if not places:
        return _untouched(prompt)
    last = _open_message(messages[places[-1]], neutral=neutral)

    def close(rewrites: Sequence[Rewrite]) -> PromptValue:
        changed = [*messages[: places[-1]], last.close(rewrites), *messages[places[-1] + 1 :]]
        return prompt.model_copy(update={"messages": changed})

    return Opened(last.texts, close)


def _untouched(value: Any) -> Opened:
    return Opened([], lambda _: value)
