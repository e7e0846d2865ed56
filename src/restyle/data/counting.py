"""What the counts of a pair set say against it: too few pairs for a style, or for a parameter's value."""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["STYLE_MINIMUM", "VALUE_MINIMUM", "thin_values"]

STYLE_MINIMUM = 2000  # pairs of each style that a model of several needs, by the recipe
VALUE_MINIMUM = 100  # OpenAI's fine-tuning guide sees an effect from 50 to 100 examples: fewer leave a value unlearnt


def thin_values(
    counts: Mapping[str, Mapping[str, int]],
    *,
    style_minimum: int = STYLE_MINIMUM,
    value_minimum: int = VALUE_MINIMUM,
) -> list[str]:
    """A warning for every value with too few pairs, in the order of ``counts``.

    Args:
        counts: Pairs by parameter and value; the values of the parameter ``style`` are styles.
        style_minimum: Pairs that a style needs.
        value_minimum: Pairs that any other value needs.
    """
    return [
        _warning(name, value, pairs, minimum)
        for name, values in counts.items()
        for minimum in [style_minimum if name == "style" else value_minimum]
        for value, pairs in values.items()
        if pairs < minimum
    ]


def _warning(name: str, value: str, pairs: int, minimum: int) -> str:
    if not pairs:
        return f"{name} {value!r} has no pair: no model can learn it; add texts that have it, or leave it out"
    few = f"{name} {value!r} has {pairs:,} {'pair' if pairs == 1 else 'pairs'}, under {minimum:,}"
    if name == "style":
        return f"{few}: in a model of several styles it will be blurred; add texts, or train it alone"
    return f"{few}: a model will hardly learn it; add texts that have it, or merge it with another value"
