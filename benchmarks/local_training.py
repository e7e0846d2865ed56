"""Local training against plain TRL with the same settings: tokens per second and peak memory.

Run: python benchmarks/local_training.py [--rounds N]. The models are randomly initialised: of the shape of Qwen3-0.6B
where there is a CUDA GPU, else of a toy's; the tokenizer is trained on the demonstration's papers, whose pairs are the
rows. Each side trains one adapter in a process of its own, in turns, and medians are compared. Times are those of the
training loop, evaluations and checkpoints included; memory is the GPU's peak, or the process's where there is none.
Needs the extra 'local'.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

os.environ |= {"HF_HUB_OFFLINE": "1"}
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

import torch
from peft import LoraConfig
from transformers import AutoModelForCausalLM, AutoTokenizer, EarlyStoppingCallback
from trl import SFTConfig, SFTTrainer

from restyle.data.pairs import PairSet, build_pairs
from restyle.data.rows import to_json
from restyle.demo import CORPUS, RECORDED, STYLE
from restyle.training.local.base import open_base
from restyle.training.local.rows import Rows
from restyle.training.local.run import Run
from restyle.training.local.settings import LocalSettings
from tiny_model import make_tiny_model

GPU = torch.cuda.is_available()
SETTINGS = LocalSettings(epochs=3 if GPU else 1)
QWEN = {  # the shape of Qwen3-0.6B
    "vocab_size": 151936,
    "hidden_size": 1024,
    "intermediate_size": 3072,
    "num_hidden_layers": 28,
    "num_attention_heads": 16,
    "num_key_value_heads": 8,
    "head_dim": 128,
    "initializer_range": 0.02,
    "tie_word_embeddings": True,
}


def ours(base: Path, pairs: PairSet, folder: Path, settings: LocalSettings = SETTINGS) -> None:
    """The project's own run."""
    opened = open_base(str(base), None)
    train, valid = (
        Rows.measure(pairs.directory / split, pairs.rows("restyle", split), opened) for split in ("train", "valid")
    )
    Run("restyle", opened, settings, train, valid, folder / "adapter").finish()


def packed(base: Path, pairs: PairSet, folder: Path) -> None:
    """The same with rows end to end, as nothing else is: the tokens that are counted have no padding."""
    ours(base, pairs, folder, replace(SETTINGS, packing=True))


def plain(base: Path, pairs: PairSet, folder: Path) -> None:
    """What one would write with TRL alone: no row is checked, no prompt kept, no base model measured."""
    from datasets import Dataset  # noqa: PLC0415 - beside the code that it belongs to

    rows = {
        split: Dataset.from_list([json.loads(to_json(row)) for row in pairs.rows("restyle", split)])
        for split in ("train", "valid")
    }
    interval = 1 / (4 * SETTINGS.epochs)
    arguments = SFTConfig(
        output_dir=str(folder / "plain"),
        max_length=None,
        num_train_epochs=SETTINGS.epochs,
        learning_rate=SETTINGS.learning_rate,
        warmup_steps=0.03,
        per_device_train_batch_size=SETTINGS.device_batch_size,
        per_device_eval_batch_size=SETTINGS.device_batch_size,
        gradient_accumulation_steps=SETTINGS.batch_size // SETTINGS.device_batch_size,
        bf16=GPU,
        seed=SETTINGS.seed,
        data_seed=SETTINGS.seed,
        logging_steps=interval / 2,
        eval_strategy="steps",
        eval_steps=interval,
        save_steps=interval,
        save_total_limit=2,
        load_best_model_at_end=True,
        metric_for_best_model="eval_loss",
        dataloader_pin_memory=GPU,
    )
    lora = LoraConfig(
        task_type="CAUSAL_LM",
        r=SETTINGS.rank,
        lora_alpha=SETTINGS.alpha,
        lora_dropout=SETTINGS.dropout,
        target_modules="all-linear",
    )
    SFTTrainer(
        model=AutoModelForCausalLM.from_pretrained(base, dtype=torch.bfloat16 if GPU else torch.float32),
        args=arguments,
        train_dataset=rows["train"],
        eval_dataset=rows["valid"],
        processing_class=AutoTokenizer.from_pretrained(base),
        peft_config=lora,
        callbacks=[EarlyStoppingCallback(4)],
    ).train()


_SIDES = {"plain": plain, "ours": ours, "packed": packed}


def measure(side: str, folder: Path) -> dict[str, float]:
    """Train here, and say how fast and with how much memory."""
    figures: dict[str, float] = {}
    original = SFTTrainer.train

    def timed(self: Any, *arguments: Any, **options: Any) -> Any:  # noqa: ANN401 - passed through
        start = time.perf_counter()
        outcome = original(self, *arguments, **options)
        tokens = self.state.log_history[-2]["eval_num_tokens"]  # the last evaluation's count of tokens trained on
        figures["speed"] = tokens / (time.perf_counter() - start)
        return outcome

    SFTTrainer.train = timed
    _SIDES[side](folder / "base", PairSet.load(folder / "pairs"), Path(tempfile.mkdtemp()))
    peak = torch.cuda.max_memory_allocated() if GPU else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return figures | {"peak": peak / 2**20}


def main() -> None:
    """Print the comparison."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3, help="how often each side trains")
    parser.add_argument("--side", choices=tuple(_SIDES), help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.side:
        print(json.dumps(measure(chosen.side, chosen.folder)))
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        pairs = build_pairs(CORPUS, style=STYLE, teacher=RECORDED, out=folder / "pairs")
        make_tiny_model(folder / "base", pairs.author_texts(), **(QWEN if GPU else {}))
        found: dict[str, list[dict[str, float]]] = {side: [] for side in _SIDES}
        for _ in range(chosen.rounds):
            for side, figures in found.items():
                command = [sys.executable, __file__, "--side", side, "--folder", name]
                done = subprocess.run(command, check=True, stdout=subprocess.PIPE, env={**os.environ, "TMPDIR": name})
                figures.append(json.loads(done.stdout.splitlines()[-1]))
    device = torch.cuda.get_device_name() if GPU else "CPU"
    print(f"\n{device}, {'the shape of Qwen3-0.6B' if GPU else 'a toy model'}, {chosen.rounds} rounds")
    median = {
        side: {key: statistics.median(each[key] for each in figures) for key in ("speed", "peak")}
        for side, figures in found.items()
    }
    for side, figures in median.items():
        print(f"  {side:>6}: {figures['speed']:,.0f} tokens/s, peak {figures['peak']:,.0f} MiB")
    for side in ("ours", "packed"):
        ratio = {key: median[side][key] / median["plain"][key] for key in ("speed", "peak")}
        print(f"  {side} / plain TRL: {ratio['speed']:.3f} of the speed, {ratio['peak']:.3f} of the memory")


if __name__ == "__main__":
    main()
