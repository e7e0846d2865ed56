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
    """The rewritten parts, some of them put back to the original ones, so that no fact is lost or invented.

    Args:
        source: the text that ``original`` writes.
        rewritten: its parts as the model says them.
        original: the same parts as they were, one for one.
        write: the text of some parts.
    """
    parts = list(rewritten)
    found = len(losses(source, write(parts)))

    def put_back(start: int, end: int) -> None:
        """Put back as few of these parts as lowers the count of losses: half by half, or all where no half does."""
        nonlocal found
        before = found
        left = len(losses(source, write([*parts[:start], *original[start:end], *parts[end:]])))
        if left >= before:
            return
        if end - start > 1:
            middle = (start + end) // 2
            put_back(start, middle)
            put_back(middle, end)
        if found == before:
            parts[start:end] = original[start:end]
            found = left

    while found:  # with everything put back nothing is lost, so every round lowers the count
        put_back(0, len(parts))
    return parts
