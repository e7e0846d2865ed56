"""What a flow says to the world and hears from it: an `Ask` out, an `Answer` in."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, NamedTuple

__all__ = ["Answer", "Ask", "Role", "Turn", "Usage"]

Role = Literal["destyle", "restyle"]


class Turn(NamedTuple):
    """A message after the text: an answer that was rejected (``assistant``), or what is wrong with it (``user``)."""

    role: Literal["assistant", "user"]
    text: str


class Usage(NamedTuple):
    """What a host counted: the tokens that it read and those that it wrote."""

    read: int
    written: int


@dataclass(frozen=True, slots=True)
class Ask:
    """One request to a model: the exact system message, the user's text alone, and which model is meant.

    Attributes:
        showable: Whether the answer may leave while it still comes: the flow keeps whatever it turns out to be.
        after: The turns after the text, where a teacher is asked again; a style's own models never see any.
        schema: JSON schema that the answer is to match, as JSON; empty for text. Who cannot hold a model to it ignores
            it: whoever asks checks the answer anyway.
    """

    system: str
    user: str
    role: Role
    showable: bool = False
    after: tuple[Turn, ...] = ()
    schema: str = ""

    @property
    def messages(self) -> list[dict[str, str]]:
        """The messages as the chat completions API has them."""
        turns = [{"role": turn.role, "content": turn.text} for turn in self.after]
        return [{"role": "system", "content": self.system}, {"role": "user", "content": self.user}, *turns]


@dataclass(frozen=True, slots=True)
class Answer:
    """What a model said.

    Attributes:
        text: The content of its message.
        finish_reason: Why it stopped, in the words of the chat completions API; None where the host does not say.
        reasoning: What came in ``reasoning_content`` instead of the content.
        shown: How much of it, from its beginning, has left already and cannot be taken back; mostly nothing.
        usage: What it cost; None where the host does not say. Equal answers may cost differently.
    """

    text: str
    finish_reason: str | None = None
    reasoning: str = ""
    shown: str = ""
    usage: Usage | None = field(default=None, compare=False)
