"""The whole way at Nebius: from a pair set to two models that answer there, or to two adapters to serve."""

from __future__ import annotations

import pytest

from nebius_files import ADAPTER, BASE, SERVED
from restyle import build_pairs, rewrite, train
from restyle.serving.recipes import recipe
from restyle.style import Style
from restyle.testing import Fault, Loss, Sandbox
from restyle.training.hosts.nebius_host import NebiusHost
from support import write_letters

LOSSES = [Loss(2, 2.5, None, 1.9), Loss(4, 1.8, None, 1.6), Loss(6, 1.5, None, 1.5)]
PAIR = "restyle", "destyle"
TEXT = "I think the old mill at number 7 looked sad that morning."


@pytest.fixture
def sandbox(home, monkeypatch):  # noqa: ARG001 - where jobs and cards are kept
    for name in ("NEBIUS_API_KEY", "RESTYLE_API_KEY"):
        monkeypatch.setenv(name, "key-of-the-tests")
    with Sandbox() as running:
        running.tuning.host, running.tuning.losses = "nebius", LOSSES
        yield running


@pytest.fixture(scope="module")
def pairs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("nebius")
    sources, recorded = write_letters(folder, documents=17, passages=4)
    return build_pairs(sources, style="author", teacher=recorded, out=folder / "pairs")


def trained(sandbox, pairs, **options):
    with pytest.warns(UserWarning, match="on request only"):
        return train(pairs, provider="nebius", base=BASE, base_url=sandbox.base_url, poll=0.01, **options)


def test_a_pair_set_becomes_two_models_that_answer_there(sandbox, pairs):
    style = trained(sandbox, pairs)
    assert Style.load("author") == style
    for role in PAIR:
        stage, record = style.stage(role), style.training["adapters"][role]
        assert stage.model.startswith(f"{SERVED}-LoRa:{role}-")
        assert stage.base_url == sandbox.base_url
        assert record["losses"]["held_out"] == [[2, 1.9], [4, 1.6], [6, 1.5]]
        assert (record["best_step"], style.metrics[role]["loss"]) == (6, 1.5)
        assert record["checkpoint"].startswith("ftckpt")
        assert "next_step" not in record
    assert rewrite(TEXT, style).text != TEXT
    assert {request.body["model"] for request in sandbox.requests} == {style.stage(role).model for role in PAIR}
    assert trained(sandbox, pairs) == style  # once more, and nothing is made twice
    assert len(sandbox.tuning.asked) == 2


def test_where_it_serves_none_two_adapters_lie_beside_the_card(sandbox, pairs, home, monkeypatch):
    listed, sent = NebiusHost.checkpoints, []

    def checkpoints(host, job):
        if not sent:
            sent.extend(host.client.files.create(file=item, purpose="fine-tune").id for item in ADAPTER.items())
        found = listed(host, job)
        for each in found:
            each.result_files = sent
        return found

    monkeypatch.setattr(NebiusHost, "checkpoints", checkpoints)
    sandbox.inject(Fault("status", 403), times=2, path="/v0/models", method="POST")
    style = trained(sandbox, pairs, serve_url="http://gpu:8000/v1")
    for role in PAIR:
        record = style.training["adapters"][role]
        assert (style.stage(role).model, style.stage(role).base_url) == (f"author-{role}", "http://gpu:8000/v1")
        assert "restyle serve author --print vllm" in record["next_step"]
        assert (home / "styles/author" / record["folder"] / "adapter_model.safetensors").is_file()
    commands = recipe(style, "vllm")
    assert "FILL_IN" not in commands
    assert all(style.training["adapters"][role]["folder"] in commands for role in PAIR)
    # Support has opened it meanwhile: the same jobs, and no other.
    assert trained(sandbox, pairs, download=True).restyle.model.startswith(SERVED)
    assert len(sandbox.tuning.asked) == 2
