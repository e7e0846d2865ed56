"""What is known of a local training before, while and after it runs."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil

import pytest

os.environ["HF_HUB_OFFLINE"] = "1"  # read when huggingface_hub is imported

pytest.importorskip("trl")

from restyle.data.pairs import build_pairs
from restyle.errors import MissingExtraError, TrainingError
from restyle.style import Style
from restyle.training.base import prepare
from restyle.training.local.base import open_base
from restyle.training.local.merging import merge
from restyle.training.local.precision import load_options
from restyle.training.local.settings import LocalSettings
from restyle.training.plans import Part
from support import write_letters
from tiny_model import CHAT_TEMPLATE, QUICK

pytest_plugins = ["local_fixtures"]
pytestmark = pytest.mark.usefixtures("one_thread")

ROLES = ("restyle", "destyle")


@pytest.fixture
def local(letter_pairs, tiny, home):
    """Prepare a training of the letters on the tiny model."""
    assert not home.exists()

    def local(base=tiny, pairs=letter_pairs, **options):
        return prepare(pairs, provider="local", base=str(base), **QUICK | options)

    return local


@pytest.fixture(scope="module")
def tuned_letters(tiny, tmp_path_factory):
    """A training that is done, but for the card."""
    folder = tmp_path_factory.mktemp("letters")
    sources, recorded = write_letters(folder)
    pairs = build_pairs(sources, style="author", teacher=recorded, out=folder / "pairs")
    training = prepare(pairs, provider="local", base=str(tiny), home=folder / "home", **QUICK)
    training.wait()
    return training


def interrupt(progress):
    if progress.status == "running" and progress.step:
        raise KeyboardInterrupt


def test_the_plan_counts_without_reading_weights(local, letter_pairs, tiny, home, tmp_path):
    from transformers import AutoTokenizer

    bare = shutil.copytree(tiny, tmp_path / "bare")
    (bare / "model.safetensors").write_bytes(b"no weights")
    plan = local(bare, epochs=3).plan
    tokenizer, counts = AutoTokenizer.from_pretrained(tiny), letter_pairs.manifest["pairs"]
    for role in ROLES:
        rows = [
            [*row.ask.messages, {"role": "assistant", "content": row.answer}]
            for row in letter_pairs.rows(role, "train")
        ]
        tokens = sum(len(tokenizer.apply_chat_template(row)["input_ids"]) for row in rows)
        assert plan.parts[role] == Part(counts["train"], counts["valid"], tokens, 3 * -(-counts["train"] // 2))
    assert (plan.style, plan.provider, plan.base) == ("author", "local", str(bare.resolve()))
    assert (plan.epochs, plan.exact, plan.cost, plan.advice, plan.warnings) == (3, True, 0.0, "", ())
    assert not home.exists()


def test_the_same_training_has_the_same_name_and_another_has_another(local, tiny, tmp_path):
    name = local().id
    assert name == local(report_to="none", serve_url="http://gpu:9000/v1", merge=True).id
    assert name.startswith("author-")
    assert local().runs["restyle"].adapter.name == name.replace("author", "restyle")
    other = shutil.copytree(tiny, tmp_path / "other")
    assert len({name, local(rank=4).id, local(dtype="fp32").id, local(other).id}) == 4


def test_another_state_of_a_folder_is_another_base(local, tiny, tmp_path):
    base = shutil.copytree(tiny, tmp_path / "base")
    names = [local(base).id]
    (base / "chat_template.jinja").write_text(CHAT_TEMPLATE.replace("assistant\n'", "assistant\n' + ''"))
    names.append(local(base).id)
    config = json.loads((base / "config.json").read_text())
    (base / "config.json").write_text(json.dumps(config | {"rope_theta": 5000.0}))
    names.append(local(base).id)
    weights = bytearray((base / "model.safetensors").read_bytes())
    weights[-1] ^= 1
    (base / "model.safetensors").write_bytes(weights)
    names.append(local(base).id)
    (base / "README.md").write_text("of no consequence")
    assert len(set(names)) == 4
    assert local(base).id == names[-1]


def test_what_was_begun_on_another_state_of_the_base_is_told_and_not_gone_on_with(local, tiny, tmp_path):
    base = shutil.copytree(tiny, tmp_path / "base")
    first = local(base)

    with pytest.raises(KeyboardInterrupt):
        first.wait(interrupt)
    assert local(base).plan.warnings == ()
    (base / "chat_template.jinja").write_text(CHAT_TEMPLATE + "{# changed #}")
    (warning,) = local(base).plan.warnings
    assert warning.startswith(f"{first.runs['restyle'].checkpoints}: an unfinished training with other pairs, settings")


def test_progress_is_told_and_an_interrupted_training_goes_on(local, home, capfd):
    training = local(epochs=3)
    training.start()
    heard = []

    def interrupt_later(progress):
        heard.append(progress)
        if progress.step == 2 and progress.held_out_loss:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt) as stopped:
        training.wait(interrupt_later)
    assert stopped.value.__notes__ == [
        f"the checkpoints of {training.id} are kept: the same call goes on from the last one"
    ]
    assert list(training.runs["restyle"].checkpoints.glob("checkpoint-1"))
    with pytest.raises(TrainingError, match=r"has no restyle adapter yet: call wait\(\) first"):
        training.result()
    assert Style.list() == []
    again = []
    training = local(epochs=3)
    training.wait(again.append)
    assert next(each.step for each in again if each.role == "restyle" and each.loss) == 2
    style = training.result()
    assert Style.load("author", home) == style
    capfd.readouterr()

    first, *_ = heard
    base = style.metrics["restyle"]["loss_of_base"]
    assert (first.message, first.step, first.steps) == ("held-out loss of the base model", 0, None)
    assert first.held_out_loss == pytest.approx(base, abs=1e-3)
    for role in ROLES:
        mine = [each for each in again if each.role == role]
        assert [each.status for each in mine] == ["running"] * (len(mine) - 1) + ["succeeded"]
        assert mine[-1].held_out_loss == pytest.approx(style.metrics[role]["loss"], abs=1e-3)
        steps = training.plan.parts[role].steps
        assert {each.steps for each in mine[1:]} == {steps}
        curve = dict(style.training["adapters"][role]["losses"]["held_out"])
        told = {each.step: each.held_out_loss for each in mine[1:-1] if each.held_out_loss}
        assert told == {step: loss for step, loss in curve.items() if step in told}
        assert len(told) > 1
        left = [each.seconds_left for each in mine[1:-1] if each.step > 2]
        assert left[-1] == 0 < left[0] < 60
    once_more = []
    local(epochs=3).wait(once_more.append)
    assert [(each.role, each.status) for each in once_more] == [(role, "succeeded") for role in ROLES]


def test_bars_give_way_to_whoever_listens(local, capfd):
    local().wait(lambda _: None)
    out, err = capfd.readouterr()
    assert "eval_loss" not in out
    assert "it/s" not in err.replace("Tokenizing", "").split("examples/s")[-1]


def test_a_cancelled_training_stops_and_leaves_finished_adapters(local, home):
    training = local()

    def cancel(progress):
        if progress.role == "destyle" and progress.step:
            local().cancel()  # as another process would

    with pytest.raises(TrainingError, match=r"destyle-\w+ was cancelled"):
        training.wait(cancel)
    restyle, destyle = (training.runs[role] for role in ROLES)
    assert [path.name for path in home.glob("styles/author/*")] == [restyle.adapter.name]
    with pytest.raises(KeyboardInterrupt):
        training.wait(interrupt)
    assert destyle.checkpoints.is_dir()
    local().cancel()
    local().cancel()
    assert [path.name for path in home.glob("styles/author/*")] == [restyle.adapter.name]
    heard = []
    training.wait(heard.append)
    assert training.result().training["adapters"]["restyle"]["folder"] == restyle.adapter.name


@pytest.mark.filterwarnings("ignore::FutureWarning:transformers")  # raised by PEFT
def test_a_merged_model_writes_what_base_and_adapter_write(local, tiny):
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM, AutoTokenizer

    training = local(learning_rate=0.02, merge=True, dtype="fp32")
    training.wait()
    style = training.result()
    for role in ROLES:
        record = style.training["adapters"][role]
        adapter, merged = (style.directory / record[name] for name in ("folder", "merged"))
        assert record["merged"] == f"{record['folder']}-merged"
        assert record["dtype"] == record["base_dtype"] == "float32"
        names = {path.name for path in merged.iterdir()}
        assert names >= {"config.json", "model.safetensors", "tokenizer.json", "chat_template.jinja"}
        assert not [name for name in names if name.endswith((".bin", ".pt", ".pkl")) or "adapter" in name]
        tokenizer = AutoTokenizer.from_pretrained(merged)
        assert tokenizer.chat_template == AutoTokenizer.from_pretrained(tiny).chat_template
        ids = torch.tensor([style.stage(role).golden.ids])
        greedy = {"attention_mask": torch.ones_like(ids), "max_new_tokens": 24, "do_sample": False}
        bare = AutoModelForCausalLM.from_pretrained(tiny)
        untrained = bare.generate(input_ids=ids, **greedy)[0].tolist()
        expected = PeftModel.from_pretrained(bare, adapter).generate(input_ids=ids, **greedy)[0].tolist()
        model = AutoModelForCausalLM.from_pretrained(merged)
        assert model.dtype == torch.float32
        assert model.generate(input_ids=ids, **greedy)[0].tolist() == expected != untrained
    assert not list(style.directory.glob(".*"))
    before = (merged / "model.safetensors").stat()
    training.wait()
    assert (merged / "model.safetensors").stat() == before
    assert "merged" not in local(learning_rate=0.02, dtype="fp32").result().training["adapters"]["restyle"]


@pytest.mark.filterwarnings("ignore::FutureWarning:transformers")  # raised by PEFT
def test_a_merged_model_is_kept_in_what_its_base_was_published_in(tuned_letters, tiny, tmp_path):
    import torch
    from transformers import AutoModelForCausalLM

    base = shutil.copytree(tiny, tmp_path / "half")
    AutoModelForCausalLM.from_pretrained(tiny).to(torch.bfloat16).save_pretrained(base)
    adapter = shutil.copytree(tuned_letters.runs["restyle"].adapter, tmp_path / "adapter")
    merged = AutoModelForCausalLM.from_pretrained(merge(open_base(str(base), None), adapter))
    assert merged.dtype == torch.bfloat16
    changes = [
        (one - other).abs().max().item()
        for one, other in zip(merged.parameters(), AutoModelForCausalLM.from_pretrained(base).parameters(), strict=True)
    ]
    assert max(changes) > 0


def test_packed_rows_are_learnt_as_single_ones(local):
    heard = {}
    for packing in (False, True):
        heard[packing] = []
        local(packing=packing, dropout=0.0, batch_size=4, device_batch_size=4).wait(heard[packing].append)
    losses = [[each.loss or each.held_out_loss for each in heard[packing]] for packing in (False, True)]
    assert losses[1] == pytest.approx(losses[0], rel=1e-4)
    (warning,) = local(packing=True).plan.warnings
    assert "flash-attn is not installed" in warning
    assert len(set(losses[0])) > 4


def test_packing_is_refused_where_rows_see_each_other(local, home, monkeypatch):
    from transformers import masking_utils

    monkeypatch.setattr(masking_utils, "find_packed_sequence_indices", lambda _: None)
    with pytest.raises(ValueError, match=r"packing is set, but in .*model a row sees the one before it"):
        local(packing=True).wait()
    assert Style.list() == []
    assert not list(home.glob("styles/author/*/checkpoint-*"))


def test_of_several_processes_the_first_one_writes(tuned_letters, monkeypatch):
    monkeypatch.setenv("RANK", "1")
    heard = []
    tuned_letters.wait(heard.append)
    style = tuned_letters.result()
    assert (heard, Style.list(tuned_letters.home)) == ([], [])
    monkeypatch.setenv("RANK", "0")
    assert tuned_letters.result() == style == Style.load("author", tuned_letters.home)


def test_processes_that_would_all_train_the_same_are_told_apart(local, monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(ValueError, match="2 processes were begun, but 1 train together"):
        local().wait()


def test_bfloat16_without_a_gpu_is_refused_where_it_would_begin(local, monkeypatch):
    import transformers.utils

    monkeypatch.setattr(transformers.utils, "is_torch_bf16_gpu_available", lambda: False)
    training = local(dtype="bf16")
    with pytest.raises(ValueError, match="dtype is 'bf16' in bfloat16, but there is no GPU"):
        training.start()


@pytest.fixture
def with_bitsandbytes(monkeypatch):
    """As if the package were installed, on a GPU that computes in bfloat16."""
    import importlib.metadata

    import transformers.utils

    find, version = importlib.util.find_spec, importlib.metadata.version
    monkeypatch.setattr(
        "restyle.training.local.precision.find_spec",
        lambda name: find("json") if name == "bitsandbytes" else find(name),
    )
    monkeypatch.setattr(
        importlib.metadata, "version", lambda name: "0.50.0" if name == "bitsandbytes" else version(name)
    )
    monkeypatch.setattr(transformers.utils, "is_torch_bf16_gpu_available", lambda: True)


@pytest.mark.usefixtures("with_bitsandbytes")
def test_four_bits_are_those_of_qlora(local, monkeypatch):
    import torch
    import transformers.utils

    local(load_in_4bit=True).start()
    options = load_options(LocalSettings(load_in_4bit=True), "cuda:1")
    assert (options["dtype"], options["device_map"]) == (torch.bfloat16, {"": "cuda:1"})
    four_bits = options["quantization_config"]
    assert four_bits.load_in_4bit
    assert (four_bits.bnb_4bit_quant_type, four_bits.bnb_4bit_use_double_quant) == ("nf4", True)
    assert four_bits.bnb_4bit_compute_dtype == torch.bfloat16
    assert load_options(LocalSettings(), "cuda:1") == {"dtype": torch.bfloat16}
    monkeypatch.setattr(transformers.utils, "is_flash_attn_2_available", lambda: True)
    assert load_options(LocalSettings(packing=True), "cuda:1")["attn_implementation"] == "flash_attention_2"
    assert load_options(LocalSettings(packing=True, dtype="fp32"), "cuda:1") == {"dtype": torch.float32}


def test_four_bits_need_their_package(local, monkeypatch):
    find = importlib.util.find_spec
    monkeypatch.setattr(
        "restyle.training.local.precision.find_spec", lambda name: None if name == "bitsandbytes" else find(name)
    )
    with pytest.raises(
        MissingExtraError, match=r"a base in 4 bits needs the package 'bitsandbytes': pip install 'restyle\[qlora\]'"
    ):
        local(load_in_4bit=True)


@pytest.mark.usefixtures("with_bitsandbytes")
@pytest.mark.parametrize("option", ["load_in_4bit", "merge"])
def test_a_base_that_is_quantised_already(local, tiny, tmp_path, option):
    base = shutil.copytree(tiny, tmp_path / "nf4")
    config = json.loads((base / "config.json").read_text())
    config["quantization_config"] = {"quant_method": "bitsandbytes", "load_in_4bit": True}
    (base / "config.json").write_text(json.dumps(config))
    with pytest.raises(ValueError, match=f"{option} is set, but .*nf4 is quantised already"):
        local(base, **{option: True})


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"dtype": "fp16"}, "dtype is 'fp16': Input should be 'auto', 'bf16' or 'fp32'"),
        ({"dtype": "fp32", "load_in_4bit": True}, "dtype is 'fp32', but a base in 4 bits is computed in bfloat16"),
    ],
)
def test_precisions_that_cannot_be(local, options, problem):
    with pytest.raises(ValueError, match=problem):
        local(**options)


@pytest.mark.parametrize(
    ("advised", "expected"),
    [
        (None, {"temperature": 0.7, "top_p": 0.8}),
        ({"eos_token_id": 0}, {"temperature": 0.7, "top_p": 0.8}),
        ({"do_sample": True, "temperature": 0.6, "top_k": 20}, {"temperature": 0.6, "top_k": 20}),
    ],
)
def test_sampling_is_what_the_makers_of_the_base_advise(tiny, tmp_path, advised, expected):
    base = shutil.copytree(tiny, tmp_path / "base")
    (base / "generation_config.json").unlink()
    if advised is not None:
        (base / "generation_config.json").write_text(json.dumps(advised))
    assert open_base(str(base), None).sampling == expected
