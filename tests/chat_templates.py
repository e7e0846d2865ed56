"""Small chat templates, each with one trap, and a tokenizer small enough to see through."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from typing import Any
from zlib import crc32

from jinja2 import Template
from jinja2.sandbox import ImmutableSandboxedEnvironment

from restyle.training.templates import TokenizerTemplate, Trap

# Control tokens, runs of line breaks, words with the space before them: as byte-level BPE cuts, whole words aside.
_PIECE = re.compile(r"<[^<>\s]+>|\[/?[A-Z_]+\]|\n+| ?\w+| +|.")
# Line breaks stay together, unlike in GPT-2's: so do the tokenizers of today's models cut.
_WORDS = r" ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s*[\r\n]+|\s+(?!\S)|\s+"


@dataclass
class JinjaTemplate:
    """A template rendered as transformers does, over a toy tokenizer whose every piece is a token."""

    source: str
    bos_token: str | None = None
    eos_token: str | None = "<|im_end|>"
    adds_bos: bool = False
    forced: bool = False  # adds BOS even when told not to, as some converted tokenizers do

    @property
    def bos(self) -> int | None:
        return self.bos_token and self.encode(self.bos_token)[-1]

    @property
    def eos(self) -> int | None:
        return self.eos_token and self.encode(self.eos_token)[-1]

    def encode(self, text: str, *, special: bool = False) -> list[int]:
        begin = [self.bos_token] if self.bos_token and (self.forced or (special and self.adds_bos)) else []
        return [crc32(piece.encode()) for piece in [*begin, *_PIECE.findall(text)]]

    def render(
        self, messages: Sequence[Mapping[str, str]], *, generation: bool, clock: datetime | None = None, **kwargs: Any
    ) -> str:
        tokens = {"bos_token": self.bos_token, "eos_token": self.eos_token}
        functions = {"raise_exception": _raise, "strftime_now": (clock or datetime.now(UTC)).strftime}
        variables = {"messages": messages, "add_generation_prompt": generation, **tokens, **functions, **kwargs}
        return _compiled(self.source).render(variables)


@cache
def _compiled(source: str) -> Template:
    return ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True).from_string(source)


def _raise(message: str) -> None:
    raise ValueError(message)


@dataclass
class Case:
    """A template with the trap that is to be found in it; None where it is clean."""

    trap: Trap | None
    source: str
    severity: str = "error"
    says: str = ""  # what the finding must name
    kwargs: dict[str, Any] = field(default_factory=dict)
    prompt: str = "Please rewrite the provided text in your style."
    bos: str | None = None
    eos: str | None = "<|im_end|>"
    adds_bos: bool = False
    forced: bool = False

    @property
    def template(self) -> JinjaTemplate:
        return JinjaTemplate(self.source, self.bos, self.eos, adds_bos=self.adds_bos, forced=self.forced)

    @property
    def tokenizer_template(self) -> TokenizerTemplate:
        """The same over a byte-level BPE tokenizer of transformers, trained here and now."""
        return TokenizerTemplate(hugging_face(self.source, self.bos, self.eos, adds_bos=self.adds_bos))


def hugging_face(source: str, bos: str | None, eos: str | None, *, adds_bos: bool = False) -> Any:
    """A fast tokenizer whose special tokens are those that ``source`` writes."""
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    bpe = Tokenizer(models.BPE())
    cut = pre_tokenizers.Split(Regex(_WORDS), "isolated")
    bpe.pre_tokenizer = pre_tokenizers.Sequence(
        [cut, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]
    )
    bpe.decoder = decoders.ByteLevel()
    special = sorted({*re.findall(r"<[^<>\s]+>|\[/?[A-Z_]+\]", source), *filter(None, [bos, eos])})
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    learn = trainers.BpeTrainer(vocab_size=400, special_tokens=special, initial_alphabet=alphabet, show_progress=False)
    bpe.train_from_iterator(["assistant: The sea was calm, said the system to the user.\n\n"], learn)
    if adds_bos:
        bpe.post_processor = processors.TemplateProcessing(f"{bos} $A", special_tokens=[(bos, bpe.token_to_id(bos))])
    return PreTrainedTokenizerFast(tokenizer_object=bpe, bos_token=bos, eos_token=eos, chat_template=source)


_TURN = r"'<|im_start|>' + m.role + '\n' + m.content + '<|im_end|>\n'"
_GENERATION = r"'<|im_start|>assistant\n'"
_CHATML = (
    f"{{% for m in messages %}}{{{{ {_TURN} }}}}{{% endfor %}}"
    f"{{% if add_generation_prompt %}}{{{{ {_GENERATION} }}}}{{% endif %}}"
)


def _turn(changed: str) -> str:
    return _CHATML.replace(_TURN, changed)


def _only(role: str, changed: str) -> str:
    """The content of one role's messages changed."""
    return _CHATML.replace("m.content", f"({changed} if m.role == '{role}' else m.content)")


def _generation(changed: str) -> str:
    return _CHATML.replace(_GENERATION, changed)


def _before(written: str, condition: str = "true") -> str:
    return f"{{% if {condition} %}}{{{{ {written} }}}}{{% endif %}}{_CHATML}"


def _block(words: str) -> str:
    return rf"'<|im_start|>developer\n{words}<|im_end|>\n'"


_THINKS = _only("assistant", r"'<think>\n\n</think>\n\n' + m.content")  # as trained by hybrid models
_NO_SYSTEM = "messages[0].role != 'system'"
_FOLDED = r"""
{%- set said = messages[0].content + '\n\n' if messages[0].role == 'system' else '' %}
{%- for m in messages if m.role != 'system' %}
{{- '<start_of_turn>' + ('model' if m.role == 'assistant' else 'user') + '\n' }}
{{- said if loop.first }}{{ m.content + '<end_of_turn>\n' }}
{%- endfor %}
{%- if add_generation_prompt %}{{ '<start_of_turn>model\n' }}{% endif %}"""
_WRAPPED = r"""
{%- for m in messages if m.role != 'system' %}
{%- if m.role == 'user' %}
{{- bos_token + '[INST] ' }}
{{- '<<SYS>>\n' + messages[0].content + '\n<</SYS>>\n\n' if messages[0].role == 'system' }}
{{- m.content + ' [/INST]' }}
{%- else %}{{ m.content + eos_token }}{% endif %}
{%- endfor %}"""
_LAST = r"""
{%- for m in messages if m.role != 'system' %}{{ '<|' + m.role + '|>' + m.content + '<|im_end|>' }}
{%- if m.role == 'user' and messages[0].role == 'system' %}
{{- '<|system|>' + messages[0].content + '<|im_end|>' }}
{%- endif %}
{%- endfor %}{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}"""
_COLON = r"""
{%- for m in messages %}{{ m.role + ': ' + m.content + ('</s>' if m.role == 'assistant' else '') + '\n' }}{% endfor %}
{%- if add_generation_prompt %}{{ 'assistant: ' }}{% endif %}"""
_OFF = "enable_thinking is defined and not enable_thinking"
_SWITCH = _GENERATION + rf" + ('<think>\n\n</think>\n\n' if {_OFF} else '')"
_OPENS = _GENERATION + rf" + ('<think>\n\n</think>\n\n' if {_OFF} else '<think>\n')"
_CALM = _GENERATION + r" + ('<think>\n' if thinking is defined and thinking else '')"
_PINNED = "{'enable_thinking': False} on both sides"

TRAPS = {
    "fails": Case("fails", _before("raise_exception('Tools are required')"), says="Tools are required"),
    "fails-on-answers": Case(
        "fails", _before("raise_exception('No answers')", "messages[-1].role == 'assistant'"), says="No answers"
    ),
    "system-rejected": Case(
        "system-rejected",
        _before("raise_exception('System role not supported')", "messages[0].role == 'system'"),
        says="System role not supported",
    ),
    "system-rejected-by-alternation": Case(
        "system-rejected", _before("raise_exception('Must alternate')", "(messages[0].role == 'user') == false")
    ),
    "system-dropped": Case("system-dropped", _CHATML.replace("in messages", "in messages if m.role != 'system'")),
    "system-dropped-in-training": Case(
        "system-dropped",
        _CHATML.replace("in messages", "in messages if m.role != 'system' or messages[-1].role == 'user'"),
        says="training text",
    ),
    "system-folded": Case("system-folded", _FOLDED, "warning", eos="<end_of_turn>"),
    "system-folded-wrapped": Case("system-folded", _WRAPPED, "warning", bos="<s>", eos="</s>"),
    "system-folded-last": Case("system-folded", _LAST, "warning"),
    "system-default": Case(
        "system-default", _before(_block("You are Tern, made by Coast Labs."), _NO_SYSTEM), "warning"
    ),
    "system-default-dated": Case(
        "system-default", _before(_block("Today is ' + strftime_now('%d %B %Y') + '."), _NO_SYSTEM), "warning"
    ),
    "changed-dollar": Case("changed", _only("user", "m.content | replace('$', '')"), says="user text"),
    "changed-case": Case("changed", _only("system", "m.content | lower"), says="system text"),
    "changed-spaces": Case("changed", _only("assistant", "m.content.split() | join(' ')"), says="answer text"),
    "changed-lines": Case("changed", _only("user", r"m.content | replace('\n\n', '\n')")),
    "changed-repeated": Case(
        "changed", _only("user", r"m.content + '\n\n' + m.content"), says="2 times instead of once"
    ),
    "changed-absent": Case("changed", _only("assistant", "''"), says="0 times instead of once"),
    "trimmed": Case("trimmed", _CHATML.replace("m.content", "m.content | trim"), "warning", "system, user, answer"),
    "trimmed-right": Case("trimmed", _only("assistant", "m.content.rstrip()"), "warning", "edges of answer:"),
    "injected": Case("injected", _before(_block("Knowledge cutoff: June 2030")), "warning"),
    "injected-in-system": Case("injected", _only("system", r"'Reasoning effort is high.\n' + m.content"), "warning"),
    "injected-after-user": Case("injected", _only("user", r"m.content + ' /no_think'"), "warning"),
    "injected-after-answer": Case(
        "injected", _CHATML + "{% if not add_generation_prompt %}The end.{% endif %}", "warning"
    ),
    "clock": Case("clock", _before(_block("Today is ' + strftime_now('%d %B %Y') + '.")), says="tomorrow"),
    "clock-pinnable": Case(
        "clock",
        _before(_block("Today is ' + (date_string if date_string is defined else strftime_now('%-d %b')) + '.")),
        says="chat_template_kwargs={'date_string': ...}",
    ),
    "clock-of-the-server": Case(
        "clock", _before(_block("Today is ' + (date_string | default('26 Jul 2024')) + '.")), "warning", "'date_string'"
    ),
    "thinking-trained": Case("thinking-trained", _THINKS.replace(_GENERATION, _SWITCH), says=_PINNED),
    "thinking-trained-without-switch": Case("thinking-trained", _THINKS, says="edit chat_template.jinja"),
    "thinking-prompted": Case("thinking-prompted", _THINKS.replace(_GENERATION, _OPENS), says=_PINNED),
    "thinking-prompted-without-switch": Case(
        "thinking-prompted", _generation(_GENERATION + r" + '<think>\n'"), says="edit chat_template.jinja"
    ),
    "thinking-prompted-though-switched": Case(
        "thinking-prompted", _generation(_SWITCH), kwargs={"enable_thinking": False}, says="edit chat_template.jinja"
    ),
    "thinking-unpinned": Case("thinking-unpinned", _generation(_CALM), "warning", "{'thinking': False} on both sides"),
    "thinking-unpinned-by-its-default": Case(
        "thinking-unpinned",
        _THINKS.replace(_GENERATION, _SWITCH.replace("is defined and not enable", "is not defined or not enable")),
        "warning",
        _PINNED,
    ),
    "not-a-prefix": Case("not-a-prefix", _generation(r"'<|im_start|>Assistant\n'")),
    "not-a-prefix-other-head": Case("not-a-prefix", _before("'<|prompt|>'", "add_generation_prompt")),
    "header-trained": Case("header-trained", _generation("''"), says="'<|im_start|>assistant\\n' itself"),
    "token-boundary": Case("token-boundary", _COLON, eos="</s>", says="'The sea'"),
    "double-bos": Case("double-bos", _before("bos_token + bos_token"), bos="<s>"),
    "double-bos-forced": Case("double-bos", _before("bos_token"), bos="<s>", forced=True),
    "double-bos-added": Case(
        "double-bos", _before("bos_token"), "warning", "add_special_tokens", bos="<s>", adds_bos=True
    ),
    "eos-missing": Case(
        "eos-missing",
        _COLON.replace("'</s>' if m.role == 'assistant' else ''", "''").replace(": '", ":\\n'"),
        eos="</s>",
    ),
    "stop-differs": Case("stop-differs", _CHATML, "warning", "stop=['<|im_end|>']", eos="<|endoftext|>"),
    "stop-differs-without-eos": Case("stop-differs", _CHATML, "warning", eos=None),
    "control-in-prompt": Case(
        "control-in-prompt", _CHATML, prompt="Rewrite, and end with <|im_end|> at last.", says="'<|im_end|>'"
    ),
    "kwarg-ignored": Case("kwarg-ignored", _CHATML, "warning", "'enable_thinking'", kwargs={"enable_thinking": False}),
}

_HEADERS = r"""
{{- bos_token }}
{%- for m in messages %}{{ '<|header|>' + m.role + '<|/header|>\n\n' + m.content + '<|eot|>' }}{% endfor %}
{%- if add_generation_prompt %}{{ '<|header|>assistant<|/header|>\n\n' }}{% endif %}"""
_BRACKETS = r"""
{{- bos_token }}
{%- for m in messages %}
{%- if m.role == 'system' %}{{ '[SYSTEM_PROMPT]' + m.content + '[/SYSTEM_PROMPT]' }}
{%- elif m.role == 'user' %}{{ '[INST]' + m.content + '[/INST]' }}
{%- else %}{{ m.content + eos_token }}{% endif %}
{%- endfor %}"""
_HEADINGS = r"""
{%- for m in messages %}
{{- '### ' + m.role + ':\n' + m.content + ('</s>' if m.role == 'assistant' else '') + '\n\n' }}
{%- endfor %}
{%- if add_generation_prompt %}{{ '### assistant:\n' }}{% endif %}"""

CLEAN = {
    "turns": Case(None, _CHATML),
    "headers": Case(None, _HEADERS, bos="<s>", eos="<|eot|>"),
    "brackets": Case(None, _BRACKETS, bos="<s>", eos="</s>"),
    "headings": Case(None, _HEADINGS, eos="</s>"),
    "thinking-off": Case(None, _THINKS.replace(_GENERATION, _SWITCH), kwargs={"enable_thinking": False}),
}
