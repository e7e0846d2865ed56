from __future__ import annotations

import sys

import pytest

pytest.importorskip("together")

from restyle.data.pairs import build_pairs
from restyle.errors import MissingExtraError, ModelError, PromptError, TrainingError
from restyle.serving.recipes import recipe
from restyle.style import Style
from restyle.training import train
from restyle.training.base import prepare
from restyle.training.hosts.together import TogetherSettings, TogetherTrainer
from together_rows import KEY, ids, render
from together_stub import Fault

pytest_plugins = ["together_fixtures"]
# 5 letters are few, and the stub's losses have nothing to do with them.
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")


@pytest.fixture
def pairs(letters, tmp_path):
    sources, recorded = letters
    return build_pairs(sources, style="author", teacher=recorded, out=tmp_path / "pairs")


@pytest.fixture
def options(stub, monkeypatch, home):
    """Where to train, and how fast."""
    assert not home.exists()
    monkeypatch.setenv("TOGETHER_API_KEY", KEY)
    return {"provider": "together", "base_url": stub.url, "poll": 0.001}


def test_both_models_of_a_style_are_trained_and_can_be_served(stub, options, pairs, home):
    heard = []
    style = train(pairs, on_progress=heard.append, **options)
    assert Style.load("author", home) == style
    assert [job["suffix"].rsplit("-", 1)[0] for job in stub.jobs.values()] == ["author-restyle", "author-destyle"]
    for role in ("restyle", "destyle"):
        stage = style.stage(role)
        row = pairs.rows(role, "train")[0]
        tokens = render([*row.ask.messages, {"role": "assistant", "content": row.answer}])
        assert (stage.model, stage.base_url) == (f"author-{role}", "http://127.0.0.1:8000/v1")
        assert stage.golden.messages == row.ask.messages
        assert stage.golden.ids == ids(tokens)[: len(stage.golden.ids)]
        folder = home / "styles/author" / style.training["adapters"][role]["folder"]
        assert (folder / "adapter_model.safetensors").is_file()
        assert style.metrics[role]["loss"] == 1.9
        assert [each.held_out_loss for each in heard if each.role == role and each.held_out_loss] == [2.2, 1.9]
    assert "FILL_IN" not in recipe(style, "vllm")
    assert KEY not in "".join(path.read_text("utf-8") for path in home.rglob("*.json"))


def test_the_same_call_again_begins_nothing_and_gives_the_same_card(stub, options, pairs):
    first = train(pairs, **options)
    assert train(pairs, **options) == first
    assert len(stub.sent("POST", "/v1/fine-tunes")) == 2
    assert len(stub.sent("GET", "/v1/finetune/download")) == 2


def test_a_job_whose_beginning_was_not_heard_is_paid_for_once(stub, options, pairs):
    stub.faults.append(Fault("/v1/fine-tunes", None, late=True))
    train(pairs, **options)
    assert len(stub.jobs) == 2


def test_another_process_goes_on_where_this_one_stopped(stub, options, pairs):
    prepare(pairs, **options).start()
    again = prepare(pairs, **options)
    again.start()
    again.wait()
    assert again.result().destyle is not None
    assert len(stub.jobs) == 2
    assert len(stub.sent("POST", "/v1/files")) == 4


def test_a_job_that_fails_is_an_error_with_its_reason_and_begins_anew(stub, options, pairs):
    stub.statuses = ["pending", "running", "error"]
    with pytest.raises(TrainingError, match="out of memory"):
        train(pairs, **options)
    stub.statuses = ["completed"]
    assert train(pairs, **options).destyle is not None
    assert len(stub.jobs) == 4


def test_a_training_can_be_cancelled(stub, options, pairs):
    stub.statuses = ["pending", "running", "running", "running", "running"]
    training = prepare(pairs, **options)
    training.start()
    training.cancel()
    assert len([path for _, path, _ in stub.requests if path.endswith("/cancel")]) == 2
    with pytest.raises(TrainingError, match="was cancelled"):
        training.wait()


def test_a_prompt_that_the_template_changes_is_refused_before_any_job_is_begun(stub, options, pairs):
    stub.rendering = {"change": lambda text: text.replace("provided", "given")}
    with pytest.raises(PromptError, match=r"restyle/train.messages.jsonl:1: the chat template does not keep system"):
        train(pairs, **options)
    assert not stub.jobs


def test_planning_needs_neither_package_nor_key_and_sends_nothing(stub, pairs, monkeypatch, home):
    monkeypatch.setitem(sys.modules, "together", None)
    training = prepare(pairs, provider="together", base_url=stub.url, batch_size=8)
    assert training.plan.base == "Qwen/Qwen2.5-7B-Instruct"
    assert training.plan.epochs == 3
    assert training.plan.parts["restyle"].steps
    assert prepare(pairs, provider="together").plan.parts["restyle"].steps is None
    with pytest.raises(ModelError, match="no TOGETHER_API_KEY in the environment"):
        training.start()
    monkeypatch.setenv("TOGETHER_API_KEY", KEY)
    with pytest.raises(MissingExtraError, match=r"'restyle\[together\]'"):
        training.start()
    assert not stub.requests
    assert not list(home.glob("styles/*"))


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ({"rank": 0}, "rank is 0"),
        ({"alpha": -1}, "alpha is -1"),
        ({"dropout": 1.0}, "dropout is 1.0"),
        ({"learning_rate": 2}, "learning_rate is 2"),
        ({"serve_url": "gpu:8000"}, "the serve_url must be http"),
        ({"epochs": 0}, "epochs is 0"),
        ({"ranks": 1}, "unknown option 'ranks': the provider 'together' has .*learning_rate"),
    ],
)
def test_settings_out_of_range_are_named(option, message):
    with pytest.raises(ValueError, match=message):
        TogetherSettings.of(option, "together")


def test_where_models_are_served_makes_no_other_job():
    assert TogetherSettings.aside == {"poll", "serve_url"}


def test_a_suffix_leaves_room_for_the_direction():
    check = TogetherTrainer().check
    assert check(None, TogetherSettings(suffix="a" * 23))[1] == []
    with pytest.raises(ValueError, match="24 characters: 23 leave room"):
        check(None, TogetherSettings(suffix="a" * 24))
    with pytest.raises(ValueError, match="base is ' '"):
        check(" ", TogetherSettings())


@pytest.mark.parametrize(
    ("base", "warning"),
    [
        ("openai/gpt-oss-20b", "thinks before it answers"),
        ("deepseek-ai/DeepSeek-R1-Distill-Qwen-14B", "thinks before it answers"),
        ("Qwen/Qwen3-Next-80B-A3B-Thinking", "thinks before it answers"),
        ("Qwen/Qwen3-8B-Base", "has learnt no chat"),
    ],
)
def test_bases_that_fit_badly_are_warned_of(base, warning):
    assert warning in " ".join(TogetherTrainer().check(base, TogetherSettings())[1])
