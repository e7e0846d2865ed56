"""`RestyleMiddleware` leaves an agent what it is, but for its voice."""

from __future__ import annotations

import pytest
from langchain.agents import create_agent
from langchain.agents.middleware import (
    AgentMiddleware,
    ModelFallbackMiddleware,
    ModelResponse,
    ModelRetryMiddleware,
    dynamic_prompt,
)
from langchain.agents.structured_output import ProviderStrategy, ToolStrategy
from langchain_core.messages import AIMessage, SystemMessage, ToolMessage
from pydantic import BaseModel, ValidationError

from agents import PREAMBLE, QUESTION, TOOLS, TURNS, Talker, call, turn
from langchain_restyle.facade import RestyledChatModel
from langchain_restyle.middleware import RestyleMiddleware
from restyle.errors import ParameterError, StyleNotFoundError
from scripted import ANSWER, Scripted, paragraph, summed, uncommon

pytestmark = pytest.mark.usefixtures("keeper_home")


def scripted(**options):
    return RestyleMiddleware("keeper", **{"destyle": False, "style_model": Scripted(), **options})


async def both(agent):
    """The messages of an agent that was asked both ways."""
    invoked, ainvoked = agent.invoke(QUESTION), await agent.ainvoke(QUESTION)
    for one, other in zip(invoked["messages"], ainvoked["messages"], strict=True):
        assert one.content == other.content
    return invoked["messages"]


async def test_an_agent_answers_in_the_style(styled):
    talker = Talker()
    messages = await both(create_agent(talker, TOOLS, middleware=[RestyleMiddleware("keeper")]))
    assert [type(message).__name__ for message in messages] == [
        "HumanMessage",
        *["AIMessage", "ToolMessage"] * 2,
        "AIMessage",
    ]
    assert messages[1] == TURNS[0]
    assert messages[3] == TURNS[1]
    report = messages[5].response_metadata.pop("restyle")
    assert messages[5] == TURNS[2].model_copy(update={"content": styled})
    assert [row["outcome"] for row in report["blocks"] if row["end"] - row["start"] > 2] == ["styled"] * 3
    # The model is told its tools' results, and of its own words nothing yet that was restyled.
    assert [len(told) for told, _ in talker.seen] == [1, 3, 5] * 2
    assert {tuple(settings["tools"]) for _, settings in talker.seen} == {("tide", "boats")}


async def test_without_tools_nothing_is_held_back():
    talker = Talker(turns=(turn(1, f"{paragraph(0)}\n\n{paragraph(1)}"),), pace=0.002)
    agent = create_agent(talker, middleware=[scripted()])
    pulled = [talker.pulled async for _ in agent.astream(QUESTION, stream_mode="messages")]
    assert pulled[0] < pulled[-1]
    with_tools = Talker(turns=talker.turns)
    agent = create_agent(with_tools, TOOLS, middleware=[scripted()])
    pulled = [with_tools.pulled async for _ in agent.astream(QUESTION, stream_mode="messages")]
    assert pulled[0] == pulled[-1]
    early = Talker(turns=talker.turns, pace=0.002)
    agent = create_agent(early, TOOLS, middleware=[scripted(final_only=False)])
    pulled = [early.pulled async for _ in agent.astream(QUESTION, stream_mode="messages")]
    assert pulled[0] < pulled[-1]


async def test_what_is_said_before_a_call_stays_unless_text_may_leave_early():
    for final_only, expected in ((True, PREAMBLE), (False, uncommon(PREAMBLE))):
        agent = create_agent(Talker(), TOOLS, middleware=[scripted(final_only=final_only)])
        chunks = [chunk async for chunk, _ in agent.astream(QUESTION, stream_mode="messages") if chunk.id == "turn-1"]
        whole = summed(chunks)
        assert whole.tool_calls == TURNS[0].tool_calls
        assert whole.content.split("\n\n")[0] == expected.split("\n\n")[0]
    assert whole.content != PREAMBLE
    assert (await both(agent))[1].content == PREAMBLE  # whole messages are known to call tools


class Report(BaseModel):
    """What the boats do."""

    summary: str


JSON = '{"summary": "a very old boat"}'


@pytest.mark.parametrize(
    ("strategy", "last"),
    [
        (ProviderStrategy(Report), turn(3, JSON)),
        (ToolStrategy(Report), turn(3, "Very well.", call("Report", "call-3", summary="a very old boat"))),
    ],
    ids=["provider", "tool"],
)
@pytest.mark.parametrize("how", ["middleware", "model"])
async def test_structured_responses_stay(strategy, last, how):
    models = []

    class Watching(AgentMiddleware):
        def wrap_model_call(self, request, handler):
            models.append(request.model)
            return handler(request)

        async def awrap_model_call(self, request, handler):
            models.append(request.model)
            return await handler(request)

    talker = Talker(turns=(*TURNS[:2], last))
    if how == "middleware":
        agent = create_agent(talker, TOOLS, response_format=strategy, middleware=[scripted(), Watching()])
    else:
        model = RestyledChatModel(talker, "keeper", destyle=False, style_model=Scripted())
        agent = create_agent(model, TOOLS, response_format=strategy)
    for result in (agent.invoke(QUESTION), await agent.ainvoke(QUESTION)):
        assert result["structured_response"] == Report(summary="a very old boat")
        assert result["messages"][5] == last
    assert all(model is talker for model in models)
    streamed = list(agent.stream(QUESTION, stream_mode=["messages", "values"]))
    assert streamed[-1][1]["structured_response"] == Report(summary="a very old boat")
    assert (
        summed([data[0] for mode, data in streamed if mode == "messages" and data[0].id == "turn-3"]).content
        == last.content
    )


@pytest.mark.parametrize("profile", [None, {"structured_output": True}])
def test_the_strategy_is_chosen_as_for_the_inner_model(profile):
    for wrap in (lambda talker: talker, lambda talker: RestyledChatModel(talker, "keeper")):
        talker = Talker(
            turns=(*TURNS[:2], turn(3, JSON, *([] if profile else [call("Report", "c", summary="x")]))), profile=profile
        )
        create_agent(wrap(talker), TOOLS, response_format=Report).invoke(QUESTION)
        assert ["response_format" in settings for _, settings in talker.seen] == [bool(profile)] * 3


class Calm(AgentMiddleware):
    """Has its own way with tools and with requests."""

    def wrap_model_call(self, request, handler):
        return handler(request.override(system_message=SystemMessage("Be calm."), model_settings={"mood": "calm"}))

    async def awrap_model_call(self, request, handler):
        return await handler(
            request.override(system_message=SystemMessage("Be calm."), model_settings={"mood": "calm"})
        )

    def wrap_tool_call(self, request, handler):
        message = handler(request)
        return message.model_copy(update={"content": message.content.upper()})

    async def awrap_tool_call(self, request, handler):
        message = await handler(request)
        return message.model_copy(update={"content": message.content.upper()})


@pytest.mark.parametrize("first", [True, False])
async def test_other_middleware_does_its_work(first):
    talker = Talker()
    middleware = [scripted(), Calm()] if first else [Calm(), scripted()]
    messages = await both(create_agent(talker, TOOLS, middleware=middleware))
    assert messages[5].content == uncommon(ANSWER)
    assert [each.content for each in messages if isinstance(each, ToolMessage)] == [
        "VERY HIGH AT 6:30 IN FALMOUTH",
        "3 VERY OLD BOAT IN FALMOUTH",
    ]
    for told, settings in talker.seen:
        assert told[0] == SystemMessage("Be calm.")
        assert settings["mood"] == "calm"


async def test_behind_retries_and_fallbacks_of_other_middleware():
    spare = Talker(model_name="spare")
    retries = ModelRetryMiddleware(max_retries=1, initial_delay=0, jitter=False, on_failure="error")
    agent = create_agent(Talker(fails_at=3), TOOLS, middleware=[ModelFallbackMiddleware(spare), retries, scripted()])
    messages = await both(agent)
    assert messages[5].content == uncommon(ANSWER)
    assert spare.seen


async def test_a_prompt_made_for_the_turn():
    @dynamic_prompt
    def prompt(request):
        return f"Turn {len(request.messages)}."

    talker = Talker()
    await both(create_agent(talker, TOOLS, middleware=[prompt, scripted()]))
    assert [told[0].content for told, _ in talker.seen] == ["Turn 1.", "Turn 3.", "Turn 5."] * 2


async def test_a_middleware_that_answers_itself_is_not_restyled():
    class Short(AgentMiddleware):
        def wrap_model_call(self, *_):
            return ModelResponse(result=[AIMessage("A very short answer.")])

        async def awrap_model_call(self, *_):
            return AIMessage("A very short answer.")

    messages = await both(create_agent(Talker(), TOOLS, middleware=[Short(), scripted()]))
    assert messages[1].content == "A very short answer."


def test_two_styles_are_one_too_many():
    with pytest.raises(AssertionError, match="duplicate middleware"):
        create_agent(Talker(), TOOLS, middleware=[scripted(), scripted()])
    model = RestyledChatModel(Talker(), "keeper")
    for restyled in (model, model.with_retry(), model.bind(stop=["x"])):
        with pytest.raises(TypeError, match="restyled already"):
            create_agent(restyled, TOOLS, middleware=[scripted()]).invoke(QUESTION)


def test_what_cannot_be_used_is_refused_at_once():
    with pytest.raises(StyleNotFoundError, match="no style 'nobody'"):
        RestyleMiddleware("nobody")
    with pytest.raises(ParameterError, match="no parameter 'tone'"):
        RestyleMiddleware("keeper", parameters={"tone": "dry"})
    with pytest.raises(ValidationError, match="atempts"):
        RestyleMiddleware("keeper", atempts=2)


@pytest.mark.parametrize("way", ["stream", "astream"])
async def test_what_is_said_before_a_call_needs_no_style_model(way):
    """It was asked in vain: that it fails or takes its time is no matter."""

    def fails_before_calls(text):
        if text in PREAMBLE:
            raise ConnectionError("the style is gone")
        return uncommon(text)

    agent = create_agent(Talker(), TOOLS, middleware=[scripted(style_model=Scripted(reply=fails_before_calls))])
    if way == "stream":
        chunks = [chunk for chunk, _ in agent.stream(QUESTION, stream_mode="messages")]
    else:
        chunks = [chunk async for chunk, _ in agent.astream(QUESTION, stream_mode="messages")]
    assert summed([chunk for chunk in chunks if chunk.id == "turn-1"]).content == PREAMBLE
    assert summed([chunk for chunk in chunks if chunk.id == "turn-3"]).content == uncommon(ANSWER)


@pytest.mark.filterwarnings("ignore:The v3 streaming protocol on Pregel is experimental")
async def test_what_is_said_before_a_call_comes_before_it():
    plain, agent = create_agent(Talker(), TOOLS), create_agent(Talker(), TOOLS, middleware=[scripted()])
    outputs = [[chunk async for chunk, _ in each.astream(QUESTION, stream_mode="messages")] for each in (agent, plain)]
    chunks, expected = ([chunk for chunk in each if chunk.id == "turn-1"] for each in outputs)
    assert chunks == expected
    one, other = (each.stream_events(QUESTION, version="v3").output["messages"] for each in (agent, plain))
    assert [block["type"] for block in one[1].content] == ["text", "tool_call"]
    assert one[1].content == other[1].content
