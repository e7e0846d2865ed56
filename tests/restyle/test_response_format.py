"""Schemas on their way to a teacher's host: `restyle.data.replies`."""

from __future__ import annotations

import asyncio
import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from restyle import direct_client
from restyle.data import endpoint_teacher
from restyle.data.endpoint_teacher import EndpointTeacher
from restyle.data.replies import request_body
from restyle.errors import ModelError
from restyle.messages import Ask, Turn

SCHEMA = '{"additionalProperties":false,"properties":{},"required":[],"type":"object"}'
PLAIN = Ask("Be plain.", "Text.", "destyle", after=(Turn("assistant", "Bad."), Turn("user", "Again.")))
STRUCTURED = Ask("Describe it.", "Text.", "destyle", schema=SCHEMA)

GOOD = {"choices": [{"message": {"content": "{}"}, "finish_reason": "stop"}]}
# What hosts that know no schema answered: OpenAI (older models), DeepSeek, Groq, servers on FastAPI.
REFUSALS = [
    (400, {"error": {"message": "Invalid parameter: 'response_format' of type 'json_schema' is not supported."}}),
    (400, {"error": {"message": "This response_format type is unavailable now"}}),
    (400, {"error": {"message": "This model does not support response format `json_schema`."}}),
    (422, {"detail": [{"type": "extra_forbidden", "loc": ["body", "response_format"], "msg": "Not permitted"}]}),
]


@pytest.fixture(autouse=True)
def _no_time_to_lose(monkeypatch):
    monkeypatch.setattr(endpoint_teacher, "_BACKOFF", (0.01, 0.05))


class _Listener(ThreadingHTTPServer):
    request_queue_size = 64  # with the default of 5, connections wait a second


@contextmanager
def server(status, refusal, refused="response_format"):
    """The base_url of a host that refuses requests with that field, and the requests that it got."""
    bodies = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            bodies.append(body)
            answer = json.dumps(refusal if refused in body else GOOD).encode()
            self.send_response(status if refused in body else 200)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_):
            pass

    with _Listener(("127.0.0.1", 0), Handler) as listener:
        thread = threading.Thread(target=listener.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.server_port}/v1", bodies
        finally:
            listener.shutdown()
            thread.join()


def test_only_an_ask_with_a_schema_has_a_response_format():
    assert request_body("luna", PLAIN) == {"model": "luna", "messages": PLAIN.messages}
    body = request_body("luna", STRUCTURED)
    schema = {"name": "answer", "strict": True, "schema": json.loads(SCHEMA)}
    assert body == {
        "model": "luna",
        "messages": STRUCTURED.messages,
        "response_format": {"type": "json_schema", "json_schema": schema},
    }


@pytest.mark.parametrize("proxies", [{}, {"http": "somewhere"}], ids=["directly", "through the SDK"])
async def test_both_ways_send_the_same(proxies, monkeypatch):
    monkeypatch.setattr(direct_client, "getproxies", lambda: proxies)
    with server(400, {}, refused="nothing") as (base_url, bodies):
        async with EndpointTeacher("luna", base_url) as teacher:
            for ask in (PLAIN, STRUCTURED):
                assert (await teacher.answer(ask)).text == "{}"
    assert bodies == [request_body("luna", PLAIN), request_body("luna", STRUCTURED)]


@pytest.mark.parametrize(("status", "refusal"), REFUSALS)
async def test_a_host_without_schemas_is_asked_without_and_remembered(status, refusal):
    with server(status, refusal) as (base_url, bodies):
        async with EndpointTeacher("luna", base_url) as teacher:
            assert (await teacher.answer(STRUCTURED)).text == "{}"
            assert (await teacher.answer(STRUCTURED)).text == "{}"
    assert ["response_format" in body for body in bodies] == [True, False, False]
    assert bodies[1]["messages"] == bodies[2]["messages"] == STRUCTURED.messages


async def test_requests_in_flight_when_it_turns_out_are_all_asked_again():
    with server(*REFUSALS[0]) as (base_url, bodies):
        async with EndpointTeacher("luna", base_url, concurrency=8) as teacher:
            answers = await asyncio.gather(*(teacher.answer(STRUCTURED) for _ in range(24)))
    assert {answer.text for answer in answers} == {"{}"}
    assert len(bodies) <= 24 + 8


async def test_another_refusal_is_told_at_once():
    refusal = {"error": {"message": "The text is too long."}}
    with server(400, refusal) as (base_url, bodies):
        async with EndpointTeacher("luna", base_url) as teacher:
            with pytest.raises(ModelError, match="The text is too long"):
                await teacher.answer(STRUCTURED)
    assert len(bodies) == 1


async def test_who_refuses_schemas_without_being_sent_one_is_not_asked_again():
    with server(*REFUSALS[0], refused="messages") as (base_url, bodies):
        async with EndpointTeacher("luna", base_url) as teacher:
            with pytest.raises(ModelError, match="response_format"):
                await teacher.answer(PLAIN)
            assert len(bodies) == 1
            with pytest.raises(ModelError, match="response_format"):
                await teacher.answer(STRUCTURED)
    assert len(bodies) == 3
