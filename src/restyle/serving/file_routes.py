"""``/v1/files``: upload, list, show, read, delete."""

from __future__ import annotations

import time
from concurrent.futures import Executor
from typing import Any

from restyle.serving.errors import ApiError, missing_parameter
from restyle.serving.store import Store
from restyle.serving.tuning_hosts import HOSTS
from restyle.serving.tuning_rules import TuningRules
from restyle.serving.web import Request, Response, Route, UploadFile, in_thread, json_response, page

__all__ = ["MAX_FILE_BYTES", "FileRoutes", "is_processed"]

MAX_FILE_BYTES = 512 * 2**20  # as at OpenAI
_PURPOSES = ("batch", "fine-tune")
_PAGE = 10_000


def is_processed(file: dict[str, Any]) -> bool:
    """Whether the host has looked at a file since it was uploaded."""
    return bool(time.time() >= file.get("processed_at", 0.0))


class FileRoutes:
    """The endpoints over the files of ``store``; the disk is touched in threads of ``pool``."""

    def __init__(self, store: Store, pool: Executor, rules: TuningRules) -> None:
        self._store = store
        self._pool = pool
        self._rules = rules

    def routes(self) -> list[Route]:
        """What to add to the application."""
        return [
            Route("/v1/files", self._list),
            Route("/v1/files", self._upload, methods=["POST"]),
            Route("/v1/files/{id}", self._show),
            Route("/v1/files/{id}", self._delete, methods=["DELETE"]),
            Route("/v1/files/{id}/content", self._content),
        ]

    async def _upload(self, request: Request) -> Response:
        async with request.form() as form:
            upload, purpose = form.get("file"), form.get("purpose")
            if not isinstance(upload, UploadFile):
                raise missing_parameter("file")
            if purpose is None:
                raise missing_parameter("purpose")
            if not isinstance(purpose, str) or purpose not in _PURPOSES:
                raise ApiError(400, f"'{purpose}' is not one of {[*_PURPOSES]} - 'purpose'", param="purpose")
            if (upload.size or 0) > MAX_FILE_BYTES:
                raise ApiError(413, f"Maximum file size exceeded: {upload.size} bytes, {MAX_FILE_BYTES} allowed.")
            content, name = await upload.read(), upload.filename or "upload"
        seconds = self._rules.file_seconds if purpose == "fine-tune" else 0.0
        file = await in_thread(self._pool, self._store.add_file, name, purpose, content, seconds)
        if purpose == "fine-tune":
            self._rules.uploads.append((name, content))
        return json_response(self._shown(file))

    async def _list(self, request: Request) -> Response:
        files = await in_thread(self._pool, self._store.files)
        wanted = request.query_params.get("purpose")
        return page([self._shown(file) for file in files if wanted in (None, file["purpose"])], request, limit=_PAGE)

    async def _show(self, request: Request) -> Response:
        return json_response(self._shown(await self._found(request)))

    async def _content(self, request: Request) -> Response:
        file = await self._found(request)
        content = await in_thread(self._pool, self._store.content, file["id"])
        return Response(content, media_type="application/octet-stream")

    async def _delete(self, request: Request) -> Response:
        file = await self._found(request)
        await in_thread(self._pool, self._store.delete_file, file["id"])
        return json_response({"id": file["id"], "object": "file", "deleted": True})

    def _shown(self, file: dict[str, Any]) -> dict[str, Any]:
        unprocessed = HOSTS[self._rules.host].unprocessed
        status = file["status"] if unprocessed and is_processed(file) else unprocessed
        return {name: value for name, value in file.items() if name != "processed_at"} | {"status": status}

    async def _found(self, request: Request) -> dict[str, Any]:
        name = request.path_params["id"]
        file = await in_thread(self._pool, self._store.file, name)
        if file is None:
            raise ApiError(404, f"No such File object: {name}", param="id")
        return file
