"""The template proof: whether a base model's chat template lets training and inference see the same tokens."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any

from restyle.golden import GoldenPrompt, difference
from restyle.training.findings import Finding, Trap
from restyle.training.rendering import (
    CONTROL,
    ChatTemplate,
    Row,
    Texts,
    TokenizerTemplate,
    render_row,
    sentinels,
    try_row,
)

__all__ = [
    "ChatTemplate",
    "Finding",
    "TokenizerTemplate",
    "Trap",
    "check_template",
    "control_tokens",
    "golden_prompt",
    "thinking_off",
]

_NO_KWARGS: Mapping[str, Any] = MappingProxyType({})

_CLOCKS = (datetime(2001, 2, 3, 4, 5, 6, tzinfo=UTC), datetime(2019, 11, 28, 17, 49, 58, tzinfo=UTC))
_DATES = re.compile(r"\b[a-z_]*(?:date|today)[a-z_]*\b")
_SWITCHES = re.compile(r"\b(?:enable_)?(?:thinking|reasoning)(?:_mode|_enabled)?\b")
_THINK = re.compile(r"<[^<>\n]*(?:think|thought|reason)[^<>\n]*>|\[/?THINK\]", re.IGNORECASE)
_PROBES = ("The sea", "“Yes", "1815", "— and", "a", "Ünï", "漢字")  # beginnings of answers: letters, marks, digits
_EDIT = "edit chat_template.jinja beside the base model, and train and serve with that file"


def check_template(template: ChatTemplate, prompt: str, *, kwargs: Mapping[str, Any] = _NO_KWARGS) -> list[Finding]:
    """Find what keeps a chat template from rendering, in training and at inference, the texts as they are.

    Args:
        template: The base model's.
        prompt: The system message, parameters filled in.
        kwargs: What both sides give to the template, the request's ``chat_template_kwargs``.

    Returns:
        The findings, errors first; none where the template is safe with this prompt and these kwargs.
    """
    texts = sentinels(prompt)
    try:
        row, edged = (render_row(template, each, kwargs) for each in (texts, texts.edged))
    except Exception as error:  # noqa: BLE001 - templates are foreign code: whatever they raise is what was found
        return [_failure(template, texts, kwargs, error)]
    found = list(_texts(row, edged))
    if all(each.severity == "warning" for each in found):
        found += [*_words(template, row, kwargs), *_place(template, row, kwargs)]
        found += [*_prefix(template, row, prompt, kwargs), *_ends(template, row)]
    found += _inputs(template, prompt, kwargs)
    return sorted(found, key=lambda each: each.severity)


def golden_prompt(
    template: ChatTemplate,
    system: str,
    user: str,
    *,
    base: str,
    revision: str | None = None,
    kwargs: Mapping[str, Any] = _NO_KWARGS,
) -> GoldenPrompt:
    """One request as ``template`` renders it for inference, for the card; see `GoldenPrompt` for the arguments."""
    messages = [{"role": "system", "content": system}, {"role": "user", "content": user}]
    text = template.render(messages, generation=True, **kwargs)
    digest = hashlib.sha256(template.source.encode()).hexdigest()
    return GoldenPrompt(system, user, text, template.encode(text), digest, base, revision, dict(kwargs))


def thinking_off(template: ChatTemplate) -> dict[str, bool]:
    """The ``chat_template_kwargs`` that turn a template's thinking off; empty where it has no such switch."""
    texts = sentinels("Rewrite.")
    names = sorted(set(_SWITCHES.findall(template.source)))
    return {
        name: False
        for name in names
        if try_row(template, texts, {name: True}) != (off := try_row(template, texts, {name: False})) and off
    }


def control_tokens(template: ChatTemplate, *, kwargs: Mapping[str, Any] = _NO_KWARGS) -> frozenset[str]:
    """The control tokens that a template writes: in a text of ours they would be read as the template's own."""
    row = try_row(template, sentinels("Rewrite."), kwargs)
    return frozenset(token for token in (row.controls if row else ()) if len(template.encode(token)) == 1)


def _failure(template: ChatTemplate, texts: Texts, kwargs: Mapping[str, Any], error: Exception) -> Finding:
    says = f"{type(error).__name__}: {error}"
    if try_row(template, texts._replace(system=""), kwargs) is None:
        return Finding("fails", "error", f"the template cannot render system, user and assistant ({says}): {_EDIT}")
    detail = f"the template takes no system message ({says}): choose a base model with a system role, or {_EDIT}"
    return Finding("system-rejected", "error", detail)


def _texts(row: Row, edged: Row) -> Iterator[Finding]:
    """Whether each text stands in each rendering once, as it is, white space at its edges included."""
    trimmed = []
    for name, text, wide in zip(Texts._fields, row.texts, edged.texts, strict=True):
        for where, rendered in (("prompt", row.prompt), ("training text", row.whole))[name == "answer" :]:
            times = rendered.count(text)
            if times != 1:
                seen = re.search(f"z{name}", rendered, re.IGNORECASE)
                if name == "system" and seen is None:
                    yield Finding("system-dropped", "error", f"the {where} has no system message: {_EDIT}", rendered)
                else:
                    shown = rendered
                    if seen and not times:
                        shown = difference(text, rendered[seen.start() :][: len(text)], ("sent", "rendered"))
                    detail = f"the {where} has the {name} text, as it was sent, {times} times instead of once: {_EDIT}"
                    yield Finding("changed", "error", detail, shown)
                break
        else:
            if wide not in edged.whole or (name != "answer" and wide not in edged.prompt):
                trimmed.append((name, text, wide))
    if trimmed:
        detail = (
            f"the template trims white space at the edges of {', '.join(name for name, *_ in trimmed)}: nothing is "
            "lost of what restyle sends, which has none there; let no other client send any"
        )
        shown = "\n".join(
            f"- {wide[:20]!r} … {wide[-8:]!r}\n+ {text[:18]!r} … {text[-6:]!r}" for _, text, wide in trimmed
        )
        yield Finding("trimmed", "warning", detail, shown)


def _words(template: ChatTemplate, row: Row, kwargs: Mapping[str, Any]) -> Iterator[Finding]:
    """Words of the template's own, dates among them."""
    early, late = (try_row(template, row.texts, kwargs, clock) or row for clock in _CLOCKS)
    names = sorted(set(_DATES.findall(template.source)) - kwargs.keys())
    tried = {name: try_row(template, row.texts, {**kwargs, name: "1 May 2000"}, _CLOCKS[0]) for name in names}
    dated = {name: other for name, other in tried.items() if other and other != early}
    pin = f"pass one date as chat_template_kwargs={{{next(iter(dated))!r}: ...}} on both sides" if dated else _EDIT
    if early != late:
        detail = f"the prompt changes with the clock, and tomorrow's is not the one that was trained: {pin}"
        yield Finding("clock", "error", detail, difference(early.prompt, late.prompt, ("2001", "2019")))
    elif dated:
        name, other = next(iter(dated.items()))
        detail = f"the date in the prompt is {name!r}, which some servers (llama.cpp) set to today's: {pin}"
        yield Finding("clock", "warning", detail, difference(early.prompt, other.prompt, ("unset", "set")))
    steady = [each.own_lines for each in (late, *dated.values())]
    if injected := [line for line in early.own_lines if all(line in lines for lines in steady)]:
        detail = (
            "the template adds words of its own: serve with this very template, one that leaves them out is not what "
            f"was trained; to be rid of them, {_EDIT}"
        )
        yield Finding("injected", "warning", detail, _added(injected))
    alone = try_row(template, row.texts._replace(system=""), kwargs, _CLOCKS[0])
    if alone and (default := [line for line in alone.own_lines if line not in early.own_lines]):
        detail = "without a system message the template puts in its own: send the trained one with every request"
        yield Finding("system-default", "warning", detail, _added(default))


def _place(template: ChatTemplate, row: Row, kwargs: Mapping[str, Any]) -> Iterator[Finding]:
    """Whether the system message has a turn of its own, before the user's."""
    alone = try_row(template, row.texts._replace(system=""), kwargs)
    turn = alone.prompt.split(row.texts.user)[0].strip() if alone else ""
    within = bool(turn) and not CONTROL.fullmatch(turn) and row.parts.head.startswith(turn)
    if within or not row.parts.between.strip() or row.prompt.index(row.texts.user) < row.prompt.index(row.texts.system):
        detail = (
            "the system message has no turn of its own, it stands in the user's or after it: serve with this very "
            "template, another may place it elsewhere"
        )
        shown = row.prompt.replace(row.texts.system, "SYSTEM").replace(row.texts.user, "USER")
        yield Finding("system-folded", "warning", detail, shown)


def _prefix(template: ChatTemplate, row: Row, prompt: str, kwargs: Mapping[str, Any]) -> Iterator[Finding]:
    """Whether training goes on, token by token, where inference leaves off."""
    off = {name: value for name, value in thinking_off(template).items() if kwargs.get(name) is not value}
    quiet = try_row(template, row.texts, {**kwargs, **off}) if off else None
    switch = f"pass chat_template_kwargs={dict(kwargs) | off} on both sides, in training and with every request"
    if not row.agrees:
        mend = switch if quiet and quiet.agrees else _EDIT
        tail, lead = row.parts.tail, row.parts.lead
        shown = difference(tail, lead, ("prompt", "training"))
        if _THINK.search(tail):
            detail = f"the prompt ends with a scaffold for thinking ({tail!r}), training has {lead!r} there: {mend}"
            yield Finding("thinking-prompted", "error", detail, shown)
        elif _THINK.search(lead):
            detail = f"the answer is trained after {lead!r}, which the prompt leaves out ({tail!r}): {mend}"
            yield Finding("thinking-trained", "error", detail, shown)
        elif row.whole.startswith(row.prompt):
            header = row.whole[len(row.prompt) :].partition(row.texts.answer)[0]
            detail = f"the prompt ends with {tail!r}, so that the model would learn to write {header!r} itself: {mend}"
            yield Finding("header-trained", "error", detail, shown)
        else:
            detail = f"the training text does not begin with the prompt: {mend}"
            yield Finding("not-a-prefix", "error", detail, difference(row.prompt, row.whole, ("prompt", "training")))
        return
    if off:
        detail = f"whether the model is to think is left to the server's default: {switch}"
        yield Finding("thinking-unpinned", "warning", detail)
    for answer in _PROBES:
        if probe := try_row(template, Texts(prompt, "The text.", answer), kwargs):
            ids, whole = template.encode(probe.prompt), template.encode(probe.whole)
            if whole[: len(ids)] != ids:
                detail = (
                    f"the prompt's last token joins the answer {answer!r}: the end of the prompt, {row.parts.tail!r}, "
                    f"must be a token by itself: {_EDIT}"
                )
                yield Finding("token-boundary", "error", detail, difference(ids, whole, ("prompt", "training")))
                return


def _ends(template: ChatTemplate, row: Row) -> Iterator[Finding]:
    """The tokens that begin the prompt and end the answer."""
    ids, twice = template.encode(row.prompt), [template.bos] * 2
    if template.bos is not None and ids[:2] == twice:
        detail = f"the prompt begins with the BOS token (id {template.bos}) twice, no model was trained so: {_EDIT}"
        yield Finding("double-bos", "error", detail, f"{ids[:8]}")
    elif template.bos is not None and (added := template.encode(row.prompt, special=True))[:2] == twice:
        detail = (
            "the template writes the BOS token and the tokenizer adds another: chat completions do it right; "
            "where the rendered text itself is tokenized, pass add_special_tokens=False"
        )
        yield Finding("double-bos", "warning", detail, difference(ids, added, ("chat", "text")))
    end = row.parts.end
    if template.eos is None or template.eos not in template.encode(end.strip()):
        if stop := CONTROL.search(end):
            detail = (
                f"a turn ends with {stop[0]!r}, which is not the tokenizer's EOS token (id {template.eos}): see that "
                f"generation_config.json has it among eos_token_id, or send stop=[{stop[0]!r}] with every request"
            )
            yield Finding("stop-differs", "warning", detail)
        else:
            detail = f"nothing ends the answer but {end!r}, the model would never learn to stop: {_EDIT}"
            yield Finding("eos-missing", "error", detail)


def _inputs(template: ChatTemplate, prompt: str, kwargs: Mapping[str, Any]) -> Iterator[Finding]:
    """What is given to the template: the prompt and the kwargs."""
    if found := sorted(token for token in control_tokens(template, kwargs=kwargs) if token in prompt):
        detail = f"the system prompt has {found[0]!r}, which is read as a control token: write it another way"
        yield Finding("control-in-prompt", "error", detail, f"{template.encode(prompt)}")
    for name in kwargs:
        if not re.search(rf"\b{re.escape(name)}\b", template.source):
            detail = f"the template never reads {name!r} of chat_template_kwargs: leave it out, or see how it spells it"
            yield Finding("kwarg-ignored", "warning", detail)


def _added(lines: list[str]) -> str:
    return "\n".join(f"+ {line}" for line in lines)
