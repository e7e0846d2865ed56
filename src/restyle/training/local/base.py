"""The base model of local training: found, pinned to a commit, its chat template proven."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from restyle.errors import PromptError
from restyle.training.base import SAMPLING
from restyle.training.templates import TokenizerTemplate, check_template, control_tokens, thinking_off

__all__ = ["Base", "open_base"]

_WEIGHTS = frozenset({".safetensors", ".bin"})
_SAMPLE = 1 << 20  # bytes at each end of a file of weights: what tensors it has, and the values of some
_SAMPLING = ("temperature", "top_p", "top_k", "min_p")


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
        quantised: Whether its weights are kept in fewer bits than they were trained in.
    """

    name: str
    revision: str | None
    tokenizer: Any
    template: TokenizerTemplate
    window: int | None
    kwargs: dict[str, Any]
    quantised: bool

    def check(self, prompt: str) -> list[str]:
        """Prove that the chat template keeps ``prompt``, in training and at inference; returns its warnings.

        Raises:
            PromptError: It does not.
        """
        found = []
        for finding in check_template(self.template, prompt, kwargs=self.kwargs):
            text = f"the chat template of {self.name}: {finding.detail}\n{finding.diff}".rstrip()
            if finding.severity == "error":
                raise PromptError(text)
            found.append(text)
        return found

    @property
    def control_tokens(self) -> frozenset[str]:
        """What no text may hold: the model would take it for the chat template's own."""
        return control_tokens(self.template, kwargs=self.kwargs)

    @property
    def state(self) -> str:
        """What tells it from any other state of it: the commit; of a folder, a digest of what is in it.

        That is its configuration, tokenizer and chat template, and both ends of each file of weights.
        """
        if self.revision is not None:
            return self.revision
        digest = hashlib.sha256(self.template.source.encode())
        for path in sorted(Path(self.name).iterdir()):
            if path.suffix in _WEIGHTS:
                size = path.stat().st_size
                with path.open("rb") as file:
                    digest.update(b"%s %d " % (path.name.encode(), size) + file.read(_SAMPLE))
                    file.seek(max(0, size - _SAMPLE))
                    digest.update(file.read())
            elif path.name == "config.json" or path.name.startswith("tokenizer"):
                digest.update(path.name.encode() + path.read_bytes())
        return digest.hexdigest()

    @property
    def sampling(self) -> dict[str, float]:
        """What its makers advise in ``generation_config.json``, or what is usual.

        Where thinking can be turned off, as training does, the file's advice is for a model that thinks.
        """
        from transformers import GenerationConfig  # noqa: PLC0415 - of the extra 'local'

        try:
            advised = GenerationConfig.from_pretrained(self.name, revision=self.revision or "main").to_diff_dict()
        except OSError:  # many models have no such file
            advised = {}
        given = {name: advised[name] for name in _SAMPLING if advised.get(name) is not None}
        return given if given.get("temperature") and not self.kwargs else dict(SAMPLING)

    def load(self, **options: Any) -> Any:  # noqa: ANN401 - transformers is not installed where types are checked
        """The model; ``options`` are those of ``from_pretrained``."""
        from transformers import AutoModelForCausalLM  # noqa: PLC0415 - of the extra 'local'

        return AutoModelForCausalLM.from_pretrained(self.name, revision=self.revision or "main", **options)


def open_base(base: str, revision: str | None) -> Base:
    """Find a base model by its name on the Hub or by its folder, and pin it; no weights are fetched or read.

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
    return Base(
        name=name,
        revision=commit,
        tokenizer=tokenizer,
        template=template,
        window=getattr(config.get_text_config(), "max_position_embeddings", None),
        # A style needs no reasoning, and a switch left alone may be set otherwise by a server than by training.
        kwargs=thinking_off(template),
        quantised=getattr(config, "quantization_config", None) is not None,
    )
