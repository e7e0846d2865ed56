"""Training rows in tokens: counted before the training, and compared with what TRL made of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from restyle.data.rows import Row
from restyle.errors import RowError
from restyle.training.local.base import Base

__all__ = ["IGNORED", "Rows"]

IGNORED = -100  # the label of a token without loss, in torch and TRL


@dataclass(frozen=True, slots=True)
class Rows:
    """The rows of one file and their lengths.

    Attributes:
        path: The file, for messages.
        rows: Its rows, a line each.
        base: The model that is to read them.
        lengths: For each row its tokens in the prompt, and altogether.
    """

    path: Path
    rows: Sequence[Row]
    base: Base
    lengths: Sequence[tuple[int, int]]

    @property
    def tokens(self) -> int:
        """Tokens of all rows, prompts included."""
        return sum(whole for _, whole in self.lengths)

    @property
    def longest(self) -> int:
        """Tokens of the longest row; 0 where there is none."""
        return max((whole for _, whole in self.lengths), default=0)

    @classmethod
    def measure(cls, path: Path, rows: Sequence[Row], base: Base) -> Rows:
        """Count the tokens of ``rows``.

        Raises:
            RowError: A row is longer than the model's window, holds a control token of the chat template, or does not
                begin with the tokens of its prompt.
        """
        lengths, control = [], base.control_tokens
        for number, row in enumerate(rows, 1):
            if found := [token for token in control if token in f"{row.ask.user}\n{row.answer}"]:
                raise RowError(
                    f"{path}:{number}: the text holds {found[0]!r}, which {base.name} takes for its own: remove it "
                    "from the source, and make the pairs again"
                )
            prompt, whole = (_tokens(base, row, answered=answered) for answered in (False, True))
            if base.window is not None and len(whole) > base.window:
                raise RowError(
                    f"{path}:{number}: {len(whole)} tokens, but {base.name} reads {base.window}: take a base with a "
                    "larger window, or make the pairs again with smaller blocks"
                )
            if whole[: len(prompt)] != prompt:
                raise RowError(
                    f"{path}:{number}: the tokens of the prompt are not those that the row begins with, so the model "
                    f"would learn another prompt than it gets: take a base with another chat template than {base.name}"
                )
            lengths.append((len(prompt), len(whole)))
        return cls(path, rows, base, lengths)

    def dataset(self) -> Any:  # noqa: ANN401 - datasets is not installed where types are checked
        """They as TRL takes them: conversational prompt and completion, so that the loss is on the completion."""
        from datasets import Dataset  # noqa: PLC0415 - of the extra 'local'

        kwargs = {"chat_template_kwargs": self.base.kwargs} if self.base.kwargs else {}
        return Dataset.from_list(
            [{"prompt": _prompt(row), "completion": [_answer(row)], **kwargs} for row in self.rows]
        )

    def check(self, prepared: Iterable[Mapping[str, Sequence[int]]]) -> None:
        """Compare with the rows that TRL's collator is about to get: none dropped, cut, or with loss on its prompt.

        Raises:
            RowError: One differs.
        """
        seen = [(sum(label == IGNORED for label in row["labels"]), len(row["input_ids"])) for row in prepared]
        for number, (mine, its) in enumerate(zip(self.lengths, seen, strict=False), 1):
            if mine != its:
                raise RowError(
                    f"{self.path}:{number}: {mine[0]} tokens of prompt in {mine[1]}, but {its[0]} in {its[1]} as "
                    "TRL prepares it: nothing was trained; please report it with the versions of trl and transformers"
                )
        if len(seen) != len(self.lengths):
            raise RowError(f"{self.path}: {len(self.lengths)} rows, of which TRL keeps {len(seen)}: please report it")


def _prompt(row: Row) -> list[dict[str, str]]:
    return [{"role": "system", "content": row.ask.system}, {"role": "user", "content": row.ask.user}]


def _answer(row: Row) -> dict[str, str]:
    return {"role": "assistant", "content": row.answer}


def _tokens(base: Base, row: Row, *, answered: bool) -> list[int]:
    messages = [*_prompt(row), _answer(row)] if answered else _prompt(row)
    encoded = base.tokenizer.apply_chat_template(
        messages, tokenize=True, return_dict=True, add_generation_prompt=not answered, **base.kwargs
    )
    return list(encoded["input_ids"])
