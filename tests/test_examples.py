"""Every example, and every Python block of the README, is run as a user would run it."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))
README = (ROOT / "README.md").read_text("utf-8")
README_CODE = re.findall(r"```python\n(.*?)```", README, re.DOTALL)


def run(program: list[str], **environment: str) -> str:
    done = subprocess.run(
        [sys.executable, *program],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_example_runs_offline(path, keeper_home):
    output = run([str(path)], RESTYLE_HOME=str(keeper_home))
    whole, streamed = output.strip().split("\n")
    assert whole == streamed
    for habit in ("little craft", "uncommon", "gave me to understand", "old grey water"):
        assert habit in whole
    for fact in ("Porthennis", "14", "Captain Varco", "[1]"):
        assert fact in whole


def test_readme_has_code():
    assert README_CODE


@pytest.mark.parametrize("code", README_CODE)
def test_readme_code_runs(code, keeper_home):
    from restyle.testing import Sandbox

    answer = "The wind was very strong last night, but nothing was lost."
    with Sandbox(replies={"gpt-6-luna": answer}) as sandbox:
        output = run(
            ["-c", code], RESTYLE_HOME=str(keeper_home), OPENAI_BASE_URL=sandbox.base_url, OPENAI_API_KEY="none"
        )
    assert "naught was lost" in output


@pytest.mark.usefixtures("keeper_home")
def test_readme_shows_what_the_demonstration_prints():
    from langchain_restyle import Restyle
    from restyle.demo import ANSWERS

    quoted = " ".join(line.removeprefix(">").strip() for line in README.split("\n") if line.startswith(">"))
    before, after = re.fullmatch(r"\*\*Before\.\*\* (.*?) +\*\*After\.\*\* (.*)", quoted).groups()
    assert before == next(iter(ANSWERS.values()))
    assert after == Restyle("keeper").invoke(before)


def test_readme_card_for_models_of_ones_own(home):
    from restyle import Style

    (code,) = re.findall(r"^python -c '(.*?)'", README, re.DOTALL | re.MULTILINE)
    run(["-c", code], RESTYLE_HOME=str(home))
    card = Style.load("author")
    assert (card.restyle.model, card.stage("destyle").model) == ("author-lora", "neutral-lora")
