"""The last word on every sentence: what would lose or invent a fact is taken back."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from restyle.facts import losses

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["without_losses"]

_Part = TypeVar("_Part")


def without_losses(
    source: str, rewritten: Sequence[_Part], original: Sequence[_Part], write: Callable[[Sequence[_Part]], str]
) -> list[_Part]:
    """The rewritten parts, with as few as need be put back to the original ones, so that no fact is lost or invented.

    Args:
        source: the text that ``original`` writes.
        rewritten: its parts as the model says them.
        original: the same parts as they were, one for one.
        write: the text of some parts.
    """
    parts = list(rewritten)
    found = len(losses(source, write(parts)))
    for index, (new, old) in enumerate(zip(rewritten, original, strict=True)):
        if not found:
            return parts
        if new != old:
            parts[index] = old
            left = len(losses(source, write(parts)))
            if left < found:
                found = left
            else:
                parts[index] = new
    return parts if not found else list(original)
