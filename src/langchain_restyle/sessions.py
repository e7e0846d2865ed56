"""Chat transcripts: the author's turns of a session as one document, or as parts of one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from langchain_core.chat_sessions import ChatSession
from langchain_core.messages import AIMessage, BaseMessage, ChatMessage, HumanMessage

from restyle.data.chats import ROLES, AuthorTurns, Utterance, openai_utterance
from restyle.data.documents import Document as AuthorDocument
from restyle.data.identifiers import content_id, written_id
from restyle.errors import DocumentError

__all__ = ["ConversationReader", "Message", "Session", "SessionReader", "is_message"]

Message: TypeAlias = BaseMessage | Mapping[str, Any]
Session: TypeAlias = ChatSession | Mapping[str, Any] | Sequence[BaseMessage] | Sequence[Mapping[str, Any]]


class SessionReader:
    """Takes sessions as they come; each becomes a document of the author's turns, joined by blank lines.

    So short turns that stand together can make a block, and one session is dealt to train, valid or test as a whole.
    A session is a `ChatSession`, a row ``{"messages": [...]}``, or a list of messages: LangChain's, or OpenAI's
    ``{"role", "content"}``. Its document is named after the row's ``id``, else after a hash of the author's turns. Of a
    turn its text counts; tool calls and images do not, nor turns without text, nor sessions without the author.

    Args:
        sender: The author: ``additional_kwargs["sender"]``, the name or the role of a message. None: the assistant.
        context: How many turns before each of the author's are kept with it; each turn is then a part of the document
            by itself. 0: none are, and turns are joined.
    """

    def __init__(self, sender: str | None = None, context: int = 0) -> None:
        wanted = "give LangChain messages, or dicts with 'role' and 'content'"
        self._turns = AuthorTurns(sender, context, _utterance, wanted)
        self._taken = 0

    def feed(self, session: object) -> list[AuthorDocument]:
        """Take the next session, and return its document, or the parts of it, if it has one.

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
        self._turns.end()
        return []

    def document(self, messages: Sequence[object], place: str, id_: str | None = None) -> list[AuthorDocument]:
        """The author's side of one session."""
        said = self._turns.said(messages, place)
        id_ = id_ or content_id("\n\n".join(text for text, _ in said))
        return [AuthorDocument(id_, text, context) for text, context in said]


class ConversationReader:
    """Takes the messages of a single session as they come."""

    def __init__(self, sender: str | None = None, context: int = 0) -> None:
        self._reader = SessionReader(sender, context)
        self._messages: list[object] = []

    def feed(self, message: object) -> list[AuthorDocument]:
        """Take the next message."""
        self._messages.append(message)
        return []

    def flush(self) -> list[AuthorDocument]:
        """Return the session's document, or its parts.

        Raises:
            DocumentError: Something among the messages is none, or the author did not say anything.
        """
        return [*self._reader.document(self._messages, "sources"), *self._reader.flush()]


def is_message(value: object) -> bool:
    """Whether this is one message, LangChain's or OpenAI's."""
    return isinstance(value, BaseMessage) or (
        isinstance(value, Mapping) and "role" in value and "messages" not in value
    )


def _utterance(message: object, place: str) -> Utterance | None:
    if not isinstance(message, BaseMessage):
        return openai_utterance(message, place)
    names = [message.additional_kwargs.get("sender"), message.name, _role(message)]
    return Utterance([name for name in names if name and isinstance(name, str)], str(message.text))


def _role(message: BaseMessage) -> str:
    if isinstance(message, ChatMessage):
        return ROLES.get(message.role, message.role)
    if isinstance(message, AIMessage):
        return "assistant"
    return "user" if isinstance(message, HumanMessage) else message.type
