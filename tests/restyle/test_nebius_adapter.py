from __future__ import annotations

import json

import pytest

from nebius_files import ADAPTER, BASE, LORA, TENSOR, safetensors
from restyle.errors import TrainingError
from restyle.serving.adapters import adapter_of
from restyle.serving.recipes import recipe
from restyle.stage import Stage
from restyle.style import Style
from restyle.training.hosts.nebius_adapter import fetch_adapter


def contents(parts=ADAPTER):
    return {name: name for name in parts}, lambda name, path: path.write_bytes(parts[name]) and None


def header_of(path):
    data = path.read_bytes()
    length = int.from_bytes(data[:8], "little")
    return json.loads(data[8 : 8 + length]), length, data[8 + length :]


@pytest.mark.parametrize("prefix", ["", "base_model.model."])
def test_weights_get_the_names_that_peft_looks_for(tmp_path, prefix):
    names, fetch = contents(ADAPTER | {"adapter_model.safetensors": safetensors(*(prefix + name for name in LORA))})
    fetch_adapter(names, tmp_path / "adapter", fetch)
    header, length, data = header_of(tmp_path / "adapter/adapter_model.safetensors")
    assert header.keys() == {"__metadata__", *(f"base_model.model.{name}" for name in LORA)}
    assert header["__metadata__"] == {"format": "pt"}
    assert [header[f"base_model.model.{name}"]["data_offsets"] for name in LORA] == [[0, 4], [4, 8]]
    assert data == TENSOR * 2
    assert length % 8 == 0


DAMAGED = [safetensors(*LORA, cut=1), safetensors(*LORA) + b"\0", b"", b"\xff" * 20, b"\x02" + bytes(7) + b"[]"]


@pytest.mark.parametrize("weights", DAMAGED, ids=["cut", "too long", "empty", "no header", "no object"])
def test_damaged_weights_are_not_kept(tmp_path, weights):
    names, fetch = contents(ADAPTER | {"adapter_model.safetensors": weights})
    with pytest.raises(TrainingError, match=r"damaged.*train again"):
        fetch_adapter(names, tmp_path / "adapter", fetch)
    assert not [*tmp_path.iterdir()]


def test_no_file_leads_out_of_the_folder_and_no_pickle_into_it(tmp_path):
    names, fetch = contents(ADAPTER | dict.fromkeys(("..", "../x.json", ".hidden.json", "training_args.bin"), b"x"))
    fetch_adapter(names, tmp_path / "adapter", fetch)
    assert {path.name for path in (tmp_path / "adapter").iterdir()} == ADAPTER.keys() - {"checkpoint.meta"}
    assert [path.name for path in tmp_path.iterdir()] == ["adapter"]


def test_a_full_disk_is_told(tmp_path):
    def fetch(_name, _path):
        raise OSError(28, "No space left on device")

    with pytest.raises(TrainingError, match=r"No space left on device.*make room"):
        fetch_adapter(contents()[0], tmp_path / "adapter", fetch)
    assert not [*tmp_path.iterdir()]


def test_vllm_is_told_how_to_serve_a_fetched_adapter(tmp_path):
    names, fetch = contents()
    for role in ("restyle", "destyle"):
        fetch_adapter(names, tmp_path / f"styles/author/{role}-0123456789ab", fetch)
    stages = {role: Stage("Rewrite.", f"author-{role}", "http://127.0.0.1:8000/v1") for role in ("restyle", "destyle")}
    record = {"adapters": {role: {"folder": f"{role}-0123456789ab"} for role in stages}}
    Style("author", **stages, training=record).save(tmp_path)
    style = Style.load("author", home=tmp_path)
    assert adapter_of(style, "destyle").rank == 16
    printed = recipe(style, "vllm")
    assert f"vllm serve {BASE}" in printed
    assert "destyle-0123456789ab" in printed
    assert "FILL_IN" not in printed
