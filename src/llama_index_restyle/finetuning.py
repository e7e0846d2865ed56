"""Training a style from a pair set, in the shape of LlamaIndex's fine-tuning engines."""

from __future__ import annotations

import re
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from llama_index.core.llms.llm import LLM
from llama_index.core.utils import print_text

from llama_index_restyle.models import chat_llm
from restyle.data.pairs import PairSet
from restyle.data.splits import SPLITS
from restyle.errors import StyleNotFoundError, TrainingError
from restyle.messages import Role
from restyle.style import Style, check_name
from restyle.training.base import Training, find_trainer, prepare
from restyle.training.hosts.records import Record, open_job
from restyle.training.plans import Progress
from restyle.training.progress_text import words
from restyle.training.report import write_report

__all__ = ["FinetuneJob", "RestyleFinetuneEngine"]

_ROLES: tuple[Role, ...] = ("restyle", "destyle")
_DIGITS = 12  # of the pair set's digest in a job's id
_DIGEST = re.compile(r"-[0-9a-f]{12}$")  # of a host's job


@dataclass(frozen=True, slots=True)
class FinetuneJob:
    """A training run.

    Attributes:
        id: ``STYLE:DIGEST``: what was trained, and the beginning of the digest of the pair set that it was trained on;
            of a job at a host ``STYLE-DIGEST``, as ``restyle jobs`` lists it.
        status: ``"succeeded"``: its style can be used. Jobs at hosts have OpenAI's other words, too, as the host says
            now: ``validating_files``, ``queued``, ``running``, ``paused``, ``failed``, ``cancelled``; or ``prepared``
            before the host has both directions.
        style: The style's name.
        provider: Where it was trained.
        metrics: Scores on held-out pairs, by role; empty before the style is saved.
    """

    id: str
    status: str
    style: str
    provider: str
    metrics: dict[str, Any]


class RestyleFinetuneEngine:
    """Trains both models of a style; see `restyle.train`.

    It has the methods and the first parameters of LlamaIndex's own engines, and needs no package of theirs.

    Args:
        base_model: The model to start from; None means the provider's own choice.
        data_path: The folder of a pair set, as `build_pairs` leaves it.
        verbose: Print what happens.
        start_job_id: The ``id`` of an earlier engine's job, or a style's name, to use what was trained then. `finetune`
            goes on with a job at a host, and looks at no pair set.
        validate_json: Check every row before anything is trained, those of the test split too.
        provider: Where to train; ``embedded`` needs nothing but this package. See `restyle.train`.
        home: Where styles are kept; None means ``RESTYLE_HOME`` or the user's data directory.
        **options: Settings of the provider, as for `restyle.train`.

    Raises:
        StyleNameError: ``start_job_id`` names no style.
        ValueError: There is no such provider.
    """

    def __init__(
        self,
        base_model: str | None,
        data_path: str | Path,
        verbose: bool = False,  # noqa: FBT001, FBT002 - as the engines that it stands in for
        start_job_id: str | None = None,
        validate_json: bool = True,  # noqa: FBT001, FBT002 - as above
        *,
        provider: str = "embedded",
        home: Path | None = None,
        **options: Any,
    ) -> None:
        self.base_model, self.data_path = base_model, Path(data_path)
        self._verbose, self._validate_json = verbose, validate_json
        self._provider, self._home, self._options = provider, home, options
        self._start_job_id = self._job_id = start_job_id
        find_trainer(provider)
        if start_job_id is not None:
            check_name(_DIGEST.sub("", start_job_id.partition(":")[0]))

    def finetune(self) -> None:
        """Train, and return when it is done.

        A training at a host goes on there when this process ends; the same call comes back to it.

        Raises:
            PairsError: The pair set is missing, was changed by hand, or has no pairs to train on.
            RowError: A row does not fit; the message begins with ``path:line``.
            ValueError: The provider has no such base, or no such option.
            ModelError: A host refused, or did not answer; what it has begun goes on there.
            TrainingError: A training has failed, or was cancelled.
        """
        training = self._resumed() or self._started()
        training.wait(self._tell if self._verbose else None)
        style = training.result()
        write_report(style)
        self._job_id = _job_id(style)
        self._say(f"trained {style.name!r}, job {self._job_id}: {style.metrics}")

    def get_current_job(self) -> FinetuneJob:
        """The training run; a host is asked how it stands.

        Raises:
            StyleNotFoundError: Nothing was trained yet, or the style is gone or has been trained again since.
            ModelError: A host refused, or did not answer.
        """
        if record := _record(self._job_id, self._home):
            style = self._saved(record)
            metrics = style.metrics if style else {}
            return FinetuneJob(
                record.id, open_job(record.id, self._home).status(), record.style, record.provider, metrics
            )
        style = self._style()
        provider = str(style.training.get("provider", "unknown"))
        return FinetuneJob(_job_id(style), "succeeded", style.name, provider, style.metrics)

    def get_finetuned_model(self, *, role: Role = "restyle", **model_kwargs: Any) -> LLM:
        """One of the two models that were trained.

        Args:
            role: ``restyle``: the style model. ``destyle``: the one that makes any text neutral.
            **model_kwargs: Fields of its LLM, such as ``callback_manager``.

        Raises:
            StyleNotFoundError: As for `get_current_job`.
            TrainingError: The job at a host has not succeeded, or its style is not saved yet: `finetune` does that.
            TypeError: The LLM has no such field.
        """
        llm = chat_llm(self._style(), role)
        kind = type(llm)
        if unknown := sorted(model_kwargs.keys() - kind.model_fields.keys()):
            raise TypeError(
                f"{kind.__name__} has no field {unknown[0]!r}: it has {', '.join(sorted(kind.model_fields))}"
            )
        fields = {name: getattr(llm, name) for name in kind.model_fields}
        return kind(**fields | model_kwargs)

    def _resumed(self) -> Training | None:
        """The job at a host that this engine was made for."""
        record = _record(self._start_job_id, self._home)
        return open_job(record.id, self._home) if record else None

    def _started(self) -> Training:
        pairs = PairSet.load(self.data_path)
        if self._validate_json:
            for role in _ROLES:
                rows = {split: len(pairs.rows(role, split)) for split in SPLITS}
                self._say(f"{self.data_path / role}: {rows}")
        training = prepare(pairs, provider=self._provider, base=self.base_model, home=self._home, **self._options)
        for warning in training.plan.warnings:
            warnings.warn(warning, UserWarning, stacklevel=3)
        training.start()
        if _record(training.id, self._home):  # it is at a host, and stays there whatever becomes of this process
            self._job_id = training.id
            self._say(f"job {training.id}")
        return training

    def _style(self) -> Style:
        if self._job_id is None:
            raise StyleNotFoundError("nothing was trained yet: call finetune() first, or give start_job_id")
        if record := _record(self._job_id, self._home):
            if style := self._saved(record):
                return style
            status = open_job(record.id, self._home).status()
            raise TrainingError(
                f"job {record.id} is {status} at {record.provider}, and its style is not saved here, or another took "
                "its place: call finetune(), which waits for it and saves it"
            )
        name, _, digest = self._job_id.partition(":")
        style = Style.load(name, self._home)
        if not style.dataset.startswith(digest):
            raise StyleNotFoundError(
                f"job {self._job_id} trained {name!r}, but it has been trained again since, by job {_job_id(style)}: "
                "give that id, or call finetune()"
            )
        return style

    def _saved(self, record: Record) -> Style | None:
        """The style that a host's job has made; None before it is saved, or after another took its place."""
        if record.style not in Style.list(self._home):
            return None
        style = Style.load(record.style, self._home)
        return style if style.training.get("job") == record.id else None

    def _tell(self, now: Progress) -> None:
        self._say(f"{now.role}: {words(now)}")

    def _say(self, text: str) -> None:
        if self._verbose:
            print_text(f"{text}\n")


def _job_id(style: Style) -> str:
    return str(style.training.get("job") or f"{style.name}:{style.dataset[:_DIGITS]}")


def _record(job_id: str | None, home: Path | None) -> Record | None:
    """What is known here of a host's job of that id; None where it is no such id."""
    return Record.load(job_id, home) if job_id and _DIGEST.search(job_id) else None
