"""The Ray engine on a cluster of this machine: the driver is a process of its own, as is whoever keeps the cluster."""

from __future__ import annotations

import json
import os
import secrets
import signal
import subprocess
import sys
import time
from collections import Counter
from importlib.util import find_spec
from pathlib import Path

import pytest

from pairing import build, contents
from restyle.testing import Sandbox
from support import write_letters
from teaching import plain

pytestmark = pytest.mark.skipif(
    find_spec("ray") is None or not Path("/proc/self/fd").exists(), reason="needs ray, and Linux to find its actors"
)

BLOCKS, IN_FLIGHT = 96, 8
OPTIONS = {"max_concurrency": IN_FLIGHT, "near_duplicates": None}
CLUSTER = """
import ray
context = ray.init(num_cpus=8, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
print(context.address_info["gcs_address"], flush=True)
input()
"""
DRIVER = """
import json, sys
from restyle import build_pairs
sources, options = json.loads(sys.argv[1])
made = build_pairs(sources, style="author", teacher="luna", engine="ray", **options)
print(json.dumps([made.asked, made.reused]))
"""


@pytest.fixture(scope="module")
def cluster():
    """The settings that lead to a cluster of eight cores, so it believes: two actors."""
    environment = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32), "RAY_USAGE_STATS_ENABLED": "0"}
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen([sys.executable, "-c", CLUSTER], env=os.environ | environment, **pipes) as process:
        yield {**environment, "RAY_ADDRESS": process.stdout.readline().strip()}
        process.communicate("\n", timeout=30)


@pytest.fixture
def host(tmp_path):
    """A teacher's, and letters to ask it about."""
    letters, _ = write_letters(tmp_path, documents=8, passages=BLOCKS // 8)
    with Sandbox(replies={"luna": lambda messages: plain(messages[1]["content"])}, latency=0.05) as sandbox:
        sandbox.letters = letters
        yield sandbox


@pytest.fixture
def begin(cluster, host):
    """A driver on the cluster."""

    def begun(out):
        given = [str(host.letters), {**OPTIONS, "out": str(out), "base_url": host.base_url}]
        command = [sys.executable, "-c", DRIVER, json.dumps(given)]
        return subprocess.Popen(command, env=os.environ | cluster, stdout=subprocess.PIPE, text=True)

    return begun


def outcome(process):
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    return json.loads(out.splitlines()[-1])  # after what Ray has to say about a dead actor


def wait_for_requests(host, process):
    deadline = time.monotonic() + 60
    while len(host.requests) < BLOCKS // 3:
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.005)


def actors_of(out):
    """The processes that have a shard open."""
    found = set()
    for link in Path("/proc").glob("[0-9]*/fd/*"):
        try:
            if link.readlink().is_relative_to(out / "shards"):
                found.add(int(link.parts[2]))
        except OSError:
            continue
    return found


def paid_twice(host):
    return sum(Counter(request.raw for request in host.requests).values()) - len({r.raw for r in host.requests})


def test_the_same_files_even_if_an_actor_dies(host, begin, tmp_path):
    local = build(host.letters, "luna", tmp_path / "local", base_url=host.base_url, **OPTIONS)
    assert local.asked == BLOCKS
    host.requests.clear()
    with begin(tmp_path / "ray") as process:
        wait_for_requests(host, process)
        os.kill(min(actors_of(tmp_path / "ray")), signal.SIGKILL)
        assert outcome(process) == [BLOCKS, 0]
    assert paid_twice(host) <= IN_FLIGHT // 2
    assert contents(tmp_path / "ray") == contents(tmp_path / "local")
    host.requests.clear()
    with begin(tmp_path / "ray") as process:
        assert outcome(process) == [0, BLOCKS]
    assert not host.requests


def test_a_killed_driver_leaves_its_answers_to_the_next_run(host, begin, tmp_path):
    with begin(tmp_path / "ray") as process:
        wait_for_requests(host, process)
        process.kill()
    made = build(host.letters, "luna", tmp_path / "ray", base_url=host.base_url, **OPTIONS)
    assert made.asked + made.reused == BLOCKS
    assert made.reused >= BLOCKS // 3 - IN_FLIGHT
    assert paid_twice(host) <= IN_FLIGHT
    assert not (tmp_path / "ray/shards").exists()


def test_an_interrupted_driver_keeps_what_was_answered_and_ends(host, begin, tmp_path):
    with begin(tmp_path / "ray") as process:
        wait_for_requests(host, process)
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=30)
    assert process.returncode not in {0, -signal.SIGKILL}
    sent = len(host.requests)
    assert not (tmp_path / "ray/shards").exists()
    time.sleep(0.3)
    assert len(host.requests) == sent < BLOCKS
