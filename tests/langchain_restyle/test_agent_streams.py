"""In no stream of an agent appears anything that its model answered in its own words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
from langchain_core.messages import AIMessageChunk, HumanMessage, ToolMessage
from langchain_core.prompts import ChatPromptTemplate
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, MessagesState, StateGraph

from agents import PREAMBLE, QUESTION, THREAD, TURNS, Talker, agent_with, by_message, streamed, strings, turn, usage
from langchain_restyle.facade import RestyledChatModel
from langchain_restyle.middleware import RestyleMiddleware
from restyle.sentences import sentence_spans
from scripted import ANSWER, Scripted, collected, paragraph, summed, uncommon

pytestmark = [
    pytest.mark.usefixtures("keeper_home"),
    pytest.mark.filterwarnings("ignore:.*in beta.*", "ignore:The v3 streaming protocol on Pregel is experimental"),
]

STATE_MODES = ("values", "updates", "checkpoints", "tasks", "debug")
MODES = (*STATE_MODES, "messages", "custom")
NEUTRAL = " (plainly put) "

both_ways = pytest.mark.parametrize("way", ["stream", "astream"])


@dataclass
class Case:
    """A middleware's options, what it makes of the final answer, and what nobody may see."""

    options: dict[str, Any]
    styled: str
    secrets: set[str]

    def agent(self, **options):
        return agent_with(RestyleMiddleware("keeper", **self.options), **options)

    def leaks(self, *outputs):
        said = set(strings(outputs))
        return {secret for secret in self.secrets if any(secret in each for each in said)}

    def shown(self, *outputs):
        return any(self.styled in each for each in set(strings(outputs)))


@pytest.fixture(params=["keeper", "keeper at once", "scripted"])
def case(request, styled):
    if request.param == "scripted":
        options = {
            "destyle_model": Scripted(reply=lambda text: text.replace(" very ", f" very{NEUTRAL}")),
            "style_model": Scripted(reply=lambda text: uncommon(text.replace(NEUTRAL, " "))),
        }
        styled = uncommon(ANSWER)
    else:
        options = {"final_only": request.param == "keeper"}
    sentences = {ANSWER[start:end].strip() for start, end in sentence_spans(ANSWER)}
    secrets = {sentence for sentence in sentences if sentence not in styled}
    assert secrets
    return Case(options, styled, secrets | {NEUTRAL})


@pytest.mark.parametrize("case", ["keeper"], indirect=True)
@pytest.mark.parametrize("mode", [*STATE_MODES, "messages", list(MODES)], ids=str)
async def test_the_plain_agent_s_streams_show_it(case, mode):
    """What the other tests look for can be found."""
    outputs = await streamed(agent_with(), "stream", QUESTION, THREAD, stream_mode=mode)
    assert case.leaks(by_message(outputs) if mode == "messages" else outputs)


@both_ways
@pytest.mark.parametrize("mode", [*STATE_MODES, list(MODES)], ids=str)
async def test_modes_that_show_the_state(case, way, mode):
    outputs = await streamed(case.agent(), way, QUESTION, THREAD, stream_mode=mode)
    assert len(outputs) > 3
    assert not case.leaks(outputs)
    assert case.shown(outputs)


@both_ways
async def test_the_mode_that_shows_tokens(case, way):
    agent = case.agent()
    outputs = await streamed(agent, way, QUESTION, THREAD, stream_mode="messages")
    assert not case.leaks(outputs, by_message(outputs))
    final = agent.get_state(THREAD).values["messages"][-1]
    chunks = [chunk for chunk, _ in outputs if chunk.id == final.id]
    assert {type(chunk) for chunk in chunks} == {AIMessageChunk}
    assert len([chunk for chunk in chunks if chunk.content]) > 2
    whole = summed(chunks)
    assert whole.content == final.content == case.styled
    assert whole.usage_metadata == final.usage_metadata == usage(3)
    assert whole.response_metadata == final.response_metadata
    assert {metadata["langgraph_node"] for _, metadata in outputs} == {"model", "tools"}


@both_ways
async def test_tools_and_what_is_said_beside_them_stay(way):
    plain, agent = agent_with(), agent_with(RestyleMiddleware("keeper"))
    tokens = [
        by_message(await streamed(each, way, QUESTION, THREAD, stream_mode="messages")) for each in (plain, agent)
    ]
    for one, other in zip(*(list(each.values())[:-1] for each in tokens), strict=True):
        assert one == (other.model_copy(update={"id": one.id}) if isinstance(one, ToolMessage) else other)
    before, after = (each.get_state(THREAD).values["messages"] for each in (plain, agent))
    assert len(after) == 6
    assert after[1].content == PREAMBLE
    assert before[1] == after[1]
    assert before[3] == after[3]
    assert [message.tool_calls for message in after[1::2]] == [each.tool_calls for each in TURNS]
    assert [message.id for message in after[1::2]] == [each.id for each in TURNS]
    assert [message.content for message in before[2::2]] == [message.content for message in after[2::2]]


@both_ways
async def test_a_subgraph_s_streams(case, way):
    parent = StateGraph(MessagesState)
    parent.add_node("inside", case.agent())
    parent.add_edge(START, "inside")
    graph = parent.compile(checkpointer=InMemorySaver())
    outputs = await streamed(graph, way, QUESTION, THREAD, stream_mode=list(MODES), subgraphs=True)
    assert {len(namespace) for namespace, _, _ in outputs} == {0, 1}
    tokens = by_message([data for _, mode, data in outputs if mode == "messages"])
    assert not case.leaks(outputs, tokens)
    assert tokens["turn-3"].content == case.styled


@both_ways
async def test_a_conversation_that_goes_on(case, way):
    turns = (*TURNS, turn(4, paragraph(1)))
    agent = case.agent(turns=turns)
    for question in (QUESTION, {"messages": [HumanMessage("And now?")]}):
        outputs = await streamed(agent, way, question, THREAD, stream_mode=list(MODES))
        assert not case.leaks(outputs)
    assert not case.leaks(list(agent.get_state_history(THREAD)))


async def test_events_of_an_agent(case):
    assert case.leaks(await collected(agent_with().astream_events(QUESTION, THREAD, version="v2")))
    events = await collected(case.agent().astream_events(QUESTION, THREAD, version="v2"))
    tokens = by_message(
        [(event["data"]["chunk"], event) for event in events if event["event"] == "on_chat_model_stream"]
    )
    assert not case.leaks(events, tokens)
    assert tokens["turn-3"].content == case.styled
    ended = [event["data"]["output"] for event in events if event["event"] == "on_chat_model_end"]
    assert [message.id for message in ended] == ["turn-1", "turn-2", "turn-3"]
    assert not {event["name"] for event in events} & {"Restyle", "restyle:style", "restyle:destyle", "Talker"}


async def test_events_of_a_chain(case):
    model = RestyledChatModel(Talker(turns=TURNS[2:]), "keeper", **case.options)
    chain = ChatPromptTemplate.from_messages([("user", "{question}")]) | model
    events = await collected(chain.astream_events({"question": "Is it safe?"}, version="v2"))
    assert not case.leaks(events)
    for kind in ("on_chat_model_stream", "on_chain_stream"):
        chunks = [event["data"]["chunk"] for event in events if event["event"] == kind]
        texts = [chunk.content for chunk in chunks if isinstance(chunk, AIMessageChunk)]
        assert "".join(texts) == case.styled
        assert len(texts) > 3
    assert {event["name"] for event in events} == {"RunnableSequence", "ChatPromptTemplate", "RestyledChatModel"}


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
async def test_the_log_of_an_agent(case):
    patches = await collected(case.agent().astream_log(QUESTION, THREAD))
    assert len(patches) > 20
    assert not case.leaks([patch.ops for patch in patches])


def test_the_newest_events(case):
    assert case.leaks(list(agent_with().stream_events(QUESTION, THREAD, version="v3")))
    events = list(case.agent().stream_events(QUESTION, THREAD, version="v3"))
    assert not case.leaks(events)
    said = [event["params"]["data"][0] for event in events if event["method"] == "messages"]
    assert "".join(each["delta"].get("text", "") for each in said if "delta" in each).endswith(case.styled)
    run = case.agent().stream_events(QUESTION, THREAD, version="v3")
    messages = [(list(message.text), message.output) for message in run.messages]
    assert not case.leaks(messages)
    pieces, message = messages[-1]
    assert "".join(pieces) == message.text == run.output["messages"][-1].text == case.styled
    assert len(pieces) > 2
    assert len(messages) == 3


async def test_the_newest_events_async(case):
    run = await case.agent().astream_events(QUESTION, THREAD, version="v3")
    events = [event async for event in run]
    assert not case.leaks(events)
    assert case.shown(events)
    assert (await run.output())["messages"][-1].text == case.styled


async def test_the_newest_events_of_a_model(case):
    model = RestyledChatModel(Talker(turns=TURNS[2:]), "keeper", **case.options)
    stream = model.stream_events("Is it safe?", version="v3")
    assert "".join(stream.text) == case.styled
    assert not case.leaks(stream.output)
    stream = await model.astream_events("Is it safe?", version="v3")
    assert "".join([piece async for piece in stream.text]) == case.styled
