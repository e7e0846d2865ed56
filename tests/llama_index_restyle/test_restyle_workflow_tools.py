"""What tools return, structured responses, and wrappers within a `RestyleWorkflow`."""

from __future__ import annotations

import json
import warnings

import pytest
from llama_index.core import Document, SummaryIndex
from llama_index.core.agent.workflow import AgentStreamStructuredOutput, FunctionAgent, ToolCallResult
from llama_index.core.tools import FunctionTool, QueryEngineTool
from pydantic import BaseModel

from llama import ScriptedLLM
from llama_agents import AGENT_WARNINGS, ANSWER, QUESTION, Talker, Turn, deltas, function_turns, scripted, seen, shown
from llama_index_restyle import RestyleQueryEngine, nesting
from llama_index_restyle.workflow import RestyleWorkflow
from scripted import paragraph, uncommon
from support import style_of

pytestmark = AGENT_WARNINGS
STYLED = uncommon(ANSWER)
VERDICT = {"safe": True, "why": "It is very calm."}


class Verdict(BaseModel):
    """Whether it is safe."""

    safe: bool
    why: str


@pytest.fixture(autouse=True)
def _unwarned(monkeypatch):
    monkeypatch.setattr(nesting, "_warned", set())


@pytest.fixture
def models():
    return {"destyle_model": ScriptedLLM(reply=lambda text: text), "style_model": ScriptedLLM()}


@pytest.fixture
def wrap(models):
    return lambda agent: RestyleWorkflow(agent, style=style_of(), **models)


def asked(models):
    return sum(len(model.calls) for model in models.values())


def engine_over(text=ANSWER, *, streaming=False):
    """A query engine that says so, whatever is asked."""
    index = SummaryIndex.from_documents([Document(text="The lamp is lit at six.")], transformations=[])
    return index.as_query_engine(llm=ScriptedLLM(reply=lambda _: text), streaming=streaming)


def direct(function):
    """An agent with a tool whose result is the answer."""
    tool = FunctionTool.from_defaults(function, name="look", return_direct=True)
    return FunctionAgent(llm=Talker(turns=[Turn("Let me look.", {"look": {}})]), tools=[tool])


def report():
    return ANSWER


def facts():
    return VERDICT


async def test_a_tool_s_text_that_is_the_answer(wrap, models):
    handler = wrap(direct(report)).run(QUESTION)
    events = await seen(handler)
    output = await handler
    assert str(output) == str(events[-1].result) == STYLED
    assert output.raw == ANSWER
    assert [call.tool_name for call in output.tool_calls] == ["look"]
    (result,) = [event for event in events if isinstance(event, ToolCallResult)]
    assert result.tool_output.content == ANSWER  # it is what the tool said
    assert not shown([event for event in events[:-1] if event is not result])
    assert asked(models) == 6
    remembered = await (await handler.ctx.store.get("memory")).aget()
    assert ANSWER in [message.content for message in remembered]


async def test_a_tool_s_data_that_are_the_answer(wrap, models):
    output = await wrap(direct(facts)).run(QUESTION)
    assert str(output) == str(VERDICT)
    assert output.raw == VERDICT
    assert "restyle" not in output.response.additional_kwargs
    assert asked(models) == 0


async def test_a_tool_s_failure_is_no_answer(wrap):
    def fails():
        raise OSError("the tide table is gone")

    agent = direct(fails)
    agent.llm.turns.append(Turn(ANSWER))
    handler = wrap(agent).run(QUESTION)
    events = await seen(handler)
    assert str(await handler) == deltas(events) == STYLED


async def test_a_query_engine_that_gives_the_answer(wrap, models):
    tool = QueryEngineTool.from_defaults(engine_over(), name="look", return_direct=True)
    agent = FunctionAgent(llm=Talker(turns=[Turn("", {"look": {"input": "Who?"}})]), tools=[tool])
    output = await wrap(agent).run(QUESTION)
    assert str(output) == STYLED
    assert [node.text for node in output.raw.source_nodes] == ["The lamp is lit at six."]
    assert asked(models) == 6


async def test_a_query_engine_that_found_nothing(wrap, models):
    tool = QueryEngineTool.from_defaults(engine_over("Empty Response"), name="look", return_direct=True)
    agent = FunctionAgent(llm=Talker(turns=[Turn("", {"look": {"input": "Who?"}})]), tools=[tool])
    assert str(await wrap(agent).run(QUESTION)) == "Empty Response"
    assert asked(models) == 0


@pytest.mark.parametrize("streaming", [False, True])
async def test_a_restyled_engine_as_a_tool_steps_aside_and_says_so_once(wrap, models, streaming):
    inner = RestyleQueryEngine(engine_over(streaming=streaming), style=style_of(), streaming=False, **models)
    tool = QueryEngineTool.from_defaults(inner, name="look")
    turns = [Turn("", {"look": {"input": "Who?"}}), Turn(paragraph(1))] * 2
    workflow = wrap(FunctionAgent(llm=Talker(turns=turns), tools=[tool]))
    with pytest.warns(UserWarning, match="RestyleQueryEngine is called inside another restyle wrapper"):
        events = await seen(handler := workflow.run(QUESTION))
    (result,) = [event for event in events if isinstance(event, ToolCallResult)]
    assert result.tool_output.content == ANSWER
    assert [node.text for node in result.tool_output.raw_output.source_nodes] == ["The lamp is lit at six."]
    assert str(await handler) == uncommon(paragraph(1))
    assert asked(models) == 2
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        await workflow.run(QUESTION)
    assert asked(models) == 4
    assert str(await inner.aquery("Who?")) == STYLED  # by itself it is the outermost


async def test_a_restyled_agent_as_a_tool_steps_aside(wrap, models):
    expert = wrap(scripted("function"))

    async def ask_the_expert() -> str:
        """Ask one who knows."""
        return str(await expert.run(QUESTION))

    talker = Talker(turns=[Turn("", {"ask_the_expert": {}}), Turn(paragraph(1))])
    handler = wrap(FunctionAgent(llm=talker, tools=[ask_the_expert])).run(QUESTION)
    with pytest.warns(UserWarning, match="RestyleWorkflow is called inside another restyle wrapper"):
        events = await seen(handler)
    (result,) = [event for event in events if isinstance(event, ToolCallResult)]
    assert result.tool_output.content == ANSWER
    assert str(await handler) == uncommon(paragraph(1))
    assert asked(models) == 2


async def test_structured_responses_are_made_of_the_agent_s_own_words_and_stay(wrap):
    def verdict(messages):
        assert messages[-1].content == ANSWER
        return VERDICT

    handler = wrap(scripted("function", structured_output_fn=verdict)).run(QUESTION)
    events = await seen(handler)
    output = await handler
    assert str(output) == deltas(events) == STYLED
    assert output.structured_response == VERDICT
    assert output.get_pydantic_model(Verdict) == Verdict(**VERDICT)
    assert [event.output for event in events if isinstance(event, AgentStreamStructuredOutput)] == [VERDICT]
    assert [type(event).__name__ for event in events[-3:]] == [
        "AgentOutput",
        "AgentStreamStructuredOutput",
        "StopEvent",
    ]
    assert not shown(events)


async def test_an_answer_that_is_json_passes(wrap, models):
    text = json.dumps(VERDICT, indent=2)
    agent = scripted("function")
    agent.llm.turns = function_turns(text)
    handler = wrap(agent).run(QUESTION)
    events = await seen(handler)
    assert str(await handler) == deltas(events) == text
    assert asked(models) == 0
