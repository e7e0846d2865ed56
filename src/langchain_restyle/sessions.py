"""Chat transcripts: the author's turns of a session as one document."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from langchain_core.chat_sessions import ChatSession
from langchain_core.messages import AIMessage, BaseMessage, ChatMessage, HumanMessage

from restyle.data.documents import Document as AuthorDocument
from restyle.data.identifiers import content_id, written_id
from restyle.errors import DocumentError

__all__ = ["ConversationReader", "Message", "Session", "SessionReader", "is_message"]

Message: TypeAlias = BaseMessage | Mapping[str, Any]
Session: TypeAlias = ChatSession | Mapping[str, Any] | Sequence[BaseMessage] | Sequence[Mapping[str, Any]]

_ROLES = {"ai": "assistant", "human": "user"}
_SHOWN = 10  # senders that an error names


class SessionReader:
    """Takes sessions as they come; each becomes a document of the author's turns, joined by blank lines.

    So short turns that stand together can make a block, and one session is dealt to train, valid or test as a whole.
    A session is a `ChatSession`, a row ``{"messages": [...]}``, or a list of messages: LangChain's, or OpenAI's
    ``{"role", "content"}``. Its document is named after the row's ``id``, else after a hash of the author's turns. Of a
    turn its text counts; tool calls and images do not, nor turns without text, nor sessions without the author.

    Args:
        sender: The author: ``additional_kwargs["sender"]``, the name or the role of a message. None: the assistant.
    """

    def __init__(self, sender: str | None = None) -> None:
        self._author = _ROLES.get(sender or "", sender or "assistant")
        self._senders: dict[str, None] = {}
        self._taken = 0
        self._empty = True

    def feed(self, session: object) -> list[AuthorDocument]:
        """Take the next session, and return its document, if it has one.

        Raises:
            DocumentError: It is none, or one of its messages is none.
        """
        place = f"sources[{self._taken}]"
        self._taken += 1
        messages, id_ = session, None
        if isinstance(session, Mapping) and "messages" in session:
            messages, id_, inside = session["messages"], session.get("id"), f"{place}['messages']"
        else:
            inside = place
        if not isinstance(messages, list | tuple):
            raise DocumentError(
                f"{inside} is of type {type(messages).__name__}, not a session: give a ChatSession, "
                "{'messages': [...]}, or a list of messages"
            )
        return self.document(messages, inside, written_id(id_, f"{place}['id']"))

    def flush(self) -> list[AuthorDocument]:
        """Return nothing: no session waits for another.

        Raises:
            DocumentError: The author did not say anything in any session.
        """
        if self._empty:
            senders = ", ".join(map(repr, list(self._senders)[:_SHOWN])) or "nobody"
            raise DocumentError(
                f"{self._author!r} says nothing in these sessions: who does is {senders}. Name the author: sender='...'"
            )
        return []

    def document(self, messages: Sequence[object], place: str, id_: str | None = None) -> list[AuthorDocument]:
        """The author's side of one session."""
        turns = []
        for index, message in enumerate(messages):
            names, text = _read(message, f"{place}[{index}]")
            if text.strip():
                self._senders.setdefault(names[0])
                if self._author in names:
                    turns.append(text)
        if not turns:
            return []
        self._empty = False
        said = "\n\n".join(turns)
        return [AuthorDocument(id_ or content_id(said), said)]


class ConversationReader:
    """Takes the messages of a single session as they come."""

    def __init__(self, sender: str | None = None) -> None:
        self._reader = SessionReader(sender)
        self._messages: list[object] = []

    def feed(self, message: object) -> list[AuthorDocument]:
        """Take the next message."""
        self._messages.append(message)
        return []

    def flush(self) -> list[AuthorDocument]:
        """Return the session's document.

        Raises:
            DocumentError: Something among the messages is none, or the author did not say anything.
        """
        return [*self._reader.document(self._messages, "sources"), *self._reader.flush()]


def is_message(value: object) -> bool:
    """Whether this is one message, LangChain's or OpenAI's."""
    return isinstance(value, BaseMessage) or (
        isinstance(value, Mapping) and "role" in value and "messages" not in value
    )


def _read(message: object, place: str) -> tuple[list[str], str]:
    """What a message's sender is called, most particular first, and its text."""
    if isinstance(message, BaseMessage):
        names = [message.additional_kwargs.get("sender"), message.name, _role(message)]
        text = str(message.text)
    elif isinstance(message, Mapping) and isinstance(role := message.get("role"), str):
        names = [message.get("name"), _ROLES.get(role, role)]
        text = _text(message.get("content"), place)
    else:
        raise DocumentError(
            f"{place} is of type {type(message).__name__}, not a message: give LangChain messages, or dicts with "
            "'role' and 'content'"
        )
    return [name for name in names if name and isinstance(name, str)], text


def _role(message: BaseMessage) -> str:
    if isinstance(message, ChatMessage):
        return _ROLES.get(message.role, message.role)
    if isinstance(message, AIMessage):
        return "assistant"
    return "user" if isinstance(message, HumanMessage) else message.type


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
