"""Documents in, a pair set out: blocks, the teachers' answers over the ledger, filters, files."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from contextvars import copy_context
from typing import Any, TypeVar, Unpack

from restyle.data.asking import Progress
from restyle.data.cutting import Cutter
from restyle.data.documents import Sources
from restyle.data.making import Making
from restyle.data.options import PairOptions, PairSettings, TeacherSpec, row_options
from restyle.data.pair_set import PairSet
from restyle.data.prices import Estimate
from restyle.data.staging import Staging
from restyle.data.styled_sources import AsyncSources, StyledSources, adocuments_of, documents_of

__all__ = [
    "AsyncSources",
    "PairOptions",
    "PairSet",
    "PairSettings",
    "Progress",
    "Sources",
    "StyledSources",
    "TeacherSpec",
    "abuild_pairs",
    "aestimate_pairs",
    "build_pairs",
    "estimate_pairs",
]

T = TypeVar("T")


def build_pairs(sources: StyledSources, **options: Unpack[PairOptions]) -> PairSet:
    """Cut the author's texts into blocks, have each rewritten neutrally, and write the pairs that are fit for training.

    Whatever a teacher has answered is in ``out/ledger.db`` at once: run the same call again after a failure, and only
    what is missing is asked. The same sources and answers give the same files, byte for byte. Blocks are not held in
    memory but in a temporary file, see `restyle.data.staging`. A block that a teacher cannot answer, where it answers
    others, is dropped as ``failed`` and asked again the next time.

    Args:
        sources: Paths of files, folders and patterns, see `restyle.data.documents.read_documents`, or documents; an
            iterable is read once, and lazily. A mapping from names of styles to such sources makes a set for one model
            of several styles, whose prompt has ``$style``.
        **options: Needed are ``style``: the name it will have; ``out``: the pair set's folder; ``teacher``:
            ``"openai:MODEL"``, a model's name with ``base_url``, a JSONL file of recorded answers, a
            `restyle.data.teachers.Teacher`, or a list of these, who are each asked about every block. Or None, with
            ``plain``: plain versions of the same texts, under the same names but for the suffix, which are aligned
            sentence by sentence.

            What is trained: ``restyle_prompt``, ``destyle_prompt``: the system prompts. ``parameters``: the values of
            their ``$parameters``, by name: the (first) teacher finds for each block the ones that fit.
            ``identity_share``: pairs to keep, 0 to 0.5 of all, whose only fault is that the author writes plainly there
            (0.02). ``max_tokens``, ``tokenizer``: rows that would be longer are dropped, see
            `restyle.data.lengths.RowLimit` (None: not checked). ``seed`` of splits and choices (0).

            Blocks: ``aim``, ``minimum``, ``maximum``: their words (180, 40, 400). ``embed``: a model that tells where
            an idea ends, see `restyle.embedding.as_embed`; a hosted one should be cached, since other vectors may cut
            elsewhere, and what is cut anew is asked and paid for anew (None: words tell). ``language``: an ISO 639-1
            code; blocks in others are dropped (None: not checked). ``near_duplicates``: the similarity from which a
            block repeats an earlier one and is dropped, 0.5 to 1 (0.8; None: only equal ones are). ``text_key``,
            ``source_id_key``, ``sender``, ``context``: see `restyle.data.documents.RowOptions`.

            The run: ``batch``: buy answers through the hosts' Batch API, usually at half the price and within a day;
            what is stopped meanwhile is fetched by the next such call (False). ``engine``: who asks: ``"local"``, this
            process, or ``"ray"``, actors on a Ray cluster, for teachers given by name; see `restyle.data.ray_engine`
            ("local"). ``limit``: blocks to ask about now, at
            most; ``max_cost``: dollars after which nothing more is asked, by the user's `restyle.data.prices`; the
            other blocks are dropped as ``unasked`` (None: no limit). ``max_concurrency``: requests in flight (None: as
            many as bring more at an endpoint, else 32). ``requests_per_minute``, ``tokens_per_minute``: at most (None:
            as the host's headers say).
            ``on_progress``: called with a `Progress` after each block.

    Raises:
        TeacherMissingError: Nobody can write the neutral side; it is never invented.
        DocumentError, RowError: A source or a recorded answer cannot be used.
        ParameterError: A prompt's parameter has no values, or values that a prompt cannot take.
        ModelError: A teacher failed; what it had answered stays in the ledger.
        LedgerError: ``out/ledger.db`` cannot be used, or the disk is full.
        PairsError: The files cannot be written.
    """
    with _cut(sources, options) as (making, cutter, blocks):
        return _wait_for(making.finish(cutter, blocks))


def estimate_pairs(sources: StyledSources, **options: Unpack[PairOptions]) -> Estimate:
    """What `build_pairs` with the same arguments would ask for and cost; nothing is asked, and nothing written.

    Prices come from ``prices.toml`` under ``RESTYLE_HOME``, see `restyle.data.prices`; they are never guessed.

    Raises:
        DocumentError, RowError, LedgerError, PairsError: As for `build_pairs`.
    """
    with _cut(sources, options) as (making, _, blocks):
        return making.estimate(blocks)


async def abuild_pairs(sources: AsyncSources, **options: Unpack[PairOptions]) -> PairSet:
    """As `build_pairs`, for tasks; sources may be awaited, too."""
    async with _acut(sources, options) as (making, cutter, blocks):
        return await making.finish(cutter, blocks)


async def aestimate_pairs(sources: AsyncSources, **options: Unpack[PairOptions]) -> Estimate:
    """As `estimate_pairs`, for tasks; sources may be awaited, too."""
    async with _acut(sources, options) as (making, _, blocks):
        return making.estimate(blocks)


@contextmanager
def _cut(sources: StyledSources, options: PairOptions) -> Iterator[tuple[Making, Cutter, Staging]]:
    """All blocks of the sources, staged."""
    making = Making(options, sources if isinstance(sources, Mapping) else None)
    with Staging() as blocks:
        cutter = making.cutter(blocks)
        # Not inside a loop of ours: a source may be an iterator over anything, and run a loop of its own.
        for document, parameters in documents_of(sources, row_options(options)):
            cutter.cut(document, parameters)
        yield making, cutter, blocks


@asynccontextmanager
async def _acut(sources: AsyncSources, options: PairOptions) -> AsyncIterator[tuple[Making, Cutter, Staging]]:
    making = Making(options, sources if isinstance(sources, Mapping) else None)
    with Staging() as blocks:
        cutter = making.cutter(blocks)
        async for document, parameters in adocuments_of(sources, row_options(options)):
            await cutter.acut(document, parameters)
        yield making, cutter, blocks


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
