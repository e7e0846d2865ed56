"""What sets hosts of fine-tuning apart: what they accept, how they name things, what they show of a job.

From OpenAI's reference; Microsoft's tutorial and guide to fine-tuning; Nebius's reference and its cookbook, which shows
a run from upload to chat. All were read in November 2026.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from restyle.serving.hyperparameters import NEBIUS, OPENAI, Hyperparameter
from restyle.serving.models import BASE_MODEL
from restyle.serving.tuning_rules import TuningHost

__all__ = ["HOSTS", "TRAINING_TYPES", "HostFacts", "first_look", "last_look", "model_name"]

_COMMON = frozenset({"model", "training_file", "validation_file", "hyperparameters", "method", "seed", "suffix"})
TRAINING_TYPES = ("Standard", "GlobalStandard", "developerTier")  # the guides write them large and small


@dataclass(frozen=True, slots=True)
class HostFacts:
    """What is true of a host.

    Attributes:
        models: What can be trained; and what that is called in the name of a tuned model or, at ``nebius``, in chat.
        fields: Of a request for a job; None: others are not looked at.
        hyperparameters: Those that there are; None: any number.
        suffix: Most characters in a suffix.
        dots: Whether a suffix may have dots.
        typed: Models that need a ``trainingType``.
        waiting: What the status of a job is before it runs.
        unprocessed: What the status of a file is before it is processed; None: this host tells none, ever.
        newest_first: Whether events and checkpoints come so.
        kept: How many checkpoints are; None: all.
        only_messages: Whether rows must have ``messages``.
    """

    models: Mapping[str, str]
    fields: frozenset[str] | None = None
    hyperparameters: Mapping[str, Hyperparameter] | None = None
    suffix: int = 64
    dots: bool = True
    typed: frozenset[str] = frozenset()
    waiting: str = "validating_files"
    unprocessed: str | None = "uploaded"
    newest_first: bool = True
    kept: int | None = 3
    only_messages: bool = True


HOSTS: Mapping[TuningHost, HostFacts] = {
    "restyle": HostFacts({BASE_MODEL: BASE_MODEL}, only_messages=False),
    "openai": HostFacts(
        {name: name for name in ("gpt-4.1-2025-04-14", "gpt-4.1-mini-2025-04-14", "gpt-4o-2024-08-06")}
        | {"gpt-4o-mini-2024-07-18": "gpt-4o-mini-2024-07-18"},
        fields=_COMMON | {"metadata", "integrations"},
        hyperparameters=OPENAI,
    ),
    "azure": HostFacts(
        {"gpt-4.1-mini": "gpt-4.1-mini-2025-04-14"}
        | {name: name for name in ("gpt-4.1-mini-2025-04-14", "gpt-4o-mini-2024-07-18", "gpt-oss-20b", "Qwen3-32B")},
        fields=_COMMON | {"metadata", "integrations", "trainingType"},
        hyperparameters=OPENAI,
        suffix=18,
        dots=False,
        typed=frozenset({"gpt-oss-20b", "Qwen3-32B"}),
        waiting="pending",
        unprocessed="pending",
    ),
    "nebius": HostFacts(
        {
            "meta-llama/Llama-3.1-8B-Instruct": "meta-llama/Meta-Llama-3.1-8B-Instruct",
            "meta-llama/Llama-3.3-70B-Instruct": "meta-llama/Llama-3.3-70B-Instruct",
            "unsloth/gpt-oss-20b-BF16": "openai/gpt-oss-20b",
            "Qwen/Qwen3-32B": "Qwen/Qwen3-32B",
        },
        fields=_COMMON | {"integrations", "tags", "from_checkpoint"},
        hyperparameters=NEBIUS,
        unprocessed=None,
        newest_first=False,
        kept=None,
        only_messages=False,
    ),
}


def first_look(host: TuningHost, job: dict[str, Any]) -> dict[str, Any]:
    """A new job, made from the fields that all hosts have, as ``host`` shows it."""
    if host == "azure":
        job |= dict.fromkeys(("organization_id", "result_files", "integrations"))
        job["hyperparameters"] = {
            name: -1 if value == "auto" else value for name, value in job["hyperparameters"].items()
        }
    if host == "nebius":
        for name in ("fine_tuned_model", "metadata"):
            del job[name]
        job |= {"suffix": job.pop("user_provided_suffix"), "organization_id": "", "trained_steps": 0, "total_steps": 0}
    return job | {"status": HOSTS[host].waiting}


def last_look(host: TuningHost, model: str, checkpoints: list[dict[str, Any]]) -> dict[str, Any]:
    """What else changes in a job that has made ``model``."""
    if host != "nebius":
        return {"fine_tuned_model": model}
    return dict.fromkeys(("trained_steps", "total_steps"), checkpoints[-1]["step_number"])


def model_name(host: TuningHost, job: Mapping[str, Any]) -> str:
    """What the model that a job has made is called; at ``nebius`` nothing answers to that."""
    number = job["id"].partition("-")[2]
    if host == "nebius":
        return str(job["id"])
    suffix = job["user_provided_suffix"]
    if host == "restyle":
        return f"ft:{job['model']}:{suffix or 'restyle'}::{number[-8:]}"
    base = HOSTS[host].models.get(job["model"], job["model"])
    if host == "openai":
        return f"ft:{base}:org:{suffix or ''}:{number[-8:]}"
    return f"{base}.ft-{number}{f'-{suffix}' if suffix else ''}"
