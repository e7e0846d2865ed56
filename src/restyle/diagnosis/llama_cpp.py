"""Which adapters a llama-server applies: all that it has loaded, to every request, unless it is told otherwise."""

from __future__ import annotations

from restyle.diagnosis.check import Check
from restyle.messages import Role
from restyle.stage import Stage

__all__ = ["check_loaded_adapters"]


def check_loaded_adapters(answer: object, stage: Stage, role: Role) -> Check:
    """Whether what ``GET /lora-adapters`` lists is one adapter that is applied; ranks have no limit there."""
    if not isinstance(answer, list):
        return Check(role, "adapter", "unverifiable", "the server does not show its adapters")
    if "lora" in stage.request:
        return Check(role, "adapter", "ok", f"the card's requests choose among {len(answer)} loaded: any rank will do")
    applied = [str(each.get("path")) for each in answer if isinstance(each, dict) and each.get("scale")]
    if len(applied) > 1:
        detail = f"{len(applied)} adapters are applied at once, to every request: {', '.join(applied)}"
        step = "one server for each model, or 'lora' in the card's request: [{'id': 0, 'scale': 1.0}, ...]"
        return Check(role, "adapter", "error", detail, step)
    if applied:
        return Check(role, "adapter", "ok", f"{applied[0]} is applied: any rank will do")
    if answer:
        step = "start the server without --lora-init-without-apply"
        return Check(role, "adapter", "error", "an adapter is loaded, but its scale is 0: it is not applied", step)
    return Check(role, "adapter", "unverifiable", "none is loaded: right only if the model file is a merged one")
