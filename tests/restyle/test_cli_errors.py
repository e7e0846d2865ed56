"""What goes wrong on the command line: one line on standard error, and a status."""

from __future__ import annotations

import os
import re
import subprocess

import pytest

from commands import PROGRAM, example_of, run
from restyle.style import Style
from restyle.testing import Sandbox
from support import write_letters


@pytest.mark.usefixtures("home")
def test_what_was_rewritten_before_an_error_is_not_lost(command):
    def reply(messages):
        text = messages[-1]["content"]
        if "bad" in text:  # by what it says: concurrent requests may arrive in any order
            raise ValueError("out of order")
        return text

    from restyle.stage import Stage

    with Sandbox(replies={"s": reply}) as sandbox:
        Style("author", Stage("Rewrite.", "s", sandbox.base_url)).save()
        paragraph = "A paragraph with words enough to stand alone here. " * 5
        text = "\n\n".join([paragraph, *[f"A bad one. {paragraph}"] * 60])
        done = command("rewrite", "--style", "author", stdin=text.encode())
    assert done.status == 1
    assert done.err.startswith("error: model 's' at http://127.0.0.1")
    assert done.out.startswith(paragraph.strip())


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["rewrite", "report.md"], "Missing option '--style'"),
        (["rewrite", "report.md", "--style", "author", "--on-loss", "ignore"], "'ignore' is none of original"),
        (["rewrite", "report.md", "--style", "author", "--parameter", "tone"], "'tone' is not NAME=VALUE"),
        (["rewrite", "report.md", "--style", "author", "--attempts", "0"], "'--attempts'"),
        (["pairs", "letters", "--style", "author"], "Missing option '--out'"),
        (["pairs", "letters", "--style", "a", "--out", "p", "--max-concurrency", "0"], "'--max-concurrency'"),
        (["serve", "--port", "70000"], "'--port'"),
        (["dance"], "No such command 'dance'"),
    ],
)
@pytest.mark.usefixtures("workplace")
def test_wrong_usage_is_told_with_status_2(command, arguments, says):
    done = command(*arguments)
    assert (done.status, done.out) == (2, "")
    assert says in done.err
    assert "Traceback" not in done.err


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["pairs", "letters", "--style", "author", "--out", "pairs"], "no teacher: somebody must write the neutral"),
        (["pairs", "letters", "--style", "author", "--teacher", "openai:m", "--out", "p"], "no OPENAI_API_KEY"),
        (["pairs", "letters", "--style", "a", "--teacher", "recorded.jsonl", "--out", "report.md"], "report.md"),
        (["train", "letters"], "letters/manifest.json: no pair set here: make one with 'restyle pairs"),
        (["train", "report.md"], "report.md/manifest.json: no pair set here"),
        (["train", "letters", "--provider", "cloud"], "manifest.json: no pair set here"),
        (["show", "nobody"], "no style 'nobody'"),
        (["serve", "--host", "203.0.113.1"], "cannot listen on 203.0.113.1:8321"),
    ],
)
@pytest.mark.usefixtures("workplace")
def test_an_error_is_one_line_on_standard_error(arguments, says):
    done = run(*arguments, env={**os.environ, "COLUMNS": "80", "PYTHONWARNINGS": "ignore"})
    lines = [line for line in done.stderr.decode().splitlines() if not line.startswith("http://")]
    assert done.returncode == 1
    assert len(lines) == 1
    assert lines[0].startswith("error: ")
    assert says in lines[0]
    assert b"Traceback" not in done.stderr


def test_nothing_fit_for_training_is_an_error(workplace, command):
    recorded = workplace / "recorded.jsonl"
    recorded.write_text(recorded.read_text("utf-8").replace("looked sad", "looked sad in 1848"), "utf-8")
    done = command(*example_of("pairs", command))
    assert done.status == 1
    assert re.search(r"^dropped: facts +10$", done.out, re.MULTILINE)
    assert "error: no pair is fit for training: see pairs/dropped.jsonl for the reasons" in done.err


def test_two_documents_hold_nothing_out_and_it_says_so(tmp_path, command):
    letters, recorded = write_letters(tmp_path, documents=2, passages=3)
    out = str(tmp_path / "pairs [/draft]")  # square brackets are no markup
    done = command("pairs", str(letters), "--style", "author", "--teacher", str(recorded), "--out", out)
    assert done.status == 0
    assert f"next: restyle train {out}" in done.out
    assert "nothing is held out: give at least 3 documents" in " ".join(done.err.split())


def test_a_reader_that_goes_away_is_no_traceback(workplace):
    text = "\n\n".join(["The boat was very late because the wind was strong. " * 8] * 200)
    (workplace / "long.md").write_text(text, "utf-8")
    arguments = [*PROGRAM, "rewrite", "long.md", "--style", "author"]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        process.stdout.close()
        err = process.stderr.read()
    assert process.returncode == 1
    assert b"Traceback" not in err
    assert b"Exception" not in err
