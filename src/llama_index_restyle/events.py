"""What instrumentation hears of a rewriting, beside the spans and events of the models' own calls."""

from __future__ import annotations

from typing import Any

from llama_index.core.instrumentation.events import BaseEvent

__all__ = ["RestyleBlockEvent", "RestyleEndEvent", "RestyleStartEvent"]


class RestyleStartEvent(BaseEvent):
    """A rewriting begins.

    Attributes:
        style: The style's name.
    """

    style: str

    @classmethod
    def class_name(cls) -> str:
        """Its name in exports."""
        return "RestyleStartEvent"


class RestyleBlockEvent(BaseEvent):
    """A block that is not verbatim is done; in the order of the text.

    Attributes:
        style: The style's name.
        report: The block's row, as in the metadata of a response (see `restyle.flows.Rewritten.report`).
    """

    style: str
    report: dict[str, Any]

    @classmethod
    def class_name(cls) -> str:
        """Its name in exports."""
        return "RestyleBlockEvent"


class RestyleEndEvent(BaseEvent):
    """A rewriting has come to its end; it has no such event where it failed or was given up.

    Attributes:
        style: The style's name.
        blocks: How many blocks went to a model.
    """

    style: str
    blocks: int

    @classmethod
    def class_name(cls) -> str:
        """Its name in exports."""
        return "RestyleEndEvent"
