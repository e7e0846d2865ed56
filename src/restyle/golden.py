"""The golden prompt: one request as training rendered it, to be compared with what a server makes of the same."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, TypeVar

__all__ = ["GoldenPrompt", "difference"]

_AROUND = 24  # characters or ids that are shown before and after the first difference

_T = TypeVar("_T", bound="str | list[int]")


@dataclass(frozen=True, slots=True)
class GoldenPrompt:
    """One request up to where the model begins to write, as the trained model saw it.

    Attributes:
        system: The system message, parameters filled in.
        user: The user message.
        text: Both as the chat template rendered them, with the generation prompt.
        ids: The token ids of ``text``, no special tokens added.
        template_digest: SHA-256 of the chat template's UTF-8 bytes, in hexadecimal; empty: the host does not show it.
        base: The base model, by name or path.
        revision: The base model's commit; None where it has none (a path) or it is not known.
        kwargs: What the template was given beside the messages, the request's ``chat_template_kwargs``.
    """

    system: str
    user: str
    text: str
    ids: list[int]
    template_digest: str
    base: str
    revision: str | None = None
    kwargs: dict[str, Any] = field(default_factory=dict)

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}  # it is read from cards, as a stage is

    @property
    def messages(self) -> list[dict[str, str]]:
        """What to send to a server so that it renders this prompt."""
        return [{"role": "system", "content": self.system}, {"role": "user", "content": self.user}]

    def compare(self, text: str | None, ids: Sequence[int] | None) -> str | None:
        """How a server's rendering of `messages` differs from what was trained; None where it does not.

        Args:
            text: The prompt that the server rendered; None where it does not show it.
            ids: Its token ids; None where it does not show them.

        Raises:
            ValueError: Neither is given: there is nothing to compare.
        """
        if text is None and ids is None:
            raise ValueError("neither text nor ids of a rendering were given: it cannot be compared, say so instead")
        found = []
        if text is not None and text != self.text:
            found.append(f"the prompt's text differs {difference(self.text, text)}")
        if ids is not None and list(ids) != self.ids:
            found.append(f"the prompt's token ids differ {difference(self.ids, list(ids))}")
        return "\n".join(found) or None


def difference(trained: _T, served: _T, names: tuple[str, str] = ("trained", "served")) -> str:
    """Where two different texts, or lists of ids, part, and both around that place: three lines."""
    pairs = enumerate(zip(trained, served, strict=False))
    at = next((place for place, (left, right) in pairs if left != right), min(len(trained), len(served)))
    unit = "character" if isinstance(trained, str) else "token"
    width = max(map(len, names))
    shown = [f"  {name:<{width}}  {_around(value, at)}" for name, value in zip(names, (trained, served), strict=True)]
    return "\n".join([f"at {unit} {at} (of {len(trained)} and {len(served)})", *shown])


def _around(value: str | list[int], at: int) -> str:
    start, stop = max(at - _AROUND, 0), at + _AROUND
    before, after = "… " if start else "", " …" if stop < len(value) else ""
    return f"{before}{value[start:stop]!r}{after}"
