"""A teacher that is asked from threads: for models whose synchronous side synchronous callers must use."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from types import TracebackType
from typing import Protocol, Self

from restyle.messages import Answer, Ask

__all__ = ["SyncTeacher", "ThreadedTeacher"]


class SyncTeacher(Protocol):
    """Writes neutral versions synchronously; see `restyle.data.teachers.Teacher`."""

    identity: str
    system: str

    def answer_now(self, ask: Ask) -> Answer:
        """The neutral version of ``ask.user``."""


class ThreadedTeacher:
    """A teacher for synchronous callers: it asks from threads, as frameworks' own synchronous methods do.

    An event loop that lives for one call would leave connections of its own in clients that models share, and the next
    loop would fail on them. It serves one ``async with``.

    Args:
        teacher: Whom to ask.
        threads: Calls in flight, at least 1.
    """

    def __init__(self, teacher: SyncTeacher, threads: int) -> None:
        self.identity, self.system = teacher.identity, teacher.system
        self._teacher = teacher
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="restyle-teacher")

    async def answer(self, ask: Ask) -> Answer:
        """The neutral version, from the model."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, copy_context().run, self._ask, ask)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # Nothing can interrupt a call in a thread, and nobody waits for its answer any more.
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _ask(self, ask: Ask) -> Answer:
        try:
            return self._teacher.answer_now(ask)
        except StopIteration as error:  # no future takes one: whoever awaits it would wait for ever
            raise RuntimeError("the teacher raised StopIteration: it has no more answers") from error
