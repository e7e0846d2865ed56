from __future__ import annotations

import pytest

from restyle.testing import Sandbox
from wire import call, chat, user


@pytest.fixture(scope="module")
def sandbox():
    with Sandbox() as sandbox:
        yield sandbox


@pytest.mark.parametrize(
    ("body", "param", "code"),
    [
        ({}, "model", "missing_required_parameter"),
        ({"model": "echo"}, "messages", "missing_required_parameter"),
        ({"model": 3, "messages": user("x")}, "model", "invalid_type"),
        ({"model": "echo", "messages": "hi"}, "messages", "invalid_type"),
        ({"model": "echo", "messages": []}, "messages", "empty_array"),
        ({"model": "echo", "messages": ["hi"]}, "messages[0]", "invalid_type"),
        ({"model": "echo", "messages": [{"content": "x"}]}, "messages[0].role", "missing_required_parameter"),
        ({"model": "echo", "messages": [{"role": "king", "content": "x"}]}, "messages[0].role", "invalid_value"),
        ({"model": "echo", "messages": [{"role": ["user"], "content": "x"}]}, "messages[0].role", "invalid_value"),
        ({"model": "echo", "messages": [{"role": "user", "content": 3}]}, "messages[0].content", "invalid_type"),
        ({"model": "echo", "messages": [{"role": "user", "content": ["x"]}]}, "messages[0].content[0]", "invalid_type"),
        (
            {"model": "echo", "messages": [{"role": "user", "content": [{"type": "image_url"}]}]},
            "messages[0].content[0].type",
            "invalid_value",
        ),
        (
            {"model": "echo", "messages": [{"role": "user", "content": [{"type": "text"}]}]},
            "messages[0].content[0].text",
            "invalid_type",
        ),
        ({"model": "echo", "messages": [{"role": "system", "content": "x"}]}, "messages", None),
        ({"model": "echo", "messages": user("x"), "stream": "yes"}, "stream", "invalid_type"),
        ({"model": "echo", "messages": user("x"), "stream_options": 3}, "stream_options", "invalid_type"),
        ({"model": "echo", "messages": user("x"), "n": 2}, "n", "unsupported_value"),
        ({"model": "echo", "messages": user("x"), "max_tokens": "9"}, "max_tokens", "invalid_type"),
        ({"model": "echo", "messages": user("x"), "max_tokens": 0}, "max_tokens", "integer_below_min_value"),
    ],
)
def test_a_bad_request_gets_openais_error_body(sandbox, body, param, code):
    status, answer = chat(sandbox, **body)
    assert status == 400
    assert set(answer["error"]) == {"message", "type", "param", "code"}
    assert (answer["error"]["param"], answer["error"]["code"]) == (param, code)
    assert answer["error"]["type"] == "invalid_request_error"


@pytest.mark.parametrize("raw", [b"", b"{", b"\xff", b"[1]", b"[" * 100_000])
def test_a_body_that_is_no_json_object_is_refused(sandbox, raw):
    status, answer = call(sandbox, "POST", "/v1/chat/completions", raw)
    assert status == 400
    assert "body" in answer["error"]["message"]


def test_unknown_addresses_and_methods_get_the_error_body_too(sandbox):
    assert call(sandbox, "GET", "/v1/nope") == (
        404,
        {
            "error": {
                "message": "Invalid URL (GET /v1/nope)",
                "type": "invalid_request_error",
                "param": None,
                "code": None,
            }
        },
    )
    status, answer = call(sandbox, "GET", "/v1/chat/completions")
    assert (status, answer["error"]["message"]) == (405, "Not allowed to GET on /v1/chat/completions")
    assert call(sandbox, "GET", "/health") == (200, {"status": "ok"})
