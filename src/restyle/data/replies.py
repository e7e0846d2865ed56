"""One request to a teacher's endpoint, and what came of it; who asks again, and when, is not decided here."""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import replace
from types import MappingProxyType, SimpleNamespace, TracebackType
from typing import TYPE_CHECKING, Any, NamedTuple, Self, TypeAlias, cast

from restyle.answering import model_error, parse
from restyle.errors import ModelError
from restyle.messages import Answer, Ask

if TYPE_CHECKING:
    from openai import AsyncOpenAI, OpenAIError
    from openai._legacy_response import LegacyAPIResponse
    from openai.types.chat import ChatCompletion

    from restyle.direct_client import Response
    from restyle.endpoint_client import EndpointClient

__all__ = ["OK", "TIMED_OUT", "Endpoint", "Reply", "request_body"]

OK = 200
TIMED_OUT = 408
_MEND = frozenset({408, 409, 429, 500, 502, 503, 504, 529})  # statuses that may be gone the next time
_NEVER = "insufficient_quota"  # a 429 that no waiting mends
_SCHEMA = re.compile(r"response[_ ]?format|json[_ ]?schema|structured[_ ]output", re.IGNORECASE)  # what hosts call it
_Post: TypeAlias = "Callable[[str, dict[str, str], bytes], Awaitable[Response | Exception]]"
_NO_HEADERS: Mapping[str, str] = MappingProxyType({})


def request_body(model: str, ask: Ask) -> dict[str, Any]:
    """The request as the chat completions API has it; a schema goes as strict ``response_format``."""
    body: dict[str, Any] = {"messages": ask.messages, "model": model}
    if ask.schema:
        answer = {"name": "answer", "strict": True, "schema": json.loads(ask.schema)}
        body["response_format"] = {"type": "json_schema", "json_schema": answer}
    return body


class Reply(NamedTuple):
    """What came of one request.

    Attributes:
        result: The answer, or what went wrong.
        status: The HTTP status; None where there was none, and 408 where nothing came in time.
        headers: The answer's.
        mends: Whether asking again may help.
    """

    result: Answer | ModelError
    status: int | None = None
    headers: Mapping[str, str] = _NO_HEADERS
    mends: bool = False


class Endpoint:
    """A model at an endpoint, through an SDK client without retries; an async context manager.

    Where no proxy stands between, the request takes aiohttp's own way, at a fifth of the CPU; whatever comes of it but
    an answer is handed to the SDK, so that what an error is stays the SDK's affair. A host in plain HTTP, one's own,
    needs the SDK for nothing else: it is imported when it is needed. A host that refuses a request for its schema is
    sent no schema from then on.

    Args:
        options: Of the SDK's client, see `restyle.answering.client_options`.
        model: Its name there.
        base_url: The endpoint; None means OpenAI's.
    """

    def __init__(self, options: Mapping[str, Any], model: str, base_url: str | None) -> None:
        self._options, self._model, self._base_url = options, model, base_url
        self._stack = AsyncExitStack()
        self._sdk: tuple[AsyncOpenAI, EndpointClient] | None = None
        self._post: _Post | None = None
        self._url, self._headers = "", dict[str, str]()
        self._takes_schemas = True

    async def __aenter__(self) -> Self:
        from restyle.direct_client import DirectClient  # noqa: PLC0415 - only endpoints need it

        if self._base_url is not None and self._base_url.startswith("http://"):
            direct = DirectClient(self._options["timeout"])
            self._stack.push_async_callback(direct.aclose)
            self._post = direct.post if direct.usable else None
            self._url = f"{self._base_url.rstrip('/')}/chat/completions"
            self._headers = {
                "Accept": "application/json",
                "Authorization": f"Bearer {self._options['api_key']}",
                "Content-Type": "application/json",
            }
        else:
            sdk, http = self._open_sdk()
            self._post = http.post_directly if http.direct else None
            self._url = f"{sdk.base_url}chat/completions"
            headers = {**sdk.default_headers, **sdk.auth_headers}
            self._headers = {key: value for key, value in headers.items() if isinstance(value, str)}  # others: omitted
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    async def request(self, ask: Ask) -> Reply:
        """Ask once."""
        if not self._takes_schemas:
            ask = replace(ask, schema="")
        first = None
        if self._post is not None:
            body = json.dumps(request_body(self._model, ask), ensure_ascii=False, separators=(",", ":"))
            first = await self._post(self._url, self._headers, body.encode())
            completion = _completion(first)
            if completion is not None and not isinstance(first, Exception):
                return Reply(parse(completion), first.status, first.headers)
        return await self._ask_sdk(ask, first)

    def _open_sdk(self) -> tuple[AsyncOpenAI, EndpointClient]:
        from openai import AsyncOpenAI  # noqa: PLC0415 - half a second that only those pay who need it

        from restyle.endpoint_client import EndpointClient  # noqa: PLC0415 - as above

        if self._sdk is None:
            http = EndpointClient()
            self._sdk = AsyncOpenAI(**self._options, max_retries=0, http_client=http), http
            self._stack.push_async_callback(self._sdk[0].close)
        return self._sdk

    async def _ask_sdk(self, ask: Ask, first: Response | Exception | None) -> Reply:
        """What the SDK makes of the first response; without one it asks."""
        from openai import OpenAIError  # noqa: PLC0415 - as above

        from restyle.endpoint_client import first_response  # noqa: PLC0415 - as above

        sdk, _ = self._open_sdk()
        first_response.set(first)
        try:
            body = request_body(self._model, ask)
            return self._read(await sdk.chat.completions.with_raw_response.create(**body))
        except OpenAIError as error:
            reply = self._failure(error)
            if ask.schema and not reply.mends and _SCHEMA.search(str(getattr(error, "body", ""))):
                self._takes_schemas = False
                reply = reply._replace(mends=True)
            return reply
        finally:
            first_response.set(None)

    def _read(self, raw: LegacyAPIResponse[ChatCompletion]) -> Reply:
        try:
            completion = raw.parse()
            if getattr(completion, "choices", ()) is not None:  # else some hosts' error, sent as HTTP 200
                return Reply(parse(completion), raw.status_code, raw.headers)
        except ModelError as error:
            return Reply(error, raw.status_code, raw.headers)
        except (ValueError, TypeError, AttributeError):  # JSON that breaks off, or is of another shape
            pass
        half = ModelError(f"model {self._model!r} at {self._base_url or 'OpenAI'} sent half an answer, or none")
        return Reply(half, None, raw.headers, mends=True)

    def _failure(self, error: OpenAIError) -> Reply:
        from openai import APIConnectionError, APIStatusError, APITimeoutError  # noqa: PLC0415 - as above

        said = model_error(error, self._model, self._base_url)
        if isinstance(error, APIStatusError):
            mends = error.status_code in _MEND and error.code != _NEVER
            return Reply(said, error.status_code, error.response.headers, mends)
        status = TIMED_OUT if isinstance(error, APITimeoutError) else None
        return Reply(said, status, mends=isinstance(error, APIConnectionError))


class _Loose(SimpleNamespace):
    """A JSON object; what it lacks is None, as hosts leave out much."""

    def __getattr__(self, name: str) -> None:
        return None


def _completion(response: Response | Exception) -> ChatCompletion | None:
    """The response, if it is what was asked for."""
    if isinstance(response, Exception) or response.status != OK:
        return None
    try:
        answer = json.loads(response.body, object_hook=lambda fields: _Loose(**fields))
    except (ValueError, RecursionError):
        return None
    return cast("ChatCompletion", answer) if _is_completion(answer) else None


def _is_completion(answer: Any) -> bool:  # noqa: ANN401 - whatever JSON holds
    if not isinstance(answer, _Loose) or not isinstance(answer.choices, list) or not answer.choices:
        return False
    first, usage = answer.choices[0], answer.usage
    counted = usage is None or (
        isinstance(usage, _Loose) and isinstance(usage.prompt_tokens, int) and isinstance(usage.completion_tokens, int)
    )
    return counted and isinstance(first, _Loose) and isinstance(first.message, _Loose)
