"""The keyword arguments of `restyle.build_pairs`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Literal, NotRequired, Required, TypeAlias, TypedDict, cast

from restyle.data.asking import Progress
from restyle.data.documents import RowOptions
from restyle.data.styled_sources import StyledSources
from restyle.data.teachers import Teacher

__all__ = ["PairOptions", "PairSettings", "TeacherSpec", "check_names", "row_options"]

TeacherSpec: TypeAlias = str | Path | Teacher


class PairSettings(TypedDict, total=False):
    """Those that every package knows: see `PairOptions` for the others, and `restyle.build_pairs` for their meaning."""

    style: Required[str]
    out: Required[str | Path]
    base_url: str | None
    restyle_prompt: str
    destyle_prompt: str
    parameters: Mapping[str, Sequence[str]]
    aim: int
    minimum: int
    maximum: int
    embed: object | None
    seed: int
    language: str | None
    near_duplicates: float | None
    identity_share: float
    max_tokens: int | None
    tokenizer: str | Path | None
    batch: bool
    engine: Literal["local", "ray"]
    limit: int | None
    max_cost: float | None
    max_concurrency: int | None
    requests_per_minute: float | None
    tokens_per_minute: float | None
    on_progress: Callable[[Progress], None]


class PairOptions(PairSettings, RowOptions):
    """And those that packages for frameworks have in other shapes."""

    plain: NotRequired[StyledSources | None]
    teacher: Required[TeacherSpec | Sequence[TeacherSpec] | None]


def check_names(options: Mapping[str, object]) -> None:
    """Python checks the names of parameters, but not those of a TypedDict.

    Raises:
        TypeError: One is unknown, or missing.
    """
    if wrong := options.keys() - PairOptions.__annotations__.keys():
        raise TypeError(f"build_pairs() has no keyword argument {min(wrong)!r}")
    if missing := {"style", "teacher", "out"} - options.keys():
        raise TypeError(f"build_pairs() needs the keyword argument {min(missing)!r}")


def row_options(options: PairOptions) -> RowOptions:
    """How rows of JSONL files are to be read."""
    return cast("RowOptions", {name: options[name] for name in RowOptions.__annotations__ if name in options})  # type: ignore[literal-required]  # names of one are names of the other
