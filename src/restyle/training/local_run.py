"""One direction of local training: TRL's `SFTTrainer` on a LoRA adapter, resumed where it was killed."""

from __future__ import annotations

import json
import os
import shutil
import warnings
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from restyle.errors import RowError
from restyle.files import write_atomically
from restyle.golden import GoldenPrompt
from restyle.training.local_base import Base, has_bfloat16
from restyle.training.local_rows import IGNORED, Rows
from restyle.training.local_settings import LocalSettings
from restyle.training.losses import LossCurve, from_log_history
from restyle.training.templates import golden_prompt

__all__ = ["Run", "Tuned"]

_EVALUATIONS = 4  # an epoch; also how often a checkpoint is written
_RECORD = "training.json"


@dataclass(frozen=True, slots=True)
class Tuned:
    """What came out of one direction.

    Attributes:
        golden: The prompt of the first row, its ids cut from what the collator gave.
        held_out: Rows held out.
        loss: Held-out loss of the adapter that was kept, in nats per token of the completions, averaged over batches;
            None where nothing is held out.
        best_step: The step whose adapter was kept.
        steps: Steps trained.
        longest: Tokens of the longest row: longer texts than that were never seen.
        curve: Losses by step, the held-out ones of the whole file.
    """

    golden: GoldenPrompt
    held_out: int
    loss: float | None
    best_step: int
    steps: int
    longest: int
    curve: LossCurve

    @property
    def kept(self) -> LossCurve:
        """The losses up to the step whose adapter was kept: a rise after it was found in time."""
        return replace(
            self.curve,
            train=tuple(point for point in self.curve.train if point.step <= self.best_step),
            full_held_out=tuple(point for point in self.curve.full_held_out if point.step <= self.best_step),
        )


@dataclass(frozen=True, slots=True)
class Run:
    """The training of one adapter.

    Attributes:
        base: What it adapts.
        settings: How.
        train: The rows to learn.
        valid: The rows held out.
        adapter: The folder that will hold it; where it exists, the run is done.
    """

    base: Base
    settings: LocalSettings
    train: Rows
    valid: Rows
    adapter: Path

    def finish(self) -> Tuned:
        """Train, or go on from the last whole checkpoint, or read what a finished run left.

        Raises:
            RowError: TRL would not train on the rows as they are.
        """
        if not self.adapter.is_dir():
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", FutureWarning)  # TRL and transformers of each other
                self._train()
        return TypeAdapter(Tuned).validate_json((self.adapter / _RECORD).read_bytes())

    @property
    def overlap(self) -> bool:
        """Whether a text to learn is also held out."""
        return not {row.answer for row in self.train.rows}.isdisjoint(row.answer for row in self.valid.rows)

    @property
    def _checkpoints(self) -> Path:
        return self.adapter.with_name(f"{self.adapter.name}-training")

    def _train(self) -> None:
        from transformers import EarlyStoppingCallback  # noqa: PLC0415 - of the extra 'local'

        trainer = self._trainer()
        self.train.check(trainer.train_dataset)
        if self.valid.rows:
            self.valid.check(trainer.eval_dataset)
        golden = self._golden(trainer)
        # A fresh adapter adds nothing (its matrix B is zero; Hu et al. 2021): this is the base model's loss.
        base = trainer.evaluate(metric_key_prefix="base")["base_loss"] if self.valid.rows else None
        if self.valid.rows:
            trainer.add_callback(EarlyStoppingCallback(_EVALUATIONS))
        trainer.train(resume_from_checkpoint=_last_checkpoint(self._checkpoints))
        curve = from_log_history(trainer.state.log_history, base=base)  # before the next line adds to it
        tuned = Tuned(
            golden=golden,
            held_out=len(self.valid.rows),
            loss=trainer.evaluate()["eval_loss"] if self.valid.rows else None,
            best_step=trainer.state.best_global_step or trainer.state.global_step,
            steps=trainer.state.global_step,
            longest=max(self.train.longest, self.valid.longest),
            curve=curve,
        )
        unfinished = self._checkpoints / "adapter"
        trainer.save_model(str(unfinished))
        if trainer.is_world_process_zero():
            (unfinished / "training_args.bin").unlink(missing_ok=True)  # a pickle, which nobody needs to load
            write_atomically(unfinished / _RECORD, json.dumps(asdict(tuned), indent=2, ensure_ascii=False))
            unfinished.replace(self.adapter)
            shutil.rmtree(self._checkpoints)
        trainer.accelerator.wait_for_everyone()

    def _trainer(self) -> Any:  # noqa: ANN401 - trl is not installed where types are checked
        import torch  # noqa: PLC0415 - of the extra 'local'
        from peft import LoraConfig  # noqa: PLC0415 - as above
        from trl import SFTConfig, SFTTrainer  # noqa: PLC0415 - as above

        settings, held_out = self.settings, bool(self.valid.rows)
        interval = 1 / (_EVALUATIONS * settings.epochs)  # of all steps
        arguments = SFTConfig(
            output_dir=str(self._checkpoints),
            max_length=None,  # TRL then neither cuts nor drops a row; `Rows.measure` has compared them with the window
            completion_only_loss=True,
            num_train_epochs=settings.epochs,
            learning_rate=settings.learning_rate,
            warmup_steps=0.03,
            per_device_train_batch_size=settings.device_batch_size,
            per_device_eval_batch_size=settings.device_batch_size,
            gradient_accumulation_steps=max(1, settings.batch_size // settings.device_batch_size // _devices()),
            bf16=has_bfloat16(),
            seed=settings.seed,
            data_seed=settings.seed,
            logging_steps=interval / 2,
            eval_strategy="steps" if held_out else "no",
            eval_steps=interval,
            save_strategy="steps",
            save_steps=interval,
            save_total_limit=2,  # the best and the last
            load_best_model_at_end=held_out,
            metric_for_best_model="eval_loss" if held_out else None,
            greater_is_better=False,
            report_to=settings.report_to,
            run_name=self.adapter.name,
            dataloader_pin_memory=torch.cuda.is_available(),
        )
        return SFTTrainer(
            model=self.base.load(),
            args=arguments,
            train_dataset=self.train.dataset(),
            eval_dataset=self.valid.dataset() if held_out else None,
            processing_class=self.base.tokenizer,
            peft_config=LoraConfig(
                task_type="CAUSAL_LM",
                r=settings.rank,
                lora_alpha=settings.alpha,
                lora_dropout=settings.dropout,
                target_modules="all-linear",
                revision=self.base.revision,
            ),
        )

    def _golden(self, trainer: Any) -> GoldenPrompt:  # noqa: ANN401 - as above
        """The prompt of the first row, its ids those that the collator makes, and the template's text for them."""
        batch = trainer.data_collator([trainer.train_dataset[0]])
        ids, labels = batch["input_ids"][0].tolist(), batch["labels"][0].tolist()
        seen = ids[: next(place for place, label in enumerate(labels) if label != IGNORED)]
        ask, base = self.train.rows[0].ask, self.base
        golden = golden_prompt(
            base.template, ask.system, ask.user, base=base.name, revision=base.revision, kwargs=base.kwargs
        )
        if difference := golden.compare(None, seen):
            raise RowError(f"{self.train.path}:1: trained as another prompt than is rendered: {difference}")
        return replace(golden, ids=seen)


def _devices() -> int:
    """How many share a step: the processes of ``torchrun`` or ``accelerate launch``, else the GPUs of this one."""
    import torch  # noqa: PLC0415 - of the extra 'local'

    return int(os.environ.get("WORLD_SIZE", "0")) or max(1, torch.cuda.device_count())


def _last_checkpoint(folder: Path) -> str | None:
    """The newest checkpoint that was written to its end: its last file is there and whole."""
    found = sorted(folder.glob("checkpoint-*"), key=lambda path: int(path.name.rpartition("-")[2]))
    for path in reversed(found):
        try:
            json.loads((path / "trainer_state.json").read_bytes())
        except (OSError, ValueError):
            shutil.rmtree(path, ignore_errors=True)
        else:
            return str(path)
    return None
