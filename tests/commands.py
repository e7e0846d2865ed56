"""Running the command line, in this process or as a program of its own."""

from __future__ import annotations

import io
import re
import shlex
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass

import pytest

from restyle.cli import main

PROGRAM = [sys.executable, "-c", "from restyle.cli import main; main()"]


NOTE = "small statistical phrase models"


def run(*arguments, stdin=b"", **options):
    return subprocess.run([*PROGRAM, *arguments], input=stdin, capture_output=True, timeout=60, check=False, **options)


def example_of(name, command) -> list[str]:
    text = command(name, "--help").out
    (line,) = re.findall(r"^ *Example: (restyle .*)$", text, re.MULTILINE)
    words = shlex.split(line)
    assert words[:2] == ["restyle", name]
    return words[1:]


@dataclass(frozen=True, slots=True)
class Done:
    """What a command left behind."""

    status: int
    out: str
    err: str


def restyle_command(
    arguments: Iterable[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], stdin: bytes = b""
) -> Done:
    """Run the command line in this process, as its entry point does."""
    capsys.readouterr()
    with monkeypatch.context() as patch:
        patch.setattr(sys, "argv", ["restyle", *arguments])
        patch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin), encoding="utf-8"))
        status = 0
        try:
            main()
        except SystemExit as stop:
            status = stop.code if isinstance(stop.code, int) else int(stop.code is not None)
    captured = capsys.readouterr()
    return Done(status, captured.out, captured.err)
