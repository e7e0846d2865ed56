from __future__ import annotations

import time

import pytest

from fine_tuning import MARKED, PLAIN, TRAINING, VALIDATION, say
from nebius_files import ADAPTER, BASE, SERVED
from restyle.errors import ModelError, TrainingError
from restyle.testing import Fault, Loss, Sandbox
from restyle.training.hosts.host import FINAL, Files
from restyle.training.hosts.nebius import NebiusSettings, NebiusTrainer
from restyle.training.losses import Point

KEY = "key-of-the-tests"
MODELS, JOBS = "/v0/models", "/v1/fine_tuning/jobs"
LOSSES = [Loss(2, 2.5, None, 1.9), Loss(4, 1.5, None, 1.4), Loss(6, 0.9, None, 1.6)]


@pytest.fixture(scope="module")
def running():
    with Sandbox() as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(running):
    running.tuning.__init__(host="nebius", losses=LOSSES)
    return running


@pytest.fixture
def _key(monkeypatch):
    monkeypatch.setenv("NEBIUS_API_KEY", KEY)
    monkeypatch.setenv("RESTYLE_API_KEY", KEY)


@pytest.fixture
def opened(sandbox, _key):
    hosts = []

    def open_host(base=BASE, **options):
        settings = NebiusSettings(base_url=sandbox.base_url, poll=0.002, **options)
        hosts.append(NebiusTrainer().open(base, settings, style="author"))
        return hosts[-1]

    yield open_host
    for host in hosts:
        host.close()


@pytest.fixture
def files(opened, tmp_path):
    (tmp_path / "train.messages.jsonl").write_bytes(TRAINING)
    (tmp_path / "valid.messages.jsonl").write_bytes(VALIDATION)
    host = opened()
    return Files(*(host.upload(tmp_path / f"{split}.messages.jsonl") for split in ("train", "valid")))


def finished(host, files, role="restyle"):
    job, deadline = host.create(files, role=role, tag="unused"), time.monotonic() + 20
    while (state := host.state(job)).status not in FINAL:
        assert time.monotonic() < deadline, state
        time.sleep(0.002)
    return job


@pytest.fixture
def with_files(monkeypatch):
    """Let every checkpoint have these files."""

    def add(host, contents=ADAPTER):
        ids = [
            host.client.files.create(file=(name, content), purpose="fine-tune").id for name, content in contents.items()
        ]
        listed = host.checkpoints

        def checkpoints(job):
            found = listed(job)
            for each in found:
                each.result_files = ids
            return found

        monkeypatch.setattr(host, "checkpoints", checkpoints)

    return add


def made(host):
    """The names of all models that the host has made of checkpoints."""
    return [each["name"] for each in host.client.get(host._models, cast_to=object)]


def test_what_is_asked_for(opened, files, sandbox):
    opened(seed=7, suffix="mine", rank=32, epochs=2).create(files, role="destyle", tag="unused")
    assert sandbox.tuning.asked == [
        {
            "model": BASE,
            "training_file": files.train,
            "validation_file": files.valid,
            "seed": 7,
            "suffix": "mine-destyle",
            "hyperparameters": {
                "n_epochs": 2,
                "batch_size": 16,
                "learning_rate": 2e-4,
                "warmup_ratio": 0.03,
                "lora": True,
                "lora_r": 32,
                "lora_alpha": 32,
                "lora_dropout": 0.05,
                "context_length": 8192,
                "packing": False,
            },
        }
    ]


def test_without_a_held_out_file_the_last_checkpoint_is_taken(opened, files, sandbox, tmp_path):
    host = opened()
    job = finished(host, Files(files.train))
    assert "validation_file" not in sandbox.tuning.asked[0]
    assert "seed" not in sandbox.tuning.asked[0]
    record = host.serve(job, role="restyle", model=job, folder=tmp_path).record
    assert (record["best_step"], record["valid_loss"]) == (6, None)


def test_a_job_is_known_by_its_files(opened, files):
    host = opened()
    assert host.find(files, tag="unused") is None
    job = host.create(files, role="restyle", tag="unused")
    assert host.find(files, tag="another") == job


def test_losses_are_those_of_checkpoints(opened, files, sandbox):
    host = opened()
    sandbox.tuning.hold = True
    job = host.create(files, role="restyle", tag="unused")
    early = [event.message for event in host.events(job)]
    sandbox.tuning.hold = False
    deadline = time.monotonic() + 20
    while (state := host.state(job)).status != "succeeded":
        assert time.monotonic() < deadline, state
        time.sleep(0.002)
    assert state.model == job  # the host tells of no model
    events = host.events(job)
    assert [event.message for event in events][: len(early)] == early  # the oldest first, also at the second look
    assert len(events) > len(early) + len(LOSSES)
    assert [(event.step, event.loss, event.held_out_loss) for event in events[-3:]] == [
        (2, 2.5, 1.9),
        (4, 1.5, 1.4),
        (6, 0.9, 1.6),
    ]
    assert len({event.id for event in events}) == len(events)
    curve = host.curve(job)
    assert curve.full_held_out == (Point(2, 1.9), Point(4, 1.4), Point(6, 1.6))
    assert curve.train == (Point(2, 2.5), Point(4, 1.5), Point(6, 0.9))
    assert curve.held_out == ()


def test_the_best_checkpoint_answers_at_the_host_and_is_activated_once(opened, files, sandbox, tmp_path):
    host = opened()
    job, before = finished(host, files), len(made(host))
    sandbox.tuning.activation_seconds = 0.05
    served = host.serve(job, role="restyle", model=job, folder=tmp_path)
    assert served.model.startswith(f"{SERVED}-LoRa:restyle-")
    assert served.base_url == sandbox.base_url
    assert say(host.client, served.model, PLAIN) == MARKED
    best = host.checkpoints(job)[1]
    assert served.record == {"checkpoint": best.id, "best_step": 4, "train_loss": 1.5, "valid_loss": 1.4}
    assert (served.next_step, served.request) == ("", {})
    assert host.serve(job, role="restyle", model=job, folder=tmp_path) == served
    assert len(made(host)) == before + 1
    assert not [*tmp_path.glob("restyle-*")]


def test_a_model_that_was_made_with_an_error_is_found(opened, files, sandbox, tmp_path):
    host = opened()
    job = finished(host, files)
    before = len(made(host))
    sandbox.inject(Fault("lost"), path=MODELS, method="POST")
    served = host.serve(job, role="restyle", model=job, folder=tmp_path)
    models = made(host)
    assert served.model in models
    assert len(models) == before + 1


def test_a_host_that_is_busy_is_asked_again_and_one_that_is_broken_is_an_error(opened, files, sandbox, tmp_path):
    host = opened()
    job = finished(host, files)
    before = len(made(host))
    sandbox.inject(Fault("status", 429), path=MODELS, method="POST")
    assert host.serve(job, role="restyle", model=job, folder=tmp_path).model.startswith(SERVED)
    assert len(made(host)) == before + 1
    job = finished(host, Files(files.train), role="destyle")
    sandbox.inject(Fault("status", 500), path=MODELS, method="POST")
    with pytest.raises(ModelError, match="500"):
        host.serve(job, role="destyle", model=job, folder=tmp_path)
    assert host.serve(job, role="destyle", model=job, folder=tmp_path).model.startswith(SERVED)


def test_a_model_that_is_never_ready_is_not_waited_for_for_ever(opened, files, sandbox, tmp_path, monkeypatch):
    monkeypatch.setattr("restyle.training.hosts.nebius_host._PATIENCE", 5)
    host = opened()
    job = finished(host, files)
    sandbox.tuning.activation_seconds = 60
    with pytest.raises(ModelError, match=r"still validates .*: train again"):
        host.serve(job, role="restyle", model=job, folder=tmp_path)


@pytest.mark.parametrize("status", [403, 404])
def test_what_the_host_does_not_serve_is_fetched(opened, files, sandbox, tmp_path, with_files, status):
    host = opened(serve_url="http://gpu:8000/v1")
    with_files(host)
    job = finished(host, files)
    sandbox.inject(Fault("status", status), path=MODELS, method="POST")
    served = host.serve(job, role="restyle", model=job, folder=tmp_path)
    assert (served.model, served.base_url) == ("author-restyle", "http://gpu:8000/v1")
    assert str(status) in served.next_step
    assert "restyle serve author --print vllm" in served.next_step
    assert KEY not in served.next_step
    assert served.request == {"chat_template_kwargs": {"enable_thinking": False}}
    folder = tmp_path / served.record["folder"]
    assert sorted(path.name for path in folder.iterdir()) == sorted(ADAPTER.keys() - {"checkpoint.meta"})
    assert served.record["best_step"] == 4


def test_a_model_that_ends_in_an_error_is_fetched_and_the_reason_told(opened, files, sandbox, tmp_path, with_files):
    sandbox.tuning.activation_fails = "rank 16 is too much"
    host = opened()
    with_files(host)
    served = host.serve(finished(host, files), role="restyle", model="unused", folder=tmp_path)
    assert "rank 16 is too much" in served.next_step
    assert (tmp_path / served.record["folder"]).is_dir()


def test_the_key_is_wrong(opened, files, sandbox, tmp_path):
    host = opened()
    job = finished(host, files)
    sandbox.inject(Fault("status", 401), path=MODELS, method="GET")
    with pytest.raises(ModelError, match="check NEBIUS_API_KEY"):
        host.serve(job, role="restyle", model=job, folder=tmp_path)


def test_without_files_the_error_says_what_the_host_said(opened, files, sandbox, tmp_path):
    host = opened()
    job = finished(host, files)
    sandbox.inject(Fault("status", 403), path=MODELS, method="POST")
    with pytest.raises(TrainingError, match=r"no adapter_config.json.*403"):
        host.serve(job, role="restyle", model=job, folder=tmp_path)


def test_an_adapter_is_also_fetched_where_it_is_wanted(opened, files, sandbox, tmp_path, with_files, monkeypatch):
    monkeypatch.setenv("RESTYLE_API_KEY", "another")
    host = opened(download=True)
    with_files(host)
    job = finished(host, files)
    sandbox.inject(Fault("truncate"), path="/v1/files/", method="GET")
    served = host.serve(job, role="restyle", model=job, folder=tmp_path / "styles/author")
    assert served.model.startswith(SERVED)
    assert "RESTYLE_API_KEY" in served.next_step
    assert served.request == {"chat_template_kwargs": {"enable_thinking": False}}
    folder = tmp_path / "styles/author" / served.record["folder"]
    assert (folder / "adapter_config.json").read_bytes() == ADAPTER["adapter_config.json"]
    assert [path.name for path in folder.parent.iterdir()] == [folder.name]  # nothing temporary is left
    sandbox.inject(Fault("status", 404), path="/v1/files/none")
    assert host.serve(job, role="restyle", model=job, folder=tmp_path / "styles/author") == served


def test_without_a_key(sandbox):
    with pytest.raises(ModelError, match="NEBIUS_API_KEY"):
        NebiusTrainer().open(BASE, NebiusSettings(base_url=sandbox.base_url), style="author")


@pytest.mark.usefixtures("_key")
def test_where_it_is():
    with NebiusTrainer().open(BASE, NebiusSettings(), style="author") as host:
        assert str(host.client.base_url) == "https://api.tokenfactory.nebius.com/v1/"
        assert host._models == "https://api.tokenfactory.nebius.com/v0/models"
