"""Of wrappers around wrappers only the outermost rewrites.

What an inner one made would be read by models (a router's or an agent's) that put it into other words, or be rewritten
once more: paid for, and lost.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

__all__ = ["wrapping"]

_WITHIN: ContextVar[bool] = ContextVar("restyle_within", default=False)
_warned: set[str] = set()


@contextmanager
def wrapping(wrapper: object) -> Iterator[bool]:
    """Around the call of what is wrapped: whether no other wrapper is around this one.

    Where there is one, this warns, once for every class.
    """
    outermost = not _WITHIN.get()
    if not outermost:
        _warn(type(wrapper).__name__)
    token = _WITHIN.set(True)
    try:
        yield outermost
    finally:
        _WITHIN.reset(token)


def _warn(name: str) -> None:
    if name not in _warned:
        _warned.add(name)
        warnings.warn(
            f"a {name} is called inside another restyle wrapper and passes its answers on as they are: wrap the "
            "outermost engine only, or every inner answer would be rewritten in vain",
            UserWarning,
            stacklevel=4,
        )
