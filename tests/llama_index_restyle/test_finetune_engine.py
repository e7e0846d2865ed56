"""`RestyleFinetuneEngine`: LlamaIndex's four methods over this project's providers."""

from __future__ import annotations

import dataclasses
import inspect
import shutil
import subprocess
import sys

import pytest
from llama_index.core.base.llms.types import ChatMessage
from llama_index.core.callbacks import CallbackManager
from llama_index.core.llms import LLM

from llama import ScriptedLLM
from llama_index_restyle.embedded_llm import EmbeddedLLM
from llama_index_restyle.finetuning import FinetuneJob, RestyleFinetuneEngine
from llama_index_restyle.pairs import build_pairs
from llama_index_restyle.teachers import LLMTeacher
from restyle import rewrite
from restyle.data.documents import Document
from restyle.data.pairs import PairSet
from restyle.errors import PairsError, RowError, StyleNameError, StyleNotFoundError
from restyle.style import Style
from restyle.training.embedded import EmbeddedTrainer
from support import styled_passage
from teaching import plain

# Six short letters show how it is done, not how well.
pytestmark = pytest.mark.filterwarnings("ignore::restyle.embedded.model.FewPairsWarning")

TEXT = "It was very cold on the stack yesterday, and I went to the lamp at 6:30."


@pytest.fixture
def pairs(tmp_path):
    return make(tmp_path / "pairs")


def make(out, start=0):
    documents = [Document(f"{number}.md", styled_passage(number)) for number in range(start, start + 6)]
    return build_pairs(documents, style="author", teacher=LLMTeacher(ScriptedLLM(reply=plain), identity="a"), out=out)


def test_its_first_parameters_are_those_of_llama_index_s_own():
    parameters = list(inspect.signature(RestyleFinetuneEngine).parameters.items())
    assert [(name, each.default) for name, each in parameters[:5]] == [
        ("base_model", inspect.Parameter.empty),
        ("data_path", inspect.Parameter.empty),
        ("verbose", False),
        ("start_job_id", None),
        ("validate_json", True),
    ]
    assert all(each.kind is inspect.Parameter.KEYWORD_ONLY for _, each in parameters[5:-1])
    assert parameters[-1][1].kind is inspect.Parameter.VAR_KEYWORD
    for name in ("finetune", "get_current_job", "get_finetuned_model"):
        assert not inspect.iscoroutinefunction(getattr(RestyleFinetuneEngine, name))


def test_a_pair_set_becomes_a_style(pairs, home):
    engine = RestyleFinetuneEngine(None, str(pairs.directory))
    assert engine.finetune() is None
    style = Style.load("author")
    assert engine.get_current_job() == FinetuneJob(
        f"author:{pairs.digest[:12]}", "succeeded", "author", "embedded", style.metrics
    )
    assert style.dataset == pairs.digest
    with pytest.raises(dataclasses.FrozenInstanceError):
        engine.get_current_job().status = "failed"
    assert Style.list(home) == ["author"]


def test_the_models_are_llms(demo_pairs, trained_keeper):
    engine = RestyleFinetuneEngine(None, demo_pairs.directory, start_job_id="keeper", home=trained_keeper)
    llm = engine.get_finetuned_model()
    assert isinstance(llm, LLM)
    assert llm.metadata.model_name == "keeper:restyle"
    answer = llm.chat([ChatMessage(role="user", content=TEXT)]).message.content
    assert answer == rewrite(TEXT, Style.load("keeper", trained_keeper), destyle=False).text
    assert answer != TEXT
    manager = CallbackManager([])
    other = engine.get_finetuned_model(role="destyle", strength=0.9, callback_manager=manager)
    assert isinstance(other, EmbeddedLLM)
    assert (other.role, other.strength, other.callback_manager) == ("destyle", 0.9, manager)
    with pytest.raises(TypeError, match="EmbeddedLLM has no field 'temperatur'"):
        engine.get_finetuned_model(temperatur=0)


def test_before_anything_was_trained(pairs, home):
    engine = RestyleFinetuneEngine(None, pairs.directory)
    for ask in (engine.get_current_job, engine.get_finetuned_model):
        with pytest.raises(StyleNotFoundError, match=r"nothing was trained yet: call finetune\(\) first"):
            ask()
    assert not home.exists()


def test_an_earlier_job_is_picked_up(pairs, tmp_path):
    home = tmp_path / "elsewhere"
    engine = RestyleFinetuneEngine(None, pairs.directory, home=home)
    engine.finetune()
    job = engine.get_current_job()
    for start in (job.id, "author"):
        again = RestyleFinetuneEngine(None, "nowhere", start_job_id=start, home=home)
        assert again.get_current_job() == job
        assert again.get_finetuned_model().style == Style.load("author", home)
    RestyleFinetuneEngine(None, make(tmp_path / "other", start=10).directory, home=home).finetune()
    with pytest.raises(StyleNotFoundError, match=rf"job {job.id} trained 'author', but .* again since, by job author:"):
        engine.get_current_job()
    assert again.get_current_job().id != job.id  # by the name alone, it is what stands there now


def test_the_constructor_looks_at_nothing(home):
    engine = RestyleFinetuneEngine(None, "nowhere", start_job_id="author:0123")
    assert not home.exists()
    with pytest.raises(StyleNotFoundError, match="no style 'author'"):
        engine.get_current_job()
    with pytest.raises(StyleNameError, match=r"'\.\./author' is not a style's name"):
        RestyleFinetuneEngine(None, "nowhere", start_job_id="../author")
    with pytest.raises(ValueError, match="unknown provider 'nobody'"):
        RestyleFinetuneEngine(None, "nowhere", provider="nobody")


@pytest.mark.parametrize("split", ["train", "test"])
def test_rows_are_checked_before_anything_is_trained(pairs, home, split, monkeypatch):
    path = pairs.directory / f"destyle/{split}.jsonl"
    path.write_text('{"prompt": []}\n', "utf-8")
    trained = []
    monkeypatch.setattr(EmbeddedTrainer, "prepare", lambda *_, **__: trained.append(1))
    with pytest.raises(RowError, match=rf"destyle/{split}\.jsonl:1: expected exactly a system"):
        RestyleFinetuneEngine(None, pairs.directory).finetune()
    assert not trained
    assert not home.exists()


def test_without_validation_only_what_is_trained_on_is_read(pairs):
    (pairs.directory / "destyle/test.jsonl").write_text("{}\n", "utf-8")
    engine = RestyleFinetuneEngine(None, pairs.directory, validate_json=False)
    engine.finetune()
    assert engine.get_current_job().status == "succeeded"


def test_what_cannot_be_trained(pairs, tmp_path):
    with pytest.raises(PairsError, match="no pair set here"):
        RestyleFinetuneEngine(None, tmp_path).finetune()
    with pytest.raises(ValueError, match="base is 'gpt-6'"):
        RestyleFinetuneEngine("gpt-6", pairs.directory).finetune()
    with pytest.raises(ValueError, match="the provider 'embedded' has no option 'epochs'"):
        RestyleFinetuneEngine(None, pairs.directory, epochs=2).finetune()
    empty = shutil.copytree(pairs.directory, tmp_path / "changed")
    (empty / "restyle/valid.jsonl").write_text("", "utf-8")
    with pytest.raises(PairsError, match="changed since the manifest was written"):
        RestyleFinetuneEngine(None, empty).finetune()


def test_it_says_what_it_does_when_asked(pairs, capsys):
    RestyleFinetuneEngine(None, pairs.directory).finetune()
    assert capsys.readouterr().out == ""
    RestyleFinetuneEngine(None, pairs.directory, verbose=True).finetune()
    said = capsys.readouterr().out
    assert "restyle: {'train': 4, 'valid': 1, 'test': 1}" in said
    assert "destyle: succeeded" in said
    assert f"trained 'author', job author:{PairSet.load(pairs.directory).digest[:12]}" in said


def test_it_needs_no_package_of_llama_index_s():
    program = "import sys, llama_index_restyle.finetuning; print([n for n in sys.modules if 'finetuning' in n])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == "['llama_index_restyle.finetuning']"
