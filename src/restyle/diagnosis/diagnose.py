"""All checks of a style, in the order in which one would look."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

from restyle.diagnosis.card import check_golden, check_model_file
from restyle.diagnosis.check import Check
from restyle.diagnosis.host import Host, connect
from restyle.diagnosis.listing import LLAMA_CPP, check_adapter, check_model, check_shutdown, entry_of, owner
from restyle.diagnosis.llama_cpp import check_loaded_adapters
from restyle.diagnosis.rendering import PROBES, check_rendering
from restyle.errors import ModelError
from restyle.messages import Role
from restyle.serving.adapters import adapter_of
from restyle.style import Style

__all__ = ["diagnose"]

_REFUSED = frozenset({None, 401, 403})  # statuses of a host that cannot be asked anything; None is no answer
_SHOWS_RENDERINGS = frozenset({"vllm", LLAMA_CPP, "library"})


def diagnose(style: Style, *, today: date | None = None) -> list[Check]:
    """Check the style's card, and ask the endpoints of its models about themselves.

    At most a token is generated, and the keys are those of the run time. Where a host shows nothing, that is said:
    ``unverifiable``.

    Args:
        style: The card; one with embedded models must have been loaded or saved.
        today: What ``shutdown_date`` is compared with; None means the day in UTC.
    """
    roles: tuple[Role, ...] = ("destyle", "restyle") if style.destyle else ("restyle",)
    day = today or datetime.now(UTC).date()
    return [check for role in roles for check in _diagnose_stage(style, role, day)]


def _diagnose_stage(style: Style, role: Role, today: date) -> list[Check]:
    stage = style.stage(role)
    if stage.provider == "embedded":
        return [check_model_file(style, role)]
    if stage.provider != "openai":
        detail = f"provider {stage.provider!r} is unknown here"
        return [Check(role, "card", "error", detail, "'openai' is the name of all compatible endpoints")]
    checks = [check_golden(style, role)]
    try:
        with connect(stage) as host:
            models = _list_models(host, role, checks)
            checks += _check_list(style, role, models, host, today)
            checks.append(_check_prompt(host, role, models))
    except ModelError as error:
        checks.append(Check(role, "endpoint", "error", str(error), "start the server, or mend the card's base_url"))
    return checks


def _list_models(host: Host, role: Role, checks: list[Check]) -> list[dict[str, Any]]:
    where = host.stage.base_url or "OpenAI"
    try:
        models = host.models()
    except ModelError as error:
        if error.status in _REFUSED:
            raise
        checks.append(Check(role, "endpoint", "unverifiable", f"{where} answers, but lists no models"))
        return []
    name = f" as {owner(models)}" if owner(models) else ""
    checks.append(Check(role, "endpoint", "ok", f"{where} answers{name}"))
    return models


def _check_list(style: Style, role: Role, models: list[dict[str, Any]], host: Host, today: date) -> list[Check]:
    stage = style.stage(role)
    entry = entry_of(models, stage.model)
    checks = [check_model(models, stage, role, _refusal(host) if entry is None else None)]
    if entry is not None:
        checks.append(check_shutdown(entry, role, today))
    if owner(models) == LLAMA_CPP:
        checks.append(check_loaded_adapters(host.get("/lora-adapters"), stage, role))
    elif stage.base_url is not None:
        checks.append(check_adapter(models, stage, role, adapter_of(style, role).rank))
    return checks


def _refusal(host: Host) -> str | None:
    try:
        host.answer()
    except ModelError as error:
        return str(error)
    return None


def _check_prompt(host: Host, role: Role, models: list[dict[str, Any]]) -> Check:
    golden = host.stage.golden
    if golden is None:
        return Check(role, "prompt", "unverifiable", "there is no golden prompt to compare")
    refusal = ""
    for probe in PROBES if host.root is not None else ():
        try:
            rendering = probe(host.post, host.stage, golden)
        except ModelError as error:
            refusal = refusal or str(error)
            continue
        if rendering is not None:
            return check_rendering(golden, rendering, role)
    if refusal and owner(models) in _SHOWS_RENDERINGS:
        step = "give the server the trained template: restyle serve --print"
        return Check(role, "prompt", "error", f"the server does not render the golden prompt: {refusal}", step)
    detail = "this host shows no rendering: whether it is the trained one cannot be known"
    return Check(role, "prompt", "unverifiable", detail, "vllm, llama-server and ollama show it: restyle serve --print")
