from __future__ import annotations

import ast
import json
import shlex
import subprocess
from dataclasses import replace

import pytest

from introspection import BASE, golden_of, served_style
from restyle.errors import CardError
from restyle.serving.adapters import Adapter, adapter_of
from restyle.serving.recipes import KINDS, recipe
from restyle.stage import Stage
from restyle.style import Style
from support import style_of

URL = "http://127.0.0.1:8123/v1"


def with_adapters(style, ranks=(16, 32)):
    """The style, saved with the folders that local training leaves beside its card."""
    folder = style.save().parent
    for role, rank in zip(("restyle", "destyle"), ranks, strict=True):
        adapter = folder / style.stage(role).model
        adapter.mkdir()
        (adapter / "adapter_config.json").write_text(json.dumps({"r": rank, "base_model_name_or_path": "/tmp/b"}))
        (adapter / "chat_template.jinja").write_text("{{ messages }}")
    return style


def words_of(text, *start):
    """The words of the one command that begins so."""
    lines = text.replace(" \\\n", " ").splitlines()
    (words,) = (words for line in lines if (words := shlex.split(line, comments=True))[: len(start)] == [*start])
    return words


def value(words, flag):
    return words[words.index(flag) + 1]


@pytest.mark.usefixtures("home")
def test_vllm():
    style = with_adapters(served_style(URL))
    text = recipe(style, "vllm")
    words = words_of(text, "vllm", "serve")
    folder = style.directory.resolve()
    assert words[2] == BASE
    assert value(words, "--revision") == value(words, "--tokenizer-revision") == "abc123"
    assert "--enable-lora" in words
    assert value(words, "--max-loras") == "2"
    assert value(words, "--max-lora-rank") == "32"
    modules = words[words.index("--lora-modules") + 1 :][:2]
    assert modules == [f"author-{role}={folder}/author-{role}" for role in ("restyle", "destyle")]
    assert value(words, "--chat-template") == f"{folder}/author-restyle/chat_template.jinja"
    assert value(words, "--generation-config") == "vllm"
    assert json.loads(value(words, "--override-generation-config")) == {"temperature": 0.7}
    assert json.loads(value(words, "--default-chat-template-kwargs")) == {"enable_thinking": False}
    assert (value(words, "--host"), value(words, "--port")) == ("127.0.0.1", "8123")
    assert words_of(text, "restyle", "doctor") == ["restyle", "doctor", "author"]
    assert "FILL_IN_" not in text


@pytest.mark.usefixtures("home")
@pytest.mark.parametrize(
    ("ranks", "limit"), [((4, 4), "8"), ((17, 8), "32"), ((64, 64), "64"), ((300, 1), "320"), ((600, 1), "600")]
)
def test_vllm_takes_the_next_rank_that_it_knows(ranks, limit):
    words = words_of(recipe(with_adapters(served_style(URL), ranks), "vllm"), "vllm")
    assert value(words, "--max-lora-rank") == limit


@pytest.mark.usefixtures("home")
def test_llama_server():
    style = with_adapters(served_style(URL))
    text = recipe(style, "llama-server")
    folder = style.directory.resolve()
    assert words_of(text, "hf", "download")[2:] == [BASE, "--revision", "abc123", "--local-dir", "base"]
    assert value(words_of(text, "python", "convert_hf_to_gguf.py"), "--outfile") == "base.gguf"
    for role, port in (("restyle", "8123"), ("destyle", "8124")):
        adapter = f"{folder}/author-{role}"
        assert value(words_of(text, "python", "convert_lora_to_gguf.py", adapter), "--outfile") == f"{role}.gguf"
        words = words_of(text, "llama-server", "--model", "base.gguf", "--lora", f"{role}.gguf")
        assert value(words, "--alias") == f"author-{role}"
        assert value(words, "--chat-template-file") == f"{adapter}/chat_template.jinja"
        assert json.loads(value(words, "--chat-template-kwargs")) == {"enable_thinking": False}
        assert value(words, "--temp") == "0.7"
        assert value(words, "--port") == port
    assert "mend the base_url of destyle" in text


@pytest.mark.usefixtures("home")
def test_ollama():
    style = served_style(URL, request={"temperature": 0.3, "stop": ["<|im_end|>", 'a"\nb'], "seed": 1})
    text = recipe(with_adapters(style), "ollama")
    lines = text.splitlines()
    start = lines.index("FROM ./restyle.gguf")
    assert lines[start + 1 : start + 5] == [
        "PARAMETER temperature 0.3",
        'PARAMETER stop "<|im_end|>"',
        'PARAMETER stop "a\\"\\nb"',
        "EOF",
    ]
    assert "ollama create author-restyle -f Modelfile.restyle" in lines
    assert "export OLLAMA_HOST=127.0.0.1:8123" in lines  # also for `ollama create`
    assert "ollama serve" in lines
    assert "reasoning_effort" in text
    assert "TEMPLATE" not in text


@pytest.mark.usefixtures("home")
def test_transformers():
    style = with_adapters(served_style(URL))
    text = recipe(style, "transformers")
    for role in ("restyle", "destyle"):
        adapter, out = f"{style.directory.resolve()}/author-{role}", f"author-{role}"
        assert words_of(text, "python", "merge.py", BASE, "abc123", adapter)[5:] == [out]
    ast.parse(text.partition("<<'EOF'\n")[2].partition("\nEOF\n")[0])
    words = words_of(text, "transformers", "serve")
    assert json.loads(value(words, "--chat-template-kwargs")) == {"enable_thinking": False}
    assert value(words, "--port") == "8123"


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_not_known_is_marked(kind):
    text = recipe(style_of("http://gpu:8000/v1"), kind)
    assert "FILL_IN_BASE_MODEL" in text
    assert "FILL_IN_RESTYLE_ADAPTER" in text
    assert "replace what begins with FILL_IN_" in text.splitlines()[1]
    assert ("FILL_IN_RANK" in text) == (kind == "vllm")
    assert ("FILL_IN_CHAT_TEMPLATE.jinja" in text) == (kind in {"vllm", "llama-server"})


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_of_a_card_reaches_the_shell_unquoted(kind, tmp_path):
    nasty = "$(touch hit); `touch hit`\ntouch hit; ' \" \\ EOF\nEOF\n"
    golden = replace(golden_of("Rewrite."), base=nasty, revision=nasty, kwargs={nasty: nasty})
    stage = Stage("Rewrite.", nasty, URL, request={"temperature": nasty, "stop": nasty}, golden=golden)
    text = recipe(Style("author", stage, replace(stage, base_url="http://127.0.0.1:9000/v1")), kind)
    programs = ("vllm", "llama-server", "ollama", "transformers", "python", "hf", "restyle")
    stubs = "".join(f"{name}() {{ :; }}\n" for name in programs)
    done = subprocess.run(["bash", "-euc", stubs + text], cwd=tmp_path, capture_output=True, check=False, timeout=20)
    assert (done.returncode, done.stderr) == (0, b"")
    assert {path.name for path in tmp_path.iterdir()} <= {"Modelfile.restyle", "Modelfile.destyle", "merge.py"}


def test_models_on_two_servers():
    style = served_style(URL)
    elsewhere = replace(style.destyle, base_url="http://127.0.0.1:9000/v1")
    text = recipe(replace(style, destyle=elsewhere), "vllm")
    lines = text.replace(" \\\n", " ").splitlines()
    servers = [shlex.split(line) for line in lines if line.startswith("vllm serve")]
    assert [value(words, "--port") for words in servers] == ["8123", "9000"]
    assert [value(words, "--max-loras") for words in servers] == ["1", "1"]


def test_what_needs_no_server():
    with pytest.raises(CardError, match="without --print serves them"):
        recipe(Style("author", Stage("Rewrite.", "model.json.gz", provider="embedded")), "vllm")
    with pytest.raises(CardError, match="nothing to start"):
        recipe(style_of(None), "vllm")


def test_an_adapter_is_found_beside_the_card_only(home):
    style = with_adapters(served_style(URL))
    assert adapter_of(style, "destyle").rank == 32
    stray = home / "styles/outside"
    stray.mkdir()
    (stray / "adapter_config.json").write_text('{"r": 1}')
    escaping = replace(style, restyle=replace(style.restyle, model="../outside"), directory=style.directory)
    assert adapter_of(escaping, "restyle").directory is None
    assert adapter_of(served_style(URL), "restyle") == Adapter(base=BASE, revision="abc123")
    recorded = replace(
        style, training={"adapters": {"restyle": {"folder": "author-destyle"}}}, directory=style.directory
    )
    assert adapter_of(recorded, "restyle").rank == 32
    for broken in ("{", "[]", '{"r": "x"}'):
        (style.directory / "author-restyle/adapter_config.json").write_text(broken)
        assert adapter_of(style, "restyle").rank is None


@pytest.mark.usefixtures("home")
def test_the_command_prints_the_recipe_and_runs_nothing(command):
    style = with_adapters(served_style(URL))
    done = command("serve", "--print", "vllm", "author")
    assert (done.status, done.out, done.err) == (0, recipe(style, "vllm"), "")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--print", "vllm"], "belong together"),
        (["author"], "belong together"),
        (["--print", "tgi", "author"], "'tgi' is none of vllm, llama-server, ollama, transformers"),
    ],
)
def test_the_command_refuses_half_a_question(command, arguments, says):
    done = command("serve", *arguments)
    assert done.status == 2
    assert says in " ".join(done.err.replace("│", " ").split())


@pytest.mark.usefixtures("workplace")
def test_embedded_styles_are_served_without_print(command):
    done = command("serve", "--print", "vllm", "author")
    assert done.status == 1
    assert "'restyle serve' without --print serves them" in done.err
