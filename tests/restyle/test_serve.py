from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

from restyle.errors import MissingExtraError, RestyleError
from restyle.serving import serve

SRC = Path(__file__).parents[2] / "src"


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def test_serve_answers_until_it_is_interrupted(tmp_path):
    port = free_port()
    code = (
        f"from pathlib import Path\nfrom restyle.serving import serve\nserve(port={port}, home=Path({str(tmp_path)!r}))"
    )
    environment = {**os.environ, "PYTHONPATH": str(SRC)}
    command = [sys.executable, "-W", "error", "-c", code]
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as process:
        try:
            deadline = time.monotonic() + 20
            while True:
                try:
                    with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5) as answer:
                        assert json.load(answer) == {"status": "ok"}
                    break
                except OSError:
                    assert process.poll() is None, process.stderr.read()
                    assert time.monotonic() < deadline
                    time.sleep(0.05)
            process.send_signal(signal.SIGINT)
            _, errors = process.communicate(timeout=20)
        finally:
            process.kill()
    assert (process.returncode, errors) == (0, "")


def test_serve_says_that_a_port_is_taken_and_warns_off_loopback(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        with pytest.raises(RestyleError, match=f"cannot listen on 127.0.0.1:{port}"):
            serve(port=port, home=tmp_path)
    with pytest.raises(RestyleError), pytest.warns(UserWarning, match="not a loopback address"):
        serve(host="192.0.2.1", port=port, home=tmp_path)  # an address of documentation: never ours


@pytest.mark.parametrize(
    ("module", "package"),
    [("starlette.applications", "starlette"), ("uvicorn", "uvicorn"), ("python_multipart", "python-multipart")],
)
def test_a_missing_extra_is_named(module, package):
    code = (
        f"import sys; sys.modules[{module!r}] = None\n"
        "from restyle.errors import MissingExtraError\n"
        "try:\n    from restyle.serving import serve\n"
        "except MissingExtraError as error:\n    print(error)"
    )
    answer = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": str(SRC)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert answer.stdout.strip() == f"restyle serve needs the package {package!r}: pip install 'restyle[serve]'"
    assert issubclass(MissingExtraError, ImportError)
