"""The provider ``azure``: fine-tuning at Azure, over its endpoint with OpenAI's interface.

Sources, read in November 2026: Microsoft's "Customize a model with fine-tuning", "Deploy a fine-tuned model" and its
schedule of retirements; github.com/microsoft/azure-skills for models that are not OpenAI's.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from shlex import join
from typing import ClassVar, Literal
from urllib.parse import urlsplit

from restyle.answering import KEY_VARIABLE
from restyle.messages import Role
from restyle.stage import is_endpoint
from restyle.training.hosts.host import Served
from restyle.training.hosts.openai import EXAMPLE, OpenAISettings, job_body
from restyle.training.hosts.openai_host import OpenAIHost, client_for
from restyle.training.hosts.settings import HostedSettings
from restyle.training.hosts.trainer import HostedTrainer
from restyle.training.hosts.upload_rules import Hosted

__all__ = ["AzureSettings", "AzureTrainer", "TrainingType"]

TrainingType = Literal["GlobalStandard", "Standard", "developerTier"]

_EXAMPLE = "https://RESOURCE.openai.azure.com/openai/v1/"
_ENDPOINT, _KEY = "AZURE_OPENAI_ENDPOINT", "AZURE_OPENAI_API_KEY"
_LONGEST = 64  # characters of a deployment's name
_DEPLOYMENT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,55}")
_OF_OPENAI = re.compile(r"gpt-[34]|o\d")
_ENDS = {"gpt-4.1": ("2027-04-14", "2027-10-14"), "gpt-4o": ("2027-04-01", "2027-10-01")}  # of training, of serving

_DEPLOYED = (
    "at azure a trained model answers only once it is deployed: that takes a role such as Owner, is paid by the hour, "
    "and ends after 15 days without requests; the style's card will hold the command"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class AzureSettings(OpenAISettings):
    """Settings of the provider ``azure``, beside those of ``openai``.

    ``base_url`` is the resource's, such as ``https://RESOURCE.openai.azure.com/openai/v1/``; None: the one in
    ``AZURE_OPENAI_ENDPOINT``, to which ``openai/v1/`` is added where it has no path. The key is in
    ``AZURE_OPENAI_API_KEY``. A ``suffix`` is cut to what 18 characters leave room for.

    Attributes:
        training_type: Where and when it is trained: ``Standard`` keeps the data in the resource's region,
            ``GlobalStandard`` costs less, ``developerTier`` waits for idle machines.
        deployment: Both models are deployed as ``DEPLOYMENT-restyle`` and ``-destyle``; None: the suffix, or the
            style's name.

    Raises:
        ValueError: A value is out of its range.
    """

    aside: ClassVar[frozenset[str]] = HostedSettings.aside | {"deployment"}

    training_type: TrainingType = "GlobalStandard"
    deployment: str | None = None

    def __post_init__(self) -> None:
        OpenAISettings.__post_init__(self)
        if self.deployment is not None and not _DEPLOYMENT.fullmatch(self.deployment):
            raise ValueError(
                f"deployment is {self.deployment!r}: give 1 to 56 of A-Z a-z 0-9 . _ -, the first a letter or a digit"
            )


class AzureTrainer(HostedTrainer):
    """Trains at Azure; what it has trained answers only once it is deployed, which costs by the hour."""

    provider: ClassVar[Hosted] = "azure"
    settings: ClassVar[type[HostedSettings]] = AzureSettings

    def check(self, base: str | None, settings: AzureSettings) -> tuple[str, list[str]]:
        """See `HostedTrainer.check`.

        Raises:
            ValueError: No base is named, or no address of a resource.
        """
        if base is None:
            raise ValueError(f"azure has no base of its own choice: name one, such as {EXAMPLE!r}")
        _endpoint(settings)
        warnings = [_DEPLOYED]
        for family, (training, serving) in _ENDS.items():
            if base.startswith(family):
                warnings.append(
                    f"azure trains {family} models until {training} at the earliest, and stops what was trained from "
                    f"them on {serving}: see Microsoft's schedule of retirements"
                )
        return base, warnings

    def epochs(self, rows: int, settings: AzureSettings) -> int | None:  # noqa: ARG002 - see `HostedTrainer`
        """Passes over the rows; None where the host chooses."""
        return settings.epochs

    def batch_size(self, rows: int, settings: AzureSettings) -> int | None:  # noqa: ARG002 - as above
        """Rows per step; None where the host chooses."""
        return settings.batch_size

    def open(self, base: str, settings: AzureSettings, *, style: str) -> OpenAIHost:
        """See `HostedTrainer.open`."""
        return _Azure(_endpoint(settings), base, settings, style)


class _Azure(OpenAIHost):
    """Azure makes a deployment only through its management, which is not asked with the resource's key."""

    def __init__(self, base_url: str, base: str, settings: AzureSettings, style: str) -> None:
        more = {"extra_body": {"trainingType": settings.training_type}}
        super().__init__(
            "azure",
            where=base_url,
            variable=_KEY,
            options=client_for(base_url, _KEY),
            body=lambda files, role: job_body("azure", base, settings, files, role, style, **more),
            pause=settings.poll,
            newest_first=True,
        )
        self._base, self._settings, self._style = base, settings, style

    def serve(self, job: str, *, role: Role, model: str, folder: Path) -> Served:  # noqa: ARG002 - see `Host`
        """The deployment as it will be called, and the command that makes it, or gives it the new model."""
        name = _deployment(self._settings.deployment or self._settings.suffix or self._style, role)
        host = urlsplit(self.where).hostname or ""
        resource = host.partition(".")[0] if host.endswith(".azure.com") else "RESOURCE"
        is_openai = _OF_OPENAI.match(self._base) is not None
        options = {
            "--resource-group": "RESOURCE_GROUP",
            "--name": resource,
            "--deployment-name": name,
            "--model-name": model,
            "--model-version": "1",
            "--model-format": "OpenAI" if is_openai else "OpenAI-OSS",
            "--sku-name": "Standard" if self._settings.training_type == "Standard" else "GlobalStandard",
            "--sku-capacity": "50" if is_openai else "100",  # thousands of tokens a minute; others want 100 or more
        }
        command = ["az", "cognitiveservices", "account", "deployment", "create"]
        return Served(
            name,
            self.base_url,
            record={"model": model},
            # A comment in the shell: all of it can be pasted there.
            next_step=f"{join([*command, *(part for option in options.items() for part in option)])}  # in the "
            f"resource's group; paid by the hour. Then put the key of {_KEY} into {KEY_VARIABLE}",
        )


def _endpoint(settings: AzureSettings) -> str:
    given = settings.base_url or os.environ.get(_ENDPOINT)
    if not given:
        raise ValueError(f"azure needs your resource's address: give base_url={_EXAMPLE!r}, or set {_ENDPOINT}")
    if not is_endpoint(given):  # not shown: it may hold a password
        raise ValueError(f"{_ENDPOINT} must be http(s)://host[:port]/path: no user name, password or query")
    return given if urlsplit(given).path.strip("/") else f"{given.rstrip('/')}/openai/v1/"


def _deployment(name: str, role: Role) -> str:
    """Unlike a suffix long enough to tell styles apart: a second one of that name would replace the first."""
    return f"{name[: _LONGEST - len(role) - 1]}-{role}"
