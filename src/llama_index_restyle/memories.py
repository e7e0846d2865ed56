"""What chat engines remember of what they said."""

from __future__ import annotations

from llama_index.core.async_utils import asyncio_run
from llama_index.core.base.llms.types import ChatMessage, MessageRole, TextBlock
from llama_index.core.chat_engine.types import BaseChatEngine
from llama_index.core.memory import BaseMemory, Memory
from llama_index.core.storage.chat_store.base_db import MessageStatus

__all__ = ["aamend", "amend", "memory_of"]


def memory_of(engine: BaseChatEngine) -> BaseMemory:
    """The engine's memory.

    Raises:
        ValueError: It has none that can be reached.
    """
    for name in ("memory", "_memory"):
        memory = getattr(engine, name, None)
        if isinstance(memory, BaseMemory):
            return memory
    raise ValueError(
        f"a {type(engine).__name__} has no memory that can be reached, so what it remembers cannot be restyled: use "
        "memory='neutral'"
    )


def amend(memory: BaseMemory, said: str, text: str) -> None:
    """Have ``text`` remembered in place of the last answer, if that is what was ``said``."""
    if isinstance(memory, Memory):
        # The class has but this way itself: each of its methods without `await` goes it. Its `set` would wake up what
        # has been put aside.
        asyncio_run(_amend_active(memory, said, text))
    elif (messages := _amended(memory.get_all(), said, text)) is not None:
        memory.set(messages)


async def aamend(memory: BaseMemory, said: str, text: str) -> None:
    """As `amend`, for tasks."""
    if isinstance(memory, Memory):
        await _amend_active(memory, said, text)
    elif (messages := _amended(await memory.aget_all(), said, text)) is not None:
        await memory.aset(messages)


async def _amend_active(memory: Memory, said: str, text: str) -> None:
    messages = _amended(await memory.aget_all(status=MessageStatus.ACTIVE), said, text)
    if messages is not None:
        await memory.areset(status=MessageStatus.ACTIVE)
        await memory.aput_messages(messages)


def _amended(messages: list[ChatMessage], said: str, text: str) -> list[ChatMessage] | None:
    """The messages with another last answer; None where there is nothing to change."""
    answers = [index for index, message in enumerate(messages) if message.role == MessageRole.ASSISTANT]
    if said.strip() == text.strip() or not answers or (messages[answers[-1]].content or "").strip() != said.strip():
        return None
    last = messages[answers[-1]]
    others = [block for block in last.blocks if not isinstance(block, TextBlock)]
    amended = last.model_copy(update={"blocks": [*others, TextBlock(text=text.strip())]})
    return [*messages[: answers[-1]], amended, *messages[answers[-1] + 1 :]]
