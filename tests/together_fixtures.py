"""A stub of Together's, hosts that ask it, rows to send and jobs begun: for the tests of that provider."""

from __future__ import annotations

import json

import pytest

from restyle.training.hosts.host import Files
from restyle.training.hosts.together import TogetherSettings, TogetherTrainer
from together_rows import BASE, KEY, SYSTEM, TAG
from together_stub import together_host


@pytest.fixture
def stub():
    with together_host() as stub:
        yield stub


@pytest.fixture
def opened(stub, monkeypatch):
    """Opens hosts that ask the stub, with settings."""
    monkeypatch.setenv("TOGETHER_API_KEY", KEY)
    hosts = []

    def opened(base=BASE, style="author", **settings):
        settings = TogetherSettings(**{"base_url": f"{stub.url}/v1", "poll": 0.001, **settings})
        hosts.append(TogetherTrainer().open(base, settings, style=style))
        return hosts[-1]

    yield opened
    for host in hosts:
        host.close()


@pytest.fixture
def rows(tmp_path):
    """Writes a file of rows."""

    def rows(name="train.messages.jsonl", number=4):
        messages = [
            {"system": SYSTEM, "user": f"The {name} meadow {n} — “wide”.", "assistant": f"Uncommon wide, meadow {n}."}
            for n in range(number)
        ]
        lines = [json.dumps({"messages": [{"role": k, "content": v} for k, v in each.items()]}) for each in messages]
        (tmp_path / name).write_text("\n".join(lines) + "\n", "utf-8")
        return tmp_path / name

    return rows


@pytest.fixture
def begun(opened, rows):
    """Begins a job and runs it until a status."""

    def begun(until=None, **settings):
        host = opened(**settings)
        files = Files(host.upload(rows()), host.upload(rows("valid.messages.jsonl")))
        job = host.create(files, role="restyle", tag=TAG)
        while until and host.state(job).status != until:
            pass
        return host, files, job

    return begun
