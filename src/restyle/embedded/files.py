"""Model files: JSON in gzip, the same bytes for the same model, validated before anything is used."""

from __future__ import annotations

import gzip
import io
import json
import zlib
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from restyle.errors import ModelFileError
from restyle.files import write_atomically

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["ADVICE", "SCHEMA", "ModelFile", "read_model", "write_model"]

SCHEMA = "restyle.phrase-model/1"
ADVICE = "train the style again or restore the file from a copy"
_LARGEST = 1 << 30  # bytes unpacked; a file that claims more is not one of ours


_Phrase = Annotated[str, StringConstraints(pattern=r"^\S+( \S+)*$")]


class ModelFile(BaseModel):
    """What a model file holds. Numbers of words count from 0 in ``words``; scores are in nats.

    Attributes:
        pairs: sentence pairs that the model learnt from.
        lower: words that stand in lower case where no sentence begins.
        frequent: names that are words of their own.
        names: other words that are names.
        words: the vocabulary of the language model.
        grams: per context of the language model: its words, its back-off, the words that follow, their probabilities.
        phrases: per source phrase, the ways to say it: target words, score, words kept.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    schema_: str = Field(alias="schema")
    pairs: int = Field(ge=1)
    words: list[str] = Field(min_length=2)
    lower: list[str]
    frequent: list[str]
    names: list[str]
    grams: list[tuple[list[int], float, list[int], list[float]]]
    phrases: dict[_Phrase, list[tuple[_Phrase, float, int]]]


def write_model(path: Path, content: dict[str, Any]) -> None:
    """Write a model file, whole or not at all; no time stamp, so that equal models are equal files."""
    packed = io.BytesIO()
    with gzip.GzipFile(filename="", mode="wb", fileobj=packed, compresslevel=6, mtime=0) as file:
        file.write(json.dumps(content, separators=(",", ":")).encode())
    write_atomically(path, packed.getvalue())


def read_model(path: Path) -> ModelFile:
    """Read and validate a model file.

    Raises:
        ModelFileError: it is missing, not a model file, damaged, or of another schema.
    """
    try:
        with gzip.open(path) as packed:
            content = packed.read(_LARGEST)
    except FileNotFoundError as error:
        raise ModelFileError(f"{path}: no model file there; {ADVICE}") from error
    except (OSError, EOFError, zlib.error) as error:
        raise ModelFileError(f"{path}: not readable as a model file ({error}); {ADVICE}") from error
    try:
        data = json.loads(content)
    except ValueError as error:
        raise ModelFileError(f"{path}: not JSON inside ({error}); {ADVICE}") from error
    found = data.get("schema") if isinstance(data, dict) else None
    if found != SCHEMA:
        raise ModelFileError(f"{path}: schema {found!r}, but this version reads {SCHEMA!r}; {ADVICE}")
    try:
        return ModelFile.model_validate(data)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise ModelFileError(f"{path}: {where}: {first['msg']}; {ADVICE}") from error
