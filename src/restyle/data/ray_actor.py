"""What runs on the nodes of a Ray cluster: actors that ask about batches of blocks, each into a ledger of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Self

from pydantic import TypeAdapter

from restyle.data.asking import Asking
from restyle.data.filters import Drop
from restyle.data.ledger import SHARDS, Ledger
from restyle.data.options import PairOptions
from restyle.data.prices import Meter, Price
from restyle.data.staging import AuthorBlock
from restyle.data.teachers import AlwaysOpen, Limits, Teacher, find_teachers
from restyle.errors import MissingExtraError, ModelError, PairsError, RestyleError
from restyle.messages import Answer, Ask

__all__ = ["BATCH", "JOB", "OUTCOME", "Crew", "Failure", "Job", "KnownAnswers", "Outcome", "TeacherActor"]

BATCH = 32  # blocks that leave an actor together: the steps of progress
_IN_FLIGHT = 32  # requests, where neither the user nor the teacher says how many

_WITHOUT_ANSWER = frozenset({"failed", "unasked"})  # reasons; all others are found again from the answer


@dataclass(frozen=True, slots=True)
class Crew:
    """What actors have to know: names only, for keys come from the environment of each node.

    Attributes:
        teachers: Their names, see `restyle.data.teachers.find_teacher`.
        base_url: As there.
        limits: As there.
        vocabulary: The values that each parameter can have.
        prices: Those of the teachers' models.
        max_cost: Dollars after which nothing more is asked; None: no limit.
        out: The folder of the pair set, on storage that all nodes share.
    """

    teachers: Sequence[str]
    base_url: str | None
    limits: Limits
    vocabulary: Mapping[str, Sequence[str]]
    prices: Sequence[Price | None]
    max_cost: float | None
    out: Path

    @classmethod
    def of(cls, options: PairOptions, vocabulary: Mapping[str, Sequence[str]], prices: Sequence[Price | None]) -> Self:
        """Those for a call of `build_pairs`.

        Raises:
            MissingExtraError: Ray is not installed.
            PairsError: A teacher is an object.
        """
        if find_spec("ray") is None or find_spec("pyarrow") is None:
            raise MissingExtraError("ray", "ray", "engine='ray'")
        given = options["teacher"]
        teachers = [given] if isinstance(given, str | Path) or not isinstance(given, Sequence) else given
        limits = Limits(
            concurrency=options.get("max_concurrency"),
            requests_per_minute=options.get("requests_per_minute"),
            tokens_per_minute=options.get("tokens_per_minute"),
        )
        names, out = [_name_of(teacher) for teacher in teachers], Path(options["out"]).resolve()
        return cls(names, options.get("base_url"), limits, vocabulary, prices, options.get("max_cost"), out)

    def share(self, actors: int) -> Self:
        """What one of so many may take, who are not more than the requests in flight."""
        concurrency = self.limits.get("concurrency")
        limits = Limits(
            concurrency=concurrency and concurrency // actors,
            requests_per_minute=_part(self.limits.get("requests_per_minute"), actors),
            tokens_per_minute=_part(self.limits.get("tokens_per_minute"), actors),
        )
        return replace(self, limits=limits, max_cost=_part(self.max_cost, actors))


@dataclass(frozen=True, slots=True)
class Job:
    """A block to ask about, and what was answered about it before, by the keys of the ledger."""

    number: int
    block: AuthorBlock
    known: dict[str, Answer]


@dataclass(frozen=True, slots=True)
class Failure:
    """An error on its way to the driver: Ray would wrap it several times over."""

    kind: str
    message: str
    status: int | None = None


@dataclass(slots=True)
class Outcome:
    """What came of a batch; the answers themselves are in the shard.

    Attributes:
        actor: Who asked.
        done: Blocks of the batch.
        asked: All answers that the actor got so far.
        cost: Dollars that they cost; None where a price is not known.
        drops: By the number of each block, why there is no answer, for each flow that wants one, in their order.
        silent: The error of a teacher that has not answered this actor anything so far.
        failure: What ends the whole run.
    """

    actor: str
    done: int
    asked: int = 0
    cost: float | None = None
    drops: dict[int, list[Drop]] = field(default_factory=dict)
    silent: Failure | None = None
    failure: Failure | None = None


JOB, OUTCOME = TypeAdapter(Job), TypeAdapter(Outcome)


class KnownAnswers(Ledger):
    """A ledger that remembers what it has found, and may be told answers of another one.

    Attributes:
        known: Answers by key: those found, and those told.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.known: dict[str, Answer] = {}

    def find(self, teacher: str, ask: Ask) -> Answer | None:
        """The recorded answer, or the one that was told."""
        key = self.key(teacher, ask)
        answer = self.known.get(key) or super().find(teacher, ask)
        if answer is not None:
            self.known[key] = answer
        return answer


class _OpenTeacher(AlwaysOpen):
    """A teacher that stays open from block to block."""

    def __init__(self, teacher: Teacher) -> None:
        self.identity, self.system, self.answer = teacher.identity, teacher.system, teacher.answer


class TeacherActor:
    """Has batches of blocks rewritten, several at a time; each answer is in its shard before it counts.

    Its shard is named after the actor, which keeps its name when Ray starts it anew: nothing is asked again then.

    Attributes:
        resources: What it holds open from its first batch on; in an actor to the end of the process.
    """

    def __init__(self, crew: Crew) -> None:
        self._crew = crew
        self.resources = AsyncExitStack()
        self._opening: asyncio.Task[_Desk] | None = None

    async def __call__(self, batch: dict[str, Any]) -> dict[str, list[str]]:
        """The `Outcome` of a batch of `Job`."""
        jobs = [JOB.validate_json(job) for job in batch["job"]]
        outcome = Outcome(_actor_id(), len(jobs))
        # Here, for the loop of all batches does not run before; what makes it fail ends them all.
        self._opening = self._opening or asyncio.create_task(self._open())
        try:
            desk = await self._opening
            await asyncio.gather(*(desk.settle(job, outcome) for job in jobs))
            outcome.asked, outcome.cost = desk.asking.asked, desk.asking.meter.cost
        except RestyleError as error:
            outcome.failure = _failure_of(error)
        return {"outcome": [OUTCOME.dump_json(outcome).decode()]}

    async def _open(self) -> _Desk:
        crew = self._crew
        teachers = find_teachers(crew.teachers, crew.base_url, **crew.limits)
        opened = [_OpenTeacher(await self.resources.enter_async_context(teacher)) for teacher in teachers]
        shard = self.resources.enter_context(KnownAnswers(crew.out / SHARDS / f"{_actor_id()}.db"))
        own = max(getattr(teacher, "concurrency", _IN_FLIGHT) for teacher in teachers)
        asking = Asking(opened, shard, crew.vocabulary, meter=Meter(*crew.prices, max_cost=crew.max_cost))
        return _Desk(asking, shard, asyncio.Semaphore(crew.limits.get("concurrency") or own))


@dataclass(frozen=True, slots=True)
class _Desk:
    """Where all batches of an actor are settled, so many blocks at a time as ``places`` has."""

    asking: Asking
    shard: KnownAnswers
    places: asyncio.Semaphore

    async def settle(self, job: Job, outcome: Outcome) -> None:
        async with self.places:
            self.shard.known |= job.known
            try:
                async for _, block in self.asking.settled([(job.number, job.block)], concurrency=1):
                    drops = [block.drop, *(variant.drop for variant in block.variants)]
                    outcome.drops[job.number] = [drop for drop in drops if drop and drop.reason in _WITHOUT_ANSWER]
            except ModelError as error:
                if job.number not in outcome.drops:
                    raise
                outcome.silent = _failure_of(error)
            finally:
                for key in job.known:
                    self.shard.known.pop(key, None)


def _failure_of(error: RestyleError) -> Failure:
    return Failure(type(error).__name__, str(error), getattr(error, "status", None))


def _name_of(teacher: object) -> str:
    if isinstance(teacher, str | Path):
        return str(Path(teacher).resolve()) if str(teacher).endswith(".jsonl") else str(teacher)
    raise PairsError(
        f"a teacher of type {type(teacher).__name__} cannot be sent to a cluster, for it may hold keys: name it "
        "('openai:MODEL', MODEL with base_url, a JSONL file of recorded answers), or leave engine='ray' out"
    )


def _part(whole: float | None, parts: int) -> float | None:
    return None if whole is None else whole / parts


def _actor_id() -> str:
    import ray  # noqa: PLC0415 - seconds that only its users pay

    return str(ray.get_runtime_context().get_actor_id())
