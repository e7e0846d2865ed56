"""What a chat template makes of texts that are known: the ground on which `restyle.training.templates` judges it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple, Protocol

from restyle.errors import PromptError

__all__ = ["CONTROL", "ChatTemplate", "Row", "Texts", "TokenizerTemplate", "render_row", "sentinels", "try_row"]

CONTROL = re.compile(r"<[^<>\n]{1,40}>|\[/?[A-Za-z_]{2,20}\]")
"""What is written like a control token: ``<|im_end|>``, ``</s>``, ``[INST]``."""

_ROLES = re.compile(
    r"\b(?:system|developer|user|human|assistant|model|gpt|ai|bot|channel|message|final|instructions?|input|question"
    r"|response|answer)\b",
    re.IGNORECASE,
)
_WORD = re.compile(r"[^\W\d_]{2,}")
# What templates and tokenizers are known to change: markup, braces, dollars, runs of spaces, blank lines, accents.
_ODD = "$5 {x} {{ y }} 100% <b>&amp; \"q\" 'q' \\n  two  spaces\n\n# ‘Ünï’ — 漢字."
_EDGES = (" \t", " \n")


class ChatTemplate(Protocol):
    """A chat template and the tokenizer that reads what it writes."""

    @property
    def source(self) -> str:
        """The template's text."""

    @property
    def bos(self) -> int | None:
        """The id of the token that begins a text; None where the tokenizer has none."""

    @property
    def eos(self) -> int | None:
        """The id of the token that ends a text; None where the tokenizer has none."""

    def render(
        self,
        messages: Sequence[Mapping[str, str]],
        *,
        generation: bool,
        clock: datetime | None = None,
        **kwargs: object,
    ) -> str:
        """The messages as one text; raises what the template raises.

        Args:
            messages: Each with ``role`` and ``content``.
            generation: End where the model is to write its answer.
            clock: What the template takes for the present; None means that it reads the machine's.
            kwargs: The template's own switches, the request's ``chat_template_kwargs``.
        """

    def encode(self, text: str, *, special: bool = False) -> list[int]:
        """The token ids of ``text``; with ``special`` also those that the tokenizer adds unless told otherwise."""


class TokenizerTemplate:
    """The chat template of a Hugging Face tokenizer, rendered by that tokenizer.

    Args:
        tokenizer: A ``PreTrainedTokenizer`` or ``PreTrainedTokenizerFast``.

    Raises:
        PromptError: It has no chat template.
    """

    def __init__(self, tokenizer: Any) -> None:  # noqa: ANN401 - an object of a library that this file does not import
        self._tokenizer = tokenizer
        try:
            self.source: str = tokenizer.get_chat_template()
        except ValueError as error:
            raise PromptError(
                f"the tokenizer {tokenizer.name_or_path!r} has no chat template: take the instruct version of the base "
                "model, or save a chat_template.jinja beside it"
            ) from error
        self.bos: int | None = tokenizer.bos_token_id
        self.eos: int | None = tokenizer.eos_token_id

    def render(
        self,
        messages: Sequence[Mapping[str, str]],
        *,
        generation: bool,
        clock: datetime | None = None,
        **kwargs: object,
    ) -> str:
        """See `ChatTemplate`."""
        source = self.source if clock is None else _stopped(clock) + self.source
        text: str = self._tokenizer.apply_chat_template(
            [dict(each) for each in messages],
            chat_template=source,
            tokenize=False,
            add_generation_prompt=generation,
            **kwargs,
        )
        return text

    def encode(self, text: str, *, special: bool = False) -> list[int]:
        """See `ChatTemplate`."""
        return list(self._tokenizer.encode(text, add_special_tokens=special))


def _stopped(clock: datetime) -> str:
    """A macro in the place of transformers' ``strftime_now``, which takes no functions from outside any more."""
    fields = {f"%{code}": clock.strftime(f"%{code}") for code in "aAbBdHIjmMpSyY"}
    unpadded = {f"%-{code}": fields[f"%{code}"].lstrip("0") or "0" for code in "dHIjmMS"}
    filled = "".join(f" | replace('{code}', '{value}')" for code, value in {**unpadded, **fields}.items())
    # The line break goes with the tag before it (trim_blocks): what follows still begins a line.
    return f"{{%- macro strftime_now(format) -%}}{{{{ format{filled} }}}}{{%- endmacro %}}\n"


class Texts(NamedTuple):
    """The three texts of a row."""

    system: str
    user: str
    answer: str

    @property
    def edged(self) -> Texts:
        """The same with white space before and after."""
        return Texts(*(text.join(_EDGES) for text in self))


class Row(NamedTuple):
    """A row's prompt as inference sends it, and the whole as it is trained on."""

    texts: Texts
    prompt: str
    whole: str

    @property
    def agrees(self) -> bool:
        """Whether training goes on with the answer where inference leaves off."""
        return self.whole.startswith(self.prompt + self.texts.answer)

    @property
    def parts(self) -> Parts:
        """What stands around the texts, each of which must stand in the row once."""
        first, last = sorted(self.texts[:2], key=self.prompt.index)
        head, _, rest = self.prompt.partition(first)
        between, _, tail = rest.partition(last)
        lead, _, end = self.whole.partition(last)[2].partition(self.texts.answer)
        return Parts(head, between, tail, lead, end)

    @property
    def own_lines(self) -> list[str]:
        """The lines that are the template's own words, beyond control tokens and the names of roles."""
        return list(dict.fromkeys(line for text in (self.prompt, self.whole) for line in _own_lines(text, self.texts)))

    @property
    def controls(self) -> frozenset[str]:
        """What the template wrote that looks like a control token."""
        return frozenset(CONTROL.findall(_without(self.texts, self.prompt + self.whole)))


@dataclass(frozen=True, slots=True)
class Parts:
    """What a template writes around the texts.

    Attributes:
        head: Before the first.
        between: Between system and user.
        tail: After them, where the model is to write.
        lead: The same in training, up to the answer.
        end: After the answer.
    """

    head: str
    between: str
    tail: str
    lead: str
    end: str


def sentinels(prompt: str) -> Texts:
    """Texts full of what templates change and have none of themselves; the system message holds ``prompt``."""
    return Texts(f"Zsystem {prompt} {_ODD}", f"Zuser {_ODD}", f"Zanswer {_ODD}")


def render_row(template: ChatTemplate, texts: Texts, kwargs: Mapping[str, Any], clock: datetime | None = None) -> Row:
    """Both renderings of a row; an empty system message is not sent. Raises what the template raises."""
    system = [{"role": "system", "content": texts.system}] if texts.system else []
    asked = [*system, {"role": "user", "content": texts.user}]
    whole = [*asked, {"role": "assistant", "content": texts.answer}]
    return Row(
        texts,
        template.render(asked, generation=True, clock=clock, **kwargs),
        template.render(whole, generation=False, clock=clock, **kwargs),
    )


def try_row(
    template: ChatTemplate, texts: Texts, kwargs: Mapping[str, Any], clock: datetime | None = None
) -> Row | None:
    """The same, or None where the template raises."""
    try:
        return render_row(template, texts, kwargs, clock)
    except Exception:  # noqa: BLE001 - templates are foreign code, which raises what it likes
        return None


def _own_lines(rendered: str, texts: Texts) -> Iterator[str]:
    for line in CONTROL.sub("\n", _without(texts, rendered)).splitlines():
        if _WORD.search(_ROLES.sub("", line)):
            yield line.strip()


def _without(texts: Texts, rendered: str) -> str:
    for text in filter(None, texts):
        rendered = rendered.replace(text, "\n")
    return rendered
