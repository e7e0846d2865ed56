"""Agents with a `RestyleAgentMixin`: their answers are the author's; their streams and memory are their own."""

from __future__ import annotations

import pickle

import pytest
from llama_index.core.agent.workflow import AgentOutput, AgentWorkflow, FunctionAgent, ReActAgent
from llama_index.core.memory import ChatMemoryBuffer
from llama_index.core.tools import FunctionTool
from llama_index.core.workflow import WorkflowRuntimeError

from llama import MARKED_KEY, ScriptedLLM, instrumented
from llama_agents import (
    AGENT_WARNINGS,
    ANSWER,
    PREAMBLE,
    QUESTION,
    TURNS,
    Talker,
    Turn,
    boats,
    deltas,
    function_turns,
    seen,
    shown,
    strings,
    team_turns,
    tide,
)
from llama_index_restyle import nesting
from llama_index_restyle.agents import RestyleAgentMixin
from llama_index_restyle.workflow import RestyleWorkflow
from restyle.errors import LossError, ParameterError, StyleNotFoundError
from scripted import uncommon
from support import style_of

pytestmark = AGENT_WARNINGS
STYLED = uncommon(ANSWER)


class Caller(RestyleAgentMixin, FunctionAgent):
    """One that calls functions."""


class Reasoner(RestyleAgentMixin, ReActAgent):
    """One that reasons aloud."""


CLASSES = {"function": Caller, "react": Reasoner}
both_kinds = pytest.mark.parametrize("kind", sorted(CLASSES))


@pytest.fixture(autouse=True)
def _unwarned(monkeypatch):
    monkeypatch.setattr(nesting, "_warned", set())


@pytest.fixture
def models():
    return {"destyle_model": ScriptedLLM(reply=lambda text: text), "style_model": ScriptedLLM()}


def agent_of(kind, models, turns=None, tools=(tide, boats), options=None, **fields):
    talker = Talker(turns=TURNS[kind]() if turns is None else turns)
    options = {**models, **(options or {})}
    return CLASSES[kind](llm=talker, tools=[*tools], style=style_of(), restyle_options=options, **fields)


def asked(models):
    return [len(model.calls) for model in models.values()]


@both_kinds
async def test_the_answer_is_rewritten_when_it_is_complete(kind, models):
    handler = agent_of(kind, models).run(QUESTION)
    events = await seen(handler)
    output = await handler
    assert isinstance(output, AgentOutput)
    assert str(output) == STYLED
    assert events[-1].result is output
    assert asked(models) == [3, 3]
    assert [call.tool_name for call in output.tool_calls] == ["tide", "boats"]
    assert [row["outcome"] for row in output.response.additional_kwargs["restyle"]["blocks"]] == ["styled"] * 3
    # What streams before is the agent's own, as the class says.
    assert deltas(events).endswith(ANSWER)
    assert shown(events)


@both_kinds
async def test_memory_keeps_the_agent_s_own_words(kind, models):
    agent = agent_of(kind, models, [*TURNS[kind](), TURNS[kind]()[-1]])
    memory = ChatMemoryBuffer.from_defaults(token_limit=100_000)
    await agent.run(QUESTION, memory=memory)
    assert str(await agent.run("And now?", memory=memory)) == STYLED
    remembered = agent.llm.seen[-1]
    assert any(ANSWER in str(message.content) for message in remembered)
    assert not any("uncommon" in text for text in strings(remembered))
    assert "restyle" not in repr([message.additional_kwargs for message in remembered])


async def test_a_member_of_a_team_has_its_own_style(models):
    plain = FunctionAgent(name="greeter", description="It greets.", llm=Talker(turns=team_turns()[:1]))
    member = agent_of("function", models, name="writer", description="It writes.")
    team = AgentWorkflow([plain, member], root_agent="greeter")
    output = await team.run(QUESTION)
    assert str(output) == STYLED
    assert output.current_agent_name == "writer"
    assert asked(models) == [3, 3]


async def test_what_is_said_before_a_handover_stays(models):
    member = agent_of("function", models, team_turns()[:1], name="greeter", description="It greets.")
    plain = FunctionAgent(name="writer", description="It writes.", llm=Talker(turns=[Turn(ANSWER)]))
    team = AgentWorkflow([member, plain], root_agent="greeter")
    handler = team.run(QUESTION)
    outputs = [event for event in await seen(handler) if isinstance(event, AgentOutput)]
    assert [str(output) for output in outputs] == [PREAMBLE, ANSWER]
    assert str(await handler) == ANSWER
    assert asked(models) == [0, 0]


async def test_what_a_tool_returns_as_the_answer_stays(models):
    tool = FunctionTool.from_defaults(lambda: ANSWER, name="look", description="Look.", return_direct=True)
    output = await agent_of("function", models, [Turn("", {"look": {}})], [tool]).run(QUESTION)
    assert str(output) == ANSWER
    assert asked(models) == [0, 0]


async def test_structured_responses_are_made_of_the_agent_s_own_words(models):
    seen_text = []

    def verdict(messages):
        seen_text.append(messages[-1].content)
        return {"safe": True}

    output = await agent_of("function", models, structured_output_fn=verdict).run(QUESTION)
    assert seen_text == [ANSWER]
    assert output.structured_response == {"safe": True}
    assert str(output) == STYLED


async def test_within_a_workflow_that_rewrites_it_steps_aside(models):
    workflow = RestyleWorkflow(agent_of("function", models), style=style_of(), **models)
    with pytest.warns(UserWarning, match="Caller is called inside another restyle wrapper"):
        events = await seen(handler := workflow.run(QUESTION))
    assert str(await handler) == deltas(events) == STYLED
    assert not shown(events)
    assert asked(models) == [3, 3]


async def test_its_options_are_those_of_all_components(models):
    lossy = {"style_model": ScriptedLLM(reply=lambda text: text.replace("1801", "1901"))}
    with pytest.raises((LossError, WorkflowRuntimeError), match="1801"):  # core 0.13 wraps it
        await agent_of("function", models, options={**lossy, "on_loss": "raise"}).run(QUESTION)
    quiet = await agent_of("function", models, options={"include_report": False}).run(QUESTION)
    assert "restyle" not in quiet.response.additional_kwargs


@pytest.mark.usefixtures("home")
def test_what_cannot_be_used_is_refused_when_it_is_made(models):
    with pytest.raises(TypeError, match="style"):
        Caller(llm=Talker())
    with pytest.raises(StyleNotFoundError):
        Caller(llm=Talker(), style="nobody")
    with pytest.raises(ParameterError):
        agent_of("function", models, options={"parameters": {"mood": "sad"}})


@both_kinds
async def test_fields_are_the_agent_s_and_keys_are_nowhere(kind, models):
    agent = agent_of(kind, models)
    assert set(type(agent).model_fields) == set(type(agent).__mro__[2].model_fields)
    handler = agent.run(QUESTION)
    events = await seen(handler)
    for each in (repr(agent), str(agent), repr(agent.model_dump(exclude={"tools", "llm"})), *strings(events)):
        assert MARKED_KEY not in each
    assert repr(agent).count("style") == 0
    copy = agent.model_copy()
    copy.llm = Talker(turns=TURNS[kind]())
    assert str(await copy.run(QUESTION)) == STYLED
    with pytest.raises(Exception, match=r"key would be written|pickle|local object"):
        pickle.dumps(agent)


async def test_its_work_is_in_the_agent_s_span(models):
    with instrumented() as (spans, _):
        await agent_of("function", models, function_turns()).run(QUESTION)
    tree = spans.tree()
    (parent,) = [name for name, children in tree.items() if "restyle_block" in children]
    assert parent.endswith(".parse_agent_output")
    assert tree["restyle_block"] == ["ScriptedLLM.achat"] * 6
