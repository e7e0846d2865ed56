"""How long training rows are, in tokens: a row that is cut in training teaches texts that break off."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from restyle.data.filters import Drop
from restyle.data.prices import find_tokenizer
from restyle.data.rows import Row
from restyle.errors import MissingExtraError, PairsError
from restyle.messages import Role

__all__ = ["RowLimit"]

_TEMPLATE = 64  # tokens that a chat template may put around three messages; the longest of today's takes 40


@dataclass(frozen=True, slots=True)
class RowLimit:
    """The most tokens that a row may have.

    Attributes:
        most: With what the chat template adds, for which 64 are allowed.
        count: Counts the tokens of a text as the model to be trained does.
    """

    most: int
    count: Callable[[str], int]

    @classmethod
    def of(cls, most: int, tokenizer: str | Path | None) -> RowLimit:
        """The limit for a model: ``tokenizer`` is the path of its ``tokenizer.json``, or a name that tiktoken knows.

        Raises:
            PairsError: The limit is not positive, or the tokenizer is not given or not on this machine.
            MissingExtraError: The library that reads it is not installed.
        """
        if most <= _TEMPLATE:
            raise PairsError(f"max_tokens is {most}: a chat template alone may take {_TEMPLATE}, give more")
        if tokenizer is None:
            raise PairsError(
                f"max_tokens is {most}, but of which model? Give tokenizer=..., the path of its tokenizer.json or a "
                "model's name that tiktoken knows"
            )
        if str(tokenizer).endswith(".json"):
            return cls(most, _from_file(Path(tokenizer)))
        count = find_tokenizer(str(tokenizer))
        if count is None:
            raise PairsError(
                f"the tokenizer {str(tokenizer)!r} is not on this machine: give the path of the model's "
                "tokenizer.json, or set TIKTOKEN_CACHE_DIR to where tiktoken has its files"
            )
        return cls(most, count)

    def drop(self, rows: Mapping[Role, Row]) -> Drop | None:
        """Why a pair's rows cannot be trained on whole."""
        longest = max(
            self.count(row.ask.system) + self.count(row.ask.user) + self.count(row.answer) for row in rows.values()
        )
        if longest + _TEMPLATE > self.most:
            return Drop("tokens", f"{longest} tokens and {_TEMPLATE} for a chat template, at most {self.most}")
        return None


def _from_file(path: Path) -> Callable[[str], int]:
    try:
        from tokenizers import Tokenizer  # noqa: PLC0415 - the extra 'tokens'
    except ImportError as error:
        raise MissingExtraError("tokenizers", "tokens", "the file of a tokenizer") from error
    if not path.is_file():
        raise PairsError(f"{path}: no such file: give the tokenizer.json of the model to be trained")
    try:
        tokenizer = Tokenizer.from_file(str(path))
    except Exception as error:  # the library raises nothing more particular
        raise PairsError(f"{path}: not a tokenizer ({error}): give the tokenizer.json of the model") from error
    return lambda text: len(tokenizer.encode(text, add_special_tokens=False).ids)
