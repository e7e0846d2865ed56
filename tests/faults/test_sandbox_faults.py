from __future__ import annotations

import http.client
import json
import time
from urllib.parse import urlsplit

import openai
import pytest

from restyle.testing import Fault, Sandbox

TEXT = "The lamp was lit at six, and four ships passed."
MESSAGES = [{"role": "user", "content": TEXT}]


@pytest.fixture(scope="module")
def server():
    with Sandbox() as sandbox, openai.OpenAI(base_url=sandbox.base_url, api_key="unused", max_retries=0) as client:
        yield sandbox, client


def ask(client, *, stream=False):
    """The first choice: text, finish reason and reasoning, the same whole and streamed."""
    answer = client.chat.completions.create(model="echo", messages=MESSAGES, stream=stream)
    if not stream:
        choice = answer.choices[0]
        return choice.message.content, choice.finish_reason, getattr(choice.message, "reasoning_content", "")
    choices = [chunk.choices[0] for chunk in answer]
    reasoning = "".join(getattr(choice.delta, "reasoning_content", None) or "" for choice in choices)
    return "".join(choice.delta.content or "" for choice in choices), choices[-1].finish_reason, reasoning


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("empty", ("", "stop", "")),
        ("length", ("The lamp was lit at", "length", "")),
        ("reasoning", ("", "stop", TEXT)),
        ("think", (f"<think>The user wants this text rewritten.</think>\n\n{TEXT}", "stop", "")),
        ("refusal", ("I'm sorry, but I can't help with that.", "stop", "")),
        ("comment", (f"Sure, here is the rewritten text:\n\n{TEXT}", "stop", "")),
    ],
)
def test_answers_are_spoilt_as_asked_and_only_once(server, kind, expected, stream):
    sandbox, client = server
    sandbox.inject(Fault(kind))
    assert ask(client, stream=stream) == expected
    assert ask(client, stream=stream) == (TEXT, "stop", "")


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, openai.BadRequestError),
        (401, openai.AuthenticationError),
        (429, openai.RateLimitError),
        (500, openai.InternalServerError),
        (503, openai.InternalServerError),
    ],
)
def test_a_status_comes_with_openais_body_and_retry_after(server, status, error):
    sandbox, client = server
    sandbox.inject(Fault("status", status=status, retry_after=0.25))
    with pytest.raises(error) as caught:
        ask(client)
    assert caught.value.status_code == status
    assert caught.value.response.headers["retry-after"] == "0.25"
    assert set(caught.value.body) == {"message", "type", "param", "code"}
    sandbox.inject(Fault("status", status=status))
    with pytest.raises(error) as caught:
        ask(client)
    assert "retry-after" not in caught.value.response.headers


def test_the_clients_own_retries_get_past_passing_faults(server):
    sandbox, client = server
    seen = len(sandbox.requests)
    sandbox.inject(Fault("status", status=429, retry_after=0.01))
    sandbox.inject(Fault("drop"))
    assert ask(client.with_options(max_retries=2))[0] == TEXT
    assert len(sandbox.requests) == seen + 3


def test_faults_are_suffered_in_order_as_often_as_asked(server):
    sandbox, client = server
    sandbox.inject(Fault("empty"), times=2)
    sandbox.inject(Fault("refusal"))
    assert [ask(client)[0] for _ in range(4)] == ["", "", "I'm sorry, but I can't help with that.", TEXT]


def test_other_requests_suffer_nothing(server):
    sandbox, client = server
    sandbox.inject(Fault("drop"))
    assert "echo" in [model.id for model in client.models.list()]
    with pytest.raises(openai.APIConnectionError):
        ask(client)


def raw_request(sandbox, *, stream=False):
    connection = http.client.HTTPConnection(urlsplit(sandbox.base_url).netloc, timeout=20)
    body = json.dumps({"model": "echo", "messages": MESSAGES, "stream": stream})
    connection.request("POST", "/v1/chat/completions", body)
    return connection


def test_drop_closes_the_connection_without_a_byte(server):
    sandbox, client = server
    sandbox.inject(Fault("drop"))
    connection = raw_request(sandbox)
    with pytest.raises(http.client.RemoteDisconnected):
        connection.getresponse()
    connection.close()
    assert ask(client)[0] == TEXT


@pytest.mark.parametrize("stream", [False, True])
def test_truncate_sends_half_of_the_body(server, stream):
    sandbox, client = server
    connection = raw_request(sandbox, stream=stream)
    whole = connection.getresponse().read()
    connection.close()
    sandbox.inject(Fault("truncate"))
    connection = raw_request(sandbox, stream=stream)
    answer = connection.getresponse()
    assert answer.status == 200
    with pytest.raises(http.client.IncompleteRead) as caught:
        answer.read()
    connection.close()
    assert 0 < len(caught.value.partial) < len(whole)
    assert ask(client)[0] == TEXT


@pytest.mark.parametrize("stream", [False, True])
def test_the_client_notices_a_truncated_answer(server, stream):
    sandbox, client = server
    sandbox.inject(Fault("truncate"))
    # In the middle of a stream the SDK lets its HTTP library's own error through.
    with pytest.raises(Exception, match=r"peer closed|incomplete|Connection error"):
        ask(client, stream=stream)


def test_slow_answers_late(server):
    sandbox, client = server
    sandbox.inject(Fault("slow", delay=0.3))
    begin = time.monotonic()
    assert ask(client)[0] == TEXT
    assert time.monotonic() - begin >= 0.3
    sandbox.inject(Fault("slow", delay=0.5))
    with pytest.raises(openai.APITimeoutError):
        ask(client.with_options(timeout=0.1))


def test_an_unknown_fault_is_refused():
    with pytest.raises(ValueError, match="no fault is called 'gremlin': use one of status, drop"):
        Fault("gremlin")
