"""``/v1/fine_tuning/jobs``: create, list, show, cancel, events, checkpoints."""

from __future__ import annotations

from concurrent.futures import Executor

from restyle.serving.job_requests import check_job
from restyle.serving.jobs import Jobs
from restyle.serving.web import Request, Response, Route, in_thread, json_response, page, read_object

__all__ = ["JobRoutes"]

_PAGE, _CHECKPOINT_PAGE = 20, 10


class JobRoutes:
    """The endpoints over ``jobs``; what touches the disk does so in threads of ``pool``."""

    def __init__(self, jobs: Jobs, pool: Executor) -> None:
        self._jobs = jobs
        self._pool = pool

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
        wanted = check_job(await read_object(request))
        return json_response(await in_thread(self._pool, self._jobs.create, wanted))

    async def _list(self, request: Request) -> Response:
        return page(await in_thread(self._pool, self._jobs.records.jobs), request, limit=_PAGE)

    async def _show(self, request: Request) -> Response:
        return json_response(await in_thread(self._pool, self._jobs.records.job, request.path_params["id"]))

    async def _cancel(self, request: Request) -> Response:
        return json_response(await in_thread(self._pool, self._jobs.cancel, request.path_params["id"]))

    async def _events(self, request: Request) -> Response:
        events = await in_thread(self._pool, self._jobs.records.events, request.path_params["id"])
        return page(events, request, limit=_PAGE)

    async def _checkpoints(self, request: Request) -> Response:
        checkpoints = await in_thread(self._pool, self._jobs.records.checkpoints, request.path_params["id"])
        return page(checkpoints, request, limit=_CHECKPOINT_PAGE)
