"""Bad input, each kind through the library and through the command line.

Every error is of a class of its own, names the value and the place, and says what to do next; and whatever good stood
there before still stands.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from bad_input import CASES, edit_card, pairs
from commands import restyle_command
from restyle import RestyleError
from restyle.errors import (
    RowError,
)
from support import write_letters

FAMILIES = [
    "missing file",
    "empty document",
    "not UTF-8",
    "unknown style",
    "card",
    "row",
    "slash",
    "parameter",
]


@pytest.fixture
def workplace(tmp_path, monkeypatch, trained_keeper):
    """Good letters, their recording, a pair set and a trained style ``author``, before anything is spoilt."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RESTYLE_HOME", "home")
    write_letters(tmp_path)
    pairs()()
    (tmp_path / "report.md").write_text("The boat was late.\n", "utf-8")
    shutil.copytree(trained_keeper / "styles/keeper", "home/styles/author")
    edit_card(name="author")()
    return tmp_path


def state(folder):
    return {path: path.read_bytes() for path in Path(folder).rglob("*") if path.is_file()}


def test_the_table_covers_the_list():
    for family in FAMILIES:
        assert any(family in case.name for case in CASES)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_bad_input(case, workplace, monkeypatch, capsys):
    case.spoil()
    before = state(".")
    with pytest.raises(RestyleError) as caught:
        case.library()
    assert type(caught.value) is case.error
    message = str(caught.value)
    assert [part for part in case.says if part not in message] == []
    assert "sk-hush" not in message

    done = restyle_command(case.command, monkeypatch, capsys)
    assert done.status == 1
    assert done.out == ""
    (line,) = done.err.splitlines()
    assert line.startswith("error: ")
    assert [part for part in case.says if part not in line] == []

    after = state(".")
    assert {path: content for path, content in before.items() if after.get(path) != content} == {}
    assert all((workplace / path).is_file() for path in case.keeps)


@pytest.mark.parametrize("content", [b"caf\xe9\n", b"first\nsecond\ncaf\xe9\n"])
def test_text_to_rewrite_that_is_not_utf8(workplace, monkeypatch, capsys, content):
    (workplace / "latin.md").write_bytes(content)
    number = content.count(b"\n")
    for arguments, stdin, place in (
        (["rewrite", "latin.md", "--style", "author"], b"", "latin.md"),
        (["rewrite", "--style", "author"], content, "standard input"),
    ):
        done = restyle_command(arguments, monkeypatch, capsys, stdin)
        assert done.status == 1
        assert done.err.startswith(f"error: {place}:{number}: not UTF-8")
        assert "save it as UTF-8" in done.err


@pytest.mark.usefixtures("workplace")
def test_text_to_rewrite_that_is_not_there(monkeypatch, capsys):
    for path, says in (("nowhere.md", "no such file: check the path"), ("letters", "cannot be read (Is a directory)")):
        done = restyle_command(["rewrite", path, "--style", "author"], monkeypatch, capsys)
        assert (done.status, done.out) == (1, "")
        assert done.err.startswith(f"error: {path}: {says}")


def test_a_good_run_after_every_bad_one(workplace):
    """What the spoilt runs left behind is no obstacle once the input is mended."""
    good = (workplace / "recorded.jsonl").read_bytes()
    for spoilt in (b"{", b"\xff", b"[]"):
        (workplace / "recorded.jsonl").write_bytes(spoilt)
        with pytest.raises(RowError):
            pairs()()
    (workplace / "recorded.jsonl").write_bytes(good)
    made = pairs()()
    assert (made.asked, made.reused) == (0, 10)
