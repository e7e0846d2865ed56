"""Models behind endpoints: what they are asked, what comes back, and what goes wrong on the short way."""

from __future__ import annotations

import asyncio
import gzip
import json
from contextlib import asynccontextmanager

import openai
import pytest
from langchain_core.caches import InMemoryCache
from langchain_core.callbacks import get_usage_metadata_callback
from langchain_core.globals import set_llm_cache
from langchain_core.load import dumpd
from langchain_core.messages import HumanMessage, SystemMessage
from langchain_core.runnables import RunnableLambda
from langchain_openai import ChatOpenAI
from langgraph.graph import START, MessagesState, StateGraph

from langchain_restyle import Restyle
from langchain_restyle.endpoints import endpoint
from restyle import Stage, Style, endpoint_client
from restyle.errors import CardError
from restyle.prompts import RESTYLE_PROMPT
from restyle.testing import Fault
from scripted import Runs, collected, summed

MESSAGES = [SystemMessage("Please rewrite."), HumanMessage("It was “very” cold, and 12 boats were lost.")]
TEXT = MESSAGES[-1].content
OF_THE_SDK = "x-stainless-retry-count"  # a header that the short way does not send


@pytest.fixture
def echo(sandbox):
    return lambda: endpoint("echo", sandbox.base_url, {})


async def both(make):
    """The answers of ``invoke`` and of ``ainvoke``, the SDK's way and the short one."""
    return make().invoke(MESSAGES), await make().ainvoke(MESSAGES)


@pytest.mark.parametrize(
    "name", ["o1", "o3-mini", "o4-mini-2025-04-16", "o1234", "O3", "ft:o3:acme", "olmo-2", "o", "gpt-4o", " o3"]
)
def test_names_that_turn_the_system_prompt_into_another_s_are_refused(name, sandbox):
    plain = ChatOpenAI(model=name, base_url=sandbox.base_url, api_key="none", use_responses_api=False)
    (role, _) = [message["role"] for message in plain._get_request_payload(MESSAGES)["messages"]]
    if role == "developer":
        with pytest.raises(CardError, match=rf"model '{name}' at {sandbox.base_url}: .*serve the model under another"):
            endpoint(name, sandbox.base_url, {})
        with pytest.raises(CardError, match="or give a chat model of your own"):
            Restyle(Style("author", Stage(RESTYLE_PROMPT, name, sandbox.base_url))).invoke("It was cold.")
        assert not sandbox.requests
    else:
        assert isinstance(endpoint(name, sandbox.base_url, {}), ChatOpenAI)


async def test_both_ways_send_and_say_the_same(echo, sandbox):
    sync, short = await both(echo)
    assert short.content == TEXT
    assert short.usage_metadata["output_tokens"] > 0
    assert short.response_metadata["model_name"] == "echo"
    assert short.response_metadata["finish_reason"] == "stop"
    for name in ("content", "usage_metadata", "additional_kwargs", "tool_calls"):
        assert getattr(sync, name) == getattr(short, name)
    for name in ("model_name", "finish_reason", "model_provider"):
        assert sync.response_metadata[name] == short.response_metadata[name]
    by_sdk, directly = sandbox.requests
    assert json.loads(by_sdk.raw) == json.loads(directly.raw)
    assert OF_THE_SDK in by_sdk.headers
    assert OF_THE_SDK not in directly.headers
    for name in ("authorization", "content-type", "accept"):
        assert by_sdk.headers[name] == directly.headers[name]


async def test_who_listens_is_told_everything(echo, sandbox):
    unheard = await echo().ainvoke(MESSAGES)
    runs = Runs()
    with get_usage_metadata_callback() as usage:
        heard = await echo().ainvoke(MESSAGES, {"callbacks": [runs], "run_name": "mine"})
    assert usage.usage_metadata["echo"]["total_tokens"] == heard.usage_metadata["total_tokens"] > 0
    assert [(run.name, run.kind, run.ended) for run in runs.all.values()] == [("mine", "chat_model", "end")]
    for name in ("content", "usage_metadata", "additional_kwargs", "tool_calls"):
        assert getattr(heard, name) == getattr(unheard, name)
    assert heard.response_metadata | {"id": ""} == unheard.response_metadata | {"id": ""}
    sandbox.inject(Fault("status", status=400))
    with pytest.raises(openai.BadRequestError):
        await echo().ainvoke(MESSAGES, {"callbacks": [runs]})
    assert [run.ended for run in runs.all.values()] == ["end", "error"]


async def test_streams_report_their_usage_too(echo, sandbox):
    whole, _ = await both(echo)
    for chunks in (list(echo().stream(MESSAGES)), await collected(echo().astream(MESSAGES))):
        assert len(chunks) > 3
        assert summed(chunks).content == TEXT
        assert summed(chunks).usage_metadata == whole.usage_metadata
    assert [request.body["stream"] for request in sandbox.requests] == [False, False, True, True]


@pytest.mark.parametrize("way", ["invoke", "ainvoke"])
async def test_whole_answers_stay_whole_where_somebody_listens_for_tokens(way, echo, model, sandbox):
    for each, streams in ((echo(), False), (model, True)):

        def call(text, config, model=each):
            return model.invoke(text, config)

        async def acall(text, config, model=each):
            return await model.ainvoke(text, config)

        await collected(RunnableLambda(call if way == "invoke" else acall).astream_events(TEXT, version="v2"))
        assert sandbox.requests[-1].body["stream"] is streams


async def test_an_explicit_stream_streams_where_somebody_listens_for_tokens(echo, sandbox):
    events = await collected(echo().astream_events(TEXT, version="v2"))
    assert len([event for event in events if event["event"] == "on_chat_model_stream"]) > 3
    assert sandbox.requests[-1].body["stream"] is True


async def test_whole_answers_stay_whole_in_a_graph(echo, sandbox):
    async def node(state):
        return {"messages": [await echo().ainvoke(state["messages"])]}

    graph = StateGraph(MessagesState).add_node("node", node).add_edge(START, "node").compile()
    chunks = await collected(graph.astream({"messages": MESSAGES}, stream_mode="messages"))
    assert [message.content for message, _ in chunks] == [TEXT]
    assert sandbox.requests[-1].body["stream"] is False


async def test_the_cache_answers_either_way(echo, sandbox):
    set_llm_cache(InMemoryCache())
    try:
        first, second = await both(echo)
        third = await echo().ainvoke(MESSAGES)
    finally:
        set_llm_cache(None)
    assert first.content == second.content == third.content == TEXT
    assert len(sandbox.requests) == 1


async def test_a_model_is_built_once_for_every_loop_and_key(echo, sandbox, monkeypatch):
    model = echo()
    assert echo() is model
    assert endpoint("echo", sandbox.base_url, {"temperature": 0}) is not model
    assert await asyncio.to_thread(echo) is await asyncio.to_thread(echo)
    assert await asyncio.to_thread(echo) is not model
    monkeypatch.setenv("RESTYLE_API_KEY", "another")
    assert echo() is not model


async def test_keys_are_shown_nowhere(echo, sandbox, monkeypatch):
    monkeypatch.setenv("RESTYLE_API_KEY", "sk-marked-4711")
    model = echo()
    await model.ainvoke(MESSAGES)
    assert sandbox.requests[-1].headers["authorization"] == "Bearer sk-marked-4711"
    for shown in (repr(model), str(model), json.dumps(dumpd(model)), repr(vars(model))):
        assert "4711" not in shown
    assert dumpd(model)["id"] == ChatOpenAI.lc_id()


@pytest.mark.parametrize(
    ("fault", "times", "requests", "error"),
    [
        (Fault("status", status=429, retry_after=0.01), 2, 3, None),
        (Fault("status", status=429, retry_after=0.01), 3, 3, openai.RateLimitError),
        (Fault("status", status=500, retry_after=0.01), 3, 3, openai.InternalServerError),
        (Fault("status", status=400), 1, 1, openai.BadRequestError),
        (Fault("status", status=401), 1, 1, openai.AuthenticationError),
        (Fault("drop"), 1, 2, None),
        (Fault("drop"), 3, 3, openai.APIConnectionError),
        (Fault("truncate"), 1, 2, None),
    ],
    ids=lambda value: value.kind if isinstance(value, Fault) else None,
)
async def test_what_goes_wrong_is_the_sdk_s_affair(fault, times, requests, error, echo, sandbox):
    sandbox.inject(fault, times=times)
    if error is None:
        assert (await echo().ainvoke(MESSAGES)).content == TEXT
    else:
        with pytest.raises(error) as caught:
            await echo().ainvoke(MESSAGES)
        assert getattr(caught.value, "status_code", fault.status) == fault.status
    assert len(sandbox.requests) == requests
    assert (await echo().ainvoke(MESSAGES)).content == TEXT
    assert OF_THE_SDK not in sandbox.requests[-1].headers


async def test_an_answer_that_takes_too_long_is_asked_for_again(echo, sandbox, monkeypatch):
    monkeypatch.setattr(endpoint_client, "TIMEOUT", 0.1)
    sandbox.inject(Fault("slow", delay=1.0))
    assert (await echo().ainvoke(MESSAGES)).content == TEXT
    assert len(sandbox.requests) == 2


async def test_proxies_are_left_to_the_sdk(echo, sandbox, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    assert (await echo().ainvoke(MESSAGES)).content == TEXT
    assert OF_THE_SDK in sandbox.requests[-1].headers


async def test_tools_are_left_to_the_sdk(echo, sandbox):
    tool = {"type": "function", "function": {"name": "count", "parameters": {"type": "object", "properties": {}}}}
    assert (await echo().bind_tools([tool]).ainvoke(MESSAGES)).content == TEXT
    assert sandbox.requests[-1].body["tools"] == [tool]
    assert OF_THE_SDK in sandbox.requests[-1].headers


@asynccontextmanager
async def saying(head, body):
    """A host that says the same to everybody."""

    async def answer(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(f"HTTP/1.1 {head}\r\ncontent-length: {len(body)}\r\nconnection: close\r\n\r\n".encode() + body)
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"


def completion(**fields):
    choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", **fields}}
    return json.dumps(
        {"id": "x", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice]}
    ).encode()


async def test_a_refusal_is_kept():
    async with saying("200 OK\r\ncontent-type: application/json", completion(content=None, refusal="No.")) as base_url:
        model = endpoint("m", base_url, {})
        sync, short = await asyncio.to_thread(model.invoke, MESSAGES), await model.ainvoke(MESSAGES)
    assert sync.additional_kwargs == short.additional_kwargs == {"refusal": "No."}
    assert sync.content == short.content == ""


async def test_a_compressed_answer_is_read():
    head = "200 OK\r\ncontent-type: application/json\r\ncontent-encoding: gzip"
    async with saying(head, gzip.compress(completion(content="Yes."))) as base_url:
        assert (await endpoint("m", base_url, {}).ainvoke(MESSAGES)).content == "Yes."


@pytest.mark.parametrize(
    ("head", "body", "error"),
    [
        ("200 OK\r\ncontent-type: text/html", b"<html>Welcome</html>", ValueError),
        ("200 OK\r\ncontent-type: application/json", b'{"choices": null}', TypeError),
        ("200 OK\r\ncontent-type: application/json", b'{"error": "no such model"}', ValueError),
        (
            "404 Not Found\r\ncontent-type: text/plain\r\ncontent-encoding: gzip",
            gzip.compress(b"gone"),
            openai.NotFoundError,
        ),
    ],
    ids=["html", "null", "error", "compressed"],
)
async def test_what_is_no_answer_is_named_as_the_sdk_s_way_names_it(head, body, error):
    async with saying(head, body) as base_url:
        model = endpoint("m", base_url, {})
        with pytest.raises(error) as expected:
            await asyncio.to_thread(model.invoke, MESSAGES)
        with pytest.raises(error) as caught:
            await model.ainvoke(MESSAGES)
    assert type(caught.value) is type(expected.value)
    assert str(caught.value) == str(expected.value)
