"""What became of a response's blocks, in its metadata."""

from __future__ import annotations

from typing import Any

from restyle.flows import Rewritten

__all__ = ["Report"]


class Report:
    """The metadata of a new response: those of the old one, and under ``restyle`` a row for every block done.

    Args:
        metadata: The old response's; not changed.
        included: Whether there are to be rows.
        neutral: Whether rows have the neutral text.
    """

    def __init__(self, metadata: dict[str, Any] | None, *, included: bool, neutral: bool) -> None:
        self.metadata = {**(metadata or {})} if included or metadata is not None else None
        self._rows: list[dict[str, Any]] | None = [] if included else None
        self._neutral = neutral

    def hear(self, result: Rewritten, field: str | None = None) -> None:
        """A block is done; ``field`` is the field of a pydantic object that it is part of."""
        if self._rows is None or self.metadata is None or result.block.verbatim:
            return
        place = {} if field is None else {"field": field}
        self._rows.append(place | result.report(neutral=self._neutral))
        if result.outcome != "verbatim":
            self.metadata["restyle"] = {"blocks": self._rows}
