"""What a card says against itself: no server is asked."""

from __future__ import annotations

import re

from restyle.answering import phrase_model
from restyle.diagnosis.check import Check
from restyle.errors import CardError, ModelFileError
from restyle.golden import GoldenPrompt
from restyle.messages import Role
from restyle.prompts import Prompt
from restyle.style import Style

__all__ = ["check_golden", "check_model_file"]


def check_model_file(style: Style, role: Role) -> Check:
    """Whether the file of an embedded model is there and loads."""
    try:
        path = style.model_path(role)
        phrase_model(path)
    except (CardError, ModelFileError) as error:
        return Check(role, "model file", "error", str(error), f"restyle train DIR makes {style.name!r} again")
    return Check(role, "model file", "ok", f"{path.name} loads; it runs in this process and sees no chat template")


def check_golden(style: Style, role: Role) -> Check:
    """Whether the golden prompt belongs to the card's prompt, and the requests ask for what training had."""
    stage = style.stage(role)
    golden = stage.golden
    if golden is None:
        detail = "the card has no golden prompt: what training saw is not known here"
        return Check(role, "card", "unverifiable", detail, "train with a provider that shows it: local")
    if not _is_rendered_from(golden, stage.prompt, style):
        detail = f"the golden prompt begins with another system message than the card's: {golden.system!r}"
        return Check(role, "card", "error", detail, "restore the card, or train again")
    sent = stage.request.get("chat_template_kwargs") or {}
    if sent != golden.kwargs:
        detail = f"trained with the template arguments {golden.kwargs!r}, but {sent!r} is sent"
        return Check(role, "card", "error", detail, "put them into the card's request as chat_template_kwargs")
    where = golden.base + (f" at {golden.revision}" if golden.revision else "")
    return Check(role, "card", "ok", f"a golden prompt of {len(golden.ids)} tokens, trained on {where}")


def _is_rendered_from(golden: GoldenPrompt, prompt: str, style: Style) -> bool:
    template = Prompt(prompt)
    marks = {name: f"<{number}>" for number, name in enumerate(template.parameters)}
    pattern = re.escape(template.render(marks))
    for name, mark in marks.items():
        values = "|".join(re.escape(value) for value in style.parameters[name])
        pattern = pattern.replace(re.escape(mark), f"(?:{values})")
    return re.fullmatch(pattern, golden.system) is not None
