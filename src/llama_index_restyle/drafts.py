"""What an agent says, rewritten while it is not certain yet that it is the answer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

from llama_index_restyle.reports import Report
from llama_index_restyle.work import Work

__all__ = ["Draft"]


class Draft:
    """A text that comes piece by piece. The style's models work from its first block on, and hold back what they say.

    Args:
        work: How it is rewritten.
        report: Told of every block.
    """

    def __init__(self, work: Work, report: Report) -> None:
        self.report = report
        self._said: list[str] = []
        self._heard: asyncio.Queue[str | None] = asyncio.Queue()
        self._styled: asyncio.Queue[str | None] = asyncio.Queue()
        self._task = asyncio.create_task(self._rewrite(work))

    @property
    def said(self) -> str:
        """All that was heard."""
        return "".join(self._said)

    def hear(self, text: str) -> None:
        """The next piece."""
        self._said.append(text)
        self._heard.put_nowait(text)

    async def texts(self) -> AsyncGenerator[str, None]:
        """There is no more: let go what is rewritten, and the rest as soon as it is.

        Raises:
            Exception: What the models raised, at its place.
        """
        self._heard.put_nowait(None)
        while (text := await self._styled.get()) is not None:
            yield text
        await self._task

    async def drop(self) -> None:
        """It is not wanted, or not any more: no task, and no model's call, is left behind."""
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def _rewrite(self, work: Work) -> None:
        try:
            async with aclosing(work.astream(self._chunks(), self.report.hear)) as texts:
                async for text in texts:
                    self._styled.put_nowait(text)
        finally:
            self._styled.put_nowait(None)

    async def _chunks(self) -> AsyncGenerator[str, None]:
        while (text := await self._heard.get()) is not None:
            yield text
