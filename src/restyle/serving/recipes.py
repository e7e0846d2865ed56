"""The commands that serve a style's models as they were trained: printed for the user to run, never run here."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, get_args
from urllib.parse import urlsplit

from restyle.errors import CardError
from restyle.messages import Role
from restyle.serving.adapters import Adapter, adapter_of
from restyle.stage import Stage
from restyle.style import Style

__all__ = ["KINDS", "Kind", "recipe"]

Kind = Literal["vllm", "llama-server", "ollama", "transformers"]
KINDS: tuple[Kind, ...] = get_args(Kind)

_Model = tuple[Role, Stage, Adapter]

_FILL_IN = "FILL_IN_"
_WIDTH = 100
_PORTS: Mapping[Kind, int] = {"vllm": 8000, "llama-server": 8080, "ollama": 11434, "transformers": 8000}
_VLLM_RANKS = (1, 8, 16, 32, 64, 128, 256, 320, 512)  # what --max-lora-rank takes
# Options of requests for which every server has a default. The requests send them all the same.
_LLAMA_FLAGS = {"temperature": "--temp", "top_p": "--top-p", "top_k": "--top-k", "min_p": "--min-p"}
_SAMPLING = frozenset(_LLAMA_FLAGS)
_MERGE = """
cat > merge.py <<'EOF'
import sys
from peft import PeftModel
from transformers import AutoModelForCausalLM, AutoTokenizer
base, revision, adapter, out = sys.argv[1:]
model = AutoModelForCausalLM.from_pretrained(base, revision=revision, dtype="auto")
PeftModel.from_pretrained(model, adapter).merge_and_unload().save_pretrained(out)
AutoTokenizer.from_pretrained(adapter).save_pretrained(out)
EOF
""".strip()


def recipe(style: Style, kind: Kind) -> str:
    """Shell commands that serve the models of ``style``, from what its card and the folder beside it tell.

    What they do not tell stands there as ``FILL_IN_...``, which the first lines say.

    Raises:
        CardError: A model is embedded, or served by OpenAI: there is nothing to start.
    """
    roles: tuple[Role, ...] = ("restyle", "destyle") if style.destyle else ("restyle",)
    models: list[_Model] = [(role, style.stage(role), adapter_of(style, role)) for role in roles]
    for _, stage, _ in models:
        if stage.provider == "embedded":
            raise CardError(f"the models of {style.name!r} are embedded: 'restyle serve' without --print serves them")
        if stage.base_url is None:
            raise CardError(f"{stage.model!r} is served by OpenAI: there is nothing to start")
    write = {"vllm": _vllm, "llama-server": _llama_server, "ollama": _ollama, "transformers": _transformers}[kind]
    urls = dict.fromkeys(stage.base_url for _, stage, _ in models)
    servers = [[model for model in models if model[1].base_url == url] for url in urls]
    lines = [line for server in servers for line in ["", *write(server)]]
    lines += ["", "# before the first use, with the server running", _line("restyle", "doctor", style.name)]
    head = [f"# {style.name} on {kind}"]
    if any(_FILL_IN in line for line in lines):
        head.append(f"# the card does not tell everything: replace what begins with {_FILL_IN}")
    return "\n".join([*head, *lines]) + "\n"


def _vllm(models: Sequence[_Model]) -> list[str]:
    """One server for the base model, with all its adapters; its defaults are those of the first model's requests."""
    _, stage, adapter = models[0]
    ranks = [found.rank for _, _, found in models]
    words = ["vllm", "serve", _base(adapter)]
    if adapter.revision:
        words += ["--revision", adapter.revision, "--tokenizer-revision", adapter.revision]
    words += ["--enable-lora", "--max-loras", str(len(models)), "--max-lora-rank", _max_rank(ranks)]
    words += ["--lora-modules", *(f"{each.model}={_folder(found, role)}" for role, each, found in models)]
    words += ["--chat-template", _template(adapter)]
    if kwargs := _template_kwargs(stage):
        words += ["--default-chat-template-kwargs", json.dumps(kwargs)]
    # Without it the base model's generation_config.json sets what requests leave open.
    words += ["--generation-config", "vllm"]
    if sampling := {name: value for name, value in stage.request.items() if name in _SAMPLING}:
        words += ["--override-generation-config", json.dumps(sampling)]
    return [_line(*words, *_address(stage, "vllm"))]


def _llama_server(models: Sequence[_Model]) -> list[str]:
    """A server for each model: one would apply all its adapters to every request."""
    adapter = models[0][2]
    lines, base = ["# once, in a checkout of llama.cpp: the base model and its adapters as GGUF"], _base(adapter)
    if not (base.startswith(_FILL_IN) or Path(base).is_absolute()):
        revision = ["--revision", adapter.revision] if adapter.revision else []
        lines.append(_line("hf", "download", base, *revision, "--local-dir", "base"))
        base = "base"
    lines.append(_line("python", "convert_hf_to_gguf.py", base, "--outtype", "bf16", "--outfile", "base.gguf"))
    for role, _, found in models:
        words = ["--base", base, "--outtype", "f16", "--outfile", f"{role}.gguf"]
        lines.append(_line("python", "convert_lora_to_gguf.py", _folder(found, role), *words))
    for number, (role, stage, found) in enumerate(models):
        lines += ["", f"# the server of the {role} model"]
        words = ["llama-server", "--model", "base.gguf", "--lora", f"{role}.gguf", "--alias", stage.model]
        words += ["--jinja", "--chat-template-file", _template(found)]
        if kwargs := _template_kwargs(stage):
            words += ["--chat-template-kwargs", json.dumps(kwargs)]
        for name, flag in _LLAMA_FLAGS.items():
            words += [flag, str(stage.request[name])] if name in stage.request else []
        lines.append(_line(*words, *_address(stage, "llama-server", number)))
        if number:
            lines.append(f"# its port is not the card's, which the first server has: mend the base_url of {role}")
    return lines


def _ollama(models: Sequence[_Model]) -> list[str]:
    """Merged models: Ollama loads adapters of few architectures only."""
    _, first, _ = models[0]
    host, port = _address(first, "ollama")[1::2]
    lines = [f"export OLLAMA_HOST={shlex.quote(f'{host}:{port}')}", "# the server, in a terminal of its own"]
    lines += ["ollama serve", "", "# once, in a checkout of llama.cpp: merged models as GGUF", _MERGE]
    for role, stage, adapter in models:
        lines.append(_merge(adapter, role, f"merged-{role}"))
        words = ["--outtype", "bf16", "--outfile", f"{role}.gguf"]
        lines.append(_line("python", "convert_hf_to_gguf.py", f"merged-{role}", *words))
        # No TEMPLATE: that is Go's language; the GGUF has the trained one in Jinja.
        options = {name: value for name, value in stage.request.items() if name in {*_SAMPLING, "stop"}}
        values = [(name, each) for name, value in options.items() for each in _each(value)]
        parameters = [f"PARAMETER {name} {json.dumps(value, ensure_ascii=False)}" for name, value in values]
        lines += [f"cat > Modelfile.{role} <<'EOF'", f"FROM ./{role}.gguf", *parameters, "EOF"]
        lines += [_line("ollama", "create", stage.model, "-f", f"Modelfile.{role}"), ""]
    if any(_template_kwargs(stage) for _, stage, _ in models):
        lines.append("# Ollama takes no chat_template_kwargs. To turn thinking off, the card's request needs")
        lines.append('# "reasoning_effort": "none"')
    return lines


def _transformers(models: Sequence[_Model]) -> list[str]:
    """One server, which loads merged models by the names of their folders."""
    _, first, _ = models[0]
    lines = ["# once: merged models, in folders that are called as the card calls the models", _MERGE]
    lines += [_merge(adapter, role, stage.model) for role, stage, adapter in models]
    kwargs = _template_kwargs(first)
    words = ["--chat-template-kwargs", json.dumps(kwargs)] if kwargs else []
    return [
        *lines,
        "",
        "# in the same folder",
        _line("transformers", "serve", *words, *_address(first, "transformers")),
    ]


def _line(*words: str) -> str:
    """A command; a long one has a line for each option."""
    whole = shlex.join(words)
    if len(whole) <= _WIDTH:
        return whole
    return "".join((" \\\n  " if word.startswith("--") else " ") + shlex.quote(word) for word in words).lstrip()


def _merge(adapter: Adapter, role: Role, out: str) -> str:
    return _line("python", "merge.py", _base(adapter), adapter.revision or "main", _folder(adapter, role), out)


def _base(adapter: Adapter) -> str:
    return adapter.base or f"{_FILL_IN}BASE_MODEL"


def _folder(adapter: Adapter, role: Role) -> str:
    return str(adapter.directory or f"{_FILL_IN}{role.upper()}_ADAPTER")


def _template(adapter: Adapter) -> str:
    return str(adapter.template or f"{_FILL_IN}CHAT_TEMPLATE.jinja")


def _max_rank(ranks: Sequence[int | None]) -> str:
    known = [rank for rank in ranks if rank is not None]
    if len(known) < len(ranks):
        return f"{_FILL_IN}RANK"
    return str(next((limit for limit in _VLLM_RANKS if limit >= max(known)), max(known)))


def _template_kwargs(stage: Stage) -> Any:  # noqa: ANN401 - a request option is any JSON
    return stage.request.get("chat_template_kwargs") or (stage.golden.kwargs if stage.golden else {})


def _each(value: object) -> list[object]:
    return value if isinstance(value, list) else [value]


def _address(stage: Stage, kind: Kind, more: int = 0) -> list[str]:
    parts = urlsplit(stage.base_url or "")
    return ["--host", parts.hostname or "127.0.0.1", "--port", str((parts.port or _PORTS[kind]) + more)]
