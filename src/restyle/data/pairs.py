"""Documents in, a pair set out: blocks, the teacher's answers over the ledger, filters, files."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterable, Callable, Coroutine, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from contextvars import copy_context
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Required, TypedDict, TypeVar, Unpack

from restyle.data.cutting import Cutter
from restyle.data.documents import Source, Sources, aread_documents, read_documents
from restyle.data.export import AuthorBlock, Prompts, export, file_name, sha256
from restyle.data.filters import drop_of_answer
from restyle.data.ledger import Ledger
from restyle.data.manifest import MANIFEST, read_manifest
from restyle.data.rows import Row, read_rows
from restyle.data.splits import Split
from restyle.data.teachers import Teacher, find_teacher
from restyle.drivers import AsyncAnswerFunction, astream
from restyle.errors import DocumentError, PairsError, ParameterError, TeacherMissingError
from restyle.faults import visible_text
from restyle.messages import Answer, Ask, Role
from restyle.prompts import DESTYLE_PROMPT, RESTYLE_PROMPT, Prompt
from restyle.style import check_name

__all__ = ["PairOptions", "PairSet", "PairSettings", "Sources", "abuild_pairs", "build_pairs"]

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class PairSet:
    """A pair set on disk.

    Attributes:
        directory: Where its files are.
        manifest: What ``manifest.json`` says.
        asked: Answers that the run which made it got from the teacher; 0 for a set that was loaded.
        reused: Answers that it found in the ledger.
    """

    directory: Path
    manifest: dict[str, Any]
    asked: int = 0
    reused: int = 0

    @property
    def style(self) -> str:
        """The style that the pairs are for."""
        return str(self.manifest["style"])

    @property
    def digest(self) -> str:
        """SHA-256 of the manifest, which holds the digests of all files."""
        return sha256(self.directory / MANIFEST)

    def prompt(self, role: Role) -> str:
        """The system prompt of one direction."""
        return str(self.manifest["prompts"][role]["text"])

    def rows(self, role: Role, split: Split) -> list[Row]:
        """The training rows of one direction and split.

        Raises:
            RowError: A row does not fit.
            PairsError: The file is missing, or is not the one that the manifest describes.
        """
        # Rows first: where a line is broken, its number is the better answer than "the file has changed".
        rows = read_rows(self.directory / file_name(role, split), role)
        self._check(file_name(role, split))
        return rows

    def author_texts(self) -> list[str]:
        """The author's blocks outside the held-out documents, those without a pair included."""
        self._check("author.jsonl")
        lines = (self.directory / "author.jsonl").read_text("utf-8").split("\n")
        return [json.loads(line)["text"] for line in lines if line]

    @classmethod
    def load(cls, directory: str | Path) -> PairSet:
        """Open the pair set under ``directory``.

        Raises:
            PairsError: There is none, it is damaged, or another version of restyle wrote it.
        """
        return cls(Path(directory), read_manifest(Path(directory)))

    def _check(self, name: str) -> None:
        path = self.directory / name
        if not path.is_file():
            raise PairsError(f"{path}: missing from the pair set: make the pairs again, nothing is paid twice")
        if self.manifest["files"].get(name) != sha256(path):
            raise PairsError(
                f"{path}: changed since the manifest was written: make the pairs again, nothing is paid twice"
            )


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
    max_concurrency: int
    on_progress: Callable[[int, int], None]


class PairOptions(PairSettings):
    """The keyword arguments of `build_pairs`."""

    teacher: Required[str | Path | Teacher | None]


def build_pairs(sources: Sources, **options: Unpack[PairOptions]) -> PairSet:
    """Cut the author's texts into blocks, have each rewritten neutrally, and write the pairs that are fit for training.

    Whatever the teacher has answered is in ``out/ledger.db`` at once: run the same call again after a failure, and only
    what is missing is asked. The same sources and answers give the same files, byte for byte.

    Args:
        sources: Paths of ``.txt`` and ``.md`` files and folders, or documents; an iterable is read once, and lazily.
        **options: ``style``: the name it will have. ``teacher``: ``"openai:MODEL"``, a model's name with ``base_url``,
            a JSONL file of recorded answers, or a `restyle.data.teachers.Teacher`. ``out``: the pair set's folder.
            ``restyle_prompt``, ``destyle_prompt``: the system prompts to train with. ``aim``, ``minimum``, ``maximum``:
            words in a block (180, 40, 400). ``seed`` of the splits (0). ``max_concurrency``: requests in flight (32).
            ``on_progress``: called with the blocks done and their total.

    Raises:
        TeacherMissingError: Nobody can write the neutral side; it is never invented.
        DocumentError, RowError: A source or a recorded answer cannot be used.
        ModelError: The teacher failed; what it had answered stays in the ledger.
        LedgerError: ``out/ledger.db`` cannot be used.
    """
    work = _Work(options)
    # Not inside a loop of ours: a source may be an iterator over anything, and run a loop of its own.
    for document in read_documents(sources):
        work.cutter.cut(document)
    return _wait_for(work.finish())


async def abuild_pairs(sources: Sources | AsyncIterable[Source], **options: Unpack[PairOptions]) -> PairSet:
    """As `build_pairs`, for tasks; sources may be awaited, too."""
    work = _Work(options)
    if isinstance(sources, AsyncIterable):
        async for document in aread_documents(sources):
            work.cutter.cut(document)
    else:
        for document in read_documents(sources):
            work.cutter.cut(document)
    return await work.finish()


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
        self._teacher = find_teacher(options["teacher"], options.get("base_url"))
        self.cutter = Cutter(
            aim=options.get("aim", 180), minimum=options.get("minimum", 40), maximum=options.get("maximum", 400)
        )
        self._options = options

    async def finish(self) -> PairSet:
        """Have the blocks rewritten, and write the pair set."""
        if not self.cutter.blocks:
            names = ", ".join(self.cutter.documents[:3])
            raise DocumentError(
                f"{names}: no prose to learn from, only headings, code and such: give the author's text"
            )
        options, out = self._options, Path(self._options["out"])
        with Ledger(out / "ledger.db") as ledger:
            run = _Run(self._teacher, ledger)
            concurrency, on_progress = options.get("max_concurrency", 32), options.get("on_progress")
            blocks = await run.answer_all(self.cutter.blocks, concurrency, on_progress)
        reasons = {block.drop.reason if block.drop else None for block in blocks}
        if "unanswered" in reasons and reasons <= {"unanswered", "short", "long", "duplicate"}:
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
        return replace(PairSet.load(out), asked=run.asked, reused=run.reused)


def _wait_for(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run to the end from sync code, in a thread of its own where a loop already runs (a notebook)."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(coroutine)
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(copy_context().run, asyncio.run, coroutine).result()


class _Run:
    """One run of the teacher over the blocks, counting what it asked and what it found."""

    def __init__(self, teacher: Teacher, ledger: Ledger) -> None:
        self.teacher, self.ledger = teacher, ledger
        self.asked = self.reused = 0

    async def answer_all(
        self, blocks: list[AuthorBlock], concurrency: int, on_progress: Callable[[int, int], None] | None
    ) -> list[AuthorBlock]:
        answered: list[AuthorBlock] = []
        async with self.teacher, aclosing(astream(self._jobs(blocks), concurrency=concurrency)) as results:
            async for result in results:
                answered.append(result)
                if on_progress is not None:
                    on_progress(len(answered), len(blocks))
        return answered

    async def _jobs(
        self, blocks: list[AuthorBlock]
    ) -> AsyncGenerator[tuple[Generator[Ask, Answer, AuthorBlock], AsyncAnswerFunction], None]:
        for block in blocks:
            yield self._neutralise(block), self.teacher.answer

    def _neutralise(self, block: AuthorBlock) -> Generator[Ask, Answer, AuthorBlock]:
        if block.drop is not None:
            return block
        ask = Ask(self.teacher.system, block.text, "destyle")
        answer = self.ledger.find(self.teacher.identity, ask)
        if answer is None:
            answer = yield ask
            self.ledger.record(self.teacher.identity, ask, answer)
            self.asked += 1
        else:
            self.reused += 1
        drop = drop_of_answer(block.text, answer)
        return AuthorBlock(block.document, block.start, block.end, block.text, visible_text(answer), drop)
