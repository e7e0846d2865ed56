"""Who writes the neutral side: what a teacher is, answers recorded earlier, and how a user names one."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self, TypedDict, Unpack, cast

from restyle.data.endpoint_teacher import EndpointTeacher
from restyle.data.instructions import NEUTRALISE
from restyle.data.jsonl import read_jsonl
from restyle.data.recordings import Recording
from restyle.errors import PairsError, RowError, TeacherMissingError
from restyle.messages import Answer, Ask

__all__ = ["NEUTRALISE", "AlwaysOpen", "EndpointTeacher", "RecordedTeacher", "Teacher", "find_teacher", "find_teachers"]

_BREAK = re.compile(r"(\n[^\S\n]*\n\s*)")


class Teacher(Protocol):
    """Writes neutral versions. An async context manager, so that it can hold a client open.

    Attributes:
        identity: Names everything about it that changes its answers; part of the ledger's keys.
        system: Its system prompt; empty where it has none.
    """

    identity: str
    system: str

    async def answer(self, ask: Ask) -> Answer:
        """The neutral version of ``ask.user``."""

    async def __aenter__(self) -> Self: ...

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class AlwaysOpen:
    """The async context manager of teachers that have nothing to open."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass


class RecordedTeacher(AlwaysOpen):
    """Replays neutral texts from a JSONL file of ``{"text": ..., "neutral": ...}`` rows.

    A block of several recorded passages is answered passage by passage. What was never recorded gets an answer with
    ``finish_reason="not_recorded"`` and no text.

    Raises:
        RowError: A row is not such an object; the message begins with ``path:line``.
    """

    def __init__(self, path: Path) -> None:
        self.system = ""
        self._neutral = Recording(_read_recorded(path))
        self.identity = f"recorded:{self._neutral.digest[:16]}"

    async def answer(self, ask: Ask) -> Answer:
        """The recorded neutral version of the text, put together from its passages."""
        neutral = self._look_up(ask.user)
        return Answer("", "not_recorded") if neutral is None else Answer(neutral, "stop")

    def _look_up(self, text: str) -> str | None:
        parts = _BREAK.split(text)  # paragraphs at even places, what parts them at odd ones
        answer, start = "", 0
        while start < len(parts):
            # The longest recorded run of paragraphs first: a passage may have several.
            for end in range(len(parts), start, -2):
                neutral = self._neutral.get("".join(parts[start:end]))
                if neutral is not None:
                    break
            else:
                return None
            answer += neutral + "".join(parts[end : end + 1])
            start = end + 1
        return answer


class Limits(TypedDict, total=False):
    """What a teacher may take that is behind an endpoint, see `restyle.data.endpoint_teacher.EndpointTeacher`."""

    concurrency: int | None
    requests_per_minute: float | None
    tokens_per_minute: float | None


def find_teacher(
    teacher: str | Path | Teacher | None, base_url: str | None = None, **limits: Unpack[Limits]
) -> Teacher:
    """The teacher that a user named.

    Args:
        teacher: ``openai:MODEL``, a model's name together with ``base_url``, the path of a JSONL file of recorded
            answers, or a teacher.
        base_url: An OpenAI-compatible endpoint.
        **limits: ``concurrency``: requests in flight at an endpoint; None finds how many. ``requests_per_minute``: at
            most, at an endpoint; None means as many as its headers allow. ``tokens_per_minute``: the same for tokens,
            read and written.

    Raises:
        TeacherMissingError: There is none, or the name says too little.
        PairsError: A budget is given for a teacher that is not behind an endpoint, or a limit is not positive.
    """
    if teacher is None:
        raise TeacherMissingError(
            "no teacher: somebody must write the neutral side. Give teacher='openai:MODEL', a MODEL with the base_url "
            'of an OpenAI-compatible server, or a JSONL file of recorded {"text", "neutral"} rows'
        )
    given = not isinstance(teacher, str | Path)
    if given and not callable(getattr(teacher, "answer", None)):
        raise TeacherMissingError(
            f"teacher is of type {type(teacher).__name__}, which is none: give 'openai:MODEL', a JSONL file of "
            "recorded answers, or a restyle.data.teachers.Teacher; langchain_restyle.build_pairs takes chat models"
        )
    if given or str(teacher).endswith(".jsonl"):
        if any(limits.get(name) is not None for name in ("requests_per_minute", "tokens_per_minute")):
            raise PairsError(
                "requests and tokens per minute are budgets of an endpoint, and this teacher is none: leave them out"
            )
        return RecordedTeacher(Path(teacher)) if isinstance(teacher, str | Path) else teacher
    model = str(teacher).removeprefix("openai:")
    if base_url is None and model == str(teacher):
        raise TeacherMissingError(
            f"teacher {str(teacher)!r} is neither 'openai:MODEL' nor a .jsonl file of recorded answers: for another "
            "host, give its base_url as well"
        )
    return EndpointTeacher(model, base_url, **limits)


def find_teachers(
    teachers: str | Path | Teacher | Sequence[str | Path | Teacher] | None,
    base_url: str | None = None,
    **limits: Unpack[Limits],
) -> list[Teacher]:
    """One teacher, or several that are each asked about every block; see `find_teacher`.

    Raises:
        TeacherMissingError: As there, or two are the same.
    """
    several = list(teachers) if isinstance(teachers, Sequence) and not isinstance(teachers, str) else None
    if several is None:
        return [find_teacher(cast("str | Path | Teacher | None", teachers), base_url, **limits)]
    found = [find_teacher(each, base_url, **limits) for each in several] or [find_teacher(None)]
    identities = [teacher.identity for teacher in found]
    if twice := [identity for identity in identities if identities.count(identity) > 1]:
        raise TeacherMissingError(f"the teacher {twice[0]!r} is named twice, and has one answer: name another")
    return found


def _read_recorded(path: Path) -> Iterator[tuple[str, str]]:
    try:
        for place, row in read_jsonl(path, "mend or remove the line"):
            if not isinstance(row, dict) or not all(isinstance(row.get(key), str) for key in ("text", "neutral")):
                raise RowError(f'{place}: a recorded answer is {{"text": "...", "neutral": "..."}}: mend the line')
            yield row["text"], row["neutral"]
    except FileNotFoundError as error:
        raise TeacherMissingError(f"{path}: no such file of recorded answers: check the path") from error
