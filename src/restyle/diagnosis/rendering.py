"""What servers make of the golden prompt: one way for each kind that shows it, and the comparison."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from restyle.diagnosis.check import Check
from restyle.golden import GoldenPrompt
from restyle.messages import Role
from restyle.stage import Stage

__all__ = ["PROBES", "Post", "Rendering", "check_rendering"]

Post = Callable[[str, dict[str, Any]], object]
"""JSON posted to one of a server's own paths: its answer, None where there is no such path."""

_SPECIAL_TOKEN = re.compile(r"<[^<>\s]{1,40}>|\[[A-Z_]{1,20}\]")


@dataclass(frozen=True, slots=True)
class Rendering:
    """The golden prompt as a server renders it.

    Attributes:
        kind: The server's, as ``restyle serve --print`` calls it.
        text: None where it is not shown.
        ids: None where they are not shown.
    """

    kind: str
    text: str | None
    ids: list[int] | None


def _llama_server(post: Post, stage: Stage, golden: GoldenPrompt) -> Rendering | None:
    text = _field(post("/apply-template", _request(stage, golden)), "prompt")
    if not isinstance(text, str):
        return None
    # The server takes a leading BOS off the text and lets the tokenizer put it back: as it tokenizes chats itself.
    body = {"model": stage.model, "content": text, "add_special": True, "parse_special": True}
    return Rendering("llama-server", text, _ids(post("/tokenize", body)))


def _vllm(post: Post, stage: Stage, golden: GoldenPrompt) -> Rendering | None:
    ids = _ids(post("/tokenize", _request(stage, golden) | {"add_generation_prompt": True}))
    if ids is None:
        return None
    if ids == golden.ids:
        return Rendering("vllm", None, ids)
    text = _field(post("/detokenize", {"model": stage.model, "tokens": ids}), "prompt")
    return Rendering("vllm", text if isinstance(text, str) else None, ids)


def _ollama(post: Post, stage: Stage, golden: GoldenPrompt) -> Rendering | None:
    # Undocumented; a version that does not know the option answers with a token instead.
    body = {"model": stage.model, "messages": golden.messages, "stream": False, "_debug_render_only": True}
    body["options"] = {"num_predict": 1}
    if (effort := stage.request.get("reasoning_effort")) is not None:  # what its /v1 makes of the request's option
        body["think"] = False if effort == "none" else effort
    text = _field(_field(post("/api/chat", body), "_debug_info"), "rendered_template")
    return Rendering("ollama", text, None) if isinstance(text, str) else None


PROBES = (_llama_server, _vllm, _ollama)
"""Each asks what only its kind of server answers; in this order, for llama-server has a ``/tokenize`` of its own."""


def check_rendering(golden: GoldenPrompt, rendering: Rendering, role: Role) -> Check:
    """Whether that is what was trained: by token ids where they are shown, else by the text."""
    where = f"{rendering.kind} renders"
    if rendering.ids is not None:
        if rendering.ids == golden.ids:
            return Check(role, "prompt", "ok", f"{where} the trained prompt, token for token ({len(golden.ids)})")
    elif rendering.text == golden.text:
        return Check(role, "prompt", "ok", f"{where} the trained text; its token ids are unverifiable")
    elif rendering.text and golden.text.endswith(rendering.text):
        missing = golden.text.removesuffix(rendering.text)
        if _SPECIAL_TOKEN.fullmatch(missing):
            detail = f"{where} the trained text after {missing!r}; whether that is put before it is unverifiable"
            return Check(role, "prompt", "warning", detail)
    diff = golden.compare(_as_tokenized(golden, rendering), rendering.ids) or ""
    step = f"give the server the trained template: restyle serve --print {rendering.kind}"
    return Check(role, "prompt", "error", f"{where} another prompt than the trained one", step, diff)


def _as_tokenized(golden: GoldenPrompt, rendering: Rendering) -> str | None:
    """The text with the BOS that the tokenizer has put before it, or the difference would seem to begin there."""
    first = _SPECIAL_TOKEN.match(golden.text)
    if not first or not rendering.text or rendering.text.startswith(first[0]):
        return rendering.text
    return first[0] + rendering.text if (rendering.ids or [])[:1] == golden.ids[:1] else rendering.text


def _request(stage: Stage, golden: GoldenPrompt) -> dict[str, Any]:
    """What the runtime sends: template arguments are not the only options that change a rendering."""
    return {**stage.request, "model": stage.model, "messages": golden.messages}


def _field(answer: object, name: str) -> object:
    return answer.get(name) if isinstance(answer, dict) else None


def _ids(answer: object) -> list[int] | None:
    """The token ids of an answer; none at all is what a server says that did not understand the question."""
    tokens = _field(answer, "tokens")
    if not isinstance(tokens, Sequence) or not tokens or not all(isinstance(each, int) for each in tokens):
        return None
    return list(tokens)
