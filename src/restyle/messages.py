"""What a flow says to the world and hears from it: an `Ask` out, an `Answer` in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["Answer", "Ask", "Role"]

Role = Literal["destyle", "restyle"]


@dataclass(frozen=True, slots=True)
class Ask:
    """One request to a model: the exact system message, the user's text alone, and which model is meant.

    ``showable`` says that the answer may leave while it still comes: the flow keeps whatever it turns out to be.
    """

    system: str
    user: str
    role: Role
    showable: bool = False


@dataclass(frozen=True, slots=True)
class Answer:
    """What a model said.

    Attributes:
        text: The content of its message.
        finish_reason: Why it stopped, in the words of the chat completions API; None where the host does not say.
        reasoning: What came in ``reasoning_content`` instead of the content.
        shown: How much of it, from its beginning, has left already and cannot be taken back; mostly nothing.
    """

    text: str
    finish_reason: str | None = None
    reasoning: str = ""
    shown: str = ""
