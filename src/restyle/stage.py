"""One of a style's two models: its name, its endpoint, and the prompt it was trained with."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar
from urllib.parse import urlsplit

from restyle.errors import CardError
from restyle.golden import GoldenPrompt
from restyle.messages import Ask, Role
from restyle.prompts import NO_PARAMETERS, Prompt

__all__ = ["Stage", "is_endpoint"]

_FILE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
_SECRET = re.compile(r"api[_-]?key|authorization|secret|password", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Stage:
    """One of a style's two models and the exact prompt it was trained with.

    Attributes:
        prompt: The system message, a ``string.Template``; the user message is the text alone.
        model: The model's name at its endpoint; for ``provider="embedded"`` a file beside the card.
        base_url: An OpenAI-compatible endpoint (``http://host:port/v1``); None means the provider's own.
        provider: ``openai`` (any OpenAI-compatible endpoint) or ``embedded`` (in this process).
        request: Options sent with every request (``temperature``, ``chat_template_kwargs``, ...).
        digest: SHA-256 of the prompt's UTF-8 bytes; computed where it is not given.
        golden: One request as training rendered it, which ``restyle doctor`` compares with what the endpoint makes of
            it; None where training did not show it.

    Raises:
        CardError: The digest is another prompt's, or a field holds what it must not (a secret, a path).
        PromptError: See `restyle.prompts.Prompt`.
    """

    prompt: str
    model: str
    base_url: str | None = None
    provider: str = "openai"
    request: dict[str, Any] = field(default_factory=dict)
    digest: str = ""
    golden: GoldenPrompt | None = None

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}  # a misspelt field must not pass for none

    def __post_init__(self) -> None:
        digest = Prompt(self.prompt).digest
        if self.digest and self.digest != digest:
            raise CardError(
                f"the prompt {self.prompt!r} is not the one the model was trained with (its digest is {digest[:12]}, "
                f"the card says {self.digest[:12]}): restore the trained prompt, or train again with the new one"
            )
        object.__setattr__(self, "digest", digest)
        if not self.model:
            raise CardError("a stage has no model: name the one that was trained")
        if self.provider == "embedded" and not _FILE.fullmatch(self.model):
            raise CardError(
                f"the embedded model {self.model!r} is not a file's name: keep it beside the card, name it alone"
            )
        if self.base_url is not None and not is_endpoint(self.base_url):
            raise CardError(
                f"the base_url of {self.model!r} must be http(s)://host[:port]/path: no user name, password or query"
            )
        if secret := next((key for key in _keys(self.request) if _SECRET.search(key)), None):
            raise CardError(
                f"request option {secret!r} looks like a secret: keys come from the environment, not from a card"
            )

    def ask(self, text: str, role: Role, parameters: Mapping[str, str] = NO_PARAMETERS) -> Ask:
        """The request for ``text``: the one place where a prompt is rendered, in training and at run time."""
        return Ask(system=Prompt(self.prompt).render(parameters), user=text, role=role)


def _keys(value: object) -> Iterator[str]:
    """The keys of a JSON value, nested ones too."""
    if isinstance(value, dict):
        yield from value
        value = list(value.values())
    if isinstance(value, list):
        for each in value:
            yield from _keys(each)


def is_endpoint(url: str) -> bool:
    """Whether that is ``http(s)://host[:port]/path`` and nothing more, so that it can be written down and shown."""
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return False
    more = parts.username is not None or parts.query or parts.fragment
    return parts.scheme in {"http", "https"} and bool(parts.hostname) and not more
