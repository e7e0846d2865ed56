"""The rows of a training file, as OpenAI's ``messages`` or as prompt and completion."""

from __future__ import annotations

import json
from typing import Any

from restyle.errors import RowError

__all__ = ["read_rows"]

_ROLES = ("system", "developer", "user", "assistant")


class _RowProblemError(Exception):
    """What is wrong with a row, before it is known where the row stands."""


def read_rows(content: bytes, name: str, *, only_messages: bool = False) -> list[tuple[str, str]]:
    """The source and the target of every row of a JSONL file; blank lines are skipped.

    A row is ``{"messages": [system, user, assistant]}``, or ``{"prompt": ..., "completion": ...}`` where each side is
    a text or a list of messages. The last user message is the source, the assistant message at the end the target.

    Args:
        content: The file, UTF-8 with or without a byte order mark.
        name: What to call the file in errors.
        only_messages: Whether prompt and completion are refused.

    Raises:
        RowError: A row does not fit; the message begins with ``name:line``.
    """
    rows = []
    for number, line in enumerate(content.removeprefix(b"\xef\xbb\xbf").split(b"\n"), start=1):
        if not line.strip():
            continue
        try:
            rows.append(_pair(json.loads(line.decode()), only_messages=only_messages))
        except UnicodeDecodeError as error:
            problem = f"not UTF-8 at byte {error.start + 1}: write the file as UTF-8"
            raise RowError(f"{name}:{number}: {problem}") from error
        except json.JSONDecodeError as error:
            problem = f"not JSON at column {error.colno} ({error.msg}): write one object a line"
            raise RowError(f"{name}:{number}: {problem}") from error
        except (_RowProblemError, RecursionError) as error:
            raise RowError(f"{name}:{number}: {error}") from error
    return rows


def _pair(row: Any, *, only_messages: bool) -> tuple[str, str]:  # noqa: ANN401 - whatever JSON holds
    if not isinstance(row, dict):
        raise _RowProblemError(f"a row is a JSON object, this is a {type(row).__name__}")
    prompt, completion = (None, None) if only_messages else (row.get("prompt"), row.get("completion"))
    if isinstance(prompt, str) and isinstance(completion, str):
        return _filled(prompt, "prompt"), _filled(completion, "completion")
    messages = row.get("messages")
    if isinstance(prompt, list) and isinstance(completion, list):
        messages = [*prompt, *completion]
    if not isinstance(messages, list):
        other = "" if only_messages else ", or 'prompt' and 'completion' (two texts or two lists)"
        raise _RowProblemError(f"a row has 'messages' (a list){other}")
    said = [_message(message, index) for index, message in enumerate(messages)]
    if not said or said[-1][0] != "assistant":
        raise _RowProblemError("the last message must be the assistant's: it is what the model learns to say")
    sources = [text for role, text in said if role == "user"]
    if not sources:
        raise _RowProblemError("there is no user message: it is the text to be rewritten")
    return sources[-1], said[-1][1]


def _message(message: Any, index: int) -> tuple[str, str]:  # noqa: ANN401 - whatever JSON holds
    if not isinstance(message, dict):
        raise _RowProblemError(f"messages[{index}] is a {type(message).__name__}, not an object")
    role = message.get("role")
    if role not in _ROLES:
        raise _RowProblemError(f"messages[{index}].role is {role!r}: it must be one of {', '.join(_ROLES)}")
    return role, _filled(message.get("content"), f"messages[{index}].content")


def _filled(text: Any, name: str) -> str:  # noqa: ANN401 - whatever JSON holds
    if not isinstance(text, str) or not text.strip():
        raise _RowProblemError(f"{name} is {text!r}: it must be a text that is not empty")
    return text
