from __future__ import annotations

from datetime import date

import pytest

from introspection import BASE, OWNERS, found, listed, served_style, serving, style_on
from restyle.diagnosis import diagnose
from restyle.style import Style

TODAY = date(2026, 11, 23)


def test_a_host_that_shows_nothing_is_unverifiable():
    with serving("silent") as stub:
        checks = diagnose(style_on(stub, destyle=False), today=TODAY)
    assert found(checks, "model").status == "warning"
    assert found(checks, "endpoint").status == found(checks, "prompt").status == "unverifiable"
    assert "shows no rendering" in found(checks, "prompt").detail
    assert "error" not in {check.status for check in checks}


def test_nobody_answers():
    (card, endpoint) = diagnose(served_style("http://127.0.0.1:1/v1", destyle=False), today=TODAY)
    assert (card.name, endpoint.name, endpoint.status) == ("card", "endpoint", "error")
    assert "is the server running" in endpoint.detail


def test_openai_needs_its_key():
    check = found(diagnose(served_style(None, destyle=False), today=TODAY), "endpoint")
    assert check.status == "error"
    assert "OPENAI_API_KEY" in check.detail


def test_the_key_of_the_environment_is_sent_and_never_told(monkeypatch):
    monkeypatch.setenv("RESTYLE_API_KEY", "hush-hush")
    with serving("vllm", listed("vllm")) as stub:
        checks = diagnose(style_on(stub), today=TODAY)
    assert {key for _, _, key in stub.seen} == {"Bearer hush-hush"}
    assert "hush" not in repr(checks)


def test_a_model_that_is_not_there():
    with serving("vllm", [{"id": "base", "owned_by": "vllm", "root": BASE}]) as stub:
        stub.names = {"base"}
        check = found(diagnose(style_on(stub), today=TODAY), "model")
    assert check.status == "error"
    assert "'author-restyle'" in check.detail
    assert "is not there (HTTP 404)" in check.detail
    assert "(there: 'base')" in check.detail


@pytest.mark.parametrize(("kind", "step"), [("llama-server", "--alias author-restyle"), ("silent", "that model")])
def test_a_model_that_answers_without_being_listed(kind, step):
    with serving(kind, [{"id": "base.gguf", "owned_by": OWNERS[kind]}]) as stub:
        check = found(diagnose(style_on(stub, destyle=False), today=TODAY), "model")
        (asked,) = [body for path, body, _ in stub.seen if path == "/v1/chat/completions"]
    assert check.status == "warning"
    assert step in check.next_step
    assert asked["max_tokens"] == 1
    assert asked["chat_template_kwargs"] == {"enable_thinking": False}


@pytest.mark.parametrize(
    ("shutdown", "status"),
    [
        (None, "ok"),
        ("2027-06-01", "ok"),
        ("2027-01-14", "warning"),
        ("2026-11-23", "error"),
        ("2026-01-01", "error"),
        ("soon", "warning"),
        ("absent", "unverifiable"),
    ],
)
def test_shutdown_dates(shutdown, status):
    models = [{"id": "author-restyle", **({} if shutdown == "absent" else {"shutdown_date": shutdown})}]
    with serving("silent", models) as stub:
        assert found(diagnose(style_on(stub, destyle=False), today=TODAY), "shutdown").status == status


def test_adapters_of_vllm():
    with serving("vllm", listed("vllm")) as stub:
        check = found(diagnose(style_on(stub), today=TODAY), "adapter")
        assert check.status == "ok"
        assert "within the server's --max-lora-rank" in check.detail
        stub.models[0]["root"] = "acme/other"
        check = found(diagnose(style_on(stub), today=TODAY), "adapter")
        assert check.status == "warning"
        assert f"loaded on 'acme/other', but was trained on {BASE!r}" in check.detail
        for model in stub.models:
            model["parent"] = None
        check = found(diagnose(style_on(stub), today=TODAY), "adapter")
        assert (check.status, "whole model" in check.detail) == ("ok", True)
        stub.models[1]["root"] = BASE
        check = found(diagnose(style_on(stub), today=TODAY), "adapter")
        assert (check.status, "without the adapter" in check.detail) == ("error", True)
        for model in stub.models:
            del model["parent"]
        assert found(diagnose(style_on(stub), today=TODAY), "adapter").status == "unverifiable"


def test_the_rank_of_an_adapter_that_is_not_loaded(home):
    with serving("vllm", [{"id": "base", "owned_by": "vllm", "root": BASE, "parent": None}]) as stub:
        style = style_on(stub, destyle=False)
        adapter = style.save().parent / "author-restyle"
        adapter.mkdir()
        (adapter / "adapter_config.json").write_text('{"r": 64}')
        check = found(diagnose(Style.load("author"), today=TODAY), "adapter")
    assert check.status == "unverifiable"
    assert "rank 64" in check.detail
    assert check.next_step == "if it refuses the adapter: --max-lora-rank 64, or more"
    assert home


@pytest.mark.parametrize(
    ("scales", "request_", "status", "says"),
    [
        ([1.0], {}, "ok", "any rank"),
        ([1.0, 1.0], {}, "error", "2 adapters are applied at once"),
        ([1.0, 1.0], {"lora": [{"id": 0, "scale": 1.0}]}, "ok", "choose among 2"),
        ([0.0], {}, "error", "its scale is 0"),
        ([], {}, "unverifiable", "merged"),
        (None, {}, "unverifiable", "does not show"),
    ],
)
def test_adapters_of_llama_server(scales, request_, status, says):
    with serving("llama-server", listed("llama-server")) as stub:
        stub.adapters = scales and [{"id": i, "path": f"{i}.gguf", "scale": each} for i, each in enumerate(scales)]
        stub.adapters = [] if scales == [] else stub.adapters
        check = found(diagnose(served_style(stub.base_url, request=request_), today=TODAY), "adapter")
    assert check.status == status
    assert says in check.detail
