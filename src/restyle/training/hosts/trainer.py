"""Training at a host: what is checked and planned before anything is sent. `training` does the rest."""

from __future__ import annotations

import hashlib
import json
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime
from itertools import product
from math import ceil
from pathlib import Path
from typing import Any, ClassVar

from restyle.data.pairs import PairSet
from restyle.data.prices import CHARACTERS_PER_TOKEN, Prices, find_tokenizer
from restyle.data.rows import Row
from restyle.errors import PairsError
from restyle.messages import Role
from restyle.prompts import Prompt
from restyle.style import check_name
from restyle.training.base import trained_parameters
from restyle.training.hosts.host import Host
from restyle.training.hosts.records import Direction, Record
from restyle.training.hosts.settings import HostedSettings
from restyle.training.hosts.training import HostedTraining
from restyle.training.hosts.upload_rules import Hosted, check_suffix
from restyle.training.hosts.uploads import Finding, check_uploads, overlap_of
from restyle.training.plans import Part, Plan

__all__ = ["HostedTrainer"]

_ROLES: tuple[Role, ...] = ("restyle", "destyle")
_AROUND_ROW = 15  # tokens: 4 to each of three messages and 3 of the answer's beginning, as OpenAI's cookbook counts
_MILLION = 1_000_000
_DIGITS = 12


class HostedTrainer(ABC):
    """What all hosts have in common; a provider tells what is its own.

    Attributes:
        provider: Its name.
        settings: What can be set for it.
    """

    provider: ClassVar[Hosted]
    settings: ClassVar[type[HostedSettings]]

    @abstractmethod
    def check(self, base: str | None, settings: Any) -> tuple[str, list[str]]:  # noqa: ANN401 - its own settings
        """The base to train, and warnings about it; nothing is sent.

        Raises:
            ValueError: There is no such base, or a setting does not fit it.
        """

    @abstractmethod
    def epochs(self, rows: int, settings: Any) -> int | None:  # noqa: ANN401 - as above
        """Passes over so many rows; None where the host chooses."""

    @abstractmethod
    def batch_size(self, rows: int, settings: Any) -> int | None:  # noqa: ANN401 - as above
        """Rows per step; None where the host chooses, or packs rows together."""

    @abstractmethod
    def open(self, base: str, settings: Any, *, style: str) -> Host:  # noqa: ANN401 - as above
        """The host, ready to be asked.

        Raises:
            ModelError: Its key is not in the environment.
            MissingExtraError: Its package is not installed.
        """

    def prepare(
        self,
        pairs: PairSet,
        *,
        base: str | None = None,
        home: Path | None = None,
        **options: Any,  # noqa: ANN401 - typed and checked by the provider's settings
    ) -> HostedTraining:
        """See `restyle.training.Trainer`; nothing is sent, and no key is needed.

        Raises:
            ValueError: There is no such base or option, or a value is out of its range.
            PairsError: There is nothing to train on, or the host would refuse the files.
        """
        settings = self.settings.of(options, self.provider)
        base, warnings = self.check(base, settings)
        if settings.suffix is not None:
            check_suffix(self.provider, settings.suffix)
        check_name(pairs.style)
        parameters = trained_parameters(pairs)
        found = [each for role in _ROLES for each in self._findings(pairs, role, parameters, base)]
        refused = [str(each) for each in found if each.severity == "error"]
        if refused:
            raise PairsError(f"{self.provider} would refuse these files, so nothing was sent:\n" + "\n".join(refused))
        plan = self._plan(pairs, base, settings, home, [*warnings, *map(str, found)])
        record = Record(
            id=f"{pairs.style}-{_digest(pairs, self.provider, base, settings)}",
            style=pairs.style,
            provider=self.provider,
            base=base,
            options=dict(options),
            pairs=str(pairs.directory.absolute()),
            created=datetime.now(UTC).isoformat(timespec="seconds"),
            plan=plan,
            card={
                "prompts": {role: pairs.prompt(role) for role in _ROLES},
                "parameters": parameters,
                "dataset": pairs.digest,
                "teachers": pairs.manifest["teachers"],
            },
            overlap=overlap_of(found),
            directions={role: Direction() for role in _ROLES},
        )
        return self._training(record, settings, home)

    def reopen(self, record: Record, home: Path | None) -> HostedTraining:
        """The training of a record."""
        return self._training(record, self.settings.of(record.options, self.provider), home)

    def _training(self, record: Record, settings: HostedSettings, home: Path | None) -> HostedTraining:
        return HostedTraining(record, settings, lambda: self.open(record.base, settings, style=record.style), home)

    def _findings(self, pairs: PairSet, role: Role, parameters: dict[str, list[str]], base: str) -> list[Finding]:
        held_out = pairs.manifest["pairs"]["valid"]
        prompt = Prompt(pairs.prompt(role))
        values = [parameters[name] for name in prompt.parameters]
        return check_uploads(
            pairs.messages_file(role, "train"),
            pairs.messages_file(role, "valid") if held_out else None,
            provider=self.provider,
            prompts={prompt.render(dict(zip(prompt.parameters, each, strict=True))) for each in product(*values)},
            count=find_tokenizer(base),
        )

    def _plan(
        self, pairs: PairSet, base: str, settings: HostedSettings, home: Path | None, warnings: list[str]
    ) -> Plan:
        tokenizer = find_tokenizer(base)
        parts = {role: self._part(pairs, role, settings, tokenizer or _estimated) for role in _ROLES}
        epochs = self.epochs(parts["restyle"].rows, settings)
        own = home and home / "prices.toml"
        price = Prices.load(own if own and own.is_file() else None).find(base)
        cost, advice = None, ""
        if price is None or price.trained is None:
            advice = f'no price of training {base!r}: add trained = ... to the table ["{base}"] in prices.toml'
        elif epochs is None:
            advice = "the host chooses the epochs: give a number of them to know the cost"
        else:
            cost = sum(part.tokens or 0 for part in parts.values()) * epochs * price.trained / _MILLION
        return Plan(
            style=pairs.style,
            provider=self.provider,
            base=base,
            parts=parts,
            epochs=epochs,
            exact=tokenizer is not None,
            cost=cost,
            advice=advice,
            warnings=tuple(warnings),
        )

    def _part(self, pairs: PairSet, role: Role, settings: HostedSettings, count: Callable[[str], int]) -> Part:
        rows, held_out = pairs.rows(role, "train"), len(pairs.rows(role, "valid"))
        if not rows:
            raise PairsError(
                f"{pairs.directory}: no pairs to train on: see dropped.jsonl there for what the filters left out"
            )
        epochs, batch_size = self.epochs(len(rows), settings), self.batch_size(len(rows), settings)
        steps = None if epochs is None or batch_size is None else ceil(len(rows) / batch_size) * epochs
        return Part(len(rows), held_out, sum(_tokens(row, count) for row in rows), steps)


def _digest(pairs: PairSet, provider: str, base: str, settings: HostedSettings) -> str:
    """Of all that makes another training; what changes only how it is watched or served does not."""
    made = {name: value for name, value in asdict(settings).items() if name not in settings.aside}
    recipe = json.dumps([pairs.digest, provider, base, made], sort_keys=True)
    return hashlib.sha256(recipe.encode()).hexdigest()[:_DIGITS]


def _tokens(row: Row, count: Callable[[str], int]) -> int:
    return sum(map(count, (row.ask.system, row.ask.user, row.answer))) + _AROUND_ROW


def _estimated(text: str) -> int:
    return ceil(len(text) / CHARACTERS_PER_TOKEN)
