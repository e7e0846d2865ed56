from __future__ import annotations

import json
import shlex
import time
from dataclasses import asdict

import pytest

from fine_tuning import TRAINING, VALIDATION
from restyle.errors import ModelError
from restyle.testing import Loss, Sandbox
from restyle.training.base import find_trainer
from restyle.training.hosts.azure import AzureSettings, AzureTrainer
from restyle.training.hosts.host import FINAL, Files
from restyle.training.losses import Point

TRAINER = AzureTrainer()
BASE = "gpt-4.1-mini-2025-04-14"
RESOURCE = AzureSettings(base_url="https://mine.openai.azure.com/openai/v1/")
BOM = b"\xef\xbb\xbf"


@pytest.fixture(autouse=True)
def _clean(monkeypatch):
    for name in ("AZURE_OPENAI_ENDPOINT", "AZURE_OPENAI_API_KEY"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def key(monkeypatch):
    monkeypatch.setenv("AZURE_OPENAI_API_KEY", "azure-key")


def options_of(step):
    """The options of the command in a next step."""
    words = shlex.split(step, comments=True)
    assert words[:5] == ["az", "cognitiveservices", "account", "deployment", "create"]
    return dict(zip(words[5::2], words[6::2], strict=True))


def served(settings, *, style="author", base=BASE, role="restyle"):
    with TRAINER.open(base, settings, style=style) as host:
        return host.serve("ftjob-1", role=role, model=f"{base}.ft-1-author", folder=None)


def test_it_is_found_by_its_name():
    assert isinstance(find_trainer("azure"), AzureTrainer)


@pytest.mark.parametrize(
    ("base", "dates"),
    [
        (BASE, ("2027-04-14", "2027-10-14")),
        ("gpt-4o-mini-2024-07-18", ("2027-04-01", "2027-10-01")),
        ("Qwen3-32B", None),
    ],
)
def test_warnings(base, dates):
    found, [deployment, *retirement] = TRAINER.check(base, RESOURCE)
    assert found == base
    assert "only once it is deployed" in deployment
    assert "by the hour" in deployment
    if dates is None:
        assert retirement == []
    else:
        assert all(day in retirement[0] for day in dates)


def test_what_is_missing_is_named(monkeypatch):
    with pytest.raises(ValueError, match=r"azure has no base of its own choice: name one, such as 'gpt-4.1-mini"):
        TRAINER.check(None, RESOURCE)
    with pytest.raises(ValueError, match=r"base_url='https://RESOURCE.*', or set AZURE_OPENAI_ENDPOINT"):
        TRAINER.check(BASE, AzureSettings())
    monkeypatch.setenv("AZURE_OPENAI_ENDPOINT", "https://me:secret@mine.openai.azure.com/")
    with pytest.raises(ValueError, match="AZURE_OPENAI_ENDPOINT must be http") as caught:
        TRAINER.check(BASE, AzureSettings())
    assert "secret" not in str(caught.value)
    with pytest.raises(ModelError, match="no AZURE_OPENAI_API_KEY in the environment"):
        TRAINER.open(BASE, RESOURCE, style="author")


@pytest.mark.usefixtures("key")
@pytest.mark.parametrize("endpoint", ["https://mine.openai.azure.com", "https://mine.openai.azure.com/"])
def test_the_address_of_a_resource_is_completed(monkeypatch, endpoint):
    monkeypatch.setenv("AZURE_OPENAI_ENDPOINT", endpoint)
    monkeypatch.setenv("OPENAI_API_KEY", "sk-openai")
    with TRAINER.open(BASE, AzureSettings(), style="author") as host:
        assert host.base_url == "https://mine.openai.azure.com/openai/v1/"
        assert host.client.api_key == "azure-key"
    with TRAINER.open(BASE, AzureSettings(base_url="https://other.example/v1"), style="author") as host:
        assert host.base_url == "https://other.example/v1"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"training_type": "globalstandard"}, "training_type is .globalstandard.: .*GlobalStandard"),
        ({"deployment": "no spaces"}, "give 1 to 56 of A-Z"),
        ({"deployment": "a" * 57}, "give 1 to 56 of A-Z"),
        ({"epochs": 0}, "epochs is 0"),
        ({"learning_rate_multiplier": 0.0}, "learning_rate_multiplier is 0.0"),
    ],
)
def test_settings_are_checked(options, said):
    with pytest.raises(ValueError, match=said):
        AzureSettings.of(options, "azure")


def test_settings_that_make_no_other_job():
    assert {"poll", "deployment"} == AzureSettings.aside
    assert json.dumps(asdict(RESOURCE))


@pytest.mark.usefixtures("key")
def test_a_job_from_its_files_to_its_deployment(tmp_path):
    train, valid = tmp_path / "train.messages.jsonl", tmp_path / "valid.messages.jsonl"
    train.write_bytes(TRAINING)
    valid.write_bytes(VALIDATION)
    with Sandbox() as sandbox:
        rules = sandbox.tuning
        rules.host, rules.losses = "azure", [Loss(1, 2.0, 1.9), Loss(2, 1.5, 1.8, 1.7)]
        address = sandbox.base_url.replace("/v1", "/openai/v1")
        settings = AzureSettings(base_url=address, poll=0.001, epochs=2)
        with TRAINER.open(BASE, settings, style="wodehouse-letters.1") as host:
            files = Files(host.upload(train), host.upload(valid))
            job = host.create(files, role="restyle", tag="author-1")
            deadline = time.monotonic() + 20
            while (state := host.state(job)).status not in FINAL:
                assert time.monotonic() < deadline, state
                time.sleep(0.005)
            curve, events = host.curve(job), host.events(job)
            made = host.serve(job, role="restyle", model=state.model, folder=tmp_path)
            rules.forgets_metadata = True
            assert host.find(files, tag="author-1") == job
    assert rules.uploads == [(train.name, BOM + TRAINING), (valid.name, BOM + VALIDATION)]
    assert rules.asked == [
        {
            "model": BASE,
            "training_file": files.train,
            "validation_file": files.valid,
            "suffix": "wodehouse-restyle",
            "method": {"type": "supervised", "supervised": {"hyperparameters": {"n_epochs": 2}}},
            "metadata": {"restyle": "author-1"},
            "trainingType": "GlobalStandard",
        }
    ]
    assert state.status == "succeeded", state.error
    assert curve.full_held_out == (Point(2, 1.7),)
    assert events
    assert (made.model, made.base_url) == ("wodehouse-letters.1-restyle", address)
    assert made.record == {"model": state.model}
    assert options_of(made.next_step)["--model-name"] == state.model


@pytest.mark.usefixtures("key")
def test_the_command_that_deploys():
    made = served(RESOURCE)
    assert options_of(made.next_step) == {
        "--resource-group": "RESOURCE_GROUP",
        "--name": "mine",
        "--deployment-name": "author-restyle",
        "--model-name": f"{BASE}.ft-1-author",
        "--model-version": "1",
        "--model-format": "OpenAI",
        "--sku-name": "GlobalStandard",
        "--sku-capacity": "50",
    }
    assert made.next_step.endswith("paid by the hour. Then put the key of AZURE_OPENAI_API_KEY into RESTYLE_API_KEY")
    assert "azure-key" not in repr(made)


@pytest.mark.usefixtures("key")
@pytest.mark.parametrize(
    ("more", "option", "value"),
    [
        ({"settings": {"training_type": "Standard"}}, "--sku-name", "Standard"),
        ({"settings": {"training_type": "developerTier"}}, "--sku-name", "GlobalStandard"),
        ({"base": "gpt-oss-20b"}, "--model-format", "OpenAI-OSS"),
        ({"base": "Qwen3-32B"}, "--sku-capacity", "100"),
        ({"settings": {"base_url": "https://gateway.example/openai/v1"}}, "--name", "RESOURCE"),
        ({"role": "destyle"}, "--deployment-name", "author-destyle"),
        ({"settings": {"suffix": "mine"}}, "--deployment-name", "mine-restyle"),
        ({"settings": {"suffix": "mine", "deployment": "prod"}}, "--deployment-name", "prod-restyle"),
        ({"style": "a" * 64}, "--deployment-name", "a" * 56 + "-restyle"),
    ],
)
def test_the_command_as_the_settings_want_it(more, option, value):
    settings = AzureSettings(**({"base_url": RESOURCE.base_url} | more.pop("settings", {})))
    made = served(settings, **more)
    assert options_of(made.next_step)[option] == value
    assert made.model == options_of(made.next_step)["--deployment-name"]
