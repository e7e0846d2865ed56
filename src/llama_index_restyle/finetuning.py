"""Training a style from a pair set, in the shape of LlamaIndex's fine-tuning engines."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from llama_index.core.llms.llm import LLM
from llama_index.core.utils import print_text

from llama_index_restyle.models import chat_llm
from restyle.data.pairs import PairSet
from restyle.data.splits import SPLITS
from restyle.errors import StyleNotFoundError
from restyle.messages import Role
from restyle.style import Style, check_name
from restyle.training import find_trainer

__all__ = ["FinetuneJob", "RestyleFinetuneEngine"]

_ROLES: tuple[Role, ...] = ("restyle", "destyle")
_DIGITS = 12  # of the pair set's digest in a job's id


@dataclass(frozen=True, slots=True)
class FinetuneJob:
    """A training run.

    Attributes:
        id: ``STYLE:DIGEST``: what was trained, and the beginning of the digest of the pair set that it was trained on.
        status: ``"succeeded"``: its style can be used.
        style: The style's name.
        provider: Where it was trained.
        metrics: Scores on held-out pairs, by role.
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
        start_job_id: The ``id`` of an earlier engine's job, or a style's name, to use what was trained then.
        validate_json: Check every row before anything is trained, those of the test split too.
        provider: Where to train; ``embedded`` needs nothing but this package.
        home: Where styles are kept; None means ``RESTYLE_HOME`` or the user's data directory.

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
    ) -> None:
        self.base_model, self.data_path = base_model, Path(data_path)
        self._verbose, self._validate_json = verbose, validate_json
        self._trainer, self._home = find_trainer(provider), home
        self._job_id = start_job_id
        if start_job_id is not None:
            check_name(start_job_id.partition(":")[0])

    def finetune(self) -> None:
        """Train, and return when it is done.

        Raises:
            PairsError: The pair set is missing, was changed by hand, or has no pairs to train on.
            RowError: A row does not fit; the message begins with ``path:line``.
            ValueError: The provider has no such base.
        """
        pairs = PairSet.load(self.data_path)
        if self._validate_json:
            for role in _ROLES:
                rows = {split: len(pairs.rows(role, split)) for split in SPLITS}
                self._say(f"{self.data_path / role}: {rows}")
        style = self._trainer.train(pairs, base=self.base_model, home=self._home)
        self._job_id = _job_id(style)
        self._say(f"trained {style.name!r}, job {self._job_id}: {style.metrics}")

    def get_current_job(self) -> FinetuneJob:
        """The training run.

        Raises:
            StyleNotFoundError: Nothing was trained yet, or the style is gone or has been trained again since.
        """
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

    def _style(self) -> Style:
        if self._job_id is None:
            raise StyleNotFoundError("nothing was trained yet: call finetune() first, or give start_job_id")
        name, _, digest = self._job_id.partition(":")
        style = Style.load(name, self._home)
        if not style.dataset.startswith(digest):
            raise StyleNotFoundError(
                f"job {self._job_id} trained {name!r}, but it has been trained again since, by job {_job_id(style)}: "
                "give that id, or call finetune()"
            )
        return style

    def _say(self, text: str) -> None:
        if self._verbose:
            print_text(f"{text}\n")


def _job_id(style: Style) -> str:
    return f"{style.name}:{style.dataset[:_DIGITS]}"
