"""A restyled model passes for the one inside it: to agents, caches, counters and serialisers."""

from __future__ import annotations

import json
import pickle

import pytest
from langchain_core.caches import InMemoryCache
from langchain_core.globals import set_llm_cache
from langchain_core.load import dumps
from langchain_core.load.load import Reviver
from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.runnables import ConfigurableField, RunnableLambda
from langchain_openai import ChatOpenAI
from pydantic import BaseModel, ValidationError

from agents import FINAL, TOOLS, Talker, all_ways, restyled, turn
from langchain_restyle.facade import RestyledChatModel
from restyle import Stage, Style
from restyle.errors import ParameterError, StyleNotFoundError
from scripted import ANSWER, Scripted

pytestmark = pytest.mark.usefixtures("keeper_home")


async def test_inner_models_can_be_configured():
    talker = Talker(turns=(turn(1, "Very well."),)).configurable_fields(turns=ConfigurableField("turns"))
    model = restyled(talker)
    assert [spec.id for spec in model.config_specs] == ["turns"]
    config = {"configurable": {"turns": (turn(2, "A very old boat."),)}}
    for message in await all_ways(model, config=config):
        assert message.content == "A uncommon old boat."


def test_the_style_can_be_configured(styled, sandbox):
    echo = Style("echo", Stage("Rewrite.", "echo", sandbox.base_url))
    model = RestyledChatModel(Talker(turns=FINAL), echo, attempts=1)
    model = model.configurable_fields(style=ConfigurableField("style"))
    assert model.invoke("Is it safe?").content == ANSWER
    assert model.invoke("Is it safe?", {"configurable": {"style": "keeper"}}).content == styled


async def test_retries_go_on_inside():
    calls = []

    def fails_first(_):
        calls.append(1)
        if len(calls) % 2:
            raise ConnectionError("gone")
        return AIMessage("Very well.")

    inner = RunnableLambda(fails_first).with_retry(wait_exponential_jitter=False)
    assert restyled(inner).invoke("Go.").content == "Very well."
    assert (await restyled(inner).ainvoke("Go.")).content == "Very well."
    with pytest.raises(ConnectionError):
        restyled(RunnableLambda(fails_first)).invoke("Go.")


def test_tools_are_bound_around_the_inner_model():
    talker = Talker(turns=(turn(1, "Very well."),))
    for inner in (talker, talker.with_retry(), talker.bind(mood="calm"), talker.with_config(tags=["x"])):
        model = restyled(inner).bind_tools(TOOLS, strict=True)
        assert model.bound.inner is inner
        model.invoke("Go.")
        assert talker.seen[-1][1].items() >= {"tools": ["tide", "boats"], "strict": True}.items()
    assert talker.seen[2][1]["mood"] == "calm"

    class Copying(Talker):
        def bind_tools(self, *_, **__):
            return self.model_copy(update={"turns": (turn(2, "A very old boat."),)})

    model = restyled(Copying(turns=(turn(1, "Very well."),)), attempts=3, tags=["x"]).bind_tools(TOOLS)
    assert model.invoke("Go.").content == "A uncommon old boat."
    assert (model.bound.options["attempts"], model.bound.tags) == (3, ["x"])
    with_spare = talker.with_fallbacks([Talker(turns=talker.turns)])
    restyled(with_spare).bind_tools(TOOLS).invoke("Go.")
    assert talker.seen[-1][1]["tools"] == ["tide", "boats"]
    with pytest.raises(NotImplementedError, match="RunnableLambda has no bind_tools"):
        restyled(RunnableLambda(str)).bind_tools(TOOLS)


class Weather(BaseModel):
    """The weather."""

    sky: str


def test_structured_output_is_the_inner_model_s(sandbox):
    inner = ChatOpenAI(base_url=sandbox.base_url, model="echo", api_key="none")
    structured = restyled(inner).with_structured_output(Weather, method="json_mode")
    assert structured.invoke('{"sky": "very dark"}') == Weather(sky="very dark")
    both = restyled(inner).with_structured_output(Weather, method="json_mode", include_raw=True)
    assert both.invoke('{"sky": "very dark"}')["raw"].content == '{"sky": "very dark"}'


def test_it_passes_for_the_inner_model():
    inner = ChatOpenAI(model="gpt-4.1-mini", api_key="none", temperature=0.3, max_tokens=50, tags=["nostream"])
    for wrap in (inner, inner.bind(stop=["x"]), inner.with_retry(), inner.with_fallbacks([Talker()])):
        model = restyled(wrap)
        assert model.model_name == "gpt-4.1-mini"
        assert model.profile == inner.profile
        assert model.profile["structured_output"]
        assert model._llm_type == inner._llm_type
        assert model._identifying_params.items() >= inner._identifying_params.items()
        assert model._get_ls_params().items() >= inner._get_ls_params().items()
        assert model._get_ls_params(stop=["x"], model="other") == inner._get_ls_params(stop=["x"], model="other")
        assert model.tags == ["nostream"]
    marked = restyled(inner.with_config(tags=["mine"], metadata={"a": 1}))
    assert marked.tags == ["nostream", "mine"]
    assert marked.metadata.items() >= {"a": 1}.items()
    assert restyled(inner, tags=["other"]).tags == ["other"]
    other = restyled(RunnableLambda(str))
    assert (other.model_name, other.profile, other.tags) == ("", None, None)
    assert other._llm_type == "RunnableLambda"


def test_tokens_are_counted_as_the_inner_model_counts():
    class Counting(Talker):
        def get_token_ids(self, text):
            return [len(word) for word in text.split()]

    model = restyled(Counting().bind(stop=["x"]))
    assert model.get_token_ids("a very old boat") == [1, 4, 3, 4]
    assert model.get_num_tokens("a very old boat") == 4
    messages = [HumanMessage("a very old boat")]
    assert model.get_num_tokens_from_messages(messages) == Counting().get_num_tokens_from_messages(messages)


@pytest.fixture
def cache():
    cache = InMemoryCache()
    set_llm_cache(cache)
    yield cache
    set_llm_cache(None)


@pytest.mark.usefixtures("cache")
async def test_a_cache_keeps_styles_apart(sandbox):
    talker = Talker(turns=(turn(1, "It was very cold."),))
    keeper = Style.load("keeper")
    other = Style("keeper", keeper.restyle, keeper.destyle, training={"again": True}, directory=keeper.directory)
    echo = ChatOpenAI(base_url=sandbox.base_url, model="echo", api_key="none")
    models = [
        talker,
        RestyledChatModel(talker, "keeper"),
        RestyledChatModel(talker, "keeper", attempts=3),
        RestyledChatModel(talker, "keeper", destyle=False),
        RestyledChatModel(talker, other),
        RestyledChatModel(talker, "keeper", style_model=echo),
        RestyledChatModel(talker, "keeper", style_model=Scripted().bind(stop=["x"])),
        RestyledChatModel(talker.bind(mood="calm"), "keeper"),
        RestyledChatModel(talker, "keeper").bind_tools(TOOLS),
    ]
    strings = [model._get_llm_string() for model in models[:-1]]
    assert len(set(strings)) == len(strings)
    texts = [(await model.ainvoke("How?")).content for model in models]
    calls = len(talker.seen)
    assert calls == 3  # plain, calm, with tools: the others find the inner model's answer
    assert texts[0] == "It was very cold."
    assert texts[5] == "It was very cold."
    assert "uncommon" in texts[1]
    again = [model.invoke("How?") for model in models]
    assert [message.content for message in again] == texts
    assert len(talker.seen) == calls
    assert RestyledChatModel(talker, "keeper")._get_llm_string() == strings[1]
    assert RestyledChatModel(talker, "keeper")._get_llm_string(stop=["x"]) != strings[1]


@pytest.mark.usefixtures("cache")
async def test_cached_answers_keep_agents_going():
    """The same id twice would replace the earlier message in an agent's state."""
    model = restyled(Talker(turns=(AIMessage("Very well."),)), cache=False)
    first, second = model.invoke("How?"), await model.ainvoke("How?")
    assert first.content == second.content
    assert first.id != second.id
    assert len(model.inner.seen) == 1


def test_it_survives_serialisation(styled, monkeypatch):
    model = RestyledChatModel(Talker(turns=FINAL), "keeper", attempts=3, on_loss="keep", tags=["x"])
    copies = [pickle.loads(pickle.dumps(model)), model.model_copy()]
    for copy in copies:
        assert copy.invoke("Is it safe?").content == styled
        assert (copy.options, copy.tags) == ({"attempts": 3, "on_loss": "keep"}, ["x"])
    inner = ChatOpenAI(model="gpt-4.1-mini", api_key="sk-marked-4711", base_url="http://localhost:9/v1")
    model = RestyledChatModel(inner, "keeper", attempts=3)
    text = dumps(model)
    assert "sk-marked-4711" not in text + repr(model) + model._get_llm_string()
    monkeypatch.setenv("OPENAI_API_KEY", "none")
    classes, here = [RestyledChatModel, ChatOpenAI], ["langchain_restyle"]
    revive = Reviver(allowed_objects=classes, valid_namespaces=here, secrets_from_env=True)
    loaded = json.loads(text, object_hook=revive)  # as `load`, which is beta and says so once in a process
    assert (loaded.style, loaded.options) == ("keeper", {"attempts": 3})
    assert loaded.inner.model_name == "gpt-4.1-mini"
    assert loaded._get_llm_string().count("gpt-4.1-mini")


def test_what_cannot_be_used_is_refused():
    with pytest.raises(StyleNotFoundError, match="no style 'nobody'"):
        RestyledChatModel(Talker(), "nobody")
    with pytest.raises(ParameterError, match="no parameter 'tone'"):
        RestyledChatModel(Talker(), "keeper", parameters={"tone": "dry"})
    with pytest.raises(ValidationError, match="atempts"):
        RestyledChatModel(Talker(), "keeper", atempts=2)
    with pytest.raises(ValidationError, match="inner"):
        RestyledChatModel("gpt-6-luna", "keeper")
    with pytest.raises(TypeError, match="restyled already"):
        RestyledChatModel(RestyledChatModel(Talker(), "keeper").with_retry(), "keeper")
