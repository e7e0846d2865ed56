"""Documents in, a pair set out: blocks, the teacher's answers over the ledger, filters, files."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from contextvars import copy_context
from dataclasses import replace
from pathlib import Path
from typing import Any, Required, TypedDict, TypeVar, Unpack

from restyle.data.asking import Asking
from restyle.data.cutting import Cutter
from restyle.data.documents import Source, Sources, aread_documents, read_documents
from restyle.data.export import Prompts, export
from restyle.data.ledger import Ledger
from restyle.data.near_duplicates import NearDuplicates
from restyle.data.neutralising import neutralise
from restyle.data.pair_set import PairSet
from restyle.data.prices import Estimate, Meter, Prices, estimate
from restyle.data.report import write_report
from restyle.data.staging import Staging
from restyle.data.teachers import Teacher, find_teacher
from restyle.errors import DocumentError, ParameterError, TeacherMissingError
from restyle.messages import Ask
from restyle.prompts import DESTYLE_PROMPT, RESTYLE_PROMPT, Prompt
from restyle.style import check_name

__all__ = ["PairOptions", "PairSet", "PairSettings", "Sources", "abuild_pairs", "build_pairs", "estimate_pairs"]

T = TypeVar("T")

_IN_FLIGHT = 32  # requests, where neither the user nor the teacher says how many


class PairSettings(TypedDict, total=False):
    """The keyword arguments of `build_pairs` but for the teacher, whom adapters know in more shapes."""

    style: Required[str]
    out: Required[str | Path]
    base_url: str | None
    restyle_prompt: str
    destyle_prompt: str
    aim: int
    minimum: int
    maximum: int
    seed: int
    near_duplicates: float | None
    limit: int | None
    max_cost: float | None
    max_concurrency: int | None
    requests_per_minute: float | None
    tokens_per_minute: float | None
    on_progress: Callable[[int, int], None]


class PairOptions(PairSettings):
    """The keyword arguments of `build_pairs`."""

    teacher: Required[str | Path | Teacher | None]


def build_pairs(sources: Sources, **options: Unpack[PairOptions]) -> PairSet:
    """Cut the author's texts into blocks, have each rewritten neutrally, and write the pairs that are fit for training.

    Whatever the teacher has answered is in ``out/ledger.db`` at once: run the same call again after a failure, and only
    what is missing is asked. The same sources and answers give the same files, byte for byte. Blocks are not held in
    memory but in a temporary file, see `restyle.data.staging`. A block that the teacher cannot answer, where it answers
    others, is dropped as ``failed`` and asked again the next time.

    Args:
        sources: Paths of files, folders and patterns, see `restyle.data.documents.read_documents`, or documents; an
            iterable is read once, and lazily.
        **options: ``style``: the name it will have. ``teacher``: ``"openai:MODEL"``, a model's name with ``base_url``,
            a JSONL file of recorded answers, or a `restyle.data.teachers.Teacher`. ``out``: the pair set's folder.
            ``restyle_prompt``, ``destyle_prompt``: the system prompts to train with. ``aim``, ``minimum``, ``maximum``:
            words in a block (180, 40, 400). ``near_duplicates``: the similarity from which a block repeats an earlier
            one and is dropped, 0.5 to 1, see `restyle.data.near_duplicates` (None: only equal ones are). ``seed`` of
            the splits (0). ``limit``: blocks to ask the teacher about now, at most; ``max_cost``: dollars after which
            nothing more is asked, by the user's `restyle.data.prices`; the other blocks are dropped as ``unasked``
            (None: no limit). ``max_concurrency``: requests in flight (None: as many as bring more at an endpoint, else
            32). ``requests_per_minute``, ``tokens_per_minute``: at most
            (None: as the host's headers say). ``on_progress``: called with the blocks done and their total.

    Raises:
        TeacherMissingError: Nobody can write the neutral side; it is never invented.
        DocumentError, RowError: A source or a recorded answer cannot be used.
        ModelError: The teacher failed; what it had answered stays in the ledger.
        LedgerError: ``out/ledger.db`` cannot be used, or the disk is full.
        PairsError: The files cannot be written.
    """
    work = _Work(options)
    with Staging() as blocks:
        cutter = work.cutter(blocks)
        # Not inside a loop of ours: a source may be an iterator over anything, and run a loop of its own.
        for document in read_documents(sources):
            cutter.cut(document)
        return _wait_for(work.finish(cutter, blocks))


def estimate_pairs(sources: Sources, **options: Unpack[PairOptions]) -> Estimate:
    """What `build_pairs` with the same arguments would ask for and cost; nothing is asked, and nothing written.

    Prices come from ``prices.toml`` under ``RESTYLE_HOME``, see `restyle.data.prices`; they are never guessed.

    Raises:
        DocumentError, RowError, LedgerError, PairsError: As for `build_pairs`.
    """
    work = _Work(options)
    with Staging() as blocks:
        cutter = work.cutter(blocks)
        for document in read_documents(sources):
            cutter.cut(document)
        return work.estimate(blocks)


async def abuild_pairs(sources: Sources | AsyncIterable[Source], **options: Unpack[PairOptions]) -> PairSet:
    """As `build_pairs`, for tasks; sources may be awaited, too."""
    work = _Work(options)
    with Staging() as blocks:
        cutter = work.cutter(blocks)
        if isinstance(sources, AsyncIterable):
            async for document in aread_documents(sources):
                cutter.cut(document)
        else:
            for document in read_documents(sources):
                cutter.cut(document)
        return await work.finish(cutter, blocks)


class _Work:
    """One call of `build_pairs`: its options are checked before anything is read, and all is read before it asks."""

    def __init__(self, options: PairOptions) -> None:
        # Python checks the names of parameters, but not those of a TypedDict.
        if wrong := options.keys() - PairOptions.__annotations__.keys():
            raise TypeError(f"build_pairs() has no keyword argument {min(wrong)!r}")
        if missing := {"style", "teacher", "out"} - options.keys():
            raise TypeError(f"build_pairs() needs the keyword argument {min(missing)!r}")
        check_name(options["style"])
        self._prompts = Prompts(
            options.get("restyle_prompt", RESTYLE_PROMPT), options.get("destyle_prompt", DESTYLE_PROMPT)
        )
        for text in (self._prompts.restyle, self._prompts.destyle):
            if parameters := Prompt(text).parameters:
                raise ParameterError(
                    f"the prompt {text!r} has ${parameters[0]}, but nothing supplies its value for each pair yet: "
                    "use a prompt without parameters"
                )
        limit, concurrency = options.get("limit"), options.get("max_concurrency")
        if limit is not None and limit < 0:
            raise ValueError(f"limit is {limit}: give the number of blocks to ask about, or None for all")
        if concurrency is not None and concurrency < 1:
            raise ValueError(f"max_concurrency is {concurrency}: at least one request must be in flight")
        self._teacher = find_teacher(
            options["teacher"],
            options.get("base_url"),
            concurrency=concurrency,
            requests_per_minute=options.get("requests_per_minute"),
            tokens_per_minute=options.get("tokens_per_minute"),
        )
        own: int = getattr(self._teacher, "concurrency", _IN_FLIGHT)
        self._concurrency = own if concurrency is None else concurrency
        self._meter = _meter(options.get("max_cost"), self._teacher)
        threshold = options.get("near_duplicates")
        self._near_duplicates = None if threshold is None else NearDuplicates(threshold)
        self._options = options

    def cutter(self, blocks: Staging) -> Cutter:
        """What cuts the documents."""
        options = self._options
        return Cutter(
            blocks,
            aim=options.get("aim", 180),
            minimum=options.get("minimum", 40),
            maximum=options.get("maximum", 400),
            near_duplicates=self._near_duplicates,
        )

    async def finish(self, cutter: Cutter, blocks: Staging) -> PairSet:
        """Have the blocks rewritten, and write the pair set."""
        if not len(blocks):
            names = ", ".join(cutter.documents[:3])
            raise DocumentError(
                f"{names}: no prose to learn from, only headings, code and such: give the author's text"
            )
        options, out = self._options, Path(self._options["out"])
        with Ledger(out / "ledger.db") as ledger:
            run = Asking(self._teacher, ledger, options.get("limit"), self._meter)
            await run.settle(blocks, concurrency=self._concurrency, on_progress=options.get("on_progress"))
        reasons = blocks.dropped().keys()
        if "unanswered" in reasons and not blocks.pairs() and reasons <= {"unanswered", "short", "long", "duplicate"}:
            raise TeacherMissingError(
                f"none of the {len(blocks)} blocks has a recorded answer: the recording is of another text. Give it "
                "the text that it was made from, or a teacher='openai:MODEL'"
            )
        export(
            out,
            style=options["style"],
            prompts=self._prompts,
            teacher=self._teacher.identity,
            blocks=blocks,
            seed=options.get("seed", 0),
        )
        write_report(out)
        return replace(PairSet.load(out), asked=run.asked, reused=run.reused)

    def estimate(self, blocks: Staging) -> Estimate:
        """What the run would take; nothing is asked, and nothing written."""
        path, model = Path(self._options["out"]) / "ledger.db", _model_of(self._teacher)
        with Ledger(path) if path.exists() else nullcontext() as ledger:
            return estimate(len(blocks), self._unasked(blocks, ledger), model=model, price=Prices.load().find(model))

    def _unasked(self, blocks: Staging, ledger: Ledger | None) -> Iterator[Ask]:
        for _, block in blocks.blocks():
            if block.drop is None:
                ask = next(neutralise(block.text, self._teacher.system))
                if ledger is None or ledger.find(self._teacher.identity, ask) is None:
                    yield ask


def _meter(max_cost: float | None, teacher: Teacher) -> Meter:
    return Meter() if max_cost is None else Meter(Prices.load().find(_model_of(teacher)), max_cost=max_cost)


def _model_of(teacher: Teacher) -> str:
    """What prices and tokenizers know the teacher's model by."""
    model = getattr(teacher, "model", None)  # of an endpoint its name; frameworks' models are objects
    return model if isinstance(model, str) else teacher.identity


def _wait_for(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run to the end from sync code, in a thread of its own where a loop already runs (a notebook)."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(coroutine)
    begun: list[tuple[asyncio.AbstractEventLoop, asyncio.Task[Any] | None]] = []

    async def run() -> T:
        begun.append((asyncio.get_running_loop(), asyncio.current_task()))
        return await coroutine

    with ThreadPoolExecutor(1) as pool:
        result = pool.submit(copy_context().run, asyncio.run, run())
        try:
            return result.result()
        except BaseException:  # Ctrl-C comes here, not there: whoever stops a cell is not to wait for its end
            for loop, task in begun:
                if task is not None and not result.done():
                    loop.call_soon_threadsafe(task.cancel)
            raise
