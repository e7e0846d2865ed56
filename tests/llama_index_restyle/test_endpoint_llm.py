"""`EndpointLLM` over real HTTP: what it sends, what comes back, and what it keeps to itself."""

from __future__ import annotations

import json
import pickle
import traceback

import openai
import pytest
from llama_index.core import Settings
from llama_index.core.callbacks import CallbackManager, LlamaDebugHandler, TokenCountingHandler
from llama_index.core.instrumentation.events.llm import LLMChatEndEvent, LLMChatStartEvent
from llama_index.core.llms import ChatMessage, ImageBlock, TextBlock
from llama_index.core.llms.llm import LLM
from pydantic import ValidationError

from llama import instrumented
from llama_endpoints import MESSAGES, NAMES, SYSTEM, USAGE, USER, collected, four
from llama_index_restyle.endpoint_llm import EndpointLLM
from restyle import Stage
from restyle.answering import client_options, payload
from restyle.errors import ModelError, ShapeError
from restyle.messages import Ask
from restyle.testing import Fault

KEY = "sk-marked-and-must-not-leak"


async def test_it_sends_what_the_core_sends_byte_for_byte(watched):
    request = {"temperature": 0.25, "chat_template_kwargs": {"enable_thinking": False}}
    for options in ({}, request):
        watched.requests.clear()
        stage = Stage("unused", "echo", watched.base_url, request=options)
        with openai.OpenAI(**client_options(watched.base_url)) as client:
            client.chat.completions.create(**payload(Ask(SYSTEM, USER, "restyle"), stage))
        same = EndpointLLM(model="echo", base_url=watched.base_url, request=options)
        contents = [response.message.content async for response in four(same)]
        assert contents == [USER] * 4
        core, chat, achat, *streams = watched.requests
        assert chat.raw == achat.raw == core.raw
        flags = {"stream": True, "stream_options": {"include_usage": True}}
        assert [each.body for each in streams] == [core.body | flags] * 2
        for name in ("authorization", "content-type", "accept"):
            assert chat.headers[name] == achat.headers[name] == core.headers[name]


async def test_a_prompt_is_the_only_user_message(echo, watched):
    for response in (echo.complete(USER), await echo.acomplete(USER)):
        assert response.text == USER
        assert response.raw["usage"]["completion_tokens"] == USAGE["completion_tokens"]
    for responses in (list(echo.stream_complete(USER)), await collected(await echo.astream_complete(USER))):
        assert "".join(each.delta for each in responses) == responses[-1].text == USER
        assert responses[-1].raw["choices"][0]["finish_reason"] == "stop"
    assert [each.body["messages"] for each in watched.requests] == [[{"role": "user", "content": USER}]] * 4


async def test_options_of_a_call_win_over_those_of_the_model(watched):
    llm = EndpointLLM(model="echo", base_url=watched.base_url, request={"temperature": 0.5, "seed": 7})
    contents = [response.message.content async for response in four(llm, temperature=0.0, stop=["zzz"], max_tokens=2)]
    assert contents == ["".join(USER.partition("was\u200b")[:2])] * 4
    for each in watched.requests:
        sent = {key: each.body[key] for key in ("temperature", "seed", "stop", "max_tokens")}
        assert sent == {"temperature": 0.0, "seed": 7, "stop": ["zzz"], "max_tokens": 2}
    assert llm.request == {"temperature": 0.5, "seed": 7}


@pytest.mark.parametrize("name", NAMES)
async def test_any_name_will_do(name, watched):
    llm = EndpointLLM(model=name, base_url=watched.base_url, context_window=4096)
    assert [response.message.content async for response in four(llm)] == ["Yes."] * 4
    for each in watched.requests:
        assert each.body["model"] == name
        assert [message["role"] for message in each.body["messages"]] == ["system", "user"]
    assert llm.metadata.is_chat_model
    assert (llm.metadata.model_name, llm.metadata.context_window) == (name, 4096)


def test_what_is_no_text_is_refused_before_it_is_sent(echo, watched):
    with pytest.raises(ShapeError, match="a user message holds a ImageBlock: this model takes text alone"):
        echo.chat([ChatMessage([TextBlock(text="See:"), ImageBlock(image=b"")])])
    with pytest.raises(ShapeError, match="a user message has no text: give it as"):
        echo.chat([ChatMessage(text="Hello.")])
    assert not watched.requests
    assert echo.chat([ChatMessage([TextBlock(text="One"), TextBlock(text="two")])]).message.content == "One\ntwo"
    assert echo.chat([ChatMessage("")]).message.content == ""


async def test_usage_and_finish_reason_are_where_readers_look(echo, watched):
    async for response in four(echo):
        assert response.raw["model"] == "echo"
        assert response.raw["choices"][0]["finish_reason"] == "stop"
        assert response.raw["usage"] == response.additional_kwargs == USAGE | {"total_tokens": sum(USAGE.values())}
    watched.inject(Fault("length"), times=4)
    async for response in four(echo):
        assert response.raw["choices"][0]["finish_reason"] == "length"
    watched.inject(Fault("reasoning"), times=4)
    async for response in four(echo):
        assert response.message.content == ""
        assert response.message.additional_kwargs == {"reasoning_content": USER}
    watched.inject(Fault("empty"), times=2)
    assert echo.complete(USER).text == list(echo.stream_complete(USER))[-1].text == ""


async def test_tokens_are_counted_once_a_call(echo):
    counter = TokenCountingHandler(tokenizer=list)
    echo.callback_manager = CallbackManager([counter])
    async for _ in four(echo):
        pass
    counts = [(each.prompt_token_count, each.completion_token_count) for each in counter.llm_token_counts]
    assert counts == [tuple(USAGE.values())] * 4


async def test_a_stream_grows(echo):
    for responses in (list(echo.stream_chat(MESSAGES)), await collected(await echo.astream_chat(MESSAGES))):
        assert len(responses) > 5
        text = ""
        for response in responses:
            text += response.delta
            assert response.message.content == text
        assert text == USER


async def test_spans_and_events_tell_everything_but_the_key(echo, watched, monkeypatch):
    monkeypatch.setenv("RESTYLE_API_KEY", KEY)
    debug = LlamaDebugHandler(print_trace_on_end=False)
    echo.callback_manager = CallbackManager([debug])
    with instrumented() as (spans, events):
        async for response in four(echo):
            assert response.message.content == USER
        watched.inject(Fault("status", status=401))
        with pytest.raises(ModelError, match=r"refused the key \(HTTP 401\): check RESTYLE_API_KEY") as caught:
            echo.chat(MESSAGES)
    assert {each.headers["authorization"] for each in watched.requests} == {f"Bearer {KEY}"}
    assert spans.tree()[""] == [
        f"EndpointLLM.{name}" for name in ("chat", "achat", "stream_chat", "astream_chat", "chat")
    ]
    *starts, failed = [each.span_id for each in events.seen if isinstance(each, LLMChatStartEvent)]
    ends = [each for each in events.seen if isinstance(each, LLMChatEndEvent)]
    assert starts == [each.span_id for each in ends] == [each.id_ for each in spans.completed_spans]
    assert [failed] == [each.id_ for each in spans.dropped_spans]
    assert [each.response.message.content for each in ends] == [USER] * 4
    assert len(debug.get_llm_inputs_outputs()) == 5
    shown = [str(each) + repr(each.model_dump()) for each in events.seen]
    shown += [repr(spans.completed_spans), repr(spans.dropped_spans), repr(debug.get_event_pairs())]
    shown += ["".join(traceback.format_exception(caught.value))]
    assert "must-not-leak" not in "".join(shown)


async def test_it_can_be_written_down_without_the_key(echo, watched, monkeypatch):
    monkeypatch.setenv("RESTYLE_API_KEY", KEY)
    await echo.achat(MESSAGES)
    echo.chat(MESSAGES)
    pickled = pickle.dumps(echo)
    shown = (repr(echo), str(echo), echo.to_json(), repr(vars(echo)), repr(echo.metadata), pickled.decode("latin1"))
    assert "must-not-leak" not in "".join(shown)
    assert json.loads(echo.to_json())["class_name"] == EndpointLLM.class_name() == "restyle_endpoint"
    for same in (EndpointLLM.from_dict(json.loads(echo.to_json())), pickle.loads(pickled), echo.model_copy(deep=True)):
        assert isinstance(same, LLM)
        assert same.to_dict() == echo.to_dict()
        assert same.chat(MESSAGES).message.content == USER
        assert (await same.achat(MESSAGES)).message.content == USER
    assert {each.headers["authorization"] for each in watched.requests} == {f"Bearer {KEY}"}


async def test_the_key_is_read_at_every_call_and_stays_with_its_host(echo, watched, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-hosted")
    for key in (None, "one", "two"):
        if key:
            monkeypatch.setenv("RESTYLE_API_KEY", key)
        watched.requests.clear()
        async for _ in four(echo):
            pass
        assert {each.headers["authorization"] for each in watched.requests} == {f"Bearer {key or 'none'}"}


async def test_settings_are_never_asked(monkeypatch, watched):
    def refuse(_):
        raise AssertionError("the global settings were asked")

    for name in ("llm", "callback_manager", "tokenizer"):
        monkeypatch.setattr(type(Settings), name, property(refuse))
    async for response in four(EndpointLLM(model="echo", base_url=watched.base_url)):
        assert response.message.content == USER


@pytest.mark.parametrize(
    ("field", "message"),
    [
        ({"base_url": f"http://me:{KEY}@localhost/v1"}, "must be http"),
        ({"request": {"extra_headers": {"api_key": KEY}}}, "'api_key' looks like a secret"),
        ({"model": ""}, "a stage has no model"),
        ({"max_retries": -1}, "greater than or equal to 0"),
        ({"context_window": 0}, "greater than 0"),
    ],
)
def test_fields_that_make_no_sense_are_refused_and_not_shown(field, message):
    with pytest.raises(ValidationError, match=message) as caught:
        EndpointLLM(**{"model": "m"} | field)
    assert "must-not-leak" not in str(caught.value)
