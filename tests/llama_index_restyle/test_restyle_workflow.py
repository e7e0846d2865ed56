"""Agents inside a `RestyleWorkflow`: the final answer is the author's, everything else the agent's own."""

from __future__ import annotations

import asyncio
import json
import pickle

import pytest
from llama_index.core.agent.workflow import (
    AgentInput,
    AgentOutput,
    AgentStream,
    AgentWorkflow,
    FunctionAgent,
    ToolCallResult,
)
from llama_index.core.memory import ChatMemoryBuffer
from llama_index.core.workflow import Context, HumanResponseEvent, InputRequiredEvent, StartEvent, StopEvent, Workflow
from llama_index.core.workflow import step as workflow_step

from llama import MARKED_KEY, ScriptedLLM, instrumented
from llama_agents import (
    AGENT_WARNINGS,
    ANSWER,
    KINDS,
    QUESTION,
    TURNS,
    Talker,
    Turn,
    agent_of,
    deltas,
    scripted,
    seen,
    shown,
    strings,
)
from llama_index_restyle.workflow import RestyleWorkflow
from restyle.errors import ParameterError, ShapeError, StyleNotFoundError
from scripted import uncommon
from support import style_of

pytestmark = AGENT_WARNINGS
every_kind = pytest.mark.parametrize("kind", KINDS)
STYLED = uncommon(ANSWER)


@pytest.fixture
def models():
    return {"destyle_model": ScriptedLLM(reply=lambda text: text), "style_model": ScriptedLLM()}


@pytest.fixture
def wrap(models):
    return lambda agent, **options: RestyleWorkflow(agent, style=style_of(), **{**models, **options})


def asked(models):
    return [len(model.calls) for model in models.values()]


@every_kind
async def test_the_plain_agent_s_events_show_its_answer(kind):
    """What the other tests look for can be found."""
    events = await seen(scripted(kind).run(QUESTION))
    assert len(shown(events)) == 3
    assert deltas(events).endswith(ANSWER)


@every_kind
async def test_no_event_shows_the_answer_in_the_agent_s_own_words(kind, wrap, models):
    handler = wrap(scripted(kind)).run(QUESTION)
    events = await seen(handler)
    assert not shown(events)
    assert deltas(events) == STYLED
    output = await handler
    assert isinstance(output, AgentOutput)
    assert str(output) == STYLED
    assert events[-1].result is output
    assert [event for event in events if isinstance(event, AgentOutput)][-1] is output
    assert asked(models) == [3, 3]
    assert sorted(models["style_model"].texts) == sorted(ANSWER.split("\n\n"))


@every_kind
async def test_everything_else_is_as_it_was(kind, wrap):
    plain, restyled = scripted(kind).run(QUESTION), wrap(scripted(kind)).run(QUESTION)
    before, after = [
        [event for event in await seen(handler) if not isinstance(event, AgentStream)] for handler in (plain, restyled)
    ]
    assert [type(event) for event in before] == [type(event) for event in after]
    for one, other in zip(before[:-2], after[:-2], strict=True):
        if isinstance(one, AgentInput | ToolCallResult):
            assert one.model_dump() | {"tool_id": ""} == other.model_dump() | {"tool_id": ""}
    one, other = await plain, await restyled
    assert [each.tool_name for each in one.tool_calls] == [each.tool_name for each in other.tool_calls]
    assert (one.current_agent_name, one.raw, one.structured_response) == (
        other.current_agent_name,
        other.raw,
        other.structured_response,
    )
    report = other.response.additional_kwargs.pop("restyle")
    assert [row["outcome"] for row in report["blocks"]] == ["styled"] * 3
    assert one.response.additional_kwargs == other.response.additional_kwargs
    assert one.response.role == other.response.role


@every_kind
async def test_nobody_has_to_read_the_events(kind, wrap, models):
    handler = wrap(scripted(kind)).run(user_msg=QUESTION)
    assert not handler.is_done()
    assert str(await handler) == STYLED
    assert str(await handler) == STYLED
    assert handler.is_done()
    assert deltas(await seen(handler)) == STYLED
    assert asked(models) == [3, 3]
    with pytest.raises(Exception, match="already been consumed"):
        await seen(handler)


@every_kind
async def test_memory_keeps_the_agent_s_own_words(kind, wrap):
    llm = Talker(turns=[*TURNS[kind](), TURNS[kind]()[-1]])
    workflow, memory = wrap(agent_of(kind, llm)), ChatMemoryBuffer.from_defaults(token_limit=100_000)
    first = workflow.run(QUESTION, memory=memory)
    await first
    second = workflow.run("And now?", memory=memory, ctx=first.ctx)
    events = await seen(second)
    assert str(await second) == STYLED
    remembered = llm.seen[-1]
    assert any(ANSWER in str(message.content) for message in remembered)
    assert not any("uncommon" in text for text in strings(remembered))
    assert "restyle" not in repr([message.additional_kwargs for message in remembered])
    # What the agent's model is asked is shown as it is; nothing else has the answer's own words.
    assert not shown([event for event in events if not isinstance(event, AgentInput)])


@every_kind
async def test_contexts_given_to_it_are_the_agent_s(kind, wrap):
    workflow = wrap(scripted(kind))
    context = Context(workflow)
    await context.store.set("note", "very important")
    handler = workflow.run(QUESTION, ctx=context)
    assert str(await handler) == STYLED
    assert handler.ctx is context
    assert ANSWER in (await (await context.store.get("memory")).aget())[-1].content
    again = Context.from_dict(workflow, context.to_dict())
    assert await again.store.get("note") == "very important"


async def test_a_human_is_asked_in_between(wrap):
    async def ask(ctx: Context) -> str:
        """Ask the harbour master."""
        waiter = InputRequiredEvent(prefix="Is it safe?")
        answer = await ctx.wait_for_event(HumanResponseEvent, waiter_event=waiter)
        return str(answer.response)

    ask.__annotations__ = {"ctx": Context, "return": str}  # core 0.13 reads no strings
    talker = Talker(turns=[Turn("", {"ask": {}}), Turn(ANSWER)])
    handler = wrap(FunctionAgent(llm=talker, tools=[ask])).run(QUESTION)
    async for event in handler.stream_events():
        if isinstance(event, InputRequiredEvent):
            handler.ctx.send_event(HumanResponseEvent(response="very safe"))
        if isinstance(event, ToolCallResult):
            assert event.tool_output.content == "very safe"
    assert str(await handler) == STYLED


async def test_a_human_is_asked_about_the_answer(wrap):
    class Approved(FunctionAgent):
        async def finalize(self, ctx, output, memory):
            await ctx.wait_for_event(HumanResponseEvent, waiter_event=InputRequiredEvent(prefix="May I?"))
            return await super().finalize(ctx, output, memory)

    handler = wrap(Approved(llm=Talker(turns=[Turn(ANSWER)]))).run(QUESTION)
    async for event in handler.stream_events():
        if isinstance(event, InputRequiredEvent):
            await handler.send_event(HumanResponseEvent(response="yes"))
    assert str(await handler) == STYLED


async def test_many_runs_at_once_do_not_mix(models):
    def answer(number):
        return f"In the year {1900 + number} it was very cold."

    class Echo(Talker):
        async def _said(self, messages):
            turn = Turn(answer(int(messages[-1].content)))
            async for response in Talker(turns=[turn])._said(messages):
                yield response

    workflow = RestyleWorkflow(FunctionAgent(llm=Echo()), style=style_of(), **models)
    outputs = await asyncio.gather(*(workflow.run(str(number)) for number in range(50)))
    assert [str(output) for output in outputs] == [uncommon(answer(number)) for number in range(50)]
    assert asked(models) == [50, 50]


async def test_its_work_is_in_the_run_s_span(wrap):
    with instrumented() as (spans, events):
        await wrap(scripted("function")).run(QUESTION)
    tree = spans.tree()
    assert tree[""] == ["RestyleWorkflow.run"]
    assert sorted(tree["RestyleWorkflow.run"]) == ["FunctionAgent.run", *["restyle_block"] * 3]
    assert tree["restyle_block"] == ["ScriptedLLM.achat"] * 6
    assert not spans.open_spans
    own = [name for name in events.names() if name.startswith("Restyle")]
    given_up = ["RestyleStartEvent"]  # what was said before the first tool call
    assert own == [*given_up, "RestyleStartEvent", *["RestyleBlockEvent"] * 3, "RestyleEndEvent"]


async def test_prompts_are_the_agent_s(wrap):
    agent = scripted("react")
    workflow = wrap(agent)
    assert workflow.get_prompts().keys() == agent.get_prompts().keys() == {"react_header"}
    workflow.update_prompts({"react_header": "Be brief."})
    assert agent.formatter.system_header == "Be brief."


@pytest.mark.usefixtures("home")
async def test_what_it_is_not(wrap):
    workflow = wrap(scripted("function"))
    assert isinstance(workflow, Workflow)
    assert repr(workflow) == "RestyleWorkflow(FunctionAgent, style='author')"
    with pytest.raises(AttributeError, match="make the member's class with RestyleAgentMixin"):
        AgentWorkflow([workflow])
    with pytest.raises(TypeError, match="not pickled"):
        pickle.dumps(workflow)
    with pytest.raises(StyleNotFoundError):
        RestyleWorkflow(scripted("function"), style="nobody")
    with pytest.raises(ParameterError):
        wrap(scripted("function"), parameters={"mood": "sad"})


async def test_a_workflow_that_is_no_agent(wrap):
    class Other(Workflow):
        @workflow_step
        async def only(self, ev: StartEvent) -> StopEvent:
            return StopEvent(result=f"very good: {ev.user_msg}")

    handler = wrap(Other()).run(user_msg=QUESTION)
    with pytest.raises(ShapeError, match="the workflow gave str, not AgentOutput"):
        await seen(handler)
    with pytest.raises(ShapeError):
        await handler


@every_kind
async def test_keys_are_nowhere(kind, wrap):
    workflow = wrap(scripted(kind))
    handler = workflow.run(QUESTION)
    events = await seen(handler)
    output = await handler
    for each in (repr(workflow), str(workflow), repr(handler), output.model_dump_json(), json.dumps(output.to_dict())):
        assert MARKED_KEY not in each
    assert not any(MARKED_KEY in text for text in strings([events, output]))
