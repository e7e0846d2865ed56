"""Chat transcripts: the author's turns of a conversation as one text."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from restyle.errors import DocumentError

__all__ = ["ROLES", "AuthorTurns", "Turn", "openai_turn"]

ROLES = {"ai": "assistant", "human": "user"}
"""What LangChain calls roles, and what OpenAI calls them."""

_SHOWN = 10  # senders that an error names


@dataclass(frozen=True, slots=True)
class Turn:
    """What one message says: its text, and what its sender is called, most particular first."""

    names: list[str]
    text: str


def openai_turn(message: object, place: str) -> Turn | None:
    """The turn of a message ``{"role", "content"}``; None if this is none. Only text counts of what it holds.

    Raises:
        DocumentError: The content is neither a string nor a list of parts.
    """
    if not isinstance(message, Mapping) or not isinstance(role := message.get("role"), str):
        return None
    name = message.get("name")
    names = [name] if name and isinstance(name, str) else []
    return Turn([*names, ROLES.get(role, role)], _text(message.get("content"), place))


class AuthorTurns:
    """Takes conversations as they come and finds what the author says in them, turns joined by blank lines.

    Args:
        sender: The author: a name or a role. None: the assistant.
        turn: Reads a message; None is no message.
        wanted: What to give instead of something that is no message; ends the errors.
    """

    def __init__(
        self,
        sender: str | None = None,
        turn: Callable[[object, str], Turn | None] = openai_turn,
        wanted: str = "give dicts with 'role' and 'content'",
    ) -> None:
        self._author = ROLES.get(sender or "", sender or "assistant")
        self._turn, self._wanted = turn, wanted
        self._senders: dict[str, None] = {}
        self._empty = True

    def said(self, messages: Sequence[object], place: str) -> str | None:
        """The author's side of a conversation; None if there is none.

        Raises:
            DocumentError: One of the messages is none.
        """
        texts = []
        for index, message in enumerate(messages):
            turn = self._turn(message, f"{place}[{index}]")
            if turn is None:
                kind = type(message).__name__
                raise DocumentError(f"{place}[{index}] is of type {kind}, not a message: {self._wanted}")
            if turn.text.strip():
                self._senders.setdefault(turn.names[0])
                if self._author in turn.names:
                    texts.append(turn.text)
        self._empty = self._empty and not texts
        return "\n\n".join(texts) if texts else None

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
