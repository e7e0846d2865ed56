"""Blocks asked about on a Ray cluster: Ray Data moves them, actors on its nodes run the loop of `restyle.data.asking`.

The driver, which is the process that calls `build_pairs`, cuts the documents (5,000 blocks a second) and finds
duplicates, for which it has to see all blocks in order. It sends out only blocks that the ledger lacks answers to.
Actors commit each answer to a ledger of their own, a shard, and repair rejected ones. At the end the driver copies the
shards into ``out/ledger.db`` and settles all blocks from there: the same code over the same answers makes the same
rows as without Ray. What an actor answered is not paid for again, whatever dies: the actor, its node or the driver.

Run the driver on a machine of the cluster (``ray job submit`` does), with ``RAY_ADDRESS`` set to the cluster's address,
``HOST:6379``; without it `ray.init` finds a cluster on this machine, or starts one that ends with the call. Each node
needs this version of restyle with its extra ``ray``, the teachers' keys in its environment, and the folder ``out`` (and
recordings) under the same absolute path, on shared storage with file locks that work between nodes (NFS from version 4
on). Requests in flight, budgets and the most that it may cost are shared out evenly among the actors: one for each four
cores.
"""

from __future__ import annotations

import asyncio
import logging
import math
import os
import sqlite3
import time
from collections.abc import AsyncGenerator, Callable, Iterable, Iterator
from contextlib import aclosing, asynccontextmanager, closing, suppress
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from restyle.data.asking import Asking, Progress
from restyle.data.filters import Drop
from restyle.data.ledger import SHARDS, Ledger
from restyle.data.ray_actor import (
    BATCH,
    JOB,
    OUTCOME,
    Crew,
    Failure,
    Job,
    KnownAnswers,
    Outcome,
    TeacherActor,
)
from restyle.data.staging import AuthorBlock
from restyle.data.teachers import Teacher
from restyle.data.window import MOST
from restyle.errors import LedgerError, ModelError, PairsError, RestyleError

if TYPE_CHECKING:
    import pyarrow as pa  # type: ignore[import-untyped]

__all__ = ["absorb_shards", "ask_on_ray"]

_CORES = 4  # of the cluster, for each actor: it uses one
_LAST_WORDS = 20.0  # seconds in which actors without a driver come to their end
_LOST = Drop("failed", "what its actor answered was lost on the way: run again")


async def absorb_shards(ledger: Ledger) -> int:
    """Copy what actors have answered into the ledger, and return how many answers it lacked.

    Shards whose actors are still at work, in another run, stay where they are, but only after some seconds.

    Raises:
        LedgerError: The ledger or a shard cannot be used, or the disk is full.
    """
    copied, folder, deadline = 0, _shards(ledger), time.monotonic() + _LAST_WORDS
    for shard in sorted(folder.glob("*.db")):
        while not (closed := _is_closed(shard)) and time.monotonic() < deadline:  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.1)
        if closed:
            copied += ledger.absorb(shard)
            shard.unlink()
    with suppress(OSError):  # it is not there, or not empty
        folder.rmdir()
    return copied


async def ask_on_ray(
    asking: Asking,
    blocks: Iterable[tuple[int, AuthorBlock]],
    crew: Crew,
    *,
    total: int,
    report: Callable[[Progress], None] | None = None,
) -> int:
    """Have actors ask what blocks still need, so that ``asking`` settles them all from its ledger afterwards.

    Returns the number of new answers; ``asking`` takes them for reused ones.

    Args:
        asking: A run that has not begun, on a ledger in a file.
        blocks: All blocks with their numbers, which rise.
        crew: What its actors share, all of them together.
        total: How many blocks there are.
        report: Called with a `Progress` after each batch of blocks.

    Raises:
        RestyleError: As for `Asking.settled`; what was answered until then is in the ledger.
    """
    drops: dict[int, list[Drop]] = {}
    silent: Failure | None = None
    with KnownAnswers(asking.ledger.path) as known:
        table, last = _table(islice(_jobs(replace(asking, ledger=known), known, blocks), asking.limit))
    try:
        if len(table):
            async for outcome in _progressing(_outcomes(table, crew), total - len(table), total, report):
                drops |= outcome.drops
                silent = outcome.silent or silent
    finally:
        copied = await absorb_shards(asking.ledger)
    if silent is not None and not all(_has_answered(teacher, asking.ledger) for teacher in asking.teachers):
        raise _error_of(silent)
    unasked = Drop("unasked", f"only {asking.limit} new blocks were to be asked")
    reasons = {number: iter(each) for number, each in drops.items()}
    asking.forbidden = lambda number: next(reasons.get(number, iter(())), _LOST if number <= last else unasked)
    return copied


def _jobs(asking: Asking, ledger: KnownAnswers, blocks: Iterable[tuple[int, AuthorBlock]]) -> Iterator[Job]:
    """The blocks that lack an answer, each with those that it has."""
    for number, block in blocks:
        ledger.known = {}
        if any([*asking.pending(block)]):  # all of them, for the sake of the known answers
            yield Job(number, block, ledger.known)


def _table(jobs: Iterator[Job]) -> tuple[pa.Table, int]:
    """The jobs as rows, and the last one's number."""
    import pyarrow as pa  # noqa: PLC0415 - only for users of Ray

    schema, pages, last = pa.schema([("job", pa.string())]), [], 0
    while page := list(islice(jobs, BATCH)):
        rows = [JOB.dump_json(job).decode() for job in page]
        pages.append(pa.RecordBatch.from_pydict({"job": rows}, schema=schema))
        last = page[-1].number
    return pa.Table.from_batches(pages, schema), last


async def _progressing(
    outcomes: AsyncGenerator[Outcome, None], done: int, total: int, report: Callable[[Progress], None] | None
) -> AsyncGenerator[Outcome, None]:
    latest: dict[str, Outcome] = {}  # of each actor
    async with aclosing(outcomes):
        async for outcome in outcomes:
            done += outcome.done
            latest[outcome.actor] = outcome
            if report is not None:
                costs = [each.cost for each in latest.values()]
                cost = None if None in costs else sum(filter(None, costs))
                report(Progress(done, total, sum(each.asked for each in latest.values()), 0, 0, cost))
            yield outcome


async def _outcomes(table: pa.Table, crew: Crew) -> AsyncGenerator[Outcome, None]:
    """What became of each batch of jobs, as it comes."""
    async with _cluster() as cores:
        import ray  # noqa: PLC0415 - seconds that only its users pay

        actors = min(max(1, cores // _CORES), math.ceil(len(table) / BATCH), crew.limits.get("concurrency") or cores)
        # In a task of its own, the pipeline can be waited for without a thread, and is gone once that is cancelled.
        pipeline = ray.remote(num_cpus=0, num_returns="streaming", max_retries=0)(_pipeline)
        stream = pipeline.remote(table, crew.share(actors), actors)
        try:
            async for each in stream:  # type: ignore[attr-defined]  # Ray's types do not know that it streams
                outcome = OUTCOME.validate_json(await each)
                if outcome.failure is not None:
                    raise _error_of(outcome.failure)
                yield outcome
        finally:
            ray.cancel(stream, force=True)


def _pipeline(table: pa.Table, crew: Crew, actors: int) -> Iterator[str]:
    """The jobs on their way through the actors."""
    import ray.data  # noqa: PLC0415 - as above

    logging.getLogger("ray.data").setLevel(logging.ERROR)
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = context.print_on_execution_start = False
    pages = [table.slice(start, BATCH) for start in range(0, len(table), BATCH)]
    # Twice as many batches in an actor as it has requests for: a batch that waits for its last answer delays no other.
    calls = 2 * math.ceil((crew.limits.get("concurrency") or MOST) / BATCH)
    outcomes = ray.data.from_arrow(pages).map_batches(
        TeacherActor,
        fn_constructor_args=(crew,),
        batch_size=None,
        compute=ray.data.ActorPoolStrategy(size=actors, max_tasks_in_flight_per_actor=calls),
        max_concurrency=calls,
        num_cpus=1,
        scheduling_strategy="SPREAD",
    )
    for batch in outcomes.iter_batches(batch_size=None):
        for outcome in batch["outcome"]:
            yield str(outcome)


@asynccontextmanager
async def _cluster() -> AsyncGenerator[int, None]:
    """The cluster's cores; one that has to be started ends with the block."""
    import ray  # noqa: PLC0415 - as above

    ours = not ray.is_initialized()
    if ours:
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        try:
            await asyncio.to_thread(ray.init, log_to_driver=False, include_dashboard=False, logging_level=logging.ERROR)
        except (ConnectionError, RuntimeError, ValueError) as error:
            address = os.environ.get("RAY_ADDRESS") or "this machine"
            raise PairsError(f"no Ray cluster at {address} ({error}): start one, or set RAY_ADDRESS to its") from error
    try:
        yield int(ray.cluster_resources().get("CPU", 1))  # type: ignore[no-untyped-call]
    finally:
        if ours:
            await asyncio.to_thread(ray.shutdown)


def _error_of(failure: Failure) -> RestyleError:
    if failure.kind == ModelError.__name__:
        return ModelError(failure.message, failure.status)
    return (LedgerError if failure.kind == LedgerError.__name__ else PairsError)(failure.message)


def _has_answered(teacher: Teacher, ledger: Ledger) -> bool:
    return bool(ledger.rows("SELECT 1 FROM answers WHERE teacher = ? LIMIT 1", teacher.identity))


def _is_closed(shard: Path) -> bool:
    """Whether no process has it open: only then SQLite leaves WAL mode. A damaged one is, too."""
    with closing(sqlite3.connect(shard, timeout=0, isolation_level=None)) as connection:
        try:
            return bool(connection.execute("PRAGMA journal_mode=DELETE").fetchone() == ("delete",))
        except sqlite3.Error as error:
            return error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY


def _shards(ledger: Ledger) -> Path:
    return ledger.path.parent / SHARDS
