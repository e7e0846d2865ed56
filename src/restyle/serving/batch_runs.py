"""Batches of chat requests: validated, answered one by one, and written into files. They end with the server."""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import Executor
from typing import Any

from restyle.serving.batch_input import ENDPOINT, BatchRow, read_batch
from restyle.serving.batch_rules import BatchRules
from restyle.serving.errors import ApiError
from restyle.serving.store import Store, new_id
from restyle.serving.web import in_thread

__all__ = ["BatchRuns"]

_DAY = 86400
_FINAL = frozenset({"completed", "failed", "expired", "cancelled"})
_BREATH = 50  # requests after which others get a turn
_EXPIRED = "This request could not be executed before the completion window expired."


class BatchRuns:
    """Begins, runs and cancels batches.

    Args:
        store: Where the files are.
        pool: Where files are read and written.
        answer: Answers the body of a chat request with its completion, or raises an `ApiError`.
        has_model: Whether there is a model of that name.
        rules: What goes wrong.
    """

    def __init__(
        self,
        store: Store,
        pool: Executor,
        *,
        answer: Callable[[dict[str, Any]], Awaitable[dict[str, Any]]],
        has_model: Callable[[str], bool],
        rules: BatchRules,
    ) -> None:
        self._store, self._pool, self._answer, self._has_model = store, pool, answer, has_model
        self._batches: dict[str, dict[str, Any]] = {}
        self._words: dict[str, int] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._choose = random.Random(0)
        self.rules = rules

    def create(self, file: str, metadata: dict[str, str] | None) -> dict[str, Any]:
        """Begin a batch."""
        now = int(time.time())
        batch: dict[str, Any] = {
            "id": new_id("batch"),
            "object": "batch",
            "endpoint": ENDPOINT,
            "errors": None,
            "input_file_id": file,
            "completion_window": "24h",
            "status": "validating",
            "output_file_id": None,
            "error_file_id": None,
            "created_at": now,
            "expires_at": now + _DAY,
            "request_counts": {"total": 0, "completed": 0, "failed": 0},
            "metadata": metadata,
        }
        times = ("in_progress", "finalizing", "completed", "failed", "expired", "cancelling", "cancelled")
        batch |= {f"{name}_at": None for name in times}
        self._batches[batch["id"]] = batch
        task = asyncio.create_task(self._run(batch))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return batch

    def batches(self) -> list[dict[str, Any]]:
        """All batches, the newest first."""
        return list(reversed(self._batches.values()))

    def batch(self, name: str) -> dict[str, Any]:
        """The batch of that id.

        Raises:
            ApiError: There is none.
        """
        if name not in self._batches:
            raise ApiError(404, f"No batch found with id '{name}'.", param="id")
        return self._batches[name]

    def cancel(self, name: str) -> dict[str, Any]:
        """Cancel a batch; what was answered before is kept.

        Raises:
            ApiError: There is no such batch, or it is over.
        """
        batch = self.batch(name)
        if batch["status"] in _FINAL:
            raise ApiError(409, f"Cannot cancel a batch with status '{batch['status']}'.")
        _pass_on(batch, "cancelling")
        return batch

    async def close(self) -> None:
        """Stop what runs."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _run(self, batch: dict[str, Any]) -> None:
        try:
            await self._validate(batch)
        except Exception as error:  # noqa: BLE001 - nobody waits for this task: the batch has to tell
            _fail(batch, [{"code": "server_error", "message": f"{type(error).__name__}: {error}"}])
        finally:
            self._words.pop(batch["id"], None)

    async def _validate(self, batch: dict[str, Any]) -> None:
        content = await in_thread(self._pool, self._store.content, batch["input_file_id"])
        rows, errors = read_batch(content, self._has_model)
        words, limit = len(content.split()), self.rules.enqueued_words
        if not errors and limit is not None and sum(self._words.values()) + words > limit:
            message = f"Enqueued token limit reached. Limit: {limit:,} enqueued tokens."
            errors = [{"code": "token_limit_exceeded", "message": message, "param": None, "line": None}]
        if errors:
            _fail(batch, errors)
            return
        self._words[batch["id"]] = words
        batch["request_counts"]["total"] = len(rows)
        if batch["status"] == "validating":
            _pass_on(batch, "in_progress")
        await asyncio.sleep(self.rules.delay)
        await self._answer_all(batch, rows)

    async def _answer_all(self, batch: dict[str, Any], rows: list[BatchRow]) -> None:
        output: list[dict[str, Any]] = []
        faulty: list[dict[str, Any]] = []
        end = "completed"
        for number, row in enumerate(rows):
            expires_after = self.rules.expires_after
            if batch["status"] == "cancelling" or (expires_after is not None and number >= expires_after):
                end = "cancelled" if batch["status"] == "cancelling" else "expired"
                error = {
                    "code": f"batch_{end}",
                    "message": _EXPIRED if end == "expired" else "The batch was cancelled.",
                }
                faulty += [_line(left, None, error) for left in rows[number:]]
                break
            line = _line(row, await self._response(row), None)
            (output if line["response"]["status_code"] == 200 else faulty).append(line)  # noqa: PLR2004 - HTTP
            batch["request_counts"] |= {"completed": len(output), "failed": len(faulty)}
            if number % _BREATH == 0:
                await asyncio.sleep(0.0)
        batch["request_counts"] |= {"completed": len(output), "failed": len(faulty)}
        if end == "completed":
            _pass_on(batch, "finalizing")
        self._choose.shuffle(output)  # hosts promise no order
        for field, lines in (("output_file_id", output), ("error_file_id", faulty)):
            if lines:
                content = "".join(f"{json.dumps(line, ensure_ascii=False)}\n" for line in lines)
                file = (f"{batch['id']}_{field[:-8]}.jsonl", "batch_output", content.encode(errors="replace"))
                batch[field] = (await in_thread(self._pool, self._store.add_file, *file))["id"]
        _pass_on(batch, end)

    async def _response(self, row: BatchRow) -> dict[str, Any]:
        status, body = 200, {}
        if self._choose.random() < self.rules.error_share:
            status = self.rules.error_status
            body = ApiError(status, f"An injected fault: HTTP {status}.").body()
        else:
            try:
                body = await self._answer(row.body)
                self.rules.answered.append(row.body)
            except ApiError as error:
                status, body = error.status, error.body()
        return {"status_code": status, "request_id": new_id("req"), "body": body}


def _line(row: BatchRow, response: dict[str, Any] | None, error: dict[str, str] | None) -> dict[str, Any]:
    return {"id": new_id("batch"), "custom_id": row.custom_id, "response": response, "error": error}


def _fail(batch: dict[str, Any], errors: list[dict[str, Any]]) -> None:
    batch["errors"] = {"object": "list", "data": errors}
    _pass_on(batch, "failed")


def _pass_on(batch: dict[str, Any], status: str) -> None:
    batch |= {"status": status, f"{status}_at": int(time.time())}
