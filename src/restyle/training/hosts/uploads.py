"""Files of rows, checked before they are sent to a host: what it would refuse, and what it would take to your loss."""

from __future__ import annotations

import codecs
import json
import shutil
import tempfile
from array import array
from collections import Counter
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from typing import IO

from restyle.data.near_duplicates import NearDuplicates
from restyle.errors import PairsError
from restyle.training.hosts.upload_rules import HOSTS, Example, Hosted, Rules, Severity, read_example

__all__ = ["Finding", "check_uploads", "overlap_of", "with_bom"]

_SHOWN = 5  # findings of a kind in a file; the rest is counted
_FEW = 50  # OpenAI's guide: "improvements from fine-tuning on 50 to 100 training examples"
_COPIES = 0.02  # the share of pairs that a pair set keeps as they are, unless told otherwise
_LEAST_LEAK = 5  # words: shorter answers stand in texts by chance
_OVERLAPS = frozenset({"overlap", "same_source", "same_target", "near_copy"})
_ADVICE = "make the pairs again, which are split by document, or leave the row out of one file"


@dataclass(frozen=True, slots=True)
class Finding:
    """What is wrong with an upload.

    Attributes:
        severity: An error is refused by the host or makes a model or its losses worthless.
        kind: One word for it, the cookbook's where it has one.
        place: ``path:line``, or the path.
        detail: The value, and the next step.
    """

    severity: Severity
    kind: str
    place: str
    detail: str

    def __str__(self) -> str:
        return f"{self.place}: {self.detail}"


def check_uploads(
    train: Path,
    valid: Path | None,
    *,
    provider: Hosted,
    prompts: Collection[str] | None = None,
    copies: float = _COPIES,
    count: Callable[[str], int] | None = None,
) -> list[Finding]:
    """Everything found in a file for training and one held out; the files are read line by line.

    Of each text some hundred bytes stay in memory, its words are in a temporary file. Of a kind at most five findings a
    file are listed, and one more says how many others there are.

    Args:
        train: Rows of ``messages``.
        valid: Rows that are held out; None: there are none, of which a warning is given.
        provider: The host.
        prompts: The system prompts that rows may have, rendered; None: all rows must have the same.
        copies: The share of rows, 0 to 1, whose two sides may be the same text.
        count: Counts the tokens of a text as the model does; None: they are estimated, and of rows that seem too long
            only a warning is given.

    Raises:
        PairsError: A file is missing, or there is no room for the temporary one.
    """
    for path in filter(None, (train, valid)):
        if not path.is_file():
            raise PairsError(f"{path}: no such file: make the pairs with 'restyle pairs'")
    check = _Check(HOSTS[provider], None if prompts is None else frozenset(prompts), count)
    rows = check.read(train, copies)
    findings = check.found
    if rows < check.rules.least_rows:
        detail = f"{rows} rows that can be used, {provider} takes {check.rules.least_rows} or more: add texts"
        findings.add("error", "too_few_rows", train, detail)
    elif rows < _FEW:
        detail = f"{rows} rows: under {_FEW} a model hardly changes, 2,000 make it good: add texts"
        findings.add("warning", "few_rows", train, detail)
    if valid is None:
        detail = "nothing is held out, so nobody will see whether the model memorises: hold some documents out"
        findings.add("warning", "no_validation", train, detail)
    elif not check.read(valid, copies, held_out=True):
        findings.add("error", "too_few_rows", valid, "no row that can be used: add some, or send no such file")
    return findings.all()


def overlap_of(findings: Iterable[Finding]) -> bool:
    """Whether texts for training are among those held out: the answer that `restyle.training.losses.judge` wants."""
    return any(finding.kind in _OVERLAPS for finding in findings)


def with_bom(path: Path) -> IO[bytes]:
    """A temporary copy that begins with one UTF-8 byte order mark, as Azure asks for; gone when it is closed."""
    copy = tempfile.TemporaryFile()  # noqa: SIM115 - the caller's to close
    copy.write(codecs.BOM_UTF8)
    with path.open("rb") as file:
        copy.write(file.read(len(codecs.BOM_UTF8)).removeprefix(codecs.BOM_UTF8))
        shutil.copyfileobj(file, copy)
    copy.seek(0)
    return copy


@dataclass(slots=True)
class _Findings:
    """Findings in their order, the first few of a kind in a file."""

    shown: list[Finding] = field(default_factory=list)
    counts: Counter[tuple[Path, str, Severity]] = field(default_factory=Counter)

    def add(self, severity: Severity, kind: str, path: Path, detail: str, line: int | None = None) -> None:
        self.counts[path, kind, severity] += 1
        if self.counts[path, kind, severity] <= _SHOWN:
            self.shown.append(Finding(severity, kind, str(path) if line is None else f"{path}:{line}", detail))

    def all(self) -> list[Finding]:
        more = [
            Finding(severity, kind, str(path), f"{number - _SHOWN:,} more of the kind {kind!r}: mend those above first")
            for (path, kind, severity), number in self.counts.items()
            if number > _SHOWN
        ]
        return self.shown + more


@dataclass(slots=True)
class _Texts:
    """The texts of one side in the file for training: where each stands, and what is nearly the same."""

    lines: dict[int, int] = field(default_factory=dict)
    near: NearDuplicates = field(default_factory=NearDuplicates)
    added: array[int] = field(default_factory=lambda: array("Q"))

    def add(self, text: str, line: int) -> None:
        if self.lines.setdefault(_digest(text), line) == line:
            self.near.add(text)
            self.added.append(line)

    def find(self, text: str) -> int | None:
        return self.lines.get(_digest(text))

    def find_near(self, text: str) -> int | None:
        """The line of a text for training; texts held out are remembered, too, but stand behind those."""
        place = self.near.add(text)
        return None if place is None or place >= len(self.added) else self.added[place]


class _Check:
    """One check of both files, the one for training first."""

    def __init__(self, rules: Rules, prompts: frozenset[str] | None, count: Callable[[str], int] | None) -> None:
        self.rules, self.found = rules, _Findings()
        self._prompts, self._count = prompts, count
        self._pairs: dict[int, int] = {}
        self._sources, self._targets = _Texts(), _Texts()

    def read(self, path: Path, copies: float, *, held_out: bool = False) -> int:
        """Check one file and count the rows that can be used."""
        rows, same = 0, list[int]()
        pairs: dict[int, int] = {} if held_out else self._pairs
        if (size := path.stat().st_size) > self.rules.most_bytes:
            detail = f"{size:,} bytes, the host takes {self.rules.most_bytes:,}: leave rows out, or split blocks less"
            self.found.add("error", "file_size", path, detail)
        with path.open("rb") as file:
            for line, data in enumerate(file, 1):
                example = self._example(data, path, line)
                if example is None:
                    continue
                rows += 1
                pair = _digest(f"{example.source}\0{example.target}")
                if (first := pairs.setdefault(pair, line)) != line:
                    detail = f"the texts of line {first} once more: leave the row out, they would count twice"
                    self.found.add("warning", "duplicate", path, detail, line)
                self._prompt(example, path, line)
                self._leak(example, path, line)
                if example.source == example.target:
                    same.append(line)
                if held_out:
                    self._overlap(example, pair, path, line)
                else:
                    self._sources.add(example.source, line)
                    self._targets.add(example.target, line)
        if len(same) > copies * rows:
            detail = (
                f"{len(same):,} of {rows:,} rows have the same text on both sides, over {copies:.0%}, first in line "
                f"{same[0]}: leave them out, or the model learns to leave texts as they are"
            )
            self.found.add("warning", "copy", path, detail)
        return rows

    def _example(self, data: bytes, path: Path, line: int) -> Example | None:
        if line == 1 and data.startswith(codecs.BOM_UTF8):
            data = data.removeprefix(codecs.BOM_UTF8)
            if not self.rules.mark:
                self.found.add("error", "bom", path, "a byte order mark begins the file: save it as UTF-8 without", 1)
        if not data.strip():
            self.found.add("warning", "blank_line", path, "the line is empty: remove it", line)
            return None
        try:
            text = data.decode()
            row = json.loads(text)
            if "\\u" in text:  # half of an escaped surrogate pair is JSON, but no text
                json.dumps(row, ensure_ascii=False).encode()
        except UnicodeDecodeError as error:
            detail = f"byte 0x{data[error.start]:02x} at {error.start + 1} is not UTF-8: save the file as UTF-8"
            self.found.add("error", "encoding", path, detail, line)
            return None
        except (ValueError, RecursionError) as error:
            self.found.add("error", "json", path, f"not JSON ({error}): write one object a line", line)
            return None
        example, problems = read_example(row, self.rules, self._count)
        for problem in problems:
            self.found.add(problem.severity, problem.kind, path, problem.detail, line)
        return example

    def _prompt(self, example: Example, path: Path, line: int) -> None:
        prompt = example.system
        if self._prompts is None:
            self._prompts = frozenset({prompt})
        if prompt not in self._prompts:
            wanted = repr(next(iter(self._prompts))[:80]) if len(self._prompts) == 1 else f"{len(self._prompts)} others"
            detail = f"the system prompt is {prompt[:80]!r} and not {wanted}: use the style's, literally, in all rows"
            self.found.add("error", "system_prompt", path, detail, line)

    def _leak(self, example: Example, path: Path, line: int) -> None:
        target = example.target.strip()
        if len(target.split()) < _LEAST_LEAK:
            return
        for name, text in (("system", example.system), ("user", example.source)):
            if target in text and text.strip() != target:
                detail = (
                    f"the answer {target[:40]!r} stands in the {name} message: take it out there, or leave the row out"
                )
                self.found.add("error", "leak", path, detail, line)

    def _overlap(self, example: Example, pair: int, path: Path, line: int) -> None:
        source, target = self._sources.find(example.source), self._targets.find(example.target)
        if pair in self._pairs:
            detail = f"the texts of line {self._pairs[pair]} of the file for training: {_ADVICE}"
            self.found.add("error", "overlap", path, detail, line)
        elif target is not None:
            self._report("same_target", f"{example.target[:40]!r} is the answer in line {target}", path, line)
        elif source is not None:
            self._report("same_source", f"{example.source[:40]!r} is the text in line {source}", path, line)
        elif (near := self._targets.find_near(example.target)) is not None:
            self._report("near_copy", f"{example.target[:40]!r} is nearly the answer in line {near}", path, line)
        elif (near := self._sources.find_near(example.source)) is not None:
            self._report("near_copy", f"{example.source[:40]!r} is nearly the text in line {near}", path, line)

    def _report(self, kind: str, what: str, path: Path, line: int) -> None:
        self.found.add("warning", kind, path, f"{what} of the file for training: {_ADVICE}", line)


def _digest(text: str) -> int:
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest())
