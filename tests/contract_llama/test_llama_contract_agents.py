"""Whatever agent, whole or streaming: the same answer in the author's words, and all else as it was."""

from __future__ import annotations

import pytest
from llama_index.core.agent.workflow import AgentOutput, FunctionAgent, ToolCallResult
from llama_index.core.base.response.schema import Response
from llama_index.core.tools import QueryEngineTool

from contract_llama.agents import AGENTS, Acting, looking, ran
from contract_llama.calls import check_calls, check_text, listening, state
from contract_llama.cells import streaming
from contract_llama.engines import retrieving
from contract_llama.models import application
from contract_llama.texts import ANSWER, QUESTION, SOURCES
from llama_index_restyle import RestyleAgentMixin, RestyleQueryEngine, RestyleWorkflow, nesting
from scripted import uncommon

# LlamaIndex uses, in agents, what its own packages and pydantic have deprecated.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

agents = pytest.mark.parametrize("agent", AGENTS, ids=lambda agent: agent.name)
adapters = pytest.mark.parametrize("adapter", ["workflow", "mixin"])


def plain(agent, streaming):
    return agent.build(lambda kind: kind, streaming)


def restyled(agent, adapter, models, streaming):
    if adapter == "workflow":
        return RestyleWorkflow(plain(agent, streaming), **models.options)
    style, options = models.options["style"], {**models.options}
    del options["style"]

    def made(kind):
        mixed = type("Mixed", (RestyleAgentMixin, kind), {})
        return lambda **fields: mixed(style=style, restyle_options=options, **fields)

    return agent.build(made, streaming)


@streaming
@adapters
@agents
async def test_contract_async(models, agent, adapter, streaming):
    before = await ran(plain(agent, streaming), streaming=streaming)
    with listening() as heard:
        after = await ran(restyled(agent, adapter, models, streaming), streaming=streaming)
    assert before.output.response.content == ANSWER
    check_text(models, ANSWER, after.output.response.content, heard)
    check_calls(models, heard, 3)
    assert type(after.output) is type(before.output)
    assert after.output.response.role == before.output.response.role
    assert after.output.response.additional_kwargs["restyle"]["blocks"] == heard.blocks()
    calls = [(call.tool_name, call.tool_kwargs) for call in after.output.tool_calls]
    assert calls == [(call.tool_name, call.tool_kwargs) for call in before.output.tool_calls]
    assert after.output.current_agent_name == before.output.current_agent_name
    assert after.memory == before.memory
    if streaming:
        check_events(adapter, models, before, after)


def check_events(adapter, models, before, after):
    assert [type(event) for event in after.others] == [type(event) for event in before.others]
    results = [event for event in after.others if isinstance(event, ToolCallResult) and event.tool_name == "look"]
    (result,) = results
    assert result.tool_output.raw_output.response == ANSWER  # what tools return is the agent's own affair
    assert state(result.tool_output.raw_output.source_nodes) == state(SOURCES)
    said = [event.response.content for event in before.others if isinstance(event, AgentOutput)]
    now = [event.response.content for event in after.others if isinstance(event, AgentOutput)]
    assert now[:-1] == said[:-1]
    if adapter == "workflow":
        assert after.answer == now[-1] == models.expected(ANSWER)
    else:
        assert (after.answer, now[-1]) == (before.answer, said[-1])  # they have left before the agent is asked


@streaming
@pytest.mark.parametrize("direct", [False, True], ids=["read", "direct"])
async def test_restyled_engines_as_tools(scripts, direct, streaming):
    """A streaming engine gives whole answers here. Where the tool returns directly, its answer is the agent's."""
    engine = RestyleQueryEngine(retrieving(application(), streaming=streaming), streaming=False, **scripts.options)
    tool = QueryEngineTool.from_defaults(engine, name="look", description="Knows much.", return_direct=direct)
    llm = Acting(acts=[("look", {"input": QUESTION})], says="That is very much.")
    run = await ran(FunctionAgent(tools=[tool], llm=llm), streaming=True)
    (result,) = [event for event in run.others if isinstance(event, ToolCallResult)]
    assert isinstance(result.tool_output.raw_output, Response)
    assert result.tool_output.content == uncommon(ANSWER)
    assert state(result.tool_output.raw_output.source_nodes) == state(SOURCES)
    assert run.output.response.content == (uncommon(ANSWER) if direct else "That is very much.")
    assert direct or llm.calls[-1][-1].content == uncommon(ANSWER)
    assert len(scripts.style.calls) == len(scripts.destyle.calls) == 3


@streaming
async def test_restyled_tools_of_restyled_agents(scripts, monkeypatch, streaming):
    """The agent puts what they say into its own words: only those are restyled."""
    monkeypatch.setattr(nesting, "_warned", set())
    engine = RestyleQueryEngine(retrieving(application(), streaming=streaming), streaming=False, **scripts.options)
    tool = QueryEngineTool.from_defaults(engine, name="look", description="Knows much.")
    llm = Acting(acts=[("look", {"input": QUESTION})])
    agent = RestyleWorkflow(FunctionAgent(tools=[tool], llm=llm), **scripts.options)
    with pytest.warns(UserWarning, match="outermost"):
        run = await ran(agent, streaming=True)
    assert llm.calls[-1][-1].content == ANSWER
    assert run.output.response.content == run.answer == uncommon(ANSWER)
    assert len(scripts.style.calls) == len(scripts.destyle.calls) == 3


async def test_what_an_agent_says_before_it_calls_a_tool_is_not_restyled(scripts):
    """However long it is. The models have begun with its blocks by then, for it might have been the answer."""
    agent = RestyleWorkflow(
        FunctionAgent(tools=looking(), llm=Acting(acts=[("look", {"input": QUESTION})], words=ANSWER)),
        **scripts.options,
    )
    run = await ran(agent, streaming=True)
    first, *_ = [event for event in run.others if isinstance(event, AgentOutput)]
    assert first.response.content == ANSWER
    assert run.output.response.content == run.answer == uncommon(ANSWER)
    assert 3 <= len(scripts.style.calls) <= len(scripts.destyle.calls) <= 6
