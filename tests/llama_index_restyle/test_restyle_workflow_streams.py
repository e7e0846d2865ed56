"""What streams of a `RestyleWorkflow`, and when."""

from __future__ import annotations

import asyncio

import pytest
from llama_index.core.agent.workflow import AgentOutput, AgentStream, FunctionAgent, ToolCallResult

from llama import ScriptedLLM
from llama_agents import (
    AGENT_WARNINGS,
    ANSWER,
    PREAMBLE,
    QUESTION,
    Talker,
    Turn,
    agent_of,
    deltas,
    function_turns,
    scripted,
    seen,
    shown,
)
from llama_index_restyle.workflow import RestyleWorkflow
from scripted import paragraphs, uncommon
from support import style_of

pytestmark = AGENT_WARNINGS
STYLED = uncommon(ANSWER)


@pytest.fixture
def models():
    return {"destyle_model": ScriptedLLM(reply=lambda text: text), "style_model": ScriptedLLM()}


@pytest.fixture
def wrap(models):
    return lambda agent, **options: RestyleWorkflow(agent, style=style_of(), **{**models, **options})


def asked(models):
    return [len(model.calls) for model in models.values()]


async def test_what_is_said_before_a_tool_is_called_stays(wrap):
    events = await seen(wrap(scripted("function")).run(QUESTION))
    said = [event for event in events if isinstance(event, AgentStream)]
    assert "".join(event.delta for event in said).startswith(PREAMBLE)
    outputs = [event for event in events if isinstance(event, AgentOutput)]
    assert [str(output) for output in outputs] == [PREAMBLE, "", STYLED]


async def test_the_models_work_while_the_agent_still_speaks(models):
    talker = Talker(turns=[Turn(ANSWER)], delay=0.001)
    began = []

    def reply(text):
        began.append(talker.words)
        return uncommon(text)

    models["style_model"] = ScriptedLLM(reply=reply)
    workflow = RestyleWorkflow(agent_of("function", talker), style=style_of(), **models)
    assert str(await workflow.run(QUESTION)) == STYLED
    assert began[0] < talker.words / 2


async def test_blocks_before_a_tool_call_are_given_up(wrap):
    preamble = paragraphs(3)
    turns = [Turn(preamble, {"tide": {"harbour": "Falmouth"}}), Turn("That is very good.")]
    handler = wrap(agent_of("function", Talker(turns=turns)), style_model=ScriptedLLM(delay=5)).run(QUESTION)
    async with asyncio.timeout(2):
        async for event in handler.stream_events():
            if isinstance(event, ToolCallResult):
                break
            if isinstance(event, AgentOutput):
                assert str(event) == preamble
    await handler.cancel_run()


async def test_an_answer_that_is_not_what_was_streamed_is_rewritten_by_itself(wrap):
    class Trimming(FunctionAgent):
        async def finalize(self, ctx, output, memory):
            output = await super().finalize(ctx, output, memory)
            message = output.response.model_copy(update={"blocks": []}, deep=True)
            message.content = paragraphs(1)
            return output.model_copy(update={"response": message})

    handler = wrap(Trimming(llm=Talker(turns=[Turn(ANSWER)]))).run(QUESTION)
    events = await seen(handler)
    assert str(await handler) == deltas(events) == uncommon(paragraphs(1))
    assert not shown(events)


async def test_thoughts_pass_on_their_way(wrap):
    if "thinking_delta" not in AgentStream.model_fields:
        pytest.skip("this core streams no thoughts")
    talker = Talker(turns=[Turn(ANSWER)], thoughts=True)
    events = await seen(wrap(agent_of("function", talker)).run(QUESTION))
    assert not shown(events)
    assert "".join(event.delta for event in events if isinstance(event, AgentStream)) == STYLED
    thoughts = [event.thinking_delta for event in events if isinstance(event, AgentStream) and event.thinking_delta]
    assert thoughts == ["Hm. ", "Well. "]


async def test_an_agent_that_does_not_stream_still_does_not(wrap):
    if "streaming" not in FunctionAgent.model_fields:
        pytest.skip("every agent of this core streams")
    handler = wrap(scripted("function", streaming=False)).run(QUESTION)
    events = await seen(handler)
    assert not [event for event in events if isinstance(event, AgentStream)]
    assert not shown(events)
    assert str(await handler) == str(events[-2]) == STYLED


async def test_an_answer_that_is_asked_for_when_the_agent_has_done_enough(wrap, models):
    if "early_stopping_method" not in FunctionAgent.model_fields:
        pytest.skip("this core only raises")
    agent = agent_of("function", Talker(turns=[function_turns()[0], Turn(ANSWER)]), early_stopping_method="generate")
    handler = wrap(agent).run(QUESTION, max_iterations=1)
    events = await seen(handler)
    assert not shown(events)
    assert str(await handler) == STYLED
    assert "".join(event.delta for event in events if isinstance(event, AgentStream)) == PREAMBLE + STYLED
    assert [str(event) for event in events if isinstance(event, AgentOutput)] == [PREAMBLE, STYLED]
    assert asked(models) == [3, 3]
