from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request

import pytest

from commands import NOTE, PROGRAM, example_of, run
from restyle import rewrite
from restyle.cli.app import app
from restyle.style import Style
from restyle.testing import Sandbox
from support import plain_passage, styled_passage

COMMANDS = sorted(command.callback.__name__ for command in app.registered_commands)


def test_all_commands_are_there(command):
    assert COMMANDS == ["demo", "doctor", "jobs", "pairs", "rewrite", "serve", "show", "styles", "train"]
    done = command("--help")
    assert done.status == 0
    for name in COMMANDS:
        assert re.search(rf"^  {name} ", done.out, re.MULTILINE)


def test_the_version(command):
    from restyle import __version__

    assert command("--version").out == f"{__version__}\n"


@pytest.mark.usefixtures("workplace")
def test_the_example_of_pairs(command):
    before = command(*example_of("pairs", command))
    assert before.status == 0
    table = dict(re.findall(r"^(.+?)  +(\d+)$", before.out, re.MULTILINE))
    assert table["cut from the documents"] == table["answered by the teacher now"] == "10"
    assert (table["pairs for train"], table["pairs for valid"], table["pairs for test"]) == ("6", "2", "2")
    assert "next: restyle train pairs" in before.out
    again = command(*example_of("pairs", command))
    table = dict(re.findall(r"^(.+?)  +(\d+)$", again.out, re.MULTILINE))
    assert (table["answered by the teacher now"], table["answers found in the ledger, not asked again"]) == ("0", "10")


def test_the_example_of_train(workplace, command):
    command(*example_of("pairs", command))
    shutil.rmtree(workplace / "home")
    done = command(*example_of("train", command))
    assert done.status == 0
    assert re.search(r"^restyle +2 +[\d.]+ +[\d.]+ *$", done.out, re.MULTILINE)
    assert "BLEU of a copy" in done.out
    assert "warning: " in done.err
    assert "below 300" in done.err
    assert NOTE in " ".join(done.out.split())
    assert Style.load("author").training["rows"] == 6


@pytest.mark.usefixtures("workplace")
def test_the_example_of_jobs(command):
    done = command(*example_of("jobs", command))
    assert (done.status, done.out) == (0, "")
    assert "no jobs: 'restyle train DIR --provider HOST' begins one" in done.err


@pytest.mark.usefixtures("workplace")
def test_the_example_of_styles(command):
    done = command(*example_of("styles", command))
    assert (done.status, done.out) == (0, "author\n")


def test_no_styles_yet(home, command):
    done = command("styles")
    assert (done.status, done.out) == (0, "")
    assert f"no styles under {home / 'styles'}: make one with 'restyle demo'" in done.err


@pytest.mark.usefixtures("workplace")
def test_the_example_of_show(command):
    done = command(*example_of("show", command))
    assert done.status == 0
    assert done.out == Style.load("author").to_json()
    assert NOTE in done.err


def test_the_example_of_rewrite(workplace, command):
    done = command(*example_of("rewrite", command))
    assert done.status == 0
    assert done.out == rewrite((workplace / "report.md").read_text("utf-8"), "author").text
    assert done.out.startswith("# Report\n\n")
    assert "little craft" in done.out
    assert "blocks: 3 styled, 1 verbatim" in done.err
    assert NOTE in done.err


@pytest.mark.usefixtures("home")
def test_the_example_of_demo(command):
    arguments = example_of("demo", command)
    first, second = command(*arguments), command(*arguments)
    for done in (first, second):
        assert done.status == 0
        assert "facts lost or invented: none" in done.out
        assert NOTE in " ".join(done.out.split())
        assert "fine-tune any open model" in " ".join(done.out.split())
        for fact in ("Falmouth", "Anna", "Reyes", "6:30", "1998", "[1]", "Ingrid", "Holm"):
            assert fact in done.out
        for habit in ("old roarer", "uncommon", "little craft"):
            assert habit in " ".join(done.out.split("restyled")[-1].split())
        for reason in ("facts", "fault", "overlap"):
            assert re.search(rf"dropped: {reason} +\d+", done.out)
        assert len(re.findall(r"^(?:re|de)style +12 +\d+\.\d +\d+\.\d", done.out, re.MULTILINE)) == 2
    assert "trained in" in first.out
    assert "reused" in second.out
    assert "trained in" not in second.out
    assert re.search(r"answered by the teacher now +0$", second.out, re.MULTILINE)

    def section(text):
        return text[text.index("3. a chain") :]

    assert section(first.out) == section(second.out)


@pytest.mark.usefixtures("workplace")
def test_the_example_of_serve(command):
    arguments = example_of("serve", command)
    port = int(arguments[arguments.index("--port") + 1])
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:  # somebody else has it: any other does as well
            probe.bind(("127.0.0.1", 0))
            arguments[arguments.index(str(port))] = str(probe.getsockname()[1])
            port = probe.getsockname()[1]
    with subprocess.Popen([*PROGRAM, *arguments], stderr=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        try:
            models = poll(f"http://127.0.0.1:{port}/v1/models", process)
            assert {"author:restyle", "author:destyle"} <= {model["id"] for model in models["data"]}
        finally:
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=20)
    assert process.returncode == 0
    assert f"http://127.0.0.1:{port}/v1" in err.decode()
    assert NOTE in err.decode()
    assert b"Traceback" not in out + err


def poll(url, process):
    end = time.monotonic() + 20
    while time.monotonic() < end and process.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=5) as response:
                return json.load(response)
        except urllib.error.URLError:
            time.sleep(0.05)
    raise AssertionError(f"nobody answered at {url}")


def test_every_command_has_an_example_that_is_run_here(command):
    for name in COMMANDS:
        assert example_of(name, command)
        assert f"test_the_example_of_{name}" in globals()


@pytest.mark.usefixtures("workplace")
def test_standard_input_is_rewritten_as_it_stands(command):
    text = "Title\r\n=====\r\n\r\nThe boat was very late.\r\n\r\n```\r\ncode  \r\n```\r\n"
    done = command("rewrite", "--style", "author", stdin=text.encode())
    assert done.status == 0
    assert done.out.startswith("Title\r\n=====\r\n\r\n")
    assert done.out.endswith("\r\n\r\n```\r\ncode  \r\n```\r\n")
    assert "little craft" in done.out


@pytest.mark.usefixtures("workplace")
def test_a_pipe_through_the_real_program():
    ascii_only = {**os.environ, "PYTHONIOENCODING": "ascii"}
    done = run("rewrite", "--style", "author", stdin="The boat wasn’t late — ever.\n".encode(), env=ascii_only)
    assert done.returncode == 0
    assert "little craft" in done.stdout.decode()
    assert done.stdout.decode().endswith("— ever.\n")


@pytest.mark.usefixtures("workplace")
def test_nothing_in_nothing_out(command):
    done = command("rewrite", "--style", "author", stdin=b"")
    assert (done.status, done.out) == (0, "")
    assert "nothing to rewrite" in done.err


def test_home_wins_over_the_environment(workplace, command, tmp_path):
    other = tmp_path / "other"
    shutil.copytree(workplace / "home", other)
    shutil.rmtree(workplace / "home")
    assert command("styles", "--home", str(other)).out == "author\n"
    assert command("show", "author", "--home", str(other)).status == 0
    assert "craft" in command("rewrite", "--style", "author", "--home", str(other), stdin=b"The boat was late.").out
    assert not (workplace / "home").exists()


@pytest.mark.usefixtures("home")
def test_options_of_rewrite_reach_the_models(command):
    from restyle.stage import Stage

    with Sandbox(replies={"s": "The craft was late.", "n": "The boat came with 12 men."}) as sandbox:
        Style(
            "toned",
            Stage("Rewrite, $tone.", "s", sandbox.base_url),
            Stage("Neutralise.", "n", sandbox.base_url),
            parameters={"tone": ["dry"]},
        ).save()
        arguments = ["rewrite", "--style", "toned", "--parameter", "tone=dry"]
        text = b"The fair boat came with 12 men."
        done = command(*arguments, "--attempts", "1", stdin=text)
        assert (done.out, len(sandbox.requests)) == (text.decode(), 2)
        assert sandbox.requests[1].body["messages"][0]["content"] == "Rewrite, dry."
        assert "blocks: 1 original" in done.err
        assert NOTE not in done.err
        assert command(*arguments, "--on-loss", "keep", stdin=text).out == "The craft was late."
        assert command(*arguments, "--on-loss", "neutral", stdin=text).out == "The boat came with 12 men."
        done = command(*arguments, "--on-loss", "raise", stdin=text)
        assert done.status == 1
        assert "error: block 'The fair boat came with 12 men.'" in done.err
        before = len(sandbox.requests)
        command(*arguments, "--no-destyle", "--attempts", "1", stdin=text)
        assert [request.body["model"] for request in sandbox.requests[before:]] == ["s"]


def test_a_teacher_behind_an_endpoint(workplace, command):
    def reply(messages):
        return plain_passage(int(re.search(r"number (\d+)", messages[1]["content"])[1]) - 100)

    with Sandbox(replies={"luna": reply}) as sandbox:
        done = command(
            *["pairs", "letters", "--style", "author", "--teacher", "luna", "--base-url", sandbox.base_url],
            *["--out", "pairs", "--restyle-prompt", "Yours.", "--destyle-prompt", "Plainly.", "--seed", "3"],
        )
        assert len(sandbox.requests) == 10
    assert done.status == 0
    manifest = json.loads((workplace / "pairs/manifest.json").read_text("utf-8"))
    assert manifest["prompts"]["restyle"]["text"] == "Yours."
    assert manifest["prompts"]["destyle"]["text"] == "Plainly."
    assert manifest["seed"] == 3


def test_a_dry_run_asks_nothing_and_writes_nothing(command, workplace, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-none")
    said = command("pairs", "letters", "--style", "author", "--teacher", "openai:gpt-9", "--out", "new", "--dry-run")
    assert said.status == 0
    assert "10 blocks, 10 to ask for" in said.out
    assert "unknown, the model has no price" in said.out
    assert not (workplace / "new").exists()
    prices = workplace / "home/prices.toml"
    prices.write_text('["gpt-9"]\nread = 1000.0\nwritten = 2000.0\n', "utf-8")
    priced = command("pairs", "letters", "--style", "author", "--teacher", "openai:gpt-9", "--out", "new", "--dry-run")
    assert "about $" in priced.out


@pytest.mark.usefixtures("workplace")
def test_a_dry_run_counts_what_the_ledger_lacks(command):
    arguments = ("pairs", "letters", "--style", "author", "--teacher", "recorded.jsonl", "--out", "pairs")
    assert "report.html" in command(*arguments, "--limit", "4").out
    assert "10 blocks, 6 to ask for" in command(*arguments, "--dry-run").out


def test_the_turns_of_one_sender_become_pairs(command, workplace):
    reply = {"role": "assistant", "content": "No."}
    chats = [{"messages": [{"role": "user", "content": styled_passage(n)}, reply]} for n in range(3)]
    (workplace / "chats.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in chats), "utf-8")
    arguments = ("pairs", "chats.jsonl", "--style", "author", "--teacher", "recorded.jsonl", "--out", "pairs")
    assert command(*arguments, "--sender", "user").status == 0
    rows = [json.loads(line) for line in (workplace / "pairs/pairs.jsonl").read_text("utf-8").splitlines()]
    assert {row["styled"] for row in rows} == {styled_passage(n) for n in range(3)}


def test_the_example_of_doctor(workplace, command):
    done = command(*example_of("doctor", command))
    assert done.status == 0
    assert len(re.findall(r"^(?:re|de)style +model file +ok ", done.out, re.MULTILINE)) == 2
    (workplace / "home/styles/author" / Style.load("author").restyle.model).unlink()
    done = command(*example_of("doctor", command))
    assert done.status == 1
    assert re.search(r"^restyle +model file +error ", done.out, re.MULTILINE)
    assert "restyle, model file: restyle train" in done.out
