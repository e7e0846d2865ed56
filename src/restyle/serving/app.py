"""The server as a Starlette application."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path
from types import MappingProxyType
from typing import cast

from restyle.files import home_directory
from restyle.serving.batch_routes import BatchRoutes
from restyle.serving.batch_rules import BatchRules
from restyle.serving.completions import Alter, ChatCompletions
from restyle.serving.errors import ApiError, model_not_found
from restyle.serving.file_routes import FileRoutes
from restyle.serving.job_routes import JobRoutes
from restyle.serving.jobs import Jobs
from restyle.serving.models import Models, Reply
from restyle.serving.nebius_routes import NebiusRoutes
from restyle.serving.store import Store
from restyle.serving.tuning_rules import TuningRules
from restyle.serving.web import (
    ClientDisconnect,
    HTTPException,
    Request,
    Response,
    Route,
    Starlette,
    error_response,
    in_thread,
    json_response,
)

__all__ = ["create_app"]

_THREADS = 64  # answers under way at once; more wait their turn
_NO_REPLIES: Mapping[str, Reply] = MappingProxyType({})
_NOT_FOUND, _NOT_ALLOWED = 404, 405


def create_app(
    home: Path | None = None,
    state: Path | None = None,
    *,
    replies: Mapping[str, Reply] = _NO_REPLIES,
    alter: Alter | None = None,
    word_latency: float = 0.0,
    batch_rules: BatchRules | None = None,
    tuning_rules: TuningRules | None = None,
) -> Starlette:
    """The OpenAI-compatible server over the embedded styles of ``home``; one process at a time for one ``state``.

    Args:
        home: The folder of the styles; None means `restyle.files.home_directory`.
        state: Where uploads, jobs and trained models live; None means ``HOME/serving``.
        replies: Scripted models by name: what they always say, or the function that answers the messages.
        alter: Changes answers before they are sent; for tests.
        word_latency: Seconds that each word of a chat answer takes; for tests.
        batch_rules: What goes wrong with batches; for tests.
        tuning_rules: Which host's fine-tuning is played, and what goes wrong with it; for tests.
    """
    store = Store(state or (home or home_directory()) / "serving")
    rules = tuning_rules or TuningRules.of_a_server()
    jobs = Jobs(store, rules)
    models = Models(home, jobs.records, replies)
    pool = ThreadPoolExecutor(_THREADS, "restyle-serving")
    chat = ChatCompletions(models, pool, alter=alter, word_latency=word_latency)
    batches = BatchRoutes(store, models, pool, batch_rules or BatchRules.of_a_server())
    listing = _ModelRoutes(models, pool)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        jobs.resume()
        yield
        await batches.close()
        jobs.close()
        pool.shutdown(wait=True, cancel_futures=True)

    routes = [
        Route("/health", _health),
        Route("/v1/chat/completions", chat.answer, methods=["POST"]),
        *listing.routes(),
        *FileRoutes(store, pool, rules).routes(),
        *JobRoutes(jobs, pool, rules).routes(),
        *NebiusRoutes(jobs.records, pool, rules).routes(),
        *batches.routes(),
    ]
    handlers = {ApiError: _api_error, HTTPException: _http_error, ClientDisconnect: _gone, Exception: _unexpected}
    return Starlette(routes=routes, exception_handlers=handlers, lifespan=lifespan)


class _ModelRoutes:
    def __init__(self, models: Models, pool: Executor) -> None:
        self._models = models
        self._pool = pool

    def routes(self) -> list[Route]:
        # A model's name may hold slashes.
        return [Route("/v1/models", self._list), Route("/v1/models/{name:path}", self._show)]

    async def _list(self, _: Request) -> Response:
        return json_response({"object": "list", "data": await in_thread(self._pool, self._models.descriptions)})

    async def _show(self, request: Request) -> Response:
        name = request.path_params["name"]
        for model in await in_thread(self._pool, self._models.descriptions):
            if model["id"] == name:
                return json_response(model)
        raise model_not_found(name)


async def _health(_: Request) -> Response:
    return json_response({"status": "ok"})


async def _api_error(_: Request, error: Exception) -> Response:
    return error_response(cast("ApiError", error))


async def _http_error(request: Request, error: Exception) -> Response:
    status, detail = cast("HTTPException", error).status_code, cast("HTTPException", error).detail
    if status == _NOT_FOUND:
        detail = f"Invalid URL ({request.method} {request.url.path})"
    elif status == _NOT_ALLOWED:
        detail = f"Not allowed to {request.method} on {request.url.path}"
    return error_response(ApiError(status, detail))


async def _gone(_: Request, __: Exception) -> Response:
    return Response(status_code=400)  # nobody is there to read it


async def _unexpected(_: Request, error: Exception) -> Response:
    return error_response(ApiError(500, f"The server had an error: {type(error).__name__}"))
