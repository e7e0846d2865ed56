"""What can be set for training on this machine, and the reasons for what is set by default."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal, Self

from restyle.training.settings import check_adapter, read_settings

__all__ = ["DType", "LocalSettings"]

DType = Literal["auto", "bf16", "fp32"]

_ASIDE = frozenset({"report_to", "serve_url", "merge"})


@dataclass(frozen=True, slots=True)
class LocalSettings:
    """Settings of the provider ``local``.

    The adapter is on all linear layers, its learning rate ten times that of full fine-tuning and alpha 32 at any rank:
    so it equals full fine-tuning (Schulman et al. 2025, LoRA Without Regret, thinkingmachines.ai/blog/lora). 2e-4 and
    the dropout are those of Dettmers et al. 2023 (QLoRA, arXiv 2305.14314), who drop 0.1 in models of 7 and 13 billion
    parameters and 0.05 in larger ones. Held-out loss is measured four times an epoch; training ends after an epoch
    without improvement, and the best state is kept.

    Attributes:
        revision: Branch, tag or commit of a base on the Hub; its commit is what the card records. None means ``main``.
        epochs: Passes over the rows at most, 1-3: more of them makes a model less diverse.
        rank: Of the LoRA matrices. 16 is the largest that vLLM serves without ``--max-lora-rank``.
        alpha: LoRA scaling: updates are multiplied by alpha / rank.
        dropout: On the adapter's input, in [0, 1).
        learning_rate: Its peak; ten times what full fine-tuning takes.
        batch_size: Rows per step, over all devices.
        device_batch_size: Rows at once on one device, the rest of a step after them: less needs less memory.
        dtype: What is computed in: ``auto`` is bfloat16 where the device has it, else float32.
        load_in_4bit: Whether the base is quantised to NF4 while it trains (QLoRA): its weights take about a quarter of
            the memory, and each step more time. Needs the extra ``qlora``.
        packing: Whether the rows of a batch lie end to end without padding (TRL's ``padding_free``): faster where their
            lengths differ and FlashAttention is installed, else slower; losses stay the same. That no row sees
            another is proven before it begins.
        merge: Whether a merged model is written beside each adapter, for servers that load none.
        seed: Of the adapter's initialisation, the order of rows and dropout.
        report_to: TRL's ``report_to``: ``none``, ``trackio``, ``wandb``, ``tensorboard``, ...
        serve_url: Where the adapters will be served, for the card; the default is vLLM's own address.

    Raises:
        ValueError: A value is out of its range.
    """

    revision: str | None = None
    epochs: int = 3
    rank: int = 16
    alpha: int = 32
    dropout: float = 0.05
    learning_rate: float = 2e-4
    batch_size: int = 16
    device_batch_size: int = 4
    dtype: DType = "auto"
    load_in_4bit: bool = False
    packing: bool = False
    merge: bool = False
    seed: int = 0
    report_to: str = "none"
    serve_url: str = "http://127.0.0.1:8000/v1"

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size", "device_batch_size"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)!r}: give 1 or more")
        check_adapter(
            rank=self.rank,
            alpha=self.alpha,
            dropout=self.dropout,
            learning_rate=self.learning_rate,
            serve_url=self.serve_url,
        )
        if self.batch_size % self.device_batch_size:
            raise ValueError(
                f"batch_size is {self.batch_size}, no multiple of device_batch_size, {self.device_batch_size}"
            )
        if self.load_in_4bit and self.dtype == "fp32":
            raise ValueError("dtype is 'fp32', but a base in 4 bits is computed in bfloat16: leave dtype out")

    @property
    def recipe(self) -> dict[str, Any]:
        """What makes another adapter; where it is watched and served, and whether it is merged, does not."""
        return {name: value for name, value in asdict(self).items() if name not in _ASIDE}

    @classmethod
    def of(cls, options: Mapping[str, Any]) -> Self:
        """The settings with these options.

        Raises:
            ValueError: There is no such option, or its value is of another type or out of range.
        """
        return read_settings(cls, options, "local")
