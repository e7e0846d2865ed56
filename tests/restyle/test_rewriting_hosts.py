"""What goes over the wire to a host, and what comes back of it: prompts, keys, faults."""

from __future__ import annotations

import asyncio
import http.server
import json
import threading
import traceback
from contextlib import contextmanager

import pytest

from restyle import arewrite, build_pairs, rewrite
from restyle.errors import ModelError
from restyle.prompts import DESTYLE_PROMPT
from restyle.stage import Stage
from restyle.style import Style
from restyle.testing import Fault, Sandbox
from support import plain_passage, style_of, styled_passage, write_letters
from ways import all_ways, last_text


@contextmanager
def answering_host(status, body):
    """A host that answers every request alike; ``body`` may hold the caller's key in place of KEY."""
    seen = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            self.rfile.read(int(self.headers["content-length"]))
            key = self.headers["authorization"]
            seen.append(key)
            content = body.replace("KEY", key.removeprefix("Bearer ")).encode()
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/v1", seen
        finally:
            server.shutdown()
            thread.join()


def test_the_wire_carries_exactly_the_prompt_the_text_and_the_cards_options(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-foreign")
    monkeypatch.setenv("RESTYLE_API_KEY", "rs-own")
    with Sandbox(replies={"s": "The craft was late.", "n": "The boat arrived late."}) as sandbox:
        style = Style(
            "author",
            Stage("Réécris, $tone.", "s", sandbox.base_url, request={"temperature": 0.25, "top_k": 3}),
            Stage(DESTYLE_PROMPT, "n", sandbox.base_url),
            parameters={"tone": ["dry"]},
        )
        done = rewrite("The boat was late.", style, parameters={"tone": "dry"})
        first, second = sandbox.requests
    assert done.text == "The craft was late."
    assert first.body == {
        "model": "n",
        "messages": [
            {"role": "system", "content": DESTYLE_PROMPT},
            {"role": "user", "content": "The boat was late."},
        ],
    }
    assert second.body == {
        "model": "s",
        "messages": [
            {"role": "system", "content": "Réécris, dry."},
            {"role": "user", "content": "The boat arrived late."},
        ],
        "temperature": 0.25,
        "top_k": 3,
    }
    for request in (first, second):
        assert request.headers["authorization"] == "Bearer rs-own"
        assert "sk-foreign" not in json.dumps(request.headers)


def test_every_exported_row_is_what_is_asked_at_run_time(tmp_path):
    """Training and inference cannot drift apart: the same bytes stand in the files and on the wire."""
    sources, recorded = write_letters(tmp_path)
    prompts = {"restyle": 'Réécris „ça“ à ta façon: "$$5" {x} %s \\n.', "destyle": "Plainly,\nplease: \U0001f3f0."}
    pairs = build_pairs(
        sources,
        style="author",
        teacher=recorded,
        out=tmp_path / "pairs",
        **{f"{role}_prompt": text for role, text in prompts.items()},
    )
    rows = [json.loads(line) for path in pairs.directory.glob("*/*.jsonl") for line in path.read_bytes().splitlines()]
    exported = [(row["messages"] if "messages" in row else row["prompt"] + row["completion"])[:2] for row in rows]
    assert len(exported) == 10 * 2 * 2
    with Sandbox(replies={"r": last_text, "d": last_text}) as sandbox:
        style = Style(
            "author",
            Stage(pairs.prompt("restyle"), "r", sandbox.base_url),
            Stage(pairs.prompt("destyle"), "d", sandbox.base_url),
        )
        for number in range(10):
            rewrite(styled_passage(number), style, attempts=1)
            rewrite(plain_passage(number), style, attempts=1, destyle=False)
        sent = [request.body["messages"] for request in sandbox.requests]
    # The echoing de-style model hands the author's own text on to the style model: that is no exported request.
    asked = [messages for messages in sent if messages in exported]
    assert len(asked) == 20
    assert all(messages in asked for messages in exported)
    assert {messages[0]["content"] for messages in sent} == {
        'Réécris „ça“ à ta façon: "$5" {x} %s \\n.',
        prompts["destyle"],
    }


async def test_keys_never_go_to_a_foreign_host(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-foreign")
    with Sandbox(replies={"styler": "Late.", "neutraliser": "Late."}) as sandbox:
        style = style_of(sandbox.base_url)
        await all_ways("The boat was late.", style)
        assert {request.headers["authorization"] for request in sandbox.requests} == {"Bearer none"}
        assert "sk-foreign" not in json.dumps([request.headers for request in sandbox.requests])


async def test_openai_itself_needs_its_own_key(monkeypatch):
    monkeypatch.setenv("RESTYLE_API_KEY", "rs-own")
    with pytest.raises(ModelError, match="no OPENAI_API_KEY in the environment"):
        rewrite("The boat was late.", style_of(None))
    with pytest.raises(ModelError, match="no OPENAI_API_KEY in the environment"):
        await arewrite("The boat was late.", style_of(None))


@pytest.mark.parametrize("status", [400, 401, 403, 404, 422])
async def test_keys_are_never_in_an_exception(monkeypatch, status):
    key = "rs-0123456789-very-secret"
    monkeypatch.setenv("RESTYLE_API_KEY", key)
    body = json.dumps({"error": {"message": "Incorrect API key provided: KEY. Really: KEY", "code": "KEY"}})
    with answering_host(status, body) as (base_url, seen):
        for call in (
            lambda: asyncio.to_thread(rewrite, "The boat was late.", style_of(base_url)),
            lambda: arewrite("The boat was late.", style_of(base_url)),
        ):
            with pytest.raises(ModelError, match=f"HTTP {status}") as caught:
                await call()
            assert key not in "".join(traceback.format_exception(caught.value))
            assert "neutraliser" in str(caught.value)
            assert base_url in str(caught.value)
        reported = rewrite("The boat was late.", style_of(base_url), on_error="original").report()
        assert key not in json.dumps(reported)
        assert f"HTTP {status}" in reported["blocks"][0]["error"]
    assert set(seen) == {f"Bearer {key}"}


async def test_a_server_that_is_not_there_is_named():
    calls = (asyncio.to_thread(rewrite, "The boat was late.", style_of()), arewrite("The boat was late.", style_of()))
    for error in await asyncio.gather(*calls, return_exceptions=True):
        assert isinstance(error, ModelError)
        assert str(error).startswith("model 'neutraliser' at http://127.0.0.1:1/v1 did not answer")
        assert "is the server running?" in str(error)


async def test_half_a_character_from_a_host_is_replaced():
    message = {"role": "assistant", "content": "The craft was late \ud83d."}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    with answering_host(200, json.dumps({"id": "1", "object": "chat.completion", "choices": [choice]})) as (url, _):
        for text in (await all_ways("The boat was late.", style_of(url))).values():
            assert text == "The craft was late ?."


async def test_a_host_without_choices_has_said_nothing():
    with answering_host(200, json.dumps({"id": "1", "object": "chat.completion", "choices": []})) as (url, _):
        done = rewrite("The boat was late.", style_of(url))
    assert (done.text, done.blocks[0].outcome) == ("The boat was late.", "original")
    assert {fault.kind for fault in done.blocks[0].faults} == {"empty"}


@pytest.mark.parametrize("kind", ["empty", "length", "reasoning", "think", "refusal", "comment"])
def test_each_fault_of_an_endpoint_is_asked_again(kind):
    replies = {"styler": "The craft was late, for the wind.", "neutraliser": "The boat was late because of wind."}
    with Sandbox(replies=replies) as sandbox:
        sandbox.inject(Fault(kind))
        done = rewrite("The boat was late because of the wind.", style_of(sandbox.base_url))
        assert len(sandbox.requests) == 3
    (block,) = done.blocks
    assert (block.text, block.outcome, len(block.faults)) == (replies["styler"], "styled", 1)
