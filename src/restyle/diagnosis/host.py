"""An endpoint that is asked about itself, with the same client, key and time limits as at run time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from restyle.answering import TIMEOUT, client_options, model_error
from restyle.errors import ModelError
from restyle.stage import Stage

if TYPE_CHECKING:
    from openai import OpenAI

__all__ = ["Host", "connect"]

_T = TypeVar("_T")

_CONNECT = 10.0  # seconds; an answer may take longer, for a server may first load the model
_UNKNOWN_PATH = frozenset({401, 403, 404, 405, 501})  # what hosts and gateways say of a path that they do not have


@dataclass(frozen=True, slots=True)
class Host:
    """The endpoint of a stage.

    Attributes:
        root: Where a server's own paths begin: the base URL without ``/v1``; None for OpenAI.
    """

    client: OpenAI
    stage: Stage
    root: str | None

    def models(self) -> list[dict[str, Any]]:
        """What ``GET /v1/models`` lists, extra fields included.

        Raises:
            ModelError: Nobody answers, or the host refuses the key or has no such list (``status``).
        """
        return self._call(lambda: [model.to_dict() for model in self.client.models.list()])

    def answer(self) -> None:
        """Let the model write one token.

        Raises:
            ModelError: It does not.
        """
        body = {**self.stage.request, "model": self.stage.model, "max_tokens": 1, "stream": False}
        body["messages"] = [{"role": "user", "content": "Hello."}]
        self._call(lambda: self.client.post("/chat/completions", cast_to=object, body=body))

    def get(self, path: str) -> object:
        """The JSON at a server's own path; None where it shows none."""
        try:
            return self._call(lambda: self.client.get(f"{self.root}{path}", cast_to=object))
        except ModelError:
            return None

    def post(self, path: str, body: dict[str, Any]) -> object:
        """What it answers to a body; None where it has no such path.

        Raises:
            ModelError: It has, and refuses.
        """
        try:
            return self._call(lambda: self.client.post(f"{self.root}{path}", cast_to=object, body=body))
        except ModelError as error:
            if error.status in _UNKNOWN_PATH:
                return None
            raise

    def _call(self, call: Callable[[], _T]) -> _T:
        from openai import OpenAIError  # noqa: PLC0415 - half a second that only endpoints pay

        try:
            return call()
        except OpenAIError as error:
            raise model_error(error, self.stage.model, self.stage.base_url) from None
        except (ValueError, TypeError, AttributeError) as error:
            raise ModelError(f"{self.stage.base_url} answers with something else ({type(error).__name__})") from None


@contextmanager
def connect(stage: Stage) -> Iterator[Host]:
    """The endpoint of ``stage``, its client closed at the end.

    Raises:
        ModelError: See `restyle.answering.client_options`.
    """
    options = client_options(stage.base_url)
    from openai import OpenAI, Timeout  # noqa: PLC0415 - as above

    root = stage.base_url and stage.base_url.rstrip("/").removesuffix("/v1")
    # Once more, because a server may hang up after an error, and the next request would be sent into nothing.
    with OpenAI(**options | {"timeout": Timeout(TIMEOUT, connect=_CONNECT), "max_retries": 1}) as client:
        yield Host(client, stage, root)
