"""Which model answers, and what becomes of what it says."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor

import pytest
from langchain_core.language_models import FakeListChatModel
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage
from langchain_core.runnables import RunnableLambda
from langchain_openai import ChatOpenAI

from langchain_restyle import EmbeddedChatModel, Restyle
from langchain_restyle.models import chat_model
from restyle import Stage, Style
from restyle.errors import CardError, MissingExtraError, ModelError
from restyle.prompts import DESTYLE_PROMPT, RESTYLE_PROMPT
from scripted import Runs, Scripted, uncommon

pytestmark = pytest.mark.usefixtures("keeper_home")

TEXT = "It was very cold [1]."


def seen_by(model):
    """A runnable over messages that writes down what it is given."""
    seen = []

    def answer(messages):
        seen.append(messages)
        return model(messages[-1].content)

    return RunnableLambda(answer), seen


@pytest.mark.parametrize(
    "model",
    [
        Scripted(),
        Scripted().with_retry(),
        Scripted().with_fallbacks([Scripted()]),
        Scripted().with_config(tags=["x"]),
        Scripted().bind(stop=["zzz"]),
        RunnableLambda(lambda messages: uncommon(messages[-1].content)),
        RunnableLambda(lambda messages: AIMessage(uncommon(messages[-1].content))),
        FakeListChatModel(responses=["It was uncommon cold."]),
    ],
    ids=["model", "retry", "fallbacks", "config", "bind", "str", "message", "fake"],
)
async def test_any_runnable_over_messages_may_be_a_model(model):
    runnable = Restyle("keeper", style_model=model, destyle_model=Scripted(reply=str))
    assert runnable.invoke(TEXT) == await runnable.ainvoke(TEXT) == "It was uncommon cold [1]."
    reversed_ = Restyle("keeper", style_model=Scripted(reply=str), destyle_model=model)
    assert reversed_.invoke(TEXT) == "It was uncommon cold [1]."


def test_models_are_asked_with_the_prompt_and_the_text_alone():
    style, styled = seen_by(uncommon)
    destyle, destyled = seen_by(str)
    Restyle("keeper", style_model=style, destyle_model=destyle).invoke("A very {old} $lamp.")
    assert destyled == [[SystemMessage(DESTYLE_PROMPT), HumanMessage("A very {old} $lamp.")]]
    assert styled == [[SystemMessage(RESTYLE_PROMPT), HumanMessage("A very {old} $lamp.")]]


def test_retries_and_fallbacks_of_a_model_are_its_own_affair():
    calls = []

    def fails_twice(messages):
        calls.append(messages)
        if len(calls) < 3:
            raise ConnectionError("gone")
        return uncommon(messages[-1].content)

    patient = RunnableLambda(fails_twice).with_retry(stop_after_attempt=3, wait_exponential_jitter=False)
    assert Restyle("keeper", destyle=False, style_model=patient).invoke("very") == "uncommon"

    def always_fails(_):
        raise ConnectionError("gone")

    fallback = RunnableLambda(always_fails).with_fallbacks([Scripted()])
    runs = Runs()
    assert Restyle("keeper", destyle=False, style_model=fallback).invoke("very", {"callbacks": [runs]}) == "uncommon"
    (parent,) = runs.named("Restyle")
    assert {run.name for run in runs.children(parent)} == {"restyle:style"}


def test_a_name_means_a_model_at_the_stage_s_endpoint(card, sandbox):
    assert Restyle(card, style_model="echo", destyle_model="echo").invoke(TEXT) == TEXT
    assert [request.body["model"] for request in sandbox.requests] == ["echo", "echo"]


def test_openai_s_own_models_are_named_with_their_host(card, sandbox, monkeypatch):
    with pytest.raises(ModelError, match="no OPENAI_API_KEY"):
        Restyle(card, style_model="openai:echo").invoke(TEXT)
    monkeypatch.setenv("OPENAI_API_KEY", "sk-hosted")
    monkeypatch.setenv("OPENAI_BASE_URL", sandbox.base_url)  # stands in for the host itself
    sandbox.requests.clear()
    assert Restyle(card, style_model="openai:echo", destyle=False).invoke(TEXT) == TEXT
    (request,) = sandbox.requests
    assert request.headers["authorization"] == "Bearer sk-hosted"


def test_a_bare_name_needs_an_endpoint():
    with pytest.raises(CardError, match=r"embedded and has no endpoint.*'openai:gpt-6-luna'"):
        Restyle("keeper", style_model="gpt-6-luna").invoke(TEXT)


def test_keys_go_to_their_own_host_and_may_be_set_late(card, sandbox, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-hosted")
    runnable = Restyle(card, destyle=False)
    runnable.invoke(TEXT)
    monkeypatch.setenv("RESTYLE_API_KEY", "own-key")
    runnable.invoke(TEXT)
    keys = [request.headers["authorization"] for request in sandbox.requests]
    assert keys == ["Bearer none", "Bearer own-key"]


def test_clients_are_shared(card):
    first, second = (chat_model(card, "restyle") for _ in range(2))
    assert first is second
    assert isinstance(first, ChatOpenAI)
    assert chat_model(card, "destyle") is not first


def test_endpoints_work_in_one_event_loop_after_another(card):
    from restyle import loop_clients

    runnable = Restyle(card)
    expected = runnable.invoke(TEXT)
    assert [asyncio.run(runnable.ainvoke(TEXT)) for _ in range(3)] == [expected] * 3
    assert not loop_clients._CLIENTS


def test_endpoints_work_in_several_event_loops_at_once(card):
    runnable = Restyle(card)
    texts = [f"It was very cold in 18{number}." for number in range(10, 30)]

    def work(_):
        return asyncio.run(runnable.abatch(texts))

    with ThreadPoolExecutor(3) as pool:
        assert list(pool.map(work, range(3))) == [runnable.batch(texts)] * 3


def test_the_card_s_request_options_are_sent_as_they_stand(sandbox):
    request = {"temperature": 0.25, "chat_template_kwargs": {"enable_thinking": False}}
    Restyle(Style("author", Stage(RESTYLE_PROMPT, "echo", sandbox.base_url, request=request))).invoke(TEXT)
    (sent,) = sandbox.requests
    assert sent.body | request == sent.body
    assert sent.body["messages"][0] == {"role": "system", "content": RESTYLE_PROMPT}
    assert set(sent.body) == {"model", "messages", "temperature", "chat_template_kwargs", "stream"}


def test_the_embedded_stage_is_a_chat_model_of_its_own():
    model = chat_model(Style.load("keeper"), "destyle")
    assert isinstance(model, EmbeddedChatModel)
    assert model.model_name == "keeper:destyle"


def test_an_unknown_provider_is_refused(sandbox):
    style = Style("author", Stage(RESTYLE_PROMPT, "m", sandbox.base_url, provider="telepathy"))
    with pytest.raises(CardError, match=r"'telepathy'.*use 'openai' or 'embedded'"):
        Restyle(style).invoke(TEXT)


def test_a_model_that_answers_with_something_else_is_refused():
    runnable = Restyle("keeper", destyle=False, style_model=RunnableLambda(lambda _: {"text": "very"}))
    with pytest.raises(TypeError, match="answer with a message or a string, not dict"):
        runnable.invoke(TEXT)


def test_without_langchain_openai_the_extra_is_named(card, monkeypatch):
    import sys

    from langchain_restyle import endpoints

    endpoints._build.cache_clear()
    monkeypatch.delitem(sys.modules, "langchain_restyle.endpoint_model", raising=False)
    monkeypatch.setitem(sys.modules, "langchain_openai", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'restyle\[langchain\]'"):
        Restyle(card).invoke(TEXT)


@pytest.mark.parametrize(
    ("message", "fault"),
    [
        (AIMessage("Half of", response_metadata={"finish_reason": "length"}), "cut_off"),
        (AIMessage("Half of", response_metadata={"stop_reason": "max_tokens"}), "cut_off"),
        (AIMessage("", additional_kwargs={"reasoning_content": "Hm."}), "reasoning"),
        (AIMessage("", additional_kwargs={"refusal": "I'm sorry, but I can't help with that."}), "refusal"),
        (AIMessage([{"type": "reasoning", "reasoning": "Hm."}]), "empty"),
        (AIMessage("<think>Hm.</think>It was cold."), "thinking"),
    ],
)
def test_what_is_no_rewriting_is_told_from_the_message(message, fault):
    model = RunnableLambda(lambda _: message)
    output = Restyle("keeper", destyle=False, attempts=1, style_model=model).invoke(AIMessage(TEXT))
    (row,) = output.response_metadata["restyle"]["blocks"]
    assert output.content == TEXT
    assert (row["outcome"], row["faults"]) == ("original", [fault])


def test_text_among_other_content_items_is_the_answer():
    content = [{"type": "reasoning", "reasoning": "Hm."}, {"type": "text", "text": "It was uncommon cold."}]
    model = RunnableLambda(lambda _: AIMessage(content))
    assert Restyle("keeper", destyle=False, style_model=model).invoke(TEXT) == "It was uncommon cold [1]."
