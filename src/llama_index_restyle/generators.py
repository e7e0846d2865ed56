"""Generators of text that fail for good: what was cut off by an error never looks like a whole answer.

LlamaIndex's streaming responses may be read twice (``str``, ``get_response``), and an ordinary generator that has
failed is merely at its end the second time.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Generator
from types import TracebackType
from typing import NoReturn

__all__ = ["AsyncSteadyGenerator", "SteadyGenerator"]


class SteadyGenerator(Generator[str, None, None]):
    """Passes a generator on; once that has raised, so does this, each time.

    Args:
        texts: The generator.
        on_error: Called every time, before the error goes on.
    """

    def __init__(self, texts: Generator[str, None, None], on_error: Callable[[], None] = lambda: None) -> None:
        self._texts, self._on_error = texts, on_error
        self._error: Exception | None = None

    def send(self, value: None) -> str:
        """The next text."""
        if self._error is None:
            try:
                return next(self._texts)
            except StopIteration:
                raise
            except Exception as error:  # noqa: BLE001 - whatever it is, it is raised below
                self._error = error
        self._on_error()
        raise self._error

    def throw(
        self, kind: BaseException | type[BaseException], value: object = None, traceback: TracebackType | None = None
    ) -> NoReturn:
        """End it."""
        self._texts.close()
        raise kind

    def close(self) -> None:
        """End it."""
        self._texts.close()


class AsyncSteadyGenerator(AsyncGenerator[str, None]):
    """As `SteadyGenerator`, for an asynchronous one."""

    def __init__(self, texts: AsyncGenerator[str, None], on_error: Callable[[], None] = lambda: None) -> None:
        self._texts, self._on_error = texts, on_error
        self._error: Exception | None = None

    async def asend(self, value: None) -> str:
        """The next text."""
        if self._error is None:
            try:
                return await anext(self._texts)
            except StopAsyncIteration:
                raise
            except Exception as error:  # noqa: BLE001 - whatever it is, it is raised below
                self._error = error
        self._on_error()
        raise self._error

    async def athrow(
        self, kind: BaseException | type[BaseException], value: object = None, traceback: TracebackType | None = None
    ) -> NoReturn:
        """End it."""
        await self._texts.aclose()
        raise kind

    async def aclose(self) -> None:
        """End it."""
        await self._texts.aclose()
