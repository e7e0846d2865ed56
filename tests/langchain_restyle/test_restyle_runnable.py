"""What every Runnable can do, `Restyle` can: wrappers, configuration, schemas, serialisation."""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
import time
import warnings

import openai
import pytest
from langchain_core._api import LangChainBetaWarning
from langchain_core.load import dumpd, dumps, load
from langchain_core.messages import AIMessage
from langchain_core.runnables import ConfigurableField, RunnableLambda, RunnableParallel, RunnablePassthrough
from langchain_openai import ChatOpenAI
from langgraph.graph import START, MessagesState, StateGraph

from langchain_restyle import Restyle
from restyle import Stage, Style
from restyle.errors import StyleNotFoundError
from restyle.prompts import RESTYLE_PROMPT
from scripted import ANSWER, Scripted, uncommon

pytestmark = pytest.mark.usefixtures("keeper_home")

INPUT = {"answer": ANSWER}


def test_wrappers_keep_it_working(styled):
    runnable = Restyle("keeper")
    assert runnable.with_config(tags=["x"], run_name="mine").invoke(ANSWER) == styled
    assert runnable.with_types(input_type=str, output_type=str).invoke(ANSWER) == styled
    assert runnable.with_retry(stop_after_attempt=2).invoke(ANSWER) == styled
    assert runnable.with_fallbacks([RunnableLambda(lambda text: text)]).invoke(ANSWER) == styled
    assert runnable.map().invoke([ANSWER, "Yes"]) == [styled, "Yes"]
    assert (runnable | RunnableLambda(str.upper)).invoke(ANSWER) == styled.upper()
    assert "".join(runnable.with_retry().stream(ANSWER)) == styled


def test_retry_runs_a_failing_style_again():
    model = Scripted(reply=fails_first(uncommon))
    runnable = Restyle("keeper", style_model=model, destyle=False)
    with pytest.raises(RuntimeError, match="the first call fails"):
        runnable.invoke("very old")
    again = Restyle("keeper", style_model=Scripted(reply=fails_first(uncommon)), destyle=False).with_retry(
        wait_exponential_jitter=False
    )
    assert again.invoke("very old") == "uncommon old"


def fails_first(reply):
    calls = []

    def scripted(text):
        calls.append(text)
        if len(calls) == 1:
            raise RuntimeError("the first call fails")
        return reply(text)

    return scripted


def test_in_parallel_and_in_assign(upstream, styled):
    both = upstream | RunnableParallel(before=RunnablePassthrough(), after=Restyle("keeper"))
    assert both.invoke(INPUT) == {"before": ANSWER, "after": styled}
    assign = RunnablePassthrough.assign(styled=RunnableLambda(lambda row: row["answer"]) | Restyle("keeper"))
    assert assign.invoke(INPUT) == {"answer": ANSWER, "styled": styled}
    streamed = "".join(chunk.get("styled", "") for chunk in assign.stream(INPUT))
    assert streamed == styled


def test_style_is_configurable(sandbox, styled, tmp_path, monkeypatch):
    keeper = Style.load("keeper")
    monkeypatch.setenv("RESTYLE_HOME", str(tmp_path))
    Style("echo", Stage(RESTYLE_PROMPT, "echo", sandbox.base_url)).save()
    runnable = Restyle(keeper).configurable_fields(style=ConfigurableField(id="style"))
    assert [spec.id for spec in runnable.config_specs] == ["style"]
    assert runnable.invoke(ANSWER) == styled
    assert runnable.invoke(ANSWER, {"configurable": {"style": "echo"}}) == ANSWER
    assert runnable.with_config(configurable={"style": "echo"}).invoke(ANSWER) == ANSWER
    assert "".join(runnable.stream(ANSWER, {"configurable": {"style": "echo"}})) == ANSWER
    with pytest.raises(StyleNotFoundError):
        runnable.invoke(ANSWER, {"configurable": {"style": "nobody"}})


def test_schemas_and_graph(chain):
    runnable = Restyle("keeper")
    assert runnable.get_name() == "Restyle"
    assert Restyle("keeper", name="keeper of tone").get_name() == "keeper of tone"
    for schema in (runnable.get_input_jsonschema(), runnable.get_output_jsonschema()):
        assert {"type": "string"} in schema["anyOf"]
        assert any("AIMessage" in str(option) for option in schema["anyOf"])
    assert chain.get_input_jsonschema()["required"] == ["answer"]
    assert "Restyle" in chain.get_graph().draw_mermaid()


def test_construction_builds_no_client_and_is_cheap(card, monkeypatch):
    def refuse(*_, **__):
        raise AssertionError("a client was built")

    monkeypatch.setattr(openai.OpenAI, "__init__", refuse)
    monkeypatch.setattr(openai.AsyncOpenAI, "__init__", refuse)
    Restyle(card)
    begin = time.perf_counter()
    for _ in range(100):
        Restyle("keeper")
    assert (time.perf_counter() - begin) / 100 < 0.01  # measured: 0.0004


def test_no_key_is_in_any_representation(card, sandbox, monkeypatch):
    key = "sk-marked-4711"
    monkeypatch.setenv("RESTYLE_API_KEY", key)
    monkeypatch.setenv("OPENAI_API_KEY", key)
    model = ChatOpenAI(base_url=sandbox.base_url, model="keeper:restyle", api_key=key)
    for runnable in (Restyle(card), Restyle(card, style_model=model), Restyle("keeper", destyle_model=model)):
        runnable.invoke("It was very cold.")
        for shown in (
            repr(runnable),
            str(runnable),
            dumps(runnable),
            json.dumps(dumpd(runnable)),
            repr(vars(runnable)),
        ):
            assert key not in shown
    assert f"Bearer {key}" in {request.headers["authorization"] for request in sandbox.requests}


def test_it_survives_serialisation(styled):
    runnable = Restyle("keeper", attempts=3, on_loss="neutral")
    serialised = json.loads(dumps(runnable))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LangChainBetaWarning)  # once in a process
        loaded = load(serialised, allowed_objects=[Restyle], valid_namespaces=["langchain_restyle"])
    for copy in (loaded, pickle.loads(pickle.dumps(runnable)), runnable.model_copy()):
        assert (copy.style, copy.attempts, copy.on_loss) == ("keeper", 3, "neutral")
        assert copy.invoke(ANSWER) == styled


def test_importing_the_package_imports_no_framework():
    program = (
        "import sys, langchain_restyle\n"
        "loaded = [name for name in ('langchain_core', 'openai', 'numpy', 'pydantic') if name in sys.modules]\n"
        "assert not loaded, loaded\n"
        "assert 'Restyle' in dir(langchain_restyle)\n"
        "from langchain_restyle import Restyle\n"
        "assert 'langchain_core' in sys.modules and 'openai' not in sys.modules and 'numpy' not in sys.modules\n"
        "try:\n    langchain_restyle.Nothing\n"
        "except AttributeError as error:\n    assert 'Nothing' in str(error)\n"
        "else:\n    raise AssertionError\n"
    )
    subprocess.run([sys.executable, "-W", "error", "-c", program], check=True, env=dict(os.environ), timeout=60)


def test_the_framework_s_absence_names_the_extra():
    program = (
        "import sys\nsys.modules['langchain_core'] = None\nimport langchain_restyle\n"
        "try:\n    langchain_restyle.Restyle\n"
        "except ImportError as error:\n    assert \"pip install 'restyle[langchain]'\" in str(error), error\n"
        "else:\n    raise AssertionError\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True, env=dict(os.environ), timeout=60)


async def test_a_node_of_a_graph_shows_no_neutral_text():
    """Otherwise LangGraph streams what every model in a node says."""

    models = {
        "destyle_model": Scripted(reply=lambda _: "It was plain."),
        "style_model": Scripted(reply=lambda text: text.replace("It was", "'Twas")),
    }

    def node(state):
        return {"messages": [AIMessage(Restyle("keeper", **models).invoke(state["messages"][-1].text))]}

    graph = StateGraph(MessagesState).add_node("restyle", node).add_edge(START, "restyle").compile()
    asked = {"messages": [AIMessage("It was very cold.")]}
    shown = [message.text for message, _ in graph.stream(asked, stream_mode="messages")]
    assert shown == ["'Twas plain."]
    shown = [message.text async for message, _ in graph.astream(asked, stream_mode="messages")]
    assert shown == ["'Twas plain."]
