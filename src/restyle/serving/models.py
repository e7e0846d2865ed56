"""The models that the server answers with."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Any

from restyle.errors import CardError, RestyleError, StyleNameError, StyleNotFoundError
from restyle.messages import Role
from restyle.serving.errors import ApiError, model_not_found
from restyle.style import Style, check_name

if TYPE_CHECKING:
    from restyle.serving.job_records import JobRecords

__all__ = ["BASE_MODEL", "Messages", "Models", "Reply", "last_user_text", "text_of"]

BASE_MODEL = "restyle-embedded"

Messages = list[dict[str, Any]]
Reply = str | Callable[[Messages], str]

_ROLES: tuple[Role, ...] = ("restyle", "destyle")
_LOG = logging.getLogger(__name__)


def text_of(message: Mapping[str, Any]) -> str:
    """The text of a message whose content is a text, a list of text parts, or nothing."""
    content = message.get("content") or ""
    return content if isinstance(content, str) else "".join(part["text"] for part in content)


def last_user_text(messages: Messages) -> str:
    """What is to be rewritten: the last user message.

    Raises:
        ApiError: There is none.
    """
    for message in reversed(messages):
        if message["role"] == "user":
            return text_of(message)
    raise ApiError(400, "Invalid 'messages': there is no user message, which is the text to rewrite.", param="messages")


class Models:
    """Embedded styles (``NAME:restyle``, ``NAME:destyle``), finished fine-tunes, the base, and scripted replies."""

    def __init__(self, home: Path | None, jobs: JobRecords, replies: Mapping[str, Reply]) -> None:
        self._home = home
        self._jobs = jobs
        # A rewriter that has learnt nothing copies.
        self._replies: dict[str, Reply] = {BASE_MODEL: last_user_text, **replies}

    def descriptions(self) -> list[dict[str, Any]]:
        """All models as ``GET /v1/models`` shows them; a style whose card cannot be read is left out with a warning."""
        return [
            {"id": name, "object": "model", "created": created, "owned_by": owner}
            for name, created, owner in self._all()
        ]

    def is_instant(self, name: str) -> bool:
        """Whether that model answers without work, so that a thread would cost more than the answer."""
        reply = self._reply(name)
        return isinstance(reply, str) or reply is last_user_text

    def answerer(self, name: str) -> Callable[[Messages], str]:
        """The function that answers for model ``name``; it may take seconds, so call it in a thread.

        Raises:
            ApiError: There is no such model.
            CardError: The card of its style cannot be read.
        """
        if (reply := self._reply(name)) is not None:
            return (lambda _: reply) if isinstance(reply, str) else reply
        path = self._jobs.trained().get(name) or self._style_model(name)
        if path is None:
            raise model_not_found(name)

        def answer(messages: Messages) -> str:
            from restyle.answering import phrase_model  # noqa: PLC0415 - only a server that has such a model needs it

            return phrase_model(path).rewrite(last_user_text(messages))

        return answer

    def _reply(self, name: str) -> Reply | None:
        """The scripted reply of that name or, after all exact names, trained ones too, of the first pattern it fits."""
        if name in self._replies:
            return self._replies[name]
        reply = next((reply for key, reply in self._replies.items() if "*" in key and fnmatchcase(name, key)), None)
        return None if reply is None or name in self._jobs.trained() else reply

    def _style_model(self, name: str) -> Path | None:
        style, _, role = name.rpartition(":")
        if role not in _ROLES:
            return None
        try:
            # A name that comes over the wire must not be taken for a path, as `Style.load` would.
            card = Style.load(check_name(style), self._home)
        except (StyleNotFoundError, StyleNameError):
            return None
        return _model_path(card, role)

    def _all(self) -> Iterator[tuple[str, int, str]]:
        for name in self._replies:
            if "*" not in name:
                yield name, 0, "restyle"
        for name, path in self._jobs.trained().items():
            yield name, int(path.stat().st_mtime), "user"
        for style in Style.list(self._home):
            try:
                card = Style.load(style, self._home)
            except RestyleError as error:
                _LOG.warning("style %r is not served: %s", style, error)
                continue
            for role in _ROLES:
                model = _model_path(card, role)
                if model is not None and model.is_file():
                    yield f"{style}:{role}", int(model.stat().st_mtime), "user"


def _model_path(card: Style, role: Role) -> Path | None:
    try:
        return card.model_path(role)
    except CardError:  # no such model, or another host's
        return None
