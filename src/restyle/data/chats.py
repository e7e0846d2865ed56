"""Chat transcripts: the author's turns of a conversation, as one text or each by itself."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from restyle.errors import DocumentError
from restyle.messages import Turn

__all__ = ["ROLES", "AuthorTurns", "Said", "Utterance", "openai_utterance"]

ROLES = {"ai": "assistant", "human": "user"}
"""What LangChain calls roles, and what OpenAI calls them."""

Said = tuple[str, tuple[Turn, ...]]
"""A text of the author's, and the turns before it."""

_UNSPOKEN = frozenset({"system", "developer", "tool", "function"})  # roles that take no part in a conversation
_SHOWN = 10  # senders that an error names


@dataclass(frozen=True, slots=True)
class Utterance:
    """What one message says: its text, and what its sender is called, most particular first and the role last."""

    names: list[str]
    text: str


def openai_utterance(message: object, place: str) -> Utterance | None:
    """What a message ``{"role", "content"}`` says; None if this is none. Only text counts of what it holds.

    Raises:
        DocumentError: The content is neither a string nor a list of parts.
    """
    if not isinstance(message, Mapping) or not isinstance(role := message.get("role"), str):
        return None
    name = message.get("name")
    names = [name] if name and isinstance(name, str) else []
    return Utterance([*names, ROLES.get(role, role)], _text(message.get("content"), place))


class AuthorTurns:
    """Takes conversations as they come and finds what the author says in them.

    Args:
        sender: The author: a name or a role. None: the assistant.
        context: How many turns before each of the author's are kept with it; it then is a text by itself. 0: none are,
            and the author's turns are one text.
        utterance: Reads a message; None is no message.
        wanted: What to give instead of something that is no message; ends the errors.

    Raises:
        ValueError: The context is negative.
    """

    def __init__(
        self,
        sender: str | None = None,
        context: int = 0,
        utterance: Callable[[object, str], Utterance | None] = openai_utterance,
        wanted: str = "give dicts with 'role' and 'content'",
    ) -> None:
        if context < 0:
            raise ValueError(f"context is {context}: give the number of turns to keep, or 0 for none")
        self._author = ROLES.get(sender or "", sender or "assistant")
        self._context = context
        self._utterance, self._wanted = utterance, wanted
        self._senders: dict[str, None] = {}
        self._empty = True

    def said(self, messages: Sequence[object], place: str) -> list[Said]:
        """What the author says in a conversation, if anything: turns joined by blank lines, or each with its context.

        In the context the author is the assistant, and everybody else the user; system prompts and tools' results are
        no turns.

        Raises:
            DocumentError: One of the messages is none.
        """
        said: list[Said] = []
        before = deque[Turn](maxlen=self._context)
        for index, message in enumerate(messages):
            utterance = self._utterance(message, f"{place}[{index}]")
            if utterance is None:
                kind = type(message).__name__
                raise DocumentError(f"{place}[{index}] is of type {kind}, not a message: {self._wanted}")
            names, text = utterance.names, utterance.text
            if not text.strip():
                continue
            self._senders.setdefault(names[0])
            if self._author in names:
                said.append((text, tuple(before)))
                before.append(Turn("assistant", text))
            elif names[-1] not in _UNSPOKEN:
                before.append(Turn("user", text))
        self._empty = self._empty and not said
        return said if self._context or not said else [("\n\n".join(text for text, _ in said), ())]

    def end(self, place: str = "") -> None:
        """No more conversations come; ``place`` begins the error.

        Raises:
            DocumentError: The author did not say anything in any of them.
        """
        if self._empty:
            senders = ", ".join(map(repr, list(self._senders)[:_SHOWN])) or "nobody"
            raise DocumentError(
                f"{place}{self._author!r} says nothing in these sessions: who does is {senders}. Name the author: "
                "sender='...'"
            )


def _text(content: object, place: str) -> str:
    items = [content] if isinstance(content, str) else content or []
    if not isinstance(items, list | tuple):
        raise DocumentError(
            f"{place}: the content is of type {type(content).__name__}: give a string or a list of parts"
        )
    texts = (
        item if isinstance(item, str) else item.get("text")
        for item in items
        if isinstance(item, str) or (isinstance(item, Mapping) and item.get("type") == "text")
    )
    return "".join(text for text in texts if isinstance(text, str))
