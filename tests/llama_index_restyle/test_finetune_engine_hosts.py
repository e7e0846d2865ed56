"""`RestyleFinetuneEngine` over a host: jobs that outlive it, and how they stand."""

from __future__ import annotations

import pytest
from llama_index.core.base.llms.types import ChatMessage

from llama_index_restyle.finetuning import RestyleFinetuneEngine
from restyle.data.pairs import build_pairs
from restyle.errors import ModelError, StyleNotFoundError, TrainingError
from restyle.serving.tuning_rules import Loss
from restyle.style import Style
from restyle.testing import Sandbox
from restyle.training.hosts import training as hosted_training
from restyle.training.hosts.openai import OpenAITrainer
from restyle.training.hosts.records import jobs
from support import plain_passage, styled_passage, write_letters

BASE = "gpt-4.1-mini-2025-04-14"

# Letters as few as these are warned of.
pytestmark = pytest.mark.filterwarnings("ignore:.*rows. under 50:UserWarning")


@pytest.fixture
def pairs(tmp_path):
    letters, recorded = write_letters(tmp_path, documents=8)
    return build_pairs(letters, style="author", teacher=recorded, out=tmp_path / "pairs")


@pytest.fixture
def host(home, monkeypatch):
    del home
    monkeypatch.setenv("RESTYLE_API_KEY", "sk-none")
    with Sandbox() as sandbox:
        sandbox.tuning.host = "openai"
        sandbox.tuning.losses = [Loss(n, 3 - n / 10, None, 2.5 if n == 6 else None) for n in range(1, 7)]
        yield sandbox


def engine(host, directory="nowhere", **options):
    options = {"provider": "openai", "base_url": host.base_url, "poll": 0.01} | options
    return RestyleFinetuneEngine(BASE, directory, **options)


def left(host, pairs, monkeypatch):
    """An engine that was stopped while its job runs."""

    def stop(_):
        raise KeyboardInterrupt

    host.tuning.hold = True
    one = engine(host, pairs.directory)
    with monkeypatch.context() as patch:
        patch.setattr(hosted_training.time, "sleep", stop)
        with pytest.raises(KeyboardInterrupt):
            one.finetune()
    return one


def test_a_pair_set_becomes_a_style_at_a_host(host, pairs, home, capsys):
    one = engine(host, pairs.directory, verbose=True, epochs=2)
    one.finetune()
    (record,) = jobs()
    job = one.get_current_job()
    assert (job.id, job.status, job.style, job.provider) == (record.id, "succeeded", "author", "openai")
    assert job.metrics["restyle"] == {"held_out": 2, "loss": 2.5}
    assert {body["method"]["supervised"]["hyperparameters"]["n_epochs"] for body in host.tuning.asked} == {2}
    said = capsys.readouterr().out
    assert f"job {job.id}\n" in said
    assert "restyle: succeeded" in said
    assert "step 6 of 6, loss 2.400" in said
    assert (home / "styles/author/training.html").is_file()
    answer = one.get_finetuned_model().chat([ChatMessage(role="user", content=plain_passage(3))])
    assert str(answer.message.content).startswith(styled_passage(3)[:40])
    engine(host, pairs.directory, epochs=2).finetune()  # the same again is that job
    assert len(host.tuning.asked) == 2


def test_a_job_tells_how_it_stands_and_is_picked_up(host, pairs, monkeypatch):
    one = left(host, pairs, monkeypatch)
    job = one.get_current_job()
    assert (job.status, job.metrics) == ("running", {})
    again = engine(host, start_job_id=job.id)
    assert again.get_current_job() == job
    with pytest.raises(TrainingError, match=rf"job {job.id} is running at openai, and its style is not saved here"):
        again.get_finetuned_model()
    host.tuning.hold = False
    again.finetune()
    assert again.get_current_job() == one.get_current_job()
    assert again.get_current_job().status == "succeeded"
    assert one.get_finetuned_model(role="destyle").model == Style.load("author").destyle.model
    assert len(host.tuning.asked) == 2


def test_a_host_is_asked_only_while_something_can_change(host, pairs, monkeypatch):
    def refuse(*_, **__):
        raise ModelError("no key")

    one = left(host, pairs, monkeypatch)
    with monkeypatch.context() as patch:
        patch.setattr(OpenAITrainer, "open", refuse)
        with pytest.raises(ModelError, match="no key"):
            one.get_current_job()
    host.tuning.hold = False
    one.finetune()
    monkeypatch.setattr(OpenAITrainer, "open", refuse)
    assert one.get_current_job().status == "succeeded"


def test_a_job_that_fails(host, pairs):
    host.tuning.fails = "the rows are no rows"
    one = engine(host, pairs.directory)
    with pytest.raises(TrainingError, match="the rows are no rows"):
        one.finetune()
    assert one.get_current_job().status == "failed"
    with pytest.raises(TrainingError, match="is failed at openai"):
        one.get_finetuned_model()
    one.finetune()  # begins anew what has failed
    assert one.get_current_job().status == "succeeded"


def test_a_style_that_was_trained_elsewhere_since_is_not_taken_for_the_job_s(host, pairs):
    one = engine(host, pairs.directory)
    one.finetune()
    with pytest.warns(UserWarning, match="below 300"):
        RestyleFinetuneEngine(None, pairs.directory).finetune()
    assert one.get_current_job().metrics == {}
    with pytest.raises(TrainingError, match="another took its place"):
        one.get_finetuned_model()
    assert RestyleFinetuneEngine(None, "nowhere", start_job_id="author").get_current_job().provider == "embedded"


def test_ids_of_no_job(host):
    for name in ("author-0123456789ab", "nobody"):
        with pytest.raises(StyleNotFoundError, match=f"no style '{name}'"):
            engine(host, start_job_id=name).get_current_job()
