"""A web application that streams one author's voice. Run it: pip install fastapi uvicorn httpx; python 05_fastapi.py.

It runs offline: a sandbox on this machine plays the application's model, and the style is the demonstration's keeper.
With a model of your own, drop the sandbox and give ChatOpenAI its name; `uvicorn` serves what `application` makes.
"""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from itertools import islice
from typing import Any

import httpx
import uvicorn
from fastapi import FastAPI
from fastapi.responses import StreamingResponse
from langchain_core.output_parsers import StrOutputParser
from langchain_core.runnables import Runnable
from langchain_core.utils.aiter import aclosing
from langchain_openai import ChatOpenAI

from langchain_restyle import Restyle
from restyle.demo import ANSWERS, keeper
from restyle.testing import Sandbox


def application(chain: Runnable[Any, Any]) -> FastAPI:
    """The web application: GET /ask?question=... streams the chain's answer."""
    app = FastAPI()

    @app.get("/ask")
    async def ask(question: str) -> StreamingResponse:
        async def pieces() -> AsyncIterator[str]:
            try:
                async with aclosing(chain.astream(question)) as chunks:  # a reader who leaves ends the chain, too
                    async for chunk in chunks:
                        yield chunk
            except (asyncio.CancelledError, GeneratorExit):
                print("the reader left, the chain is closed")
                raise

        return StreamingResponse(pieces(), media_type="text/plain; charset=utf-8")

    return app


@contextmanager
def serving(app: FastAPI) -> Iterator[str]:
    """Runs the application on a free port of this machine; gives its address."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = uvicorn.Server(uvicorn.Config(app, log_level="warning"))
        thread = threading.Thread(target=server.run, args=([listener],))
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join()


def main() -> None:
    """One reader who stays, and one who leaves after the first piece."""
    with Sandbox(replies={"application": "\n\n".join(ANSWERS.values())}, word_latency=0.005) as sandbox:
        model = ChatOpenAI(model="application", base_url=sandbox.base_url, api_key=lambda: "none")
        with serving(application(model | StrOutputParser() | Restyle(style=keeper()))) as address:
            for patience in (None, 1):
                with httpx.stream("GET", f"{address}/ask?question=How is life at sea?") as response:
                    for piece in islice(response.iter_text(), patience):
                        print("piece:", repr(piece))


if __name__ == "__main__":
    main()
