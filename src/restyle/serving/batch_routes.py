"""``/v1/batches``: create, list, show, cancel."""

from __future__ import annotations

import asyncio
import json
from concurrent.futures import Executor
from typing import Any

from restyle.serving.batch_input import ENDPOINT, check_batch
from restyle.serving.batch_rules import BatchRules
from restyle.serving.batch_runs import BatchRuns
from restyle.serving.completions import ChatCompletions
from restyle.serving.errors import ApiError
from restyle.serving.models import Models
from restyle.serving.store import Store
from restyle.serving.web import Message, Request, Response, Route, in_thread, json_response, page, read_object

__all__ = ["BatchRoutes"]

_PAGE = 20
_LOST = 500


class BatchRoutes:
    """The endpoints; requests of batches are answered by the same code as all others."""

    def __init__(self, store: Store, models: Models, pool: Executor, rules: BatchRules) -> None:
        self._store, self._models, self._pool, self._rules = store, models, pool, rules
        self._chat = ChatCompletions(models, pool)
        self._runs = BatchRuns(store, pool, answer=self._answer, has_model=self._has_model, rules=rules)

    def routes(self) -> list[Route]:
        """What to add to the application."""
        return [
            Route("/v1/batches", self._list),
            Route("/v1/batches", self._create, methods=["POST"]),
            Route("/v1/batches/{id}", self._show),
            Route("/v1/batches/{id}/cancel", self._cancel, methods=["POST"]),
        ]

    async def close(self) -> None:
        """Stop what runs."""
        await self._runs.close()

    async def _create(self, request: Request) -> Response:
        name, metadata = check_batch(await read_object(request))
        file = await in_thread(self._pool, self._store.file, name)
        if file is None or file["purpose"] != "batch":
            message = f"Invalid 'input_file_id': there is no file '{name}' with purpose 'batch'."
            raise ApiError(400, message, param="input_file_id", code="invalid_value")
        batch = self._runs.create(name, metadata)
        if self._rules.lost_responses:
            self._rules.lost_responses -= 1
            raise ApiError(_LOST, "An injected fault: the batch was created.")
        answer = json_response(batch)
        await asyncio.sleep(self._rules.response_delay)
        return answer

    async def _list(self, request: Request) -> Response:
        return page(self._runs.batches(), request, limit=_PAGE)

    async def _show(self, request: Request) -> Response:
        return json_response(self._runs.batch(request.path_params["id"]))

    async def _cancel(self, request: Request) -> Response:
        return json_response(self._runs.cancel(request.path_params["id"]))

    async def _answer(self, body: dict[str, Any]) -> dict[str, Any]:
        if body.get("stream"):
            raise ApiError(400, "Invalid 'stream': a batch cannot stream.", param="stream", code="invalid_value")

        async def receive() -> Message:
            return {"type": "http.request", "body": json.dumps(body).encode()}

        scope = {"type": "http", "method": "POST", "path": ENDPOINT, "headers": []}
        response = await self._chat.answer(Request(scope, receive))
        answer: dict[str, Any] = json.loads(bytes(response.body))
        return answer

    def _has_model(self, name: str) -> bool:
        try:
            self._models.answerer(name)
        except ApiError:
            return False
        return True
