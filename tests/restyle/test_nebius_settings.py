from __future__ import annotations

import pytest

from nebius_files import BASE, SERVED
from restyle.training import find_trainer
from restyle.training.hosts.nebius import NebiusSettings, NebiusTrainer


def test_settings():
    assert find_trainer("nebius").settings is NebiusSettings
    trainer, settings = NebiusTrainer(), NebiusSettings()
    assert (trainer.epochs(100, settings), trainer.batch_size(100, settings)) == (3, 16)
    settings = NebiusSettings.of({"epochs": 2, "batch_size": 4}, "nebius")
    assert (trainer.epochs(100, settings), trainer.batch_size(100, settings)) == (2, 4)
    assert {"poll", "download", "serve_url"} <= NebiusSettings.aside


REFUSED = [
    ({"learning_rate_multiplier": 2.0}, "the rate itself: give learning_rate"),
    ({"lora_r": 8}, "unknown option 'lora_r'"),
    ({"rank": 4}, "8 to 128"),
    ({"rank": 256}, "8 to 128"),
    ({"alpha": 4}, "8 or more"),
    ({"epochs": 21}, "1 to 20"),
    ({"epochs": 0}, "give 1 or more"),
    ({"batch_size": 65}, "1 to 64"),
    ({"dropout": 1.0}, "below 1"),
    ({"learning_rate": 2.0}, "between 0 and 1"),
    ({"learning_rate": 0.0}, "between 0 and 1"),
    ({"serve_url": "https://me:secret@gpu/v1"}, "serve_url"),
    ({"base_url": "nebius"}, "base_url"),
]


@pytest.mark.parametrize(("options", "said"), REFUSED, ids=lambda value: str(value)[:40])
def test_settings_that_are_refused(options, said):
    with pytest.raises(ValueError, match=said) as found:
        NebiusSettings.of(options, "nebius")
    assert "secret" not in str(found.value)


LISTED = [
    BASE,
    "meta-llama/Llama-3.3-70B-Instruct",
    "Qwen/Qwen3-0.6B",
    "Qwen/Qwen3-14B-Base",
    "Qwen/Qwen3-30B-A3B-Instruct-2507",
    "Qwen/Qwen2.5-0.5B-Instruct",
    "unsloth/gpt-oss-20b-BF16",
]


@pytest.mark.parametrize("base", LISTED)
def test_bases_that_are_listed(base):
    assert NebiusTrainer().check(base, NebiusSettings())[0] == base
    [warning] = NebiusTrainer().check(base, NebiusSettings())[1]
    assert "on request" in warning


@pytest.mark.parametrize(
    ("base", "said"),
    [
        ("Qwen/Qwen3.6-27B", "not listed"),
        ("google/gemma-4-31B-it", "not listed"),
        (SERVED, f"for training that is '{BASE}'"),
        ("openai/gpt-oss-20b", "'unsloth/gpt-oss-20b-BF16'"),
    ],
)
def test_bases_that_are_warned_of(base, said):
    found, [_, warning] = NebiusTrainer().check(base, NebiusSettings())
    assert found == base
    assert said in warning


def test_a_base_has_to_be_named():
    with pytest.raises(ValueError, match="name one of https"):
        NebiusTrainer().check(None, NebiusSettings())
