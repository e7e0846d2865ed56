"""A chat-completions endpoint that costs next to nothing, in a process of its own, for the benchmarks.

It answers with the last user message: whole, or as server-sent events with one word for each delta. Nothing is parsed
but what an honest client sends. Model ``plain`` says "a" for every "the", which is as much of a rewrite as it takes.
"""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from itertools import cycle, islice
from typing import Any

__all__ = ["paragraphs", "serving"]

_LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)
_TOKEN = re.compile(r"\s*\S+|\s+$")
_WORDS = (
    "in the year {year} the winter was very long and the boats of the harbour lay under the snow for many weeks while "
    "the keeper counted {count} ships on the horizon and wrote each of them down in his book by the light of the lamp"
)


@contextmanager
def serving(latency: float = 0.0, token_latency: float = 0.0) -> Iterator[str]:
    """The ``base_url`` of a running endpoint: an answer takes ``latency`` + ``token_latency`` seconds for each word."""
    command = [sys.executable, __file__, str(latency), str(token_latency)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None  # noqa: S101 - for mypy: it is a pipe
            yield process.stdout.readline().strip()
        finally:
            process.terminate()


def paragraphs(count: int, words: int) -> list[str]:
    """Different texts of one paragraph: English of ``words`` words with two numbers that must survive."""
    return [
        " ".join(islice(cycle(_WORDS.format(year=1800 + number, count=20 + number).split()), words)).capitalize() + "."
        for number in range(count)
    ]


class _Endpoint(asyncio.Protocol):
    """One connection: HTTP/1.1 with keep-alive, one request at a time."""

    def __init__(self, latency: float, token_latency: float) -> None:
        self._latency, self._token_latency = latency, token_latency
        self._loop = asyncio.get_running_loop()
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: Any = transport

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, end, body = self._received.partition(b"\r\n\r\n")
        length = _LENGTH.search(head)
        if not end or length is None or len(body) < int(length[1]):
            return
        self._received = b""
        request = json.loads(body)
        texts = [_text(message["content"]) for message in request["messages"]]
        text = texts[-1] if texts else ""  # curator begins with such a request
        if request["model"] == "plain":
            text = text.replace(" the ", " a ")
        tokens = _TOKEN.findall(text)
        if request.get("stream"):
            self._loop.call_later(self._latency, self._begin, tokens, _usage(texts, tokens))
        else:
            delay = self._latency + self._token_latency * len(tokens)
            self._loop.call_later(delay, self._answer, text, _usage(texts, tokens))

    def _answer(self, text: str, usage: dict[str, int]) -> None:
        choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
        body = _json("chat.completion", [choice], usage)
        head = f"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
        self._transport.write(head.encode() + body)

    def _begin(self, tokens: list[str], usage: dict[str, int]) -> None:
        head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
        self._transport.write(head)
        deltas: list[dict[str, Any]] = [
            {"index": 0, "delta": {"content": token}, "finish_reason": None} for token in tokens
        ]
        deltas.append({"index": 0, "delta": {}, "finish_reason": "stop"})
        events = [_event(_json("chat.completion.chunk", [delta])) for delta in deltas]
        tail = _event(_json("chat.completion.chunk", [], usage)) + _event(b"[DONE]") + b"0\r\n\r\n"
        if self._token_latency:
            self._go_on(iter([*events, tail]), self._loop.time())
        else:
            self._transport.write(b"".join(events) + tail)

    def _go_on(self, events: Iterator[bytes], due: float) -> None:
        if (event := next(events, None)) is not None and not self._transport.is_closing():
            self._transport.write(event)
            due += self._token_latency  # counted from the first: the delays of two hundred timers would add up
            self._loop.call_at(due, self._go_on, events, due)


def _text(content: str | list[dict[str, str]]) -> str:
    """A message's text, which Data Designer sends in parts."""
    return content if isinstance(content, str) else "".join(part["text"] for part in content)


def _usage(texts: list[str], tokens: list[str]) -> dict[str, int]:
    read = sum(len(text.split()) for text in texts)
    return {"prompt_tokens": read, "completion_tokens": len(tokens), "total_tokens": read + len(tokens)}


def _json(kind: str, choices: list[dict[str, Any]], usage: dict[str, int] | None = None) -> bytes:
    body = {"id": "loopback", "object": kind, "created": 1, "model": "echo", "choices": choices, "usage": usage}
    return json.dumps(body).encode()


def _event(data: bytes) -> bytes:
    data = b"data: " + data + b"\n\n"
    return b"%x\r\n%b\r\n" % (len(data), data)


async def _serve(latency: float, token_latency: float) -> None:
    endpoint = partial(_Endpoint, latency, token_latency)
    server = await asyncio.get_running_loop().create_server(endpoint, "127.0.0.1", 0, backlog=1024)
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1", flush=True)
    await server.serve_forever()


if __name__ == "__main__" and sys.argv[1:]:  # `make benchmarks` runs every file, and this one measures nothing
    asyncio.run(_serve(*map(float, sys.argv[1:])))
