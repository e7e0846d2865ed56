"""What a host's list of models tells: whether the model is there, for how long, and as an adapter of what."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any

from restyle.diagnosis.check import Check
from restyle.messages import Role
from restyle.stage import Stage

__all__ = ["LLAMA_CPP", "check_adapter", "check_model", "check_shutdown", "entry_of", "owner"]

LLAMA_CPP = "llamacpp"

_SOON = timedelta(days=90)
_SHOWN = 8  # names that are listed where the right one is missing

Entry = dict[str, Any]


def entry_of(models: Sequence[Entry], name: str) -> Entry | None:
    """The model of that name; Ollama lists ``NAME:latest``."""
    return next((each for each in models if each.get("id") in {name, f"{name}:latest"}), None)


def owner(models: Sequence[Entry]) -> str:
    """Who the host says it is: ``vllm``, `LLAMA_CPP`, ``library`` (Ollama), ...; empty where it does not say."""
    return str(models[0].get("owned_by") or "") if models else ""


def check_model(models: Sequence[Entry], stage: Stage, role: Role, refusal: str | None) -> Check:
    """Whether the host serves the model.

    Args:
        models: The host's list; empty where it shows none.
        stage: The card's.
        role: Which model.
        refusal: What the host says to a request for a model that is not in its list; None where it answers.
    """
    if entry_of(models, stage.model) is not None:
        return Check(role, "model", "ok", f"{stage.model!r} is served")
    names = ", ".join(repr(each.get("id")) for each in models[:_SHOWN]) or "no list"
    if refusal is not None:
        step = "load it, or mend the card's model name: restyle serve --print"
        return Check(role, "model", "error", f"{refusal} (there: {names})", step)
    detail = f"the host answers to {stage.model!r}, which it does not list (there: {names})"
    step = f"start it with --alias {stage.model}" if owner(models) == LLAMA_CPP else "see to it that it is that model"
    return Check(role, "model", "warning", detail, step)


def check_shutdown(entry: Entry, role: Role, today: date) -> Check:
    """Whether the host has said until when it will serve the model (``shutdown_date``, YYYY-MM-DD or null)."""
    if "shutdown_date" not in entry:
        return Check(role, "shutdown", "unverifiable", "the host names no shutdown_date")
    if entry["shutdown_date"] is None:
        return Check(role, "shutdown", "ok", "the host has announced none")
    try:
        end = date.fromisoformat(str(entry["shutdown_date"]))
    except ValueError:
        return Check(role, "shutdown", "warning", f"shutdown_date is {entry['shutdown_date']!r}, which is no date")
    step = "train on open weights, which nobody can shut down: --provider local"
    if end <= today:
        return Check(role, "shutdown", "error", f"the host has shut the model down on {end}", step)
    if end - today <= _SOON:
        return Check(role, "shutdown", "warning", f"in {(end - today).days} days, on {end}", step)
    return Check(role, "shutdown", "ok", f"not before {end}")


def check_adapter(models: Sequence[Entry], stage: Stage, role: Role, rank: int | None) -> Check:
    """Whether the adapter's rank is within the server's limit, and the base below it the trained one.

    vLLM shows no limit, but what it has loaded is within it: in its list an adapter names its ``parent``, any other
    model has a null there, and both a ``root``, which is what they were loaded from.

    Args:
        models: The host's list.
        stage: The card's.
        role: Which model.
        rank: The adapter's; None where it is not known.
    """
    entry = entry_of(models, stage.model) or {}
    trained_on = stage.golden.base.rstrip("/") if stage.golden else None
    size = f"rank {rank}" if rank else "rank not known here"
    if "parent" not in entry:
        step = f"if it refuses the adapter: --max-lora-rank {rank}, or more" if rank and owner(models) == "vllm" else ""
        return Check(role, "adapter", "unverifiable", f"{size}; the host does not show its limit", step)
    if entry["parent"] is None:
        if str(entry.get("root")).rstrip("/") == trained_on:
            detail = f"{stage.model!r} is the base model itself, without the adapter"
            return Check(
                role, "adapter", "error", detail, "load the adapter under that name: restyle serve --print vllm"
            )
        return Check(role, "adapter", "ok", "a whole model is served under that name: there is no rank to be limited")
    base = entry_of(models, str(entry["parent"])) or {}
    root = str(base.get("root") or entry["parent"])
    if trained_on is not None and root.rstrip("/") != trained_on:
        detail = f"it is loaded on {root!r}, but was trained on {trained_on!r}"
        return Check(role, "adapter", "warning", detail, "serve the base model that it was trained on")
    return Check(role, "adapter", "ok", f"loaded on {root!r}, so within the server's --max-lora-rank ({size})")
