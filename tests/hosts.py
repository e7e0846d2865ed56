"""Asking a teacher, and hosts that send what no sandbox would."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
from contextlib import contextmanager

from restyle.messages import Ask


async def ask_all(teacher, texts):
    async with teacher:
        return await asyncio.gather(
            *(teacher.answer(Ask(teacher.system, text, "destyle")) for text in texts), return_exceptions=True
        )


async def ask_one(teacher, text="Text."):
    (answer,) = await ask_all(teacher, [text])
    if isinstance(answer, Exception):
        raise answer
    return answer


@contextmanager
def host(*answers, status="200 OK", kind="application/json"):
    """The base_url of a host that sends these bodies, one for each connection, and then closes it."""

    def serve():
        for answer in answers:
            connection, _ = listener.accept()
            with connection:
                received = b""
                while b"\r\n\r\n" not in received:
                    received += connection.recv(65536)
                head, _, body = received.partition(b"\r\n\r\n")
                length = int((head.lower().partition(b"content-length:")[2].split() or [0])[0])
                while len(body) < length:
                    body += connection.recv(65536)
                content = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
                head = f"HTTP/1.1 {status}\r\ncontent-type: {kind}\r\ncontent-length: {len(content)}\r\n"
                connection.sendall(head.encode() + b"connection: close\r\n\r\n" + content)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/v1"
        thread.join(5)
        assert not thread.is_alive(), "not all answers were fetched"
