"""The base model of local training: found, pinned to a commit, its chat template proven."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from restyle.errors import PromptError
from restyle.training.templates import TokenizerTemplate, check_template, control_tokens, thinking_off

__all__ = ["Base", "has_bfloat16", "open_base"]


@dataclass(frozen=True, slots=True)
class Base:
    """A base model whose weights are not loaded yet.

    Attributes:
        name: Its name on the Hub, or the absolute path of its folder.
        revision: The commit on the Hub; None for a folder.
        tokenizer: Its Hugging Face tokenizer.
        template: That tokenizer's chat template.
        window: The most tokens that it reads; None where its configuration has no limit.
        kwargs: Variables of its chat template that training sets and inference must send.
    """

    name: str
    revision: str | None
    tokenizer: Any
    template: TokenizerTemplate
    window: int | None
    kwargs: dict[str, Any]

    def check(self, prompt: str) -> None:
        """Prove that the chat template keeps ``prompt``, in training and at inference; its warnings are passed on.

        Raises:
            PromptError: It does not.
        """
        for finding in check_template(self.template, prompt, kwargs=self.kwargs):
            text = f"the chat template of {self.name}: {finding.detail}\n{finding.diff}".rstrip()
            if finding.severity == "error":
                raise PromptError(text)
            warnings.warn(text, UserWarning, stacklevel=2)

    @property
    def control_tokens(self) -> frozenset[str]:
        """What no text may hold: the model would take it for the chat template's own."""
        return control_tokens(self.template, kwargs=self.kwargs)

    def load(self) -> Any:  # noqa: ANN401 - transformers is not installed where types are checked
        """The model, in bfloat16 where the device computes in it, else in float32."""
        import torch  # noqa: PLC0415 - of the extra 'local'
        from transformers import AutoModelForCausalLM  # noqa: PLC0415 - as above

        dtype = torch.bfloat16 if has_bfloat16() else torch.float32
        return AutoModelForCausalLM.from_pretrained(self.name, revision=self.revision or "main", dtype=dtype)


def has_bfloat16() -> bool:
    """Whether there is an accelerator that computes in bfloat16."""
    from transformers.utils import is_torch_bf16_gpu_available  # noqa: PLC0415 - of the extra 'local'

    return bool(is_torch_bf16_gpu_available())


def open_base(base: str, revision: str | None) -> Base:
    """Find a base model by its name on the Hub or by its folder, and pin it.

    Raises:
        ValueError: There is none, or it cannot be read.
        PromptError: It has no chat template.
    """
    from transformers import AutoConfig, AutoTokenizer  # noqa: PLC0415 - of the extra 'local'

    path = Path(base).expanduser()
    is_folder = path.is_dir()
    if is_folder and revision is not None:
        raise ValueError(f"revision is {revision!r}, but {base} is a folder, which has none: leave it out")
    if not is_folder and (path.is_absolute() or base.startswith((".", "~"))):
        raise ValueError(f"base is {base!r}: no such folder; give that of a model, or a name on the Hugging Face Hub")
    name = str(path.resolve()) if is_folder else base
    try:
        config = AutoConfig.from_pretrained(name, revision=revision or "main")
        # By its commit from here on: the branch may move between two downloads.
        commit = None if is_folder else config._commit_hash  # noqa: SLF001 - no other way to it works offline
        tokenizer = AutoTokenizer.from_pretrained(name, revision=commit or "main")
    except (OSError, ValueError) as error:
        raise ValueError(
            f"base is {base!r}, but no model could be read there: give the folder of a model in the transformers "
            f"format, or a name on the Hugging Face Hub (transformers says: {str(error).splitlines()[0]})"
        ) from error
    template = TokenizerTemplate(tokenizer)
    window = getattr(config.get_text_config(), "max_position_embeddings", None)
    # A style needs no reasoning, and a switch that is left alone may be set otherwise by a server than by training.
    return Base(name, commit, tokenizer, template, window, thinking_off(template))
