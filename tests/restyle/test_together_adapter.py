from __future__ import annotations

import io
import json
import sys
import tarfile

import pytest

pytest.importorskip("together")

from restyle.errors import MissingExtraError, TrainingError
from restyle.serving.adapters import adapter_of
from restyle.serving.recipes import recipe
from restyle.stage import Stage
from restyle.style import Style
from restyle.training.hosts.together_adapter import base_of, fetch_adapter, template_digest
from together_rows import BASE, SYSTEM, TEMPLATE, adapter

pytest_plugins = ["together_fixtures"]


@pytest.mark.parametrize("compress", ["gz", "zst", "none"])
def test_the_adapter_is_fetched_once_and_without_pickles(stub, begun, tmp_path, compress):
    stub.archive = adapter(compress=compress)
    host, _, job = begun(until="succeeded")
    first = host.serve(job, role="restyle", model="m", folder=tmp_path / "style")
    assert host.serve(job, role="restyle", model="m", folder=tmp_path / "style") == first
    assert sorted(path.name for path in (tmp_path / "style").iterdir()) == [first.record["folder"]]
    kept = {path.name for path in (tmp_path / "style" / first.record["folder"]).iterdir()}
    assert kept == {
        "adapter_config.json",
        "adapter_model.safetensors",
        "tokenizer_config.json",
        "chat_template.jinja",
    }
    assert len(stub.sent("GET", "/v1/finetune/download")) == 1


def test_a_served_adapter_is_what_the_commands_for_servers_find(begun, tmp_path):
    host, _, job = begun(until="succeeded", serve_url="http://gpu:8000/v1")
    served = host.serve(job, role="restyle", model="m", folder=tmp_path / "styles/author")
    assert (served.model, served.base_url) == ("author-restyle", "http://gpu:8000/v1")
    assert served.next_step == "restyle serve --print vllm author"
    stage = Stage(SYSTEM, served.model, served.base_url, golden=served.golden)
    style = Style("author", stage, None, training={"adapters": {"restyle": served.record}})
    style.save(tmp_path)
    found = adapter_of(style, "restyle")
    assert (found.rank, found.base) == (16, BASE)  # and not the path on the host's disks
    assert found.template.read_text("utf-8") == TEMPLATE
    commands = recipe(style, "vllm")
    assert "FILL_IN" not in commands
    assert f"author-restyle={found.directory}" in commands


def test_where_training_was_stopped_early_the_best_step_is_kept(stub, begun, tmp_path):
    host, _, job = begun(until="succeeded")
    stub.jobs[job] |= {"early_stopped": True, "early_stopping_best_step": 2, "early_stopping_best_metric": 1.7}
    assert host.serve(job, role="restyle", model="m", folder=tmp_path / "style").record["best_step"] == 2


@pytest.mark.parametrize(
    ("archive", "message"),
    [
        (adapter({"../adapter_config.json": b"{}"}), "a path out of it"),
        (adapter({"/tmp/adapter_config.json": b"{}"}), "a path out of it"),
        (
            adapter({"adapter_config.json": b"{}", "pytorch_model.bin": b""}),
            "no adapter_model.safetensors, but adapter",
        ),
        (adapter({"adapter_config.json": b"[]", "adapter_model.safetensors": b""}), "damaged .*no JSON object"),
        (adapter({"a/adapter_config.json": b"{}", "b/adapter_config.json": b"{}"}), "damaged .*two files"),
        (adapter()[:200], "damaged"),
        (adapter(compress="zst")[:-40], "damaged"),
        (b"no archive", "damaged"),
    ],
)
def test_what_is_no_adapter_is_refused_and_nothing_is_left(tmp_path, archive, message):
    with pytest.raises(TrainingError, match=message):
        fetch_adapter(tmp_path / "style" / "restyle-1", lambda path: path.write_bytes(archive))
    assert not list((tmp_path / "style").iterdir())
    assert not (tmp_path / "adapter_config.json").exists()


def test_names_that_mean_something_elsewhere_are_left_out(tmp_path):
    files = {"adapter_config.json": b"{}", "adapter_model.safetensors": b"", ".hidden.json": b"", "..\\up.json": b""}
    fetch_adapter(tmp_path / "a", lambda path: path.write_bytes(adapter(files)))
    assert {path.name for path in (tmp_path / "a").iterdir()} == {"adapter_config.json", "adapter_model.safetensors"}


def test_links_are_not_followed(tmp_path):
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        link = tarfile.TarInfo("adapter_model.safetensors")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(link)
    with pytest.raises(TrainingError, match=r"no adapter_config\.json, but nothing of use"):
        fetch_adapter(tmp_path / "restyle-1", lambda path: path.write_bytes(packed.getvalue()))


def test_zstandard_that_is_not_installed_is_named(tmp_path, monkeypatch):
    packed = adapter(compress="zst")
    monkeypatch.setitem(sys.modules, "zstandard", None)
    with pytest.raises(MissingExtraError, match=r"'restyle\[together\]'"):
        fetch_adapter(tmp_path / "restyle-1", lambda path: path.write_bytes(packed))


def test_an_adapter_that_names_its_base_on_the_hub_is_believed(tmp_path):
    config = {"base_model_name_or_path": "meta-llama/Llama-3.3-70B-Instruct"}
    files = {"adapter_config.json": json.dumps(config).encode(), "adapter_model.safetensors": b""}
    fetch_adapter(tmp_path / "a", lambda path: path.write_bytes(adapter(files)))
    assert base_of(tmp_path / "a", "other/base") == "meta-llama/Llama-3.3-70B-Instruct"
    files["adapter_config.json"] = b"{}"
    fetch_adapter(tmp_path / "b", lambda path: path.write_bytes(adapter(files)))
    assert base_of(tmp_path / "b", "meta-llama/Llama-3-Instruct-Reference") == "meta-llama/Llama-3-Instruct"
    assert not template_digest(tmp_path / "b")


def test_of_two_processes_that_fetch_at_once_one_is_enough(tmp_path):
    def download(path):
        fetch_adapter(tmp_path / "a", lambda other: other.write_bytes(adapter()))
        path.write_bytes(adapter())

    fetch_adapter(tmp_path / "a", download)
    assert [path.name for path in tmp_path.iterdir()] == ["a"]
