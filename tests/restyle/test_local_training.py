from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace

import pytest

os.environ["HF_HUB_OFFLINE"] = "1"  # read when huggingface_hub is imported

pytest.importorskip("trl")

from typer.testing import CliRunner

from restyle.cli.app import app
from restyle.data.pairs import PairSet, build_pairs
from restyle.errors import PromptError, RowError
from restyle.style import Style
from restyle.training import train
from support import write_letters
from tiny_model import CHAT_TEMPLATE, QUICK

pytest_plugins = ["local_fixtures"]
pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="session")
def seen():
    """What the collator gave while the session's style was trained."""
    return []


@pytest.fixture(scope="session")
def tuned_home(demo_pairs, tiny, seen, tmp_path_factory):
    """A home with the keeper, trained once on the tiny model, by the command."""
    from trl.trainer.sft_trainer import DataCollatorForLanguageModeling

    home = tmp_path_factory.mktemp("tuned")
    collate = DataCollatorForLanguageModeling.torch_call

    def watched(self, examples):
        batch = collate(self, examples)
        rows = zip(batch["input_ids"].tolist(), batch["labels"].tolist(), batch["attention_mask"].tolist(), strict=True)
        seen.extend((tuple(ids[: sum(mask)]), sum(label != -100 for label in labels)) for ids, labels, mask in rows)
        return batch

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(DataCollatorForLanguageModeling, "torch_call", watched)
        flags = [word for name, value in QUICK.items() for word in (f"--{name.replace('_', '-')}", str(value))]
        command = ["train", str(demo_pairs.directory), "--provider", "local", "--base", str(tiny), "--home", str(home)]
        done = CliRunner().invoke(app, [*command, *flags])
    assert done.exit_code == 0, done.output
    return home


def test_the_loss_falls_below_the_bases(tuned_home, demo_pairs):
    style = Style.load("keeper", tuned_home)
    for role in ("restyle", "destyle"):
        metrics, record = style.metrics[role], style.training["adapters"][role]
        assert metrics["held_out"] == demo_pairs.manifest["pairs"]["valid"]
        assert 0 < metrics["loss"] < 0.95 * metrics["loss_of_base"]
        assert record["steps"] == -(-demo_pairs.manifest["pairs"]["train"] // 2)
        assert min(loss for _, loss in record["losses"]["held_out"]) == pytest.approx(metrics["loss"], abs=1e-3)


def test_the_base_loss_is_that_of_the_bare_model_on_the_completions_alone(tuned_home, demo_pairs, tiny):
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model, tokenizer = AutoModelForCausalLM.from_pretrained(tiny), AutoTokenizer.from_pretrained(tiny)
    by_row, size = [], 2  # a batch's mean counts once for each of its rows
    rows = demo_pairs.rows("restyle", "valid")
    for start in range(0, len(rows), size):
        total, tokens = 0.0, 0
        for row in rows[start : start + size]:
            prompt = tokenizer.apply_chat_template(row.ask.messages, add_generation_prompt=True)["input_ids"]
            answer = tokenizer(f"{row.answer}<|im_end|>\n")["input_ids"]
            with torch.no_grad():
                logits = model(torch.tensor([prompt + answer])).logits[0, len(prompt) - 1 : -1]
            total += torch.nn.functional.cross_entropy(logits, torch.tensor(answer), reduction="sum").item()
            tokens += len(answer)
        by_row.extend([total / tokens] * len(rows[start : start + size]))
    loss_of_base = Style.load("keeper", tuned_home).metrics["restyle"]["loss_of_base"]
    assert loss_of_base == pytest.approx(sum(by_row) / len(by_row), abs=1e-3)


def test_the_card_says_how_to_reach_what_was_trained(tuned_home, demo_pairs, tiny):
    style = Style.load("keeper", tuned_home)
    assert (style.restyle.prompt, style.destyle.prompt) == (demo_pairs.prompt("restyle"), demo_pairs.prompt("destyle"))
    for role, stage in (("restyle", style.restyle), ("destyle", style.destyle)):
        assert (stage.provider, stage.model) == ("openai", f"keeper-{role}")
        assert stage.base_url == "http://127.0.0.1:8000/v1"
        assert stage.request == {"temperature": 0.7, "top_p": 0.8}
    assert style.dataset == demo_pairs.digest
    assert (style.training["base"], style.training["revision"]) == (str(tiny.resolve()), None)
    assert style.training["settings"]["rank"] == QUICK["rank"]
    assert style.training["packages"].keys() >= {"torch", "transformers", "trl", "peft"}


def test_the_golden_prompt_is_what_the_collator_saw(tuned_home, demo_pairs, seen):
    style = Style.load("keeper", tuned_home)
    for role in ("restyle", "destyle"):
        golden, row = style.stage(role).golden, demo_pairs.rows(role, "train")[0]
        assert golden.messages == row.ask.messages
        prompts = {ids[: len(ids) - completion] for ids, completion in seen}
        assert tuple(golden.ids) in prompts
        assert golden.template_digest
        assert golden.text == (
            f"<|im_start|>system\n{row.ask.system}<|im_end|>\n<|im_start|>user\n{row.ask.user}<|im_end|>\n"
            "<|im_start|>assistant\n"
        )


def test_every_row_was_trained_whole(tuned_home, demo_pairs, seen, tiny):
    from transformers import AutoTokenizer

    tokenizer, whole = AutoTokenizer.from_pretrained(tiny), {ids for ids, _ in seen}
    for role in ("restyle", "destyle"):
        rows = demo_pairs.rows(role, "train")
        expected = [
            tuple(
                tokenizer.apply_chat_template([*row.ask.messages, {"role": "assistant", "content": row.answer}])[
                    "input_ids"
                ]
            )
            for row in rows
        ]
        assert set(expected) <= whole
        longest = max(map(len, [*expected]))
        assert Style.load("keeper", tuned_home).training["adapters"][role]["longest_row"] >= longest


@pytest.mark.filterwarnings("ignore::FutureWarning:transformers")  # raised by PEFT
def test_the_adapter_loads_and_generates(tuned_home, tiny):
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM, AutoTokenizer

    style = Style.load("keeper", tuned_home)
    folder = style.directory / style.training["adapters"]["restyle"]["folder"]
    names = {path.name for path in folder.iterdir()}
    assert names >= {"adapter_config.json", "adapter_model.safetensors", "chat_template.jinja", "tokenizer.json"}
    assert not [name for name in names if name.endswith((".bin", ".pt", ".pkl"))]
    assert not list(style.directory.glob("*-training"))
    tokenizer, bare = AutoTokenizer.from_pretrained(folder), AutoModelForCausalLM.from_pretrained(tiny)
    ids = torch.tensor([style.restyle.golden.ids])
    with torch.no_grad():
        before = bare(ids).logits
        model = PeftModel.from_pretrained(bare, folder)
        assert not torch.allclose(model(ids).logits, before)
    answer = model.generate(input_ids=ids, attention_mask=torch.ones_like(ids), max_new_tokens=8, do_sample=False)
    assert tokenizer.decode(answer[0, ids.shape[1] :])


def test_a_finished_run_is_not_trained_again(tuned_home, demo_pairs, tiny, monkeypatch):
    import trl

    card = Style.load("keeper", tuned_home)
    monkeypatch.setattr(trl, "SFTTrainer", None)
    again = train(demo_pairs, provider="local", base=str(tiny), home=tuned_home, **QUICK)
    assert again == card


TRAINING = """
import sys
from restyle.training import train
train(sys.argv[1], provider="local", base=sys.argv[2], batch_size=1, device_batch_size=1)
"""


def test_a_killed_run_goes_on_from_its_checkpoint(letter_pairs, tiny, home):
    command = [sys.executable, "-c", TRAINING, str(letter_pairs.directory), str(tiny)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    first = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment)
    deadline = time.monotonic() + 60
    while not (states := list(home.glob("styles/author/restyle-*-training/checkpoint-*/trainer_state.json"))):
        assert first.poll() is None, "the run ended before it could be killed"
        assert time.monotonic() < deadline
        time.sleep(0.02)
    os.kill(first.pid, signal.SIGKILL)
    assert first.wait() == -signal.SIGKILL
    assert Style.list() == []
    # What a kill in the middle of writing leaves: a newer checkpoint without its end.
    broken = states[0].parent.with_name("checkpoint-9999")
    broken.mkdir()
    (broken / "trainer_state.json").write_text("{")

    from transformers import TrainerCallback
    from trl import SFTTrainer

    begun = []
    original = SFTTrainer.train

    class Begun(TrainerCallback):
        def on_train_begin(self, _args, state, _control, **_):
            begun.append(state.global_step)

    def watched(self, **options):
        self.add_callback(Begun())
        return original(self, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(SFTTrainer, "train", watched)
        style = train(letter_pairs, provider="local", base=str(tiny), batch_size=1, device_batch_size=1)
    assert begun[0] > 0
    assert begun[1] == 0
    record = style.training["adapters"]["restyle"]
    steps = [step for step, _ in record["losses"]["held_out"]]
    assert steps == sorted(set(steps))
    assert steps[0] <= begun[0] < steps[-1]


@pytest.fixture
def refused(letter_pairs, home, monkeypatch):
    """Training that is refused before anything is trained or saved."""
    import trl

    monkeypatch.setattr(trl, "SFTTrainer", None)

    def refuse(error, match, base, pairs=letter_pairs, **options):
        with pytest.raises(error, match=match):
            train(pairs, provider="local", base=None if base is None else str(base), **options)
        assert not home.exists()

    return refuse


def test_a_row_longer_than_the_models_window_is_named(refused, letter_pairs, tiny, tmp_path):
    from transformers import AutoTokenizer

    path, tokenizer = letter_pairs.directory / "destyle/train.jsonl", AutoTokenizer.from_pretrained(tiny)
    rows = letter_pairs.rows("destyle", "train")
    sizes = [
        len(
            tokenizer.apply_chat_template([*row.ask.messages, {"role": "assistant", "content": row.answer}])[
                "input_ids"
            ]
        )
        for row in rows
    ]
    window = max(sizes) - 1
    small = shutil.copytree(tiny, tmp_path / "small")
    config = json.loads((small / "config.json").read_text())
    (small / "config.json").write_text(json.dumps(config | {"max_position_embeddings": window}))
    # The system prompt of the other direction is shorter: it fits, so that the second direction's rows are what fails.
    place = f"{path}:{sizes.index(window + 1) + 1}".replace("destyle", "(re|de)style")
    refused(RowError, f"{place}: {window + 1} tokens, but .*small reads {window}", small)


@pytest.mark.parametrize(
    ("base", "problem"),
    [
        (None, "the local provider needs a base"),
        ("/nowhere/model", "base is '/nowhere/model': no such folder"),
        ("./model", "base is './model': no such folder"),
        ("nobody/nothing", "base is 'nobody/nothing', but no model could be read there"),
    ],
)
def test_a_base_that_is_not_there(refused, base, problem):
    refused(ValueError, problem, base)


def test_a_folder_has_no_revision(refused, tiny):
    refused(ValueError, "revision is 'v1', but .* is a folder", tiny, revision="v1")


def test_a_folder_without_a_model(refused, tmp_path):
    (tmp_path / "empty").mkdir()
    refused(ValueError, "no model could be read there", tmp_path / "empty")


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"epoch": 1}, "unknown option 'epoch': the provider 'local' has revision, epochs"),
        ({"epochs": 0}, "epochs is 0: give 1 or more"),
        ({"learning_rate": 2.0}, "learning_rate is 2.0"),
        ({"dropout": 1.0}, "dropout is 1.0"),
        ({"batch_size": 6}, "batch_size is 6, no multiple of device_batch_size, 4"),
        ({"serve_url": "localhost:8000"}, "the serve_url must be http"),
    ],
)
def test_options_that_cannot_be(refused, tiny, options, problem):
    refused(ValueError, problem, tiny, **options)


def test_the_embedded_provider_refuses_these_options(letter_pairs, home):
    with pytest.raises(ValueError, match="the provider 'embedded' has no option 'epochs'"):
        train(letter_pairs, epochs=1)
    assert not home.exists()


def with_template(tiny, folder, template):
    shutil.copytree(tiny, folder)
    (folder / "chat_template.jinja").write_text(template)
    return folder


def test_a_template_that_changes_the_prompt_stops_the_training(refused, tiny, tmp_path):
    shouting = CHAT_TEMPLATE.replace("message.content", "message.content | upper")
    refused(PromptError, "the chat template of .*loud: ", with_template(tiny, tmp_path / "loud", shouting))


def test_a_text_with_the_templates_own_tokens_is_named(refused, tiny, tmp_path):
    sources, recorded = write_letters(tmp_path / "odd")
    recorded.write_text(recorded.read_text("utf-8").replace("looked sad", "looked <|im_end|> sad"), "utf-8")
    pairs = build_pairs(sources, style="author", teacher=recorded, out=tmp_path / "odd/pairs")
    refused(RowError, r"restyle/train\.jsonl:1: the text holds '<\|im_end\|>'", tiny, pairs=pairs)


def test_rows_that_trl_would_cut_or_drop_are_refused(few_pairs, tiny):
    from restyle.training.local.base import open_base
    from restyle.training.local.rows import Rows

    path = few_pairs.directory / "restyle/train.jsonl"
    rows = Rows.measure(path, few_pairs.rows("restyle", "train"), open_base(str(tiny), None))
    prepared = [
        {"input_ids": [7] * whole, "labels": [-100] * prompt + [7] * (whole - prompt)} for prompt, whole in rows.lengths
    ]
    rows.check(prepared)
    cut = [*prepared[:2], {name: ids[:-1] for name, ids in prepared[2].items()}, *prepared[3:]]
    with pytest.raises(RowError, match=r"train\.jsonl:3: .* as TRL prepares it"):
        rows.check(cut)
    all_tokens = [{"input_ids": row["input_ids"], "labels": row["input_ids"]} for row in prepared]
    with pytest.raises(RowError, match=r"train\.jsonl:1: .* 0 in"):
        rows.check(all_tokens)
    with pytest.raises(RowError, match=f"{len(prepared)} rows, of which TRL keeps {len(prepared) - 1}"):
        rows.check(prepared[:-1])


def test_a_switch_for_thinking_is_off_in_training_and_in_the_card(letter_pairs, tiny, tmp_path, home):
    thinking = CHAT_TEMPLATE.replace(
        "{{ '<|im_start|>assistant\n' }}",
        "{{ '<|im_start|>assistant\n' }}{% if enable_thinking %}{{ '<think>\n' }}{% endif %}",
    )
    base = with_template(tiny, tmp_path / "thinking", thinking)
    style = train(letter_pairs, provider="local", base=str(base), **QUICK)
    assert home in style.directory.parents
    for stage in (style.restyle, style.destyle):
        assert stage.request["chat_template_kwargs"] == stage.golden.kwargs == {"enable_thinking": False}
        assert stage.golden.text.endswith("<|im_start|>assistant\n")


def test_without_held_out_pairs_all_epochs_are_trained_and_it_is_said(tiny, tmp_path, home):
    sources, recorded = write_letters(tmp_path, documents=2, passages=3)
    pairs = build_pairs(sources, style="author", teacher=recorded, out=tmp_path / "pairs")
    assert pairs.manifest["pairs"]["valid"] == 0
    with pytest.warns(UserWarning, match=r"(re|de)style: no held-out loss"):
        style = train(pairs, provider="local", base=str(tiny), batch_size=2, device_batch_size=2)
    assert Style.load("author", home) == style
    assert style.metrics["restyle"] == {"held_out": 0}
    record = style.training["adapters"]["restyle"]
    assert record["steps"] == record["best_step"] == 3 * -(-pairs.manifest["pairs"]["train"] // 2)


def test_training_ends_where_the_held_out_loss_rises_and_the_best_is_kept(letter_pairs, tiny, home, monkeypatch):
    original = PairSet.rows

    def estranged(self, role, split):
        rows = original(self, role, split)
        # Of signs that no row for training has: the better those are learnt, the less likely are these.
        return [replace(row, answer="ÞØß§ " * 20 + "Þ") for row in rows] if split == "valid" else rows

    monkeypatch.setattr(PairSet, "rows", estranged)
    options = {"learning_rate": 0.01, "batch_size": 1, "device_batch_size": 1}
    style = train(letter_pairs, provider="local", base=str(tiny), **options)
    assert Style.load("author", home) == style
    record, metrics = style.training["adapters"]["restyle"], style.metrics["restyle"]
    held_out = dict(record["losses"]["held_out"])
    assert record["best_step"] < record["steps"] < 3 * letter_pairs.manifest["pairs"]["train"]
    assert held_out[record["best_step"]] == min(held_out.values()) == pytest.approx(metrics["loss"], abs=1e-3)


def test_the_command(letter_pairs, tiny, home, command):
    arguments = ("--provider", "local", "--base", str(tiny), "--epochs", "1", "--rank", "4", "--batch-size", "4")
    done = command("train", str(letter_pairs.directory), *arguments, "--serve-url", "http://gpu:9000/v1")
    assert done.status == 0, done.err
    assert "loss of the base model" in done.out
    assert "author-restyle: " in done.out
    style = Style.load("author", home)
    assert style.restyle.base_url == "http://gpu:9000/v1"
    assert (style.training["settings"]["rank"], style.training["settings"]["epochs"]) == (4, 1)
