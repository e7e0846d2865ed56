"""What goes wrong with an `EndpointLLM`: who asks again, what an error says, and hosts that are careless."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager

import pytest

from llama_endpoints import USER, WAYS
from llama_index_restyle.endpoint_llm import EndpointLLM
from restyle.errors import ModelError
from restyle.testing import Fault


@pytest.mark.parametrize(
    ("fault", "times", "requests"),
    [
        (Fault("status", status=429, retry_after=0.01), 2, 3),
        (Fault("status", status=500, retry_after=0.01), 3, 3),
        (Fault("status", status=400), 1, 1),
        (Fault("drop"), 1, 2),
    ],
    ids=lambda value: f"{value.kind}{value.status}" if isinstance(value, Fault) else None,
)
async def test_one_layer_asks_again(fault, times, requests, way, echo, watched):
    watched.inject(fault, times=times)
    if requests > times:
        assert (await way(echo)).message.content == USER
    else:
        with pytest.raises(ModelError, match=rf"model 'echo' at {watched.base_url} failed with HTTP {fault.status}: "):
            await way(echo)
    assert len(watched.requests) == requests


async def test_how_often_is_the_user_s_choice(way, watched):
    for retries in (0, 1):
        watched.requests.clear()
        watched.inject(Fault("status", status=503, retry_after=0.01), times=retries + 1)
        with pytest.raises(ModelError, match="HTTP 503"):
            await way(EndpointLLM(model="echo", base_url=watched.base_url, max_retries=retries))
        assert len(watched.requests) == retries + 1


async def test_what_goes_wrong_is_named(way, watched):
    llm = EndpointLLM(model="echo", base_url=watched.base_url, max_retries=0, timeout=0.1)
    for fault, message in (
        (Fault("drop"), r"did not answer \(API\w+Error\): is the server running"),  # aiohttp's transport says timeout
        (Fault("truncate"), r"did not answer \(\w+Error\): is the server running"),
        (Fault("slow"), r"did not answer \(APITimeoutError\)"),
        (Fault("status", status=404), "is not there"),
    ):
        watched.inject(fault)
        with pytest.raises(ModelError, match=f"model 'echo' at {watched.base_url} {message}"):
            await way(llm)


async def test_without_openai_s_key_the_call_says_so(way):
    with pytest.raises(ModelError, match="no OPENAI_API_KEY in the environment"):
        await way(EndpointLLM(model="gpt-9"))


@asynccontextmanager
async def saying(content_type, body):
    """A host that says the same to everybody."""

    async def answer(reader, writer):
        head = await reader.readuntil(b"\r\n\r\n")
        await reader.readexactly(int(head.lower().partition(b"content-length:")[2].split()[0]))
        length = f"content-length: {len(body)}\r\nconnection: close\r\n\r\n"
        writer.write(f"HTTP/1.1 200 OK\r\ncontent-type: {content_type}\r\n{length}".encode() + body)
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        yield EndpointLLM(model="m", base_url=f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1")


async def test_a_host_that_is_no_endpoint_is_named(way):
    async with saying("text/html", b"<html>Welcome</html>") as llm:
        with pytest.raises(ModelError, match=r"'m' at http.*something else than a chat completion: is the base_url"):
            await way(llm)


@pytest.mark.parametrize("way", ["chat", "achat"])
async def test_an_answer_that_breaks_off_is_an_error(way):
    async with saying("application/json", b'{"choices": [') as llm:
        with pytest.raises(ModelError, match=r"did not answer \(JSONDecodeError\)"):
            await WAYS[way](llm)


@pytest.mark.parametrize("way", ["chat", "achat"])
async def test_a_refusal_is_the_text_and_unknown_words_are_kept(way):
    choice = {"finish_reason": "tired", "message": {"role": "assistant", "content": None, "refusal": "No."}}
    async with saying("application/json", json.dumps({"choices": [choice]}).encode()) as llm:
        response = await WAYS[way](llm)
    assert response.message.content == "No."
    assert response.raw["choices"][0]["finish_reason"] == "tired"
    assert response.additional_kwargs == {}


@pytest.mark.parametrize("way", ["stream", "astream"])
async def test_streams_of_careless_hosts_are_read(way):
    chunks = [
        {"choices": [{"delta": {"content": None}}], "model": "m"},
        {"choices": [{"delta": {"content": "Ye"}}]},
        {"choices": [{"delta": {"refusal": "s."}, "finish_reason": "tired"}]},
        {"choices": [{"delta": None}]},
        {"choices": None},
    ]
    body = "".join(f"data: {json.dumps(chunk)}\n\n" for chunk in chunks).encode()
    async with saying("text/event-stream", body) as llm:
        response = await WAYS[way](llm)
    assert response.message.content == "Yes."
    assert response.raw["choices"] == [{"index": 0, "finish_reason": "tired"}]
    assert response.raw["model"] == "m"
