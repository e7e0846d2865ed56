from __future__ import annotations

import asyncio
import http.client
import json
import statistics
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

import openai
import pytest

from restyle.testing import Sandbox


def client_of(sandbox):
    return openai.OpenAI(base_url=sandbox.base_url, api_key="sk-secret", max_retries=0)


def say(client, text="Hello there.", model="echo", **options):
    answer = client.chat.completions.create(model=model, messages=[{"role": "user", "content": text}], **options)
    return answer.choices[0].message.content


def test_it_has_an_address_only_while_it_runs_and_can_run_again():
    sandbox = Sandbox()
    for _ in range(2):
        with pytest.raises(RuntimeError, match="only inside its with-block"):
            _ = sandbox.base_url
        with sandbox, client_of(sandbox) as client:
            assert sandbox.base_url.startswith("http://127.0.0.1:")
            assert sandbox.base_url.endswith("/v1")
            assert say(client) == "Hello there."


def test_nothing_is_left_behind(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    before = set(threading.enumerate())
    with suppress(KeyError), Sandbox() as sandbox, client_of(sandbox) as client:
        address = urlsplit(sandbox.base_url)
        say(client)
        client.files.create(file=("x.jsonl", b"{}"), purpose="fine-tune")
        assert list(tmp_path.iterdir()) != []
        raise KeyError
    assert set(threading.enumerate()) == before
    assert list(tmp_path.iterdir()) == []
    connection = http.client.HTTPConnection(address.netloc, timeout=5)
    with pytest.raises(ConnectionRefusedError):
        connection.request("GET", "/health")


def test_it_leaves_although_a_request_is_under_way():
    before = set(threading.enumerate())
    with Sandbox(latency=60.0) as sandbox:
        connection = http.client.HTTPConnection(urlsplit(sandbox.base_url).netloc, timeout=60)
        connection.request("POST", "/v1/chat/completions", json.dumps({"model": "echo", "messages": []}))
        while not sandbox.requests:
            time.sleep(0.005)
        begin = time.monotonic()
    connection.close()
    assert time.monotonic() - begin < 10
    assert set(threading.enumerate()) == before


def test_every_chat_request_is_recorded_and_no_key_is_shown():
    with Sandbox() as sandbox, client_of(sandbox) as client:
        client.models.list()
        say(client, "First.", temperature=0.5)
        with pytest.raises(openai.NotFoundError):
            say(client, "Second.", model="nope")
        first, second = sandbox.requests
    assert first.path == "/v1/chat/completions"
    assert first.body["messages"] == [{"role": "user", "content": "First."}]
    assert first.body["temperature"] == 0.5
    assert json.loads(first.raw) == first.body
    assert second.body["model"] == "nope"
    assert first.headers["authorization"] == "Bearer sk-secret"
    assert "sk-secret" not in repr(first)


def test_what_is_not_json_is_recorded_raw():
    with Sandbox() as sandbox:
        connection = http.client.HTTPConnection(urlsplit(sandbox.base_url).netloc, timeout=20)
        connection.request("POST", "/v1/chat/completions", b"\xff{")
        assert connection.getresponse().status == 400
        connection.close()
        assert (sandbox.requests[0].raw, sandbox.requests[0].body) == (b"\xff{", {})


async def test_it_serves_many_at_once_from_async_code():
    with Sandbox(latency=0.1) as sandbox:
        async with openai.AsyncOpenAI(
            base_url=sandbox.base_url, api_key="unused", http_client=openai.DefaultAioHttpClient()
        ) as client:

            async def ask(number):
                messages = [{"role": "user", "content": f"number {number}"}]
                answer = await client.chat.completions.create(model="echo", messages=messages)
                return answer.choices[0].message.content

            await ask(0)
            begin = time.perf_counter()
            answers = await asyncio.gather(*(ask(number) for number in range(100)))
            elapsed = time.perf_counter() - begin
    assert answers == [f"number {number}" for number in range(100)]
    assert 0.1 <= elapsed < 5.0  # one after the other they would take ten


def test_blocking_replies_block_nobody_else():
    both = threading.Barrier(2, timeout=10)

    def waits(_):
        both.wait()
        return "met"

    with Sandbox(replies={"waits": waits}) as sandbox, client_of(sandbox) as client, ThreadPoolExecutor(2) as pool:
        assert list(pool.map(lambda _: say(client, model="waits"), range(2))) == ["met", "met"]


def test_words_take_their_time_whole_and_streamed():
    with Sandbox(latency=0.05, word_latency=0.02) as sandbox, client_of(sandbox) as client:
        text = "one two three four five six seven eight nine ten"
        begin = time.perf_counter()
        assert say(client, text) == text
        assert time.perf_counter() - begin >= 0.25
        begin = time.perf_counter()
        messages = [{"role": "user", "content": text}]
        stream = client.chat.completions.create(model="echo", messages=messages, stream=True)
        arrivals = [time.perf_counter() - begin for chunk in stream if chunk.choices[0].delta.content]
        assert arrivals[-1] >= 0.25
        assert arrivals[-1] - arrivals[0] >= 0.15


def test_a_stream_that_is_left_early_disturbs_nobody():
    with Sandbox(word_latency=0.01) as sandbox, client_of(sandbox) as client:
        messages = [{"role": "user", "content": "word " * 2000}]
        with client.chat.completions.create(model="echo", messages=messages, stream=True) as stream:
            next(stream)
            next(stream)
        assert say(client, "Still here.") == "Still here."


def test_an_echo_does_not_wait_for_delayed_acknowledgements():
    with Sandbox() as sandbox:
        connection = http.client.HTTPConnection(urlsplit(sandbox.base_url).netloc, timeout=20)
        body = json.dumps({"model": "echo", "messages": [{"role": "user", "content": "Hello there."}]})

        def once():
            begin = time.perf_counter()
            connection.request("POST", "/v1/chat/completions", body)
            connection.getresponse().read()
            return time.perf_counter() - begin

        times = [once() for _ in range(100)]
        connection.close()
    assert statistics.median(times) < 0.02  # with Nagle's algorithm it was 0.044, without it is 0.0003


def test_a_home_is_served_and_never_the_users_own(tmp_path, monkeypatch):
    from restyle.stage import Stage
    from restyle.style import Style

    monkeypatch.setenv("RESTYLE_HOME", str(tmp_path))
    folder = Style("keeper", Stage("Restyle.", "model.json.gz", provider="embedded")).save(tmp_path).parent
    Path(folder / "model.json.gz").write_bytes(b"")
    for home, expected in ((tmp_path, True), (None, False)):
        with Sandbox(home=home) as sandbox, client_of(sandbox) as client:
            assert ("keeper:restyle" in [model.id for model in client.models.list()]) is expected
    assert sorted(path.name for path in tmp_path.iterdir()) == ["styles"]


def test_an_applications_own_model_needs_no_script_and_a_pattern_may_script_it():
    with Sandbox() as sandbox, client_of(sandbox) as client:
        assert say(client, "Said.", model="gpt-3.5-turbo") == "Said."
        with pytest.raises(openai.NotFoundError):
            say(client, model="author-lora")
    with Sandbox(replies={"gpt-*": "Any.", "gpt-6-luna": "Luna."}) as sandbox, client_of(sandbox) as client:
        assert [say(client, model=name) for name in ("gpt-4o", "gpt-6-luna")] == ["Any.", "Luna."]
        assert "gpt-*" not in [model.id for model in client.models.list()]
