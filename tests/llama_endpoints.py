"""Messages that formatting or trimming would change, the four ways to chat, and a server whose connections count."""

from __future__ import annotations

import asyncio

from llama_index.core.llms import ChatMessage

from restyle.testing import Sandbox

SYSTEM = "Bitte  schreibe\r\nin „deinem“ Stil: {context_str}, ${tone}, %s."
USER = "\u00a0 It was\u200b very  cold,\r\n\tand {12} boats were lost. "
MESSAGES = [ChatMessage(SYSTEM, role="system"), ChatMessage(USER)]
USAGE = {"prompt_tokens": len(f"{SYSTEM} {USER}".split()), "completion_tokens": len(USER.split())}
NAMES = ("ft:gpt-9:draft-style::soft-1", "o3-mini", "meta-llama/Llama-9-8B", "an unknown name")


class Watched(Sandbox):
    """A sandbox whose open connections can be counted; models of odd names say yes."""

    def __init__(self, **options):
        super().__init__(replies=dict.fromkeys(NAMES, "Yes."), **options)

    def _server(self, state):
        self.server = super()._server(state)
        return self.server

    @property
    def connections(self):
        return len(self.server.server_state.connections)


async def collected(stream):
    return [each async for each in stream]


async def four(llm, messages=MESSAGES, **options):
    """The last responses of the four ways to chat."""
    yield llm.chat(messages, **options)
    yield await llm.achat(messages, **options)
    yield list(llm.stream_chat(messages, **options))[-1]
    yield (await collected(await llm.astream_chat(messages, **options)))[-1]


async def last_of(llm):
    return (await collected(await llm.astream_chat(MESSAGES)))[-1]


WAYS = {
    "chat": lambda llm: asyncio.to_thread(llm.chat, MESSAGES),
    "achat": lambda llm: llm.achat(MESSAGES),
    "stream": lambda llm: asyncio.to_thread(lambda: list(llm.stream_chat(MESSAGES))[-1]),
    "astream": last_of,
}
