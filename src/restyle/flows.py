"""The policy of rewriting, written once and without I/O.

A flow is a generator: it yields an `Ask`, is sent the `Answer` (or thrown what the model raised), and returns what
became of its block. Drivers (`restyle.drivers`) do the asking; frameworks only say how.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeAlias

from restyle.blocks import Block
from restyle.citations import attach, detach
from restyle.errors import LossError, RestyleError
from restyle.facts import Loss, losses
from restyle.faults import Fault, find_fault, visible_text
from restyle.messages import Answer, Ask, Role
from restyle.policy import Policy
from restyle.style import Style

__all__ = ["Flow", "Outcome", "Rewritten", "neutralise_block", "rewrite_block"]

Outcome = Literal["verbatim", "styled", "lossy", "neutral", "original"]


@dataclass(frozen=True, slots=True)
class Rewritten:
    """What became of one block.

    Attributes:
        block: The block as it stood in the source.
        text: What takes its place.
        outcome: ``verbatim`` (never sent to a model), ``styled``, ``lossy`` (rewritten, facts missing, kept on
            request), ``original`` (a fallback), or ``neutral`` (a fallback, too, or all that was asked for).
        neutral: The de-styled text that was styled; None where there was none.
        losses: Facts that the last styled answer lost or invented; empty when ``styled``.
        faults: Answers that were no rewriting, in order.
        asks: How many requests were made.
        error: The model's exception that led to ``original``; None otherwise.
    """

    block: Block
    text: str
    outcome: Outcome
    neutral: str | None = None
    losses: tuple[Loss, ...] = ()
    faults: tuple[Fault, ...] = ()
    asks: int = 0
    error: str | None = None

    def report(self, *, neutral: bool = False) -> dict[str, Any]:
        """The block's row in the metadata of a response: only JSON values, with the ``neutral`` text where wanted."""
        row: dict[str, Any] = {
            "start": self.block.start,
            "end": self.block.end,
            "outcome": self.outcome,
            "asks": self.asks,
        }
        if self.losses:
            row["losses"] = [str(loss) for loss in self.losses]
        if self.faults:
            row["faults"] = [fault.kind for fault in self.faults]
        if self.error:
            row["error"] = self.error
        if neutral and self.neutral is not None:
            row["neutral"] = self.neutral
        return row


Flow: TypeAlias = Generator[Ask, Answer, Rewritten]


def rewrite_block(block: Block, style: Style, policy: Policy) -> Flow:
    """Rewrite one block: de-style, style, compare with the source, ask again, fall back.

    Citation markers are detached before the models see the text. Losses are counted against the source. An attempt
    styles the neutral text; where that had lost the fact already, the next attempt begins with de-styling again.

    Raises:
        LossError: Facts did not survive and the policy says so.
    """
    if block.verbatim:
        return Rewritten(block, block.text, "verbatim")
    return (yield from _Rewriting(block, style, policy, "restyle").run())


def neutralise_block(block: Block, style: Style, policy: Policy) -> Flow:
    """De-style one block and leave it at that: the same checks and the same fallbacks as for `rewrite_block`.

    Raises:
        LossError: Facts did not survive and the policy says so.
    """
    if block.verbatim:
        return Rewritten(block, block.text, "verbatim")
    return (yield from _Rewriting(block, style, policy, "destyle").run())


def _name(error: Exception) -> str:
    """What metadata may say of an exception: a foreign one's text may quote a key, restyle's own never does."""
    if isinstance(error, RestyleError):
        return f"{type(error).__name__}: {error}"
    status = getattr(error, "status_code", None)
    return type(error).__name__ if status is None else f"{type(error).__name__} (HTTP {status})"


class _Rewriting:
    """The state of one block's flow; ``last`` is the model that has the last word."""

    def __init__(self, block: Block, style: Style, policy: Policy, last: Role) -> None:
        self.block, self.style, self.policy, self.last = block, style, policy, last
        self.source, self.markers = detach(block.text)
        destyles = last == "restyle" and policy.destyle and style.destyle is not None
        self.neutral: str | None = None if destyles else self.source
        self.styled: str | None = None
        self.losses: tuple[Loss, ...] = ()
        self.faults: list[Fault] = []
        self.asks = 0
        # Only what nothing can call back may be shown early: neither a loss, nor an error, nor a marker's place.
        self.showable = policy.on_loss == "keep" and policy.on_error == "raise" and not self.markers
        self.shown = False  # whether part of the last answer has left
        self.marred = False  # whether that turned out to be no rewriting to its end: cut off, or with an afterword

    def run(self) -> Flow:
        if not self.source.strip():  # nothing but citation markers
            return Rewritten(self.block, self.block.text, "verbatim")
        try:
            for _ in range(self.policy.attempts):
                if (yield from self._attempt()):
                    return self._end("styled" if self.last == "restyle" else "neutral", self.styled)
                if self.shown:
                    break
        except Exception as error:  # whatever the model or the framework around it raised: on_error decides
            if self.policy.on_error == "raise":
                raise
            return self._end("original", self.block.text, error=_name(error))
        return self._fall_back()

    def _attempt(self) -> Generator[Ask, Answer, bool]:
        """Whether the block now has a styled text that kept its facts."""
        if self.neutral is None:
            self.neutral = yield from self._ask(self.style.ask("destyle", self.source, self.policy.parameters))
        if self.neutral is None:
            return False
        ask = self.style.ask(self.last, self.neutral, self.policy.parameters)
        answer = yield from self._ask(replace(ask, showable=self.showable))
        if answer is None:
            return False
        self.styled = attach(answer, self.markers)
        self.losses = tuple(losses(self.block.text, self.styled))
        if self.losses and self.neutral != self.source and losses(self.source, self.neutral):
            self.neutral = None  # styling the same neutral text again cannot bring back what it has lost
        return not self.losses and not self.marred

    def _ask(self, ask: Ask) -> Generator[Ask, Answer, str | None]:
        answer = yield ask
        self.asks += 1
        self.shown = bool(answer.shown)
        if fault := find_fault(ask.user, answer):
            self.faults.append(fault)
            self.marred = self.shown
            return visible_text(answer) if self.shown else None
        return visible_text(answer)

    def _fall_back(self) -> Rewritten:
        if self.policy.on_loss == "raise":
            reasons = [str(loss) for loss in self.losses] or [fault.detail for fault in self.faults]
            raise LossError(
                f"block {self.block.text[:60]!r} at {self.block.start}-{self.block.end} of the text: "
                f"{'; '.join(reasons)} after {self.policy.attempts} attempts: "
                "use on_loss='original' to pass such a block through as it was"
            )
        if self.policy.on_loss == "keep" and self.styled is not None:
            return self._end("lossy", self.styled)
        if self.policy.on_loss == "neutral" and self.last == "restyle" and self.neutral is not None:
            neutral = attach(self.neutral, self.markers)
            if not losses(self.block.text, neutral):
                return self._end("neutral", neutral)
        return self._end("original", self.block.text)

    def _end(self, outcome: Outcome, text: str | None, error: str | None = None) -> Rewritten:
        return Rewritten(
            block=self.block,
            text=self.block.text if text is None else text,
            outcome=outcome,
            neutral=self.neutral if self.last == "restyle" else None,
            losses=() if outcome == "styled" else self.losses,
            faults=tuple(self.faults),
            asks=self.asks,
            error=error,
        )
