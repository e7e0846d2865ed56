"""Every example, and every Python block of the README, is run as a user would run it."""

import ast
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
README_SKETCHES = re.findall(r"```py\n(.*?)```", README, re.DOTALL)


def run(program: list[str], *, cwd: Path | None = None, **environment: str) -> str:
    done = subprocess.run(
        [sys.executable, *program],
        cwd=cwd,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


HABITS = {
    "01_chain.py": ("little craft", "uncommon", "gave me to understand", "old grey water"),
    "02_rag.py": ("uncommon bitter", "comely", "Belike", "{'context': [Document("),
    "03_agent.py": ("asked: timetable weather", "little craft", "yesternight", "naught was lost"),
    "04_langgraph_node.py": ("little craft", "uncommon", "gave me to understand", "old grey water"),
    "05_fastapi.py": ("old roarer", "lamp-lighting", "the reader left, the chain is closed"),
    "06_pairs_from_loader.py": ("asked of the teacher: 95", "asked of the teacher: 0", "naught was lost"),
}
FACTS = {
    "01_chain.py": ("Porthennis", "14", "Captain Varco", "[1]"),
    "02_rag.py": ("1858", "4 wicks [1]", "second Friday [2]", "Porthennis", "[2] The boat from Porthennis"),
    "03_agent.py": ("6:30", "14 passengers", "Porthennis"),
    "04_langgraph_node.py": ("Porthennis", "14", "Captain Varco", "[1]"),
    "05_fastapi.py": ("40 minutes", "Captain Anna Reyes", "1998", "3 wicks [1]", "12 windows"),
    "06_pairs_from_loader.py": ("66 train, 12 valid, 12 test", "2 facts, 2 fault, 1 overlap"),
}
SAID_TWICE = {"01_chain.py", "03_agent.py", "04_langgraph_node.py"}  # whole and streaming, the last two lines


def test_every_example_is_checked():
    assert {path.name for path in EXAMPLES} == HABITS.keys() == FACTS.keys()


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_example_runs_offline(path, keeper_home):
    output = run([str(path)], RESTYLE_HOME=str(keeper_home))
    for habit in HABITS[path.name]:
        assert habit in output
    for fact in FACTS[path.name]:
        assert fact in output
    if path.name in SAID_TWICE:
        *_, whole, streamed = output.strip().split("\n")
        assert whole == streamed


def test_the_rag_example_streams_its_context_first_and_ends_with_the_same_answer(keeper_home):
    output = run([str(ROOT / "examples/02_rag.py")], RESTYLE_HOME=str(keeper_home))
    answer = output.split("\n\n[1] ")[0]
    keys = re.findall(r"^\{'(\w+)'", output, re.MULTILINE)
    assert keys[:2] == ["question", "context"]
    assert set(keys[2:]) == {"answer"}
    pieces = re.findall(r"^\{'answer': (.*)\}$", output, re.MULTILINE)
    assert "".join(map(ast.literal_eval, pieces)) == answer


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


@pytest.mark.parametrize("code", README_SKETCHES)
def test_readme_sketches_run(code, keeper_home, tmp_path):
    """What they leave to the reader stands before them: a model, tools, a loader."""
    from restyle.testing import Sandbox

    before = """
from langchain_core.documents import Document
from langchain_openai import ChatOpenAI
from restyle.demo import CORPUS
model, tools = ChatOpenAI(model="gpt-6-luna"), []
loader = [Document(path.read_text("utf-8"), metadata={"source": path.name}) for path in sorted(CORPUS.glob("*"))[:4]]
"""
    after = "\nprint(agent.invoke({'messages': 'hm'})['messages'][-1].text)" if "agent" in code else ""
    answer = "The wind was very strong last night, but nothing was lost."
    with Sandbox(replies={"gpt-6-luna": answer}) as sandbox:
        program = tmp_path / "program.py"
        program.write_text(before + code + after, "utf-8")
        environment = {"OPENAI_BASE_URL": sandbox.base_url, "OPENAI_API_KEY": "none", "RESTYLE_HOME": str(keeper_home)}
        output = run([str(program)], **environment, cwd=tmp_path)
    assert "naught was lost" in output if after else (tmp_path / "pairs/manifest.json").is_file()


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
