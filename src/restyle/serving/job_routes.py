"""``/v1/fine_tuning/jobs``: create, list, show, cancel, events, checkpoints."""

from __future__ import annotations

from concurrent.futures import Executor
from typing import Any

from restyle.serving.errors import ApiError
from restyle.serving.job_requests import check_job
from restyle.serving.jobs import Jobs
from restyle.serving.nebius_routes import InvalidError
from restyle.serving.tuning_rules import TuningRules
from restyle.serving.web import Request, Response, Route, in_thread, json_response, page, read_object

__all__ = ["JobRoutes"]

_PAGE, _CHECKPOINT_PAGE = 20, 10


class JobRoutes:
    """The endpoints over ``jobs``; what touches the disk does so in threads of ``pool``."""

    def __init__(self, jobs: Jobs, pool: Executor, rules: TuningRules) -> None:
        self._jobs = jobs
        self._pool = pool
        self._rules = rules

    def routes(self) -> list[Route]:
        """What to add to the application."""
        jobs = "/v1/fine_tuning/jobs"
        return [
            Route(jobs, self._list),
            Route(jobs, self._create, methods=["POST"]),
            Route(f"{jobs}/{{id}}", self._show),
            Route(f"{jobs}/{{id}}/cancel", self._cancel, methods=["POST"]),
            Route(f"{jobs}/{{id}}/events", self._events),
            Route(f"{jobs}/{{id}}/checkpoints", self._checkpoints),
        ]

    async def _create(self, request: Request) -> Response:
        body = await read_object(request)
        try:
            wanted = check_job(body, self._rules)
        except ApiError as error:
            raise InvalidError.of(error) if self._rules.host == "nebius" else error from None
        job = await in_thread(self._pool, self._jobs.create, wanted)
        self._rules.asked.append(body)
        return json_response(self._shown(job))

    async def _list(self, request: Request) -> Response:
        jobs = await in_thread(self._pool, self._jobs.records.jobs)
        return page([self._shown(job) for job in jobs], request, limit=_PAGE)

    async def _show(self, request: Request) -> Response:
        job = await in_thread(self._pool, self._jobs.records.job, request.path_params["id"])
        return json_response(self._shown(job))

    async def _cancel(self, request: Request) -> Response:
        job = await in_thread(self._pool, self._jobs.cancel, request.path_params["id"])
        return json_response(self._shown(job))

    def _shown(self, job: dict[str, Any]) -> dict[str, Any]:
        return job | {"metadata": None} if self._rules.forgets_metadata else job

    async def _events(self, request: Request) -> Response:
        events = await in_thread(self._pool, self._jobs.records.events, request.path_params["id"])
        return page(events, request, limit=_PAGE)

    async def _checkpoints(self, request: Request) -> Response:
        checkpoints = await in_thread(self._pool, self._jobs.records.checkpoints, request.path_params["id"])
        return page(checkpoints, request, limit=_CHECKPOINT_PAGE)
