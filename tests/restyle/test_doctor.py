from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest

from introspection import BOS, found, listed, served_style, serving, style_on
from restyle import rewrite
from restyle.diagnosis import diagnose
from restyle.diagnosis.card import check_golden
from restyle.errors import CardError, ModelError
from restyle.known_differences import NOTE_NAME
from restyle.style import Style
from support import style_of

TODAY = date(2026, 11, 23)
KINDS = ["vllm", "llama-server", "ollama"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_server_that_renders_the_golden_prompt_passes(kind):
    with serving(kind, listed(kind)) as stub:
        checks = diagnose(style_on(stub), today=TODAY)
    for role in ("restyle", "destyle"):
        assert found(checks, "prompt", role).status == "ok"
        assert f"{kind} renders the trained" in found(checks, "prompt", role).detail
        assert found(checks, "card", role).status == found(checks, "model", role).status == "ok"
    assert {check.status for check in checks} <= {"ok", "unverifiable"}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("late", "lete"),
        ("late", "Late"),
        ("late", "late "),
        ("è", "e"),
        ("<|im_end|>\n", "<|im_end|>"),
        ("Please ", ""),
    ],
)
def test_one_byte_that_differs_fails_with_the_difference(kind, old, new):
    with serving(kind, listed(kind)) as stub:
        stub.alter = lambda text: text.replace(old, new, 1)
        style = style_on(stub, destyle=False)
        check = found(diagnose(style, today=TODAY), "prompt")
    assert check.status == "error"
    assert f"restyle serve --print {kind}" in check.next_step
    place = next(
        i
        for i, (a, b) in enumerate(zip(style.restyle.golden.text, stub.alter(style.restyle.golden.text), strict=False))
        if a != b
    )
    assert f"the prompt's text differs at character {place} " in check.diff
    assert repr(new)[1:-1] in check.diff


@pytest.mark.parametrize("kind", ["vllm", "llama-server"])
def test_the_same_text_in_other_tokens_fails(kind, monkeypatch):
    with serving(kind, listed(kind)) as stub:
        style = style_on(stub, destyle=False)
        # A server whose tokenizer takes the special tokens apart.
        monkeypatch.setattr("introspection.SPECIAL", {BOS: 256, "<|im_start|>": 257, "<|nothing|>": 300})
        check = found(diagnose(style, today=TODAY), "prompt")
    assert check.status == "error"
    assert "token ids differ at token" in check.diff
    assert "text differs" not in check.diff


def test_template_arguments_are_sent_as_at_run_time():
    with serving("vllm", listed("vllm")) as stub:
        forgetful = served_style(stub.base_url, request={}, destyle=False)
        checks = diagnose(forgetful, today=TODAY)
    assert found(checks, "card").status == "error"
    assert "{'enable_thinking': False}" in found(checks, "card").detail
    assert "<think>" in found(checks, "prompt").diff
    ((_, body, _),) = [each for each in stub.seen if each[0] == "/tokenize"]
    assert body["add_generation_prompt"] is True
    assert "chat_template_kwargs" not in body


def test_ollama_thinks_unless_the_request_says_otherwise():
    with serving("ollama", listed("ollama")) as stub:
        checks = diagnose(served_style(stub.base_url, destyle=False), today=TODAY)
    assert found(checks, "card").status == "ok"
    assert "<think>" in found(checks, "prompt").diff


def test_a_text_without_the_bos_that_the_tokenizer_adds_is_a_warning():
    with serving("ollama", listed("ollama")) as stub:
        stub.alter = lambda text: text.removeprefix(BOS)
        check = found(diagnose(style_on(stub), today=TODAY), "prompt")
        assert (check.status, check.diff) == ("warning", "")
        assert f"after {BOS!r}" in check.detail
        stub.alter = lambda text: text.partition("system\n")[2]
        assert found(diagnose(style_on(stub), today=TODAY), "prompt").status == "error"


def test_a_server_that_loses_the_bos_fails():
    with serving("vllm", listed("vllm")) as stub:
        stub.alter = lambda text: text.removeprefix(BOS)
        check = found(diagnose(style_on(stub), today=TODAY), "prompt")
    assert check.status == "error"
    assert "text differs at character 2 " in check.diff  # after "<|"
    assert "ids differ at token 0 " in check.diff


def test_a_card_without_golden_prompt_is_unverifiable():
    with serving("vllm", [{"id": "styler", "owned_by": "vllm"}]) as stub:
        checks = diagnose(style_of(stub.base_url, destyle=False), today=TODAY)
    assert found(checks, "card").status == found(checks, "prompt").status == "unverifiable"
    assert {path for path, _, _ in stub.seen} == {"/v1/models"}


@pytest.mark.parametrize(("kind", "status"), [("llama-server", "error"), ("silent", "unverifiable")])
def test_a_template_that_raises(kind, status, monkeypatch):
    monkeypatch.setenv("RESTYLE_API_KEY", "hush-hush")
    with serving("llama-server", listed(kind)) as stub:
        stub.status = 500
        checks = diagnose(served_style(stub.base_url, destyle=False), today=TODAY)
    check = found(checks, "prompt")
    assert check.status == status
    assert "hush-hush" not in repr(checks)
    if status == "error":
        assert "HTTP 500" in check.detail
        assert "cannot render for" in check.detail


def test_a_golden_prompt_of_another_prompt():
    style = served_style("http://127.0.0.1:1/v1", destyle=False)
    stage = replace(style.restyle, prompt="Rewrite in a $tone tone.", digest="")
    for tone, status in [("dry", "ok"), ("warm", "ok"), ("loud", "error"), ("dry tone. Or $x", "error")]:
        golden = replace(stage.golden, system=f"Rewrite in a {tone} tone.")
        toned = Style("author", replace(stage, golden=golden), parameters={"tone": ["dry", "warm"]})
        assert check_golden(toned, "restyle").status == status


@pytest.mark.usefixtures("home")
def test_a_difference_is_printed_noted_and_refused_until_it_is_mended(command):
    with serving("vllm", listed("vllm")) as stub:
        style = style_on(stub)
        note = style.save().parent / NOTE_NAME
        done = command("doctor", "author")
        assert done.status == 0
        shutdown = "unverifiable: destyle shutdown, restyle shutdown"
        assert done.out.endswith(f"\nnothing is known to be wrong; {shutdown}\n")
        assert not note.exists()

        stub.alter = lambda text: text.replace("neutral", "Neutral")
        done = command("doctor", "author")
        assert done.status == 1
        assert "destyle: the prompt's text differs at character" in done.out
        assert "restyle serve --print vllm" in done.out
        assert done.out.endswith("\nerrors: 1\n")
        with pytest.raises(ModelError, match=r"'author-destyle' .* is not asked.*restyle doctor author"):
            rewrite("The boat was late.", "author")
        rewrite("The boat was late.", "author", destyle=False)  # the other model is not known to differ, and is asked

        elsewhere = replace(style.destyle, base_url="http://127.0.0.1:1/v1")
        with pytest.raises(ModelError, match="did not answer"):
            rewrite("The boat was late.", replace(style, destyle=elsewhere, directory=note.parent))

        stub.kind = "silent"
        assert command("doctor", "author").status == 0
        assert note.exists()  # nothing new is known
        stub.kind, stub.alter = "vllm", lambda text: text
        assert command("doctor", "author").status == 0
        assert not note.exists()


async def test_tasks_are_refused_too(home):
    from restyle import arewrite

    with serving("ollama", listed("ollama")) as stub:
        stub.alter = str.upper
        style = style_on(stub, destyle=False)
        style.save()
        from restyle.known_differences import note_differences

        note_differences(style, {"restyle": "error"})
        with pytest.raises(ModelError, match="is not asked"):
            await arewrite("The boat was late.", "author")
    assert home


@pytest.mark.usefixtures("home")
@pytest.mark.parametrize("content", [b"", b"[]", b"\xff"])
def test_a_damaged_note_is_not_passed_over(content):
    note = served_style("http://127.0.0.1:1/v1").save().parent / NOTE_NAME
    note.write_bytes(content)
    with pytest.raises(CardError, match=r"doctor\.json: not a note of 'restyle doctor'"):
        rewrite("The boat was late.", "author")
