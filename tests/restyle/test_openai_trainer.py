from __future__ import annotations

import json
import warnings
from dataclasses import asdict
from datetime import date

import pytest

from hosts import host as raw_host
from restyle.errors import ModelError
from restyle.testing import Sandbox
from restyle.training.base import find_trainer
from restyle.training.hosts import openai
from restyle.training.hosts.host import Files
from restyle.training.hosts.openai import EXAMPLE, OpenAISettings, OpenAITrainer

TRAINER = OpenAITrainer()
OWN = OpenAISettings()
ELSEWHERE = OpenAISettings(base_url="http://127.0.0.1:9/v1")


@pytest.fixture
def day(monkeypatch):
    """The day it is."""

    def set_day(*numbers):
        monkeypatch.setattr(openai, "today", lambda: date(*numbers))

    set_day(2026, 11, 23)
    return set_day


def test_it_is_found_by_its_name():
    assert isinstance(find_trainer("openai"), OpenAITrainer)


@pytest.mark.usefixtures("day")
def test_the_dates_are_told_before_anything_is_sent():
    base, [legacy, shutdown] = TRAINER.check(EXAMPLE, OWN)
    assert base == EXAMPLE
    assert "no new jobs from 2027-01-06 on, and none since 2026-05-07 of organisations" in legacy
    assert "'local', 'together', 'nebius'" in legacy
    assert shutdown == f"{EXAMPLE} shuts down on 2027-01-14, and with it all models trained from it"
    _, [_, other] = TRAINER.check("gpt-9", OWN)
    assert other == "models trained from gpt-9 shut down with it: see OpenAI's page of deprecations"


@pytest.mark.usefixtures("day")
def test_without_a_base():
    with pytest.raises(ValueError, match=r"openai has no base of its own choice: name one, such as 'gpt-4.1-mini-2025"):
        TRAINER.check(None, ELSEWHERE)


@pytest.mark.parametrize("settings", [OWN, OpenAISettings(base_url="https://api.openai.com/v1")])
def test_after_the_last_day_openai_is_not_asked(day, settings):
    day(2027, 1, 6)
    assert TRAINER.check(EXAMPLE, settings)[1]
    day(2027, 1, 7)
    with pytest.raises(ValueError, match=r"no fine-tuning jobs since 2027-01-06: train an open model .*'local'"):
        TRAINER.check(EXAMPLE, settings)
    assert TRAINER.check("restyle-embedded", ELSEWHERE) == ("restyle-embedded", [])


def test_what_is_left_to_the_host():
    assert (TRAINER.epochs(5000, OWN), TRAINER.batch_size(5000, OWN)) == (3, None)
    own = OpenAISettings(epochs=1, batch_size=8)
    assert (TRAINER.epochs(5000, own), TRAINER.batch_size(5000, own)) == (1, 8)
    assert TRAINER.epochs(5000, OpenAISettings(epochs=None)) is None


@pytest.mark.parametrize("value", [0, -1.0, float("nan")])
def test_settings_are_checked(value):
    with pytest.raises(ValueError, match="learning_rate_multiplier is"):
        OpenAISettings(learning_rate_multiplier=value)
    with pytest.raises(ValueError, match="epochs is 0"):
        OpenAISettings.of({"epochs": 0}, "openai")
    with pytest.raises(
        ValueError, match=r"unknown option 'lora': the provider 'openai' has .*learning_rate_multiplier"
    ):
        OpenAISettings.of({"lora": True}, "openai")
    assert json.dumps(asdict(OpenAISettings(seed=7)))


def test_openais_own_key_is_needed(monkeypatch):
    with pytest.raises(ModelError, match="no OPENAI_API_KEY in the environment"):
        TRAINER.open(EXAMPLE, OWN, style="author")
    monkeypatch.setenv("OPENAI_API_KEY", "sk-openai")
    with TRAINER.open(EXAMPLE, OWN, style="author") as host:
        assert (host.client.api_key, host.base_url) == ("sk-openai", None)
        assert host.serve("job", role="restyle", model="ft:x", folder=None).base_url is None


def test_another_host_gets_another_key(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-openai")
    monkeypatch.setenv("RESTYLE_API_KEY", "sk-restyle")
    with TRAINER.open(EXAMPLE, ELSEWHERE, style="author") as host:
        assert host.client.api_key == "sk-restyle"


@pytest.mark.parametrize(
    ("options", "style", "hyperparameters", "more"),
    [
        ({}, "author", {"n_epochs": 3}, {"suffix": "author-destyle"}),
        (
            {"epochs": 2, "batch_size": 4, "learning_rate_multiplier": 0.5, "seed": 7, "suffix": "mine"},
            "author",
            {"n_epochs": 2, "batch_size": 4, "learning_rate_multiplier": 0.5},
            {"suffix": "mine-destyle", "seed": 7},
        ),
        ({"epochs": None}, "a" * 64, {}, {"suffix": "a" * 56 + "-destyle"}),
    ],
)
def test_what_a_job_is_asked_with(tmp_path, options, style, hyperparameters, more):
    path = tmp_path / "train.messages.jsonl"
    path.write_bytes(b"{}\n")
    with Sandbox() as sandbox:
        sandbox.tuning.host = "openai"
        settings = OpenAISettings(base_url=sandbox.base_url, poll=0.001, **options)
        with TRAINER.open(EXAMPLE, settings, style=style) as host:
            file = host.upload(path)
            host.create(Files(file), role="destyle", tag="author-1")
    assert sandbox.tuning.uploads == [("train.messages.jsonl", b"{}\n")]
    assert sandbox.tuning.asked == [
        {
            "model": EXAMPLE,
            "training_file": file,
            "method": {"type": "supervised", "supervised": {"hyperparameters": hyperparameters}},
            "metadata": {"restyle": "author-1"},
            **more,
        }
    ]


@pytest.mark.parametrize("shutdown", [{"shutdown_date": "2027-01-14"}, {"shutdown_date": None}, {}])
def test_a_host_that_tells_when_the_base_shuts_down(shutdown):
    answers = {"id": EXAMPLE, "object": "model", **shutdown}, {"id": "ftjob-1", "object": "fine_tuning.job"}
    with raw_host(*answers) as base_url, warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        settings = OpenAISettings(base_url=base_url, poll=0.001)
        with TRAINER.open(EXAMPLE, settings, style="author") as host:
            assert host.create(Files("file-1"), role="restyle", tag="author-1") == "ftjob-1"
    told = [str(each.message) for each in caught if each.category is UserWarning]
    if shutdown.get("shutdown_date"):
        [text] = told
        assert text.startswith(f"{EXAMPLE} shuts down on 2027-01-14, by http://127.0.0.1:")
    else:
        assert told == []
