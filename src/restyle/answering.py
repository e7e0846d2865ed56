"""Answers to asks without a framework: embedded models in this process, the others over chat completions.

An endpoint of your own (``base_url``) gets the key in ``RESTYLE_API_KEY``; OpenAI's (no ``base_url``) the one in
``OPENAI_API_KEY``. Neither is sent to the other's host.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, contextmanager
from functools import lru_cache
from pathlib import Path
from threading import Lock
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from restyle.drivers import AnswerFunction, AsyncAnswerFunction
from restyle.errors import CardError, ModelError, ModelFileError
from restyle.known_differences import refuse_known_difference
from restyle.messages import Answer, Ask, Role, Usage
from restyle.stage import Stage, is_endpoint
from restyle.style import Style

if TYPE_CHECKING:
    from openai import OpenAIError
    from openai.types.chat import ChatCompletion

    from restyle.embedded import PhraseModel

__all__ = ["TIMEOUT", "aanswering", "answering", "client_options", "model_error", "parse", "payload", "phrase_model"]

TIMEOUT = 120.0  # seconds for one answer; the SDK's own default is ten minutes

_NONE: Any = object()

KEY_VARIABLE = "RESTYLE_API_KEY"


def payload(ask: Ask, stage: Stage) -> dict[str, Any]:
    """The arguments of ``chat.completions.create`` for one ask; the stage's options are sent as they stand."""
    return {"model": stage.model, "messages": ask.messages, "extra_body": stage.request or None}


def parse(completion: ChatCompletion) -> Answer:
    """What the first choice of a completion says.

    Raises:
        ModelError: It is none: the SDK hands on whatever a host sends.
    """
    choices = getattr(completion, "choices", _NONE)
    if choices is _NONE:
        raise ModelError("an answer is no chat completion: is the base_url complete, with its /v1?")
    if not choices:
        return Answer("")
    choice = choices[0]
    reasoning = getattr(choice.message, "reasoning_content", None) or ""
    text = choice.message.content or choice.message.refusal or ""
    counted = getattr(completion, "usage", None)
    usage = counted and Usage(counted.prompt_tokens, counted.completion_tokens)
    return Answer(_encodable(text), choice.finish_reason, _encodable(str(reasoning)), usage=usage)


def client_options(base_url: str | None) -> dict[str, Any]:
    """The arguments of an ``openai`` client for an endpoint; None means OpenAI's own.

    Raises:
        ModelError: OpenAI is meant and ``OPENAI_API_KEY`` is not set, or ``base_url`` is no endpoint.
    """
    if base_url is None:
        if not os.environ.get("OPENAI_API_KEY"):
            raise ModelError("no OPENAI_API_KEY in the environment: set it, or give the base_url of another endpoint")
        return {"timeout": TIMEOUT}
    if not is_endpoint(base_url):  # not shown: it may hold a password
        raise ModelError("the base_url must be http(s)://host[:port]/path: no user name, password or query")
    # Endpoints that need no key still want the header's syntax to be right.
    return {"base_url": base_url, "api_key": os.environ.get(KEY_VARIABLE) or "none", "timeout": TIMEOUT}


def model_error(error: OpenAIError, model: str, base_url: str | None) -> ModelError:
    """The same failure in restyle's words, without the key: hosts quote it."""
    status = getattr(error, "status_code", None)
    variable = KEY_VARIABLE if base_url else "OPENAI_API_KEY"
    where = f"model {model!r} at {base_url or 'OpenAI'}"
    if status in {401, 403}:
        return ModelError(f"{where} refused the key (HTTP {status}): check {variable}", status)
    if status == 404:  # noqa: PLR2004 - an HTTP status is its own name
        return ModelError(f"{where} is not there (HTTP 404): compare the name with GET {base_url or ''}/models", status)
    if status is not None:
        return ModelError(f"{where} failed with HTTP {status}: {_first_line(error, variable)}", status)
    return ModelError(f"{where} did not answer ({type(error).__name__}): is the server running?")


@lru_cache(maxsize=16)
def _load_phrase_model(path: Path, _modified: int, _size: int) -> PhraseModel:
    from restyle.embedded import PhraseModel  # noqa: PLC0415 - only styles with embedded models need it

    return PhraseModel.load(path)


def phrase_model(path: Path) -> PhraseModel:
    """The embedded model of that file, loaded once and again when the file has changed.

    Raises:
        ModelFileError: The file is missing or damaged.
    """
    try:
        status = path.stat()
    except OSError as error:
        raise ModelFileError(f"{path}: no model file ({error.strerror}): train the style again") from error
    return _load_phrase_model(path, status.st_mtime_ns, status.st_size)


class _Shared:
    """Resources that are closed when the last with-block around them ends, in whichever thread that is."""

    def __init__(self) -> None:
        self.stack = ExitStack()
        self._lock = Lock()
        self._users = 0

    def __enter__(self) -> Self:
        with self._lock:
            self._users += 1
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._lock:
            self._users -= 1
            last = not self._users
        if last:
            self.stack.close()


@contextmanager
def answering(style: Style, *, destyle: bool = True) -> Iterator[AnswerFunction]:
    """A function that answers the asks of ``style``; clients are opened here and closed at the end.

    A call that is still under way in a thread by then ends as it would; the last one closes the clients.
    """
    with _Shared() as shared:
        stack = shared.stack
        functions: dict[Role, AnswerFunction] = {}
        for role in _roles(style, destyle=destyle):
            refuse_known_difference(style, role)
            stage = style.stage(role)
            functions[role] = _embedded(style, role) if stage.provider == "embedded" else _remote(stage, stack)

        def answer(ask: Ask) -> Answer:
            with shared:
                return functions[ask.role](ask)

        yield answer


@asynccontextmanager
async def aanswering(style: Style, *, destyle: bool = True) -> AsyncIterator[AsyncAnswerFunction]:
    """As `answering`, for tasks."""
    async with AsyncExitStack() as stack:
        functions: dict[Role, AsyncAnswerFunction] = {}
        for role in _roles(style, destyle=destyle):
            refuse_known_difference(style, role)
            stage = style.stage(role)
            functions[role] = (
                _in_thread(_embedded(style, role)) if stage.provider == "embedded" else await _aremote(stage, stack)
            )

        async def answer(ask: Ask) -> Answer:
            return await functions[ask.role](ask)

        yield answer


def _roles(style: Style, *, destyle: bool) -> tuple[Role, ...]:
    return ("destyle", "restyle") if destyle and style.destyle else ("restyle",)


def _embedded(style: Style, role: Role) -> AnswerFunction:
    model = phrase_model(style.model_path(role))
    return lambda ask: Answer(model.rewrite(ask.user), "stop")


def _in_thread(answer: AnswerFunction) -> AsyncAnswerFunction:
    async def in_thread(ask: Ask) -> Answer:
        return await asyncio.to_thread(answer, ask)

    return in_thread


def _remote(stage: Stage, stack: ExitStack) -> AnswerFunction:
    _check_provider(stage)
    from openai import OpenAI, OpenAIError  # noqa: PLC0415 - half a second that only endpoints pay

    client = stack.enter_context(OpenAI(**client_options(stage.base_url)))

    def answer(ask: Ask) -> Answer:
        try:
            return parse(client.chat.completions.create(**payload(ask, stage)))
        except OpenAIError as error:
            raise model_error(error, stage.model, stage.base_url) from None

    return answer


async def _aremote(stage: Stage, stack: AsyncExitStack) -> AsyncAnswerFunction:
    _check_provider(stage)
    from openai import AsyncOpenAI, DefaultAioHttpClient, OpenAIError  # noqa: PLC0415 - as above

    # The SDK's default transport collapses past about 32 requests in flight; aiohttp's does not.
    client = await stack.enter_async_context(
        AsyncOpenAI(**client_options(stage.base_url), http_client=DefaultAioHttpClient())
    )

    async def answer(ask: Ask) -> Answer:
        try:
            return parse(await client.chat.completions.create(**payload(ask, stage)))
        except OpenAIError as error:
            raise model_error(error, stage.model, stage.base_url) from None

    return answer


def _check_provider(stage: Stage) -> None:
    if stage.provider != "openai":
        raise CardError(
            f"provider {stage.provider!r} of model {stage.model!r} is unknown here: use 'openai' or 'embedded'"
        )


def _first_line(error: Exception, variable: str) -> str:
    text = str(error)
    if key := os.environ.get(variable):
        text = text.replace(key, f"${variable}")
    return (text.splitlines() or [""])[0][:200]


def _encodable(text: str) -> str:
    """JSON can hold half of a surrogate pair, which no file, ledger or further request takes."""
    return text.encode(errors="replace").decode()
