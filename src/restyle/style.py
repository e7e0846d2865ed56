"""The style card: all that inference needs to reproduce training."""

from __future__ import annotations

import json
import os
import re
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, fields
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from restyle.errors import CardError, ParameterError, StyleNameError, StyleNotFoundError
from restyle.files import home_directory, write_atomically
from restyle.messages import Ask, Role
from restyle.prompts import NO_PARAMETERS, Prompt
from restyle.stage import Stage

if TYPE_CHECKING:
    from pydantic import TypeAdapter

__all__ = ["CARD_NAME", "SCHEMA", "Style", "check_name", "styles_directory"]

SCHEMA = 1
CARD_NAME = "style.json"

# By this name, because inside the class `list` is the classmethod below, to type checkers and to pydantic.
ParameterValues: TypeAlias = dict[str, list[str]]

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")

# Hundreds of numbers, which go on one line. No string of JSON has a line break, so this is never in one.
_GOLDEN_IDS = re.compile(r'(?<="ids": \[)\n[\d,\s]+(?=\],\n +"template_digest":)')


@dataclass(frozen=True, slots=True)
class Style:
    """A style card: the two stages of one author's style and how they came to be.

    Attributes:
        name: ``[a-z0-9][a-z0-9._-]{0,63}``.
        restyle: Neutral text in, the author's style out.
        destyle: Any text in, neutral text out; None where the input is always neutral.
        parameters: For every ``$parameter`` of the prompts, the values seen in training.
        dataset: Digest of the pair set it was trained on; empty when it was made by hand.
        training: Record of the training run.
        metrics: Scores on held-out pairs.
        directory: Where the card was loaded from or saved to; never written into the card.

    Raises:
        StyleNameError: The name cannot be a style's.
        CardError: A prompt parameter has no values.
    """

    name: str
    restyle: Stage
    destyle: Stage | None = None
    parameters: ParameterValues = field(default_factory=dict)
    dataset: str = ""
    training: dict[str, Any] = field(default_factory=dict)
    metrics: dict[str, Any] = field(default_factory=dict)
    schema: int = SCHEMA
    directory: Path | None = field(default=None, compare=False, repr=False)

    def __post_init__(self) -> None:
        check_name(self.name)
        if self.schema != SCHEMA:
            raise CardError(
                f"style {self.name!r} has schema {self.schema!r}, this restyle reads {SCHEMA}: upgrade restyle"
            )
        wanted = {name for stage in self._stages() for name in Prompt(stage.prompt).parameters}
        if unlisted := sorted(wanted - self.parameters.keys()):
            raise CardError(f"the prompts of {self.name!r} use ${unlisted[0]}: list its trained values as parameters")
        if unused := sorted(self.parameters.keys() - wanted):
            raise CardError(f"style {self.name!r} lists values for {unused[0]!r}, which no prompt uses: remove them")

    def stage(self, role: Role) -> Stage:
        """The stage that plays ``role``.

        Raises:
            CardError: The style has no de-style model.
        """
        stage = self.restyle if role == "restyle" else self.destyle
        if stage is None:
            raise CardError(
                f"style {self.name!r} has no de-style model: pass destyle=False for text that is neutral already"
            )
        return stage

    def ask(self, role: Role, text: str, parameters: Mapping[str, str] = NO_PARAMETERS) -> Ask:
        """The request that ``role`` gets for ``text``; each prompt takes the parameters it names."""
        stage = self.stage(role)
        names = Prompt(stage.prompt).parameters
        return stage.ask(text, role, {name: value for name, value in parameters.items() if name in names})

    def check_parameters(self, values: Mapping[str, str], *, destyle: bool = True) -> None:
        """Refuse parameters that the prompts do not take, and warn about values that training never saw.

        Raises:
            ParameterError: A parameter is unknown or missing.
        """
        if unknown := sorted(values.keys() - self.parameters.keys()):
            known = ", ".join(self.parameters) or "none"
            raise ParameterError(f"style {self.name!r} has no parameter {unknown[0]!r}: its parameters are {known}")
        roles: tuple[Role, ...] = ("destyle", "restyle") if destyle and self.destyle else ("restyle",)
        for role in roles:
            self.ask(role, "", values)
        for name, value in values.items():
            if value not in self.parameters[name]:
                seen = ", ".join(self.parameters[name])
                warnings.warn(
                    f"style {self.name!r} was never trained with {name}={value!r} (seen: {seen})",
                    UserWarning,
                    stacklevel=3,
                )

    def model_path(self, role: Role) -> Path:
        """The file of an embedded stage's model.

        Raises:
            CardError: The stage is not embedded, or the card was neither loaded nor saved yet.
        """
        stage = self.stage(role)
        if stage.provider != "embedded" or self.directory is None:
            raise CardError(f"the {role} model of {self.name!r} is not a file: its provider is {stage.provider!r}")
        return self.directory / stage.model

    def save(self, home: Path | None = None) -> Path:
        """Write the card to ``HOME/styles/NAME/style.json``, atomically, and return its path."""
        path = styles_directory(home) / self.name / CARD_NAME
        write_atomically(path, self.to_json())
        object.__setattr__(self, "directory", path.parent)
        return path

    def to_json(self) -> str:
        """The card as it stands on disk."""
        card = asdict(self)
        del card["directory"]
        for role in ("restyle", "destyle"):
            if card[role] and card[role]["golden"] is None:  # cards of models without one stay as they were
                del card[role]["golden"]
        text = json.dumps({"schema": card.pop("schema"), **card}, indent=2, ensure_ascii=False) + "\n"
        return _GOLDEN_IDS.sub(lambda ids: " ".join(ids[0].split()), text)

    @classmethod
    def load(cls, name_or_path: str | Path, home: Path | None = None) -> Style:
        """Read a card by its style's name, or by the path of the card or its folder.

        Raises:
            StyleNotFoundError: There is no such card.
            StyleNameError: The text is neither a style's name nor an existing path.
            CardError: The card cannot be read or trusted; the message begins with its path.
        """
        if isinstance(name_or_path, str) and _NAME.fullmatch(name_or_path):
            path = styles_directory(home) / name_or_path / CARD_NAME
            if not path.is_file():
                known = ", ".join(cls.list(home)) or "none yet"
                raise StyleNotFoundError(
                    f"no style {name_or_path!r} under {path.parent.parent} (there: {known}): "
                    "train one with 'restyle train DIR', or make the demonstration's with 'restyle demo'"
                )
            return _read_card(path, name_or_path)
        path = Path(name_or_path)
        # Unlike pathlib's, these take any text: one too long for a path is no path.
        path = path / CARD_NAME if os.path.isdir(path) else path  # noqa: PTH112 - see above
        if os.path.isfile(path):  # noqa: PTH113 - see above
            return _read_card(path)
        if isinstance(name_or_path, Path):
            raise StyleNotFoundError(f"no style card at {path}: give the path of a {CARD_NAME} or of its folder")
        raise StyleNameError(f"{_rule(name_or_path)}, and no style card stands at that path")

    @classmethod
    def list(cls, home: Path | None = None) -> list[str]:
        """The names of the styles at hand, sorted."""
        return sorted(card.parent.name for card in styles_directory(home).glob(f"*/{CARD_NAME}"))

    def _stages(self) -> Iterator[Stage]:
        yield self.restyle
        if self.destyle is not None:
            yield self.destyle


def styles_directory(home: Path | None = None) -> Path:
    """The folder of all styles; None means `restyle.files.home_directory`."""
    return (home or home_directory()) / "styles"


def check_name(name: str) -> str:
    """Return ``name`` if a style may bear it.

    Raises:
        StyleNameError: It may not.
    """
    if not _NAME.fullmatch(name):
        raise StyleNameError(_rule(name))
    return name


def _rule(name: str) -> str:
    return f"{name!r} is not a style's name: use 1-64 characters of a-z 0-9 . _ - beginning with a letter or digit"


@cache
def _adapter() -> TypeAdapter[Style]:
    from pydantic import TypeAdapter  # noqa: PLC0415 - 60 ms that only a reader of cards pays

    return TypeAdapter(Style)


def _read_card(path: Path, name: str | None = None) -> Style:
    from pydantic import ValidationError  # noqa: PLC0415 - as above

    try:
        raw = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise CardError(f"{path}: not JSON ({error}): restore the card, or train the style again") from error
    if not isinstance(raw, dict):
        raise CardError(
            f"{path}: a card is a JSON object, this is a {type(raw).__name__}: restore it, or train the style again"
        )
    if unknown := sorted(raw.keys() - {each.name for each in fields(Style)} | raw.keys() & {"directory"}):
        raise CardError(
            f"{path}: unknown field {unknown[0]!r}: remove it, or upgrade restyle if a newer one wrote the card"
        )
    try:
        style = _adapter().validate_python(raw)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(str(part) for part in first["loc"]) or "card"
        # Our own words say what to do; pydantic's do not.
        says = first["ctx"]["error"] if first["type"] == "value_error" else f"{first['msg']}: mend it, or train again"
        raise CardError(f"{path}: {place}: {says}") from error
    if name is not None and style.name != name:
        raise CardError(f"{path}: the card names itself {style.name!r}: rename its folder, or mend its name")
    object.__setattr__(style, "directory", path.parent)
    return style
