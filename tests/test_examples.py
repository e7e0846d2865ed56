"""Every example, and every Python block of the README, is run as a user would run it."""

import ast
import os
import re
import shutil
import subprocess
import sys
from importlib.util import find_spec
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
    "06_pairs_from_loader.py": ("asked of the teacher: 100", "asked of the teacher: 0", "naught was lost"),
    "07_llama_index_query_engine.py": ("ere Easter", "did think 'twas", "any shipmate"),
    "08_llama_index_chat_and_agents.py": (
        "said:       The little craft",
        "yesternight",
        "do reckon the old grey water",
    ),
    "09_llama_index_pairs.py": ("asked of the teacher: 100", "asked of the teacher: 0", "naught was lost"),
    "10_rag_with_citations.py": ("I do mind the wreck", "'twas yesternight", "18 winters", "ere Easter"),
}
FACTS = {
    "01_chain.py": ("Porthennis", "14", "Captain Varco", "[1]"),
    "02_rag.py": ("1858", "4 wicks [1]", "second Friday [2]", "Porthennis", "[2] The boat from Porthennis"),
    "03_agent.py": ("6:30", "14 passengers", "Porthennis"),
    "04_langgraph_node.py": ("Porthennis", "14", "Captain Varco", "[1]"),
    "05_fastapi.py": ("40 minutes", "Captain Anna Reyes", "1998", "3 wicks [1]", "12 windows"),
    "06_pairs_from_loader.py": ("67 train, 12 valid, 12 test", "2 facts, 2 fault"),
    "07_llama_index_query_engine.py": ("04-wreck-of-the-constance.md", "20 pounds", "never wound", "for Amos"),
    "08_llama_index_chat_and_agents.py": (
        "remembered: The boat came back to Porthennis at dawn with 14 passengers. The wind was very strong last night",
        "asked: timetable",
        "leaves Porthennis at 6:30 with 14 passengers",
    ),
    "09_llama_index_pairs.py": ("67 train, 12 valid, 12 test", "2 facts, 2 fault", "job: keeper:"),
    "10_rag_with_citations.py": ("since she struck [1]", "never wound [2]", "[2] 04-wreck-of-the-constance.md: The"),
}
SAID_TWICE = {  # whole and streaming, the last two lines
    "01_chain.py",
    "03_agent.py",
    "04_langgraph_node.py",
    "07_llama_index_query_engine.py",
    "08_llama_index_chat_and_agents.py",
}


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


@pytest.fixture
def user(keeper_home, tmp_path):
    """The environment of a user without a network, whose application's model has one answer."""
    from restyle.testing import Sandbox

    # LlamaIndex 0.13 downloads to the user's cache what it has with it, and later versions take that.
    core = find_spec("llama_index.core").submodule_search_locations[0]
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache/llama_index").symlink_to(core, target_is_directory=True)
    with Sandbox(replies={"gpt-6-luna": "The wind was very strong last night, but nothing was lost."}) as sandbox:
        yield {
            "OPENAI_BASE_URL": sandbox.base_url,
            "OPENAI_API_KEY": "none",
            "RESTYLE_HOME": str(keeper_home),
            "XDG_CACHE_HOME": str(tmp_path / "cache"),
        }


@pytest.mark.parametrize("code", README_CODE)
def test_readme_code_runs(code, user):
    assert "naught was lost" in run(["-c", code], **user)


# What sketches leave to the reader: a model, tools, a loader.
BEFORE = """
from pathlib import Path
from langchain_core.documents import Document
from langchain_openai import ChatOpenAI
model, tools = ChatOpenAI(model="gpt-6-luna"), []
letters = sorted(Path("letters").glob("*"))
loader = [Document(path.read_text("utf-8"), metadata={"source": path.name}) for path in letters]
"""


@pytest.mark.parametrize("code", README_SKETCHES)
def test_readme_sketches_run(code, user, tmp_path):
    from restyle.demo import CORPUS

    (tmp_path / "letters").mkdir()
    for path in sorted(CORPUS.glob("*"))[:4]:
        shutil.copy(path, tmp_path / "letters")
    before = "" if "llama_index" in code else BEFORE
    after = "\nprint(agent.invoke({'messages': 'hm'})['messages'][-1].text)" if "agent" in code else ""
    program = tmp_path / "program.py"
    program.write_text(before + code + after, "utf-8")
    output = run([str(program)], **user, cwd=tmp_path)
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
