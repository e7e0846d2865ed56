"""The system prompt: an exact string with ``$parameters``, the same in training and at run time."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from string import Template
from types import MappingProxyType

from restyle.errors import ParameterError, PromptError

__all__ = [
    "DESTYLE_PROMPT",
    "NO_PARAMETERS",
    "RESTYLE_PROMPT",
    "RESTYLE_PROMPT_STYLE",
    "RESTYLE_PROMPT_TONE_MOOD",
    "Prompt",
]

RESTYLE_PROMPT = "Please rewrite the provided text in your style."
RESTYLE_PROMPT_TONE_MOOD = (
    "Please rewrite the given text in your style. Use a $tone tone and make the reader feel that you are in a "
    "$mood mood."
)
RESTYLE_PROMPT_STYLE = "Please rewrite the provided text in the style of $style."
DESTYLE_PROMPT = "Please rewrite the provided text in a neutral style."

NO_PARAMETERS: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Prompt:
    """A system message as a ``string.Template``.

    Raises:
        PromptError: It is empty, has a malformed ``$placeholder``, or begins or ends with white space: many chat
            templates trim it, and the model would see another prompt than the one it was trained on.
    """

    text: str

    def __post_init__(self) -> None:
        if not self.text:
            raise PromptError("the system prompt is empty: name the task in one sentence, as in training")
        if self.text != self.text.strip():
            raise PromptError(
                f"the system prompt {self.text!r} begins or ends with white space, which chat templates trim: "
                "remove it, and train with the prompt as it then stands"
            )
        if not Template(self.text).is_valid():
            raise PromptError(
                f"the system prompt {self.text!r} has a malformed $placeholder: write $$ for a dollar sign"
            )

    @property
    def parameters(self) -> tuple[str, ...]:
        """The names after ``$``, in order of appearance."""
        return tuple(Template(self.text).get_identifiers())

    @property
    def digest(self) -> str:
        """SHA-256 over the UTF-8 bytes, in hexadecimal."""
        return hashlib.sha256(self.text.encode()).hexdigest()

    def render(self, values: Mapping[str, str] = NO_PARAMETERS) -> str:
        """The system message with every parameter filled in.

        Raises:
            ParameterError: A parameter is missing, unknown, or its value is empty, has a line break, or begins or ends
                with white space.
        """
        wanted = self.parameters
        if unknown := [name for name in values if name not in wanted]:
            known = ", ".join(f"${name}" for name in wanted) or "none"
            raise ParameterError(f"unknown prompt parameter {unknown[0]!r}: the prompt's parameters are {known}")
        if missing := [name for name in wanted if name not in values]:
            raise ParameterError(f"the prompt needs ${missing[0]}: pass parameters={{{missing[0]!r}: ...}}")
        for name, value in values.items():
            if not value or value != value.strip() or len(value.splitlines()) > 1:
                raise ParameterError(f"parameter {name!r} is {value!r}: give one line without white space around it")
        return Template(self.text).substitute(values)
