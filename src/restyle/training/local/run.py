"""One direction of local training: TRL's `SFTTrainer` on a LoRA adapter, resumed where it was killed."""

from __future__ import annotations

import json
import shutil
import warnings
from dataclasses import dataclass, replace
from math import ceil
from pathlib import Path
from typing import Any

from restyle.errors import RowError, TrainingError
from restyle.golden import GoldenPrompt
from restyle.messages import Role
from restyle.training.local.base import Base
from restyle.training.local.packing import check_packing
from restyle.training.local.precision import dtype_of, load_options
from restyle.training.local.processes import check_processes, devices, is_first
from restyle.training.local.progress import watch
from restyle.training.local.rows import IGNORED, Rows
from restyle.training.local.settings import LocalSettings
from restyle.training.local.tuned import Tuned
from restyle.training.losses import from_log_history
from restyle.training.plans import OnProgress, Progress
from restyle.training.templates import golden_prompt

__all__ = ["Run"]

_EVALUATIONS = 4  # an epoch; also how often a checkpoint is written
_UNFINISHED = "-training"  # the end of the name of a folder of checkpoints


@dataclass(frozen=True, slots=True)
class Run:
    """The training of one adapter.

    Attributes:
        role: Which direction.
        base: What it adapts.
        settings: How.
        train: The rows to learn.
        valid: The rows held out.
        adapter: The folder that will hold it; where it exists, the run is done.
    """

    role: Role
    base: Base
    settings: LocalSettings
    train: Rows
    valid: Rows
    adapter: Path

    @property
    def finished(self) -> bool:
        """Whether the adapter is there."""
        return self.adapter.is_dir()

    def finish(self, heard: OnProgress | None = None) -> None:
        """Train, or go on from the last whole checkpoint; a finished run stays as it is.

        Raises:
            RowError: TRL would not train on the rows as they are.
            TrainingError: It was cancelled meanwhile.
        """
        if not self.finished:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", FutureWarning)  # TRL and transformers of each other
                try:
                    self._train(heard)
                except OSError as error:  # of `_check_begun`, or a checkpoint was being written when its folder went
                    if self._begun.is_file():
                        raise
                    if is_first():
                        self.cancel()  # what was written since
                    raise TrainingError(f"{self.adapter.name} was cancelled: its checkpoints are gone") from error
        if heard is not None and is_first():
            tuned = self.tuned
            message = f"the adapter of step {tuned.best_step} is kept"
            heard(Progress(self.role, "succeeded", message, tuned.steps, tuned.steps, held_out_loss=tuned.loss))

    def cancel(self) -> None:
        """Delete what is unfinished; a process that trains it stops after the step at hand."""
        if self.checkpoints.is_dir():
            gone = self.checkpoints.with_name(f".{self.checkpoints.name}.cancelled")
            shutil.rmtree(gone, ignore_errors=True)
            self.checkpoints.rename(gone)
            shutil.rmtree(gone)

    @property
    def tuned(self) -> Tuned:
        """What a finished run left."""
        return Tuned.read(self.adapter)

    @property
    def overlap(self) -> bool:
        """Whether a text to learn is also held out."""
        return not {row.answer for row in self.train.rows}.isdisjoint(row.answer for row in self.valid.rows)

    def unfinished_others(self) -> list[Path]:
        """Folders of this direction's trainings that were begun from something else."""
        folders = self.adapter.parent.glob(f"{self.role}-*{_UNFINISHED}")
        return sorted(folder for folder in folders if folder != self.checkpoints)

    @property
    def checkpoints(self) -> Path:
        """The folder of what is unfinished."""
        return self.adapter.with_name(f"{self.adapter.name}{_UNFINISHED}")

    @property
    def steps(self) -> int:
        """Optimizer steps at most, as the trainer counts them."""
        per_device = ceil(len(self.train.rows) / self.settings.device_batch_size)
        return ceil(ceil(per_device / devices()) / self._accumulation) * self.settings.epochs

    @property
    def _accumulation(self) -> int:
        return max(1, self.settings.batch_size // self.settings.device_batch_size // devices())

    @property
    def _begun(self) -> Path:
        """What a cancelled training has not: the trainer would make its folder anew, but not this file."""
        return self.checkpoints / "begun"

    def _check_begun(self) -> None:
        self._begun.stat()

    def _train(self, heard: OnProgress | None) -> None:
        from transformers import EarlyStoppingCallback  # noqa: PLC0415 - of the extra 'local'

        self.checkpoints.mkdir(parents=True, exist_ok=True)
        self._begun.touch()
        trainer = self._trainer()
        self.train.check(trainer.train_dataset)
        if self.valid.rows:
            self.valid.check(trainer.eval_dataset)
        golden = self._golden(trainer)
        if self.settings.packing:
            check_packing(trainer, self.base.name)
        watcher = watch(trainer, self.role, heard, self._check_begun)
        # A fresh adapter adds nothing (its matrix B is zero; Hu et al. 2021): this is the base model's loss.
        base = trainer.evaluate(metric_key_prefix="base")["base_loss"] if self.valid.rows else None
        if self.valid.rows:
            trainer.add_callback(EarlyStoppingCallback(_EVALUATIONS))
        trainer.train(resume_from_checkpoint=_last_checkpoint(self.checkpoints))
        trainer.remove_callback(watcher)
        self._check_begun()
        curve = from_log_history(trainer.state.log_history, base=base)  # before the next line adds to it
        tuned = Tuned(
            golden=golden,
            held_out=len(self.valid.rows),
            loss=trainer.evaluate()["eval_loss"] if self.valid.rows else None,
            best_step=trainer.state.best_global_step or trainer.state.global_step,
            steps=trainer.state.global_step,
            longest=max(self.train.longest, self.valid.longest),
            dtype=dtype_of(self.settings),
            curve=curve,
        )
        unfinished = self.checkpoints / "adapter"
        trainer.save_model(str(unfinished))
        if trainer.is_world_process_zero():
            (unfinished / "training_args.bin").unlink(missing_ok=True)  # a pickle, which nobody needs to load
            tuned.write(unfinished)
            unfinished.replace(self.adapter)
            shutil.rmtree(self.checkpoints)
        trainer.accelerator.wait_for_everyone()

    def _trainer(self) -> Any:  # noqa: ANN401 - trl is not installed where types are checked
        import torch  # noqa: PLC0415 - of the extra 'local'
        from peft import LoraConfig  # noqa: PLC0415 - as above
        from trl import SFTConfig, SFTTrainer  # noqa: PLC0415 - as above

        settings, held_out = self.settings, bool(self.valid.rows)
        interval = 1 / (_EVALUATIONS * settings.epochs)  # of all steps
        arguments = SFTConfig(
            output_dir=str(self.checkpoints),
            max_length=None,  # TRL then neither cuts nor drops a row; `Rows.measure` has compared them with the window
            completion_only_loss=True,
            padding_free=settings.packing,
            num_train_epochs=settings.epochs,
            learning_rate=settings.learning_rate,
            warmup_steps=0.03,
            per_device_train_batch_size=settings.device_batch_size,
            per_device_eval_batch_size=settings.device_batch_size,
            gradient_accumulation_steps=self._accumulation,
            bf16=dtype_of(settings) == "bfloat16",
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
        check_processes(arguments.world_size)
        return SFTTrainer(
            model=self.base.load(**load_options(settings, arguments.device)),
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
