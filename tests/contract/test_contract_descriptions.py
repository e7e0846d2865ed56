"""What `Restyle` says about itself: schemas, graphs, configuration, and its serialised forms."""

from __future__ import annotations

import copy
import json
import pickle

import pytest
from langchain_core.load import dumpd, dumps, load
from langchain_core.runnables import ConfigurableField, RunnableLambda, RunnableSequence
from langchain_openai import ChatOpenAI
from pydantic import SecretStr

from contract.calls import called, every_way
from contract.models import AUTHOR, TONED, Listening, Pair
from contract.shapes import SHAPES
from contract.wrappings import Given, configurable
from langchain_restyle import Restyle
from langchain_restyle.models import chat_model
from restyle.errors import ParameterError, StyleNotFoundError
from scripted import uncommon

pytestmark = pytest.mark.filterwarnings("ignore:.*in beta")  # loading, and tools of runnables

KEY = "sk-marked-4711"
STR = SHAPES[0]


def quite(text):
    return text.replace("very", "quite")


def choosing(model):
    return model.configurable_alternatives(ConfigurableField(id="llm"), default_key="own", other=Listening(reply=quite))


@every_way
async def test_what_is_configurable_in_its_models_is_so_in_it(way):
    runnable = Restyle("author", destyle_model=Listening(reply=str), style_model=choosing(Listening()))
    chain = RunnableLambda(lambda value: value) | runnable
    for each in (runnable, chain):
        assert [spec.id for spec in each.config_specs] == ["llm"]
        assert "llm" in json.dumps(each.get_config_jsonschema())
    built, value = Given(STR, chunked=way.chunked).into(runnable)
    assert set(await called(way, built, value)) == {STR.make(uncommon)}
    assert set(await called(way, built, value, {"configurable": {"llm": "other"}})) == {STR.make(quite)}


def test_its_own_fields_are_so_beside_them():
    inner = Listening(reply=str).configurable_fields(delay=ConfigurableField(id="patience"))
    runnable = configurable(Restyle("author", destyle_model=inner, style_model=choosing(Listening())))
    assert {spec.id for spec in runnable.config_specs} == {"llm", "patience", "style", "parameters"}
    schema = runnable.config_schema(include=["configurable"]).model_json_schema()
    assert {"llm", "patience", "style", "parameters"} <= set(schema["$defs"]["Configurable"]["properties"])


def test_two_models_may_share_a_setting():
    inner = choosing(Listening())
    assert [spec.id for spec in Restyle("author", destyle_model=inner, style_model=inner).config_specs] == ["llm"]
    assert Restyle("author").config_specs == []


@every_way
async def test_what_is_configured_is_checked(pair, way):
    built, value = Given(STR, chunked=way.chunked).into(configurable(pair.restyle()))
    with pytest.raises(StyleNotFoundError, match="nobody"):
        await called(way, built, value, {"configurable": {"style": "nobody"}})
    with pytest.raises(ParameterError, match=r"needs \$tone"):
        await called(way, built, value, {"configurable": {"style": "toned"}})


@every_way
async def test_what_is_bound_is_checked(pair, way):
    bound = pair.restyle().bind(style="nobody")
    with pytest.raises(StyleNotFoundError, match="nobody"):
        await called(way, *Given(STR, chunked=way.chunked).into(bound))


def test_schemas():
    runnable = Restyle("author")
    for schema in (runnable.get_input_jsonschema(), runnable.get_output_jsonschema()):
        names = {each["$ref"].split("/")[-1] for each in schema["anyOf"] if "$ref" in each}
        assert all(any(kind in name for name in names) for kind in ("AIMessage", "PromptValue"))
        assert {each["type"] for each in schema["anyOf"] if "type" in each} == {"string", "object"}
    assert runnable.InputType == runnable.OutputType
    assert configurable(runnable).get_input_jsonschema()["anyOf"]


def test_graphs():
    for runnable in (
        Restyle("author"),
        RunnableLambda(str) | Restyle("author"),
        Restyle("author") | RunnableLambda(str),
    ):
        assert "Restyle" in runnable.get_graph().draw_mermaid()
    assert "mine" in Restyle("author", name="mine").get_graph().draw_mermaid()


async def test_as_a_tool(pair):
    text = pair.restyle().with_types(input_type=str).as_tool(name="restyle", description="Rewrite a text.")
    assert text.invoke("very old") == await text.ainvoke("very old") == "uncommon old"
    fields = pair.restyle().as_tool(name="restyle", description="Rewrite an answer.", arg_types={"answer": str})
    assert fields.invoke({"answer": "very old"}) == {"answer": "uncommon old"}
    assert await fields.ainvoke({"answer": "very old"}) == {"answer": "uncommon old"}


def test_serialised_and_loaded():
    runnable = Restyle("toned", parameters={"tone": "dry"}, attempts=3, on_loss="keep", key="text", destyle=False)
    dumped = json.loads(dumps(runnable))
    assert dumped == dumpd(runnable)
    assert dumped["id"] == ["langchain_restyle", "runnable", "Restyle"]
    loaded = load(dumped, allowed_objects=[Restyle], valid_namespaces=["langchain_restyle"])
    assert type(loaded) is Restyle
    assert loaded == runnable


def test_loaded_in_a_chain():
    dumped = dumpd(Restyle("author", attempts=4) | Restyle("toned", parameters={"tone": "dry"}))
    loaded = load(dumped, allowed_objects=[RunnableSequence, Restyle], valid_namespaces=["langchain_restyle"])
    assert [step.style for step in loaded.steps] == ["author", "toned"]


def test_a_style_that_is_gone_is_missed_when_it_is_loaded(monkeypatch, tmp_path):
    dumped = dumpd(Restyle("author"))
    monkeypatch.setenv("RESTYLE_HOME", str(tmp_path))
    with pytest.raises(StyleNotFoundError):
        load(dumped, allowed_objects=[Restyle], valid_namespaces=["langchain_restyle"])


COPIES = {"pickle": lambda value: pickle.loads(pickle.dumps(value)), "deepcopy": copy.deepcopy, "copy": copy.copy}


@pytest.mark.parametrize("again", COPIES.values(), ids=COPIES)
@pytest.mark.parametrize("style", ["toned", TONED], ids=["name", "card"])
def test_copies(again, style):
    runnable = Restyle(style, parameters={"tone": "dry"}, style_model="some-model", max_concurrency=3)
    assert again(runnable) == runnable
    assert repr(again(runnable)) == repr(runnable)
    assert again(configurable(runnable)).config_specs == configurable(runnable).config_specs


@pytest.mark.parametrize("again", [COPIES["deepcopy"], COPIES["copy"]], ids=["deepcopy", "copy"])
def test_copies_work_with_the_models_they_were_given(again):
    class Plain(Listening):
        def __deepcopy__(self, _):
            return self  # a lock cannot be copied

    pair = Pair(Plain(reply=str), Plain())
    assert again(pair.restyle()).invoke("very old") == "uncommon old"


def shown(runnable):
    """Everything in which a value can be looked at."""
    return [repr(runnable), str(runnable), dumps(runnable), json.dumps(dumpd(runnable)), repr(vars(runnable))]


@pytest.fixture
def _keys(monkeypatch):
    for name in ("OPENAI_API_KEY", "RESTYLE_API_KEY"):
        monkeypatch.setenv(name, KEY)


@pytest.mark.usefixtures("_keys")
@pytest.mark.parametrize("model", [None, "some-model", "openai:some-model"])
def test_no_key_of_the_environment_is_seen(model):
    runnable = Restyle(AUTHOR, style_model=model, destyle_model=model)
    clients = [chat_model(AUTHOR, role, model) for role in ("restyle", "destyle")]  # as its first call does
    assert {client.openai_api_key.get_secret_value() for client in clients} == {KEY}
    for each in (runnable, configurable(runnable), runnable.bind(style="author"), runnable | RunnableLambda(str)):
        assert not [text for text in shown(each) if KEY in text]
    assert KEY.encode() not in pickle.dumps(runnable)
    assert KEY not in repr(copy.deepcopy(runnable).__dict__)


def test_no_key_of_a_model_is_seen():
    model = ChatOpenAI(model="some-model", base_url="http://127.0.0.1:9/v1", api_key=SecretStr(KEY))
    runnable = Restyle(AUTHOR, style_model=model, destyle_model=model.with_retry())
    assert not [text for text in shown(runnable) if KEY in text]
    assert not [text for text in shown(configurable(runnable)) if KEY in text]


@pytest.mark.parametrize("change", ["update", "set"])
def test_another_style_is_never_ignored(pair, change):
    runnable = pair.restyle()
    changes = {"style": "toned", "parameters": {"tone": "dry"}}
    if change == "update":
        runnable = runnable.model_copy(update=changes)
    else:
        for name, value in changes.items():
            setattr(runnable, name, value)
    runnable.invoke("very old")
    assert pair.style.told == ["Please rewrite the given text in your style. Use a dry tone."]
