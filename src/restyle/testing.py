"""An OpenAI-compatible server on loopback for tests: real HTTP, scripted answers, faults on demand."""

from __future__ import annotations

import tempfile
import threading
import time
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from restyle.serving.app import create_app
from restyle.serving.batch_rules import BatchRules
from restyle.serving.faults import CHAT, Fault, FaultKind, FaultyApp, Injected, Recorded, alter
from restyle.serving.limits import RateLimits
from restyle.serving.models import Reply, last_user_text
from restyle.serving.run import listen, make_server
from restyle.serving.tuning_rules import Loss, TuningHost, TuningRules

if TYPE_CHECKING:
    import uvicorn

__all__ = ["BatchRules", "Fault", "FaultKind", "Loss", "Recorded", "Sandbox", "TuningHost", "TuningRules"]

_PATIENCE = 15.0  # seconds to start or to stop


class Sandbox:
    """The server of `restyle.serving` in a thread of its own, on a free port of 127.0.0.1, as a context manager.

    Model ``echo`` answers with the last user message, and so do ``gpt-*``, which play an application's own model; any
    other unknown name is an error, as a misspelt style model should be. Uploads, jobs and trained models live in a
    temporary folder, or in ``state``: then the next sandbox over it has them, and begins unfinished jobs again. Leaving
    the with-block cuts off what is still under way after two seconds, and leaves no thread behind.

    Args:
        home: The styles to serve; None serves none.
        replies: Scripted models by name or pattern (``gpt-*``): what they always say, or the function that answers the
            request's messages.
        latency: Seconds before every chat answer.
        word_latency: Seconds that each word of a chat answer takes beyond that.
        requests_per_minute: More chat requests get HTTP 429 with ``Retry-After``, and every answer tells in its
            ``x-ratelimit-*`` headers what is left; None means no limit. A minute's worth may come at once.
        tokens_per_minute: The same for tokens, which are words here, read and expected to be written.
        state: Where uploads, jobs and trained models are kept; None keeps nothing.
        port: The port of 127.0.0.1; None takes a free one.

    Attributes:
        requests: Every POST to ``/v1/chat/completions`` so far, those with faults included.
        batches: What happens to batches, and what was answered in them; may be changed at any time.
        tuning: Which host's fine-tuning is played, what happens to jobs, and what was asked for; may be changed at any
            time. As ``azure`` the sandbox also answers under ``/openai/v1``, as ``nebius`` under ``/v0/models``.
    """

    def __init__(
        self,
        *,
        home: Path | None = None,
        replies: Mapping[str, Reply] | None = None,
        latency: float = 0.0,
        word_latency: float = 0.0,
        requests_per_minute: float | None = None,
        tokens_per_minute: float | None = None,
        state: Path | None = None,
        port: int | None = None,
    ) -> None:
        self.requests: list[Recorded] = []
        self.batches = BatchRules()
        self.tuning = TuningRules()
        self._home = home
        self._replies = dict(replies or {})
        for name in ("echo", "gpt-*"):
            self._replies.setdefault(name, last_user_text)
        self._latency = latency
        self._word_latency = word_latency
        self._limits = requests_per_minute, tokens_per_minute
        self._state = state
        self._port = port or 0
        self._faults: list[Injected] = []
        self._base_url: str | None = None
        self._running = ExitStack()

    @property
    def base_url(self) -> str:
        """What to give a client as ``base_url``.

        Raises:
            RuntimeError: The sandbox is not running.
        """
        if self._base_url is None:
            raise RuntimeError("a sandbox has an address only inside its with-block")
        return self._base_url

    def inject(self, fault: Fault, *, times: int = 1, path: str = CHAT, method: str | None = "POST") -> None:
        """Let the next ``times`` requests suffer ``fault``, after those injected before.

        Args:
            fault: What goes wrong.
            times: How often.
            path: What the paths of these requests begin with; without the ``/openai`` of ``azure``.
            method: Their method; None: any.

        Raises:
            ValueError: Such a fault is one of chat answers, and ``path`` is another.
        """
        if path != CHAT and not fault.is_of_the_wire:
            raise ValueError(f"a fault of kind {fault.kind!r} is one of chat answers: it cannot happen to {path}")
        self._faults.extend([Injected(fault, path, method)] * times)

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            folder = self._state or stack.enter_context(tempfile.TemporaryDirectory(prefix="restyle-sandbox-"))
            listener = stack.enter_context(listen("127.0.0.1", self._port))
            server = self._server(Path(folder))
            thread = threading.Thread(target=server.run, args=([listener],), name="restyle-sandbox", daemon=True)
            thread.start()
            stack.callback(_stop, server, thread)
            _wait_for(server, thread)
            self._base_url = f"http://127.0.0.1:{listener.getsockname()[1]}/v1"
            self._running = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._base_url = None
        self._running.close()

    def _server(self, state: Path) -> uvicorn.Server:
        app = create_app(
            self._home or state / "home",
            state / "serving",
            replies=self._replies,
            alter=alter,
            word_latency=self._word_latency,
            batch_rules=self.batches,
            tuning_rules=self.tuning,
        )

        def hang_up(client: tuple[str, int]) -> None:
            for connection in server.server_state.connections:
                if getattr(connection, "client", None) == client:
                    connection.transport.close()

        limits = RateLimits(*self._limits)
        faulty = FaultyApp(app, self.requests, self._faults, self._latency, hang_up, limits, self.tuning)
        server = make_server(faulty, log_level="critical")
        return server


def _wait_for(server: uvicorn.Server, thread: threading.Thread) -> None:
    deadline = time.monotonic() + _PATIENCE
    while not server.started:
        if not thread.is_alive() or time.monotonic() > deadline:
            raise RuntimeError("the sandbox did not start")
        time.sleep(0.001)


def _stop(server: uvicorn.Server, thread: threading.Thread) -> None:
    server.should_exit = True
    thread.join(_PATIENCE)
    if thread.is_alive():
        raise RuntimeError(f"a scripted reply or a training still runs {_PATIENCE:g} s after the sandbox's end")
