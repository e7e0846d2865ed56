"""The files and batches of an OpenAI-compatible host."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from types import TracebackType
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple, Self, TypeVar

from restyle.answering import client_options, model_error
from restyle.data.gate import retry_after
from restyle.errors import ModelError
from restyle.host_errors import mends, transport_error

if TYPE_CHECKING:
    from openai import AsyncOpenAI
    from openai.types import Batch

__all__ = ["BatchHost", "Pace"]

_GONE = 404
_ATTEMPTS = 8  # six minutes at the default pace
_TRANSFER = 3600.0  # seconds without a byte of a file before the connection counts as dead
_PAGE = 100  # batches of the host's list at once, its most
_TAG = "restyle"  # the key of our tag in a batch's metadata

T = TypeVar("T")


class Pace(NamedTuple):
    """How often a host is asked, in seconds.

    Attributes:
        first: The pause after something has happened; the next ones are longer and longer.
        longest: The longest of them.
        settled: So long after it was sent, a batch that the host has accepted is in the host's list.
    """

    first: float = 5.0
    longest: float = 60.0
    settled: float = 60.0


class BatchHost:
    """A client that asks again where that costs nothing; an async context manager.

    Its methods raise a `ModelError` where the host refuses, or does not answer after eight attempts.
    """

    def __init__(self, model: str, base_url: str | None, pace: Pace) -> None:
        self._model, self._base_url, self._pace = model, base_url, pace
        self._options = client_options(base_url)
        self._stack = AsyncExitStack()
        self._open: AsyncOpenAI | None = None

    async def __aenter__(self) -> Self:
        from openai import AsyncOpenAI  # noqa: PLC0415 - half a second that only endpoints pay

        from restyle.endpoint_client import EndpointClient  # noqa: PLC0415 - as above

        # The SDK's own retries would begin a batch twice where only the answer to the first request was lost.
        client = AsyncOpenAI(**self._options, max_retries=0, http_client=EndpointClient())
        self._open = await self._stack.enter_async_context(client)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open = None
        await self._stack.aclose()

    async def upload(self, file: BinaryIO, name: str) -> str:
        """Send a batch's input, and return the id of the file there."""

        async def upload() -> str:
            file.seek(0)
            sent = await self._client.files.create(file=(name, file), purpose="batch", timeout=_TRANSFER)
            return sent.id

        return await self._persist(upload, "no files for batches: run it without batches")

    async def create(self, file: str, tag: str) -> str | ModelError:
        """Begin the batch of an uploaded file, and return its id.

        It is asked for once; an error that is returned leaves open whether the host has begun it, see `find`.
        """
        from openai import OpenAIError  # noqa: PLC0415 - as above

        try:
            batch = await self._client.batches.create(
                input_file_id=file,
                endpoint="/v1/chat/completions",
                completion_window="24h",
                metadata={_TAG: tag},
            )
        except OpenAIError as error:
            said = self._said(error, "no batches: run it without them")
            if mends(error):
                return said
            raise said from None
        return batch.id

    async def find(self, files: Mapping[str, str]) -> dict[str, str]:
        """The ids of the batches of these tags, by tag, as far as they are in the host's list.

        Some hosts forget metadata: a batch is also known by its input file, whose id is the tag's value in ``files``.
        """
        tags = {file: tag for tag, file in files.items()}

        async def find() -> dict[str, str]:
            found: dict[str, str] = {}
            async for batch in self._client.batches.list(limit=_PAGE):
                tag = (batch.metadata or {}).get(_TAG, "")
                if tag in files or (tag := tags.get(batch.input_file_id, "")):
                    found[tag] = batch.id
            return found

        return await self._persist(find, "no batches: run it without them")

    async def retrieve(self, name: str) -> Batch:
        """A batch as it stands."""
        advice = f"no batch {name}, which holds requests of this ledger: use the key of the project that submitted it"
        return await self._persist(lambda: self._client.batches.retrieve(name), advice)

    async def read(self, file: str, take: Callable[[bytes], None]) -> None:
        """Call ``take`` with every line of a file; where the connection breaks, all of them come once more."""

        async def read() -> None:
            rest = b""
            content = self._client.files.with_streaming_response.content(file, timeout=_TRANSFER)
            async with content as response:
                async for chunk in response.iter_bytes(65536):
                    # Not split where `str.splitlines` would: JSON may hold U+2028 and U+0085 as they are.
                    *lines, rest = (rest + chunk).split(b"\n")
                    for line in lines:
                        take(line)
            take(rest)

        await self._persist(read, f"file {file} no more, which held answers: hosts keep them for some weeks")

    @property
    def _client(self) -> AsyncOpenAI:
        if self._open is None:
            raise RuntimeError("a BatchHost answers inside 'async with' only")
        return self._open

    async def _persist(self, call: Callable[[], Awaitable[T]], missing: str) -> T:
        """What ``call`` returns, which is tried again where that may help; ``missing`` explains HTTP 404."""
        from openai import OpenAIError  # noqa: PLC0415 - as above

        pause, attempts = self._pace.first, 0
        while True:
            try:
                return await call()
            except (OpenAIError, transport_error()) as error:
                attempts += 1
                if attempts == _ATTEMPTS or not mends(error):
                    raise self._said(error, missing) from None
                headers = getattr(getattr(error, "response", None), "headers", {})
                wait = max(pause, retry_after(headers) or 0.0)
            await asyncio.sleep(wait)
            pause = min(self._pace.longest, 2.0 * pause)

    def _said(self, error: Any, missing: str) -> ModelError:  # noqa: ANN401 - the SDK's error, or its transport's
        if getattr(error, "status_code", None) == _GONE:
            return ModelError(f"{self._base_url or 'OpenAI'} has {missing} (HTTP {_GONE})", _GONE)
        return model_error(error, self._model, self._base_url)
