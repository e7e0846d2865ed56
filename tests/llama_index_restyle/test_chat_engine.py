"""Chat engines of every mode, wrapped: they speak in other words, and all else is as it was."""

from __future__ import annotations

import copy
import pickle

import pytest
from llama_index.core import Settings
from llama_index.core.callbacks import CallbackManager, CBEventType, LlamaDebugHandler
from llama_index.core.chat_engine import CondenseQuestionChatEngine, SimpleChatEngine
from llama_index.core.chat_engine.types import BaseChatEngine, StreamingAgentChatResponse
from llama_index.core.llms import ChatMessage
from llama_index.core.query_engine import RetrieverQueryEngine
from llama_index.core.response_synthesizers import get_response_synthesizer

from llama import MARKED_KEY, ScriptedLLM, instrumented
from llama_chats import MEMORIES, MODES, SOURCES, WAYS, Fixed, asked, chatting, close_memories, talk, wrapped
from llama_index_restyle import RestyleChatEngine, RestyleQueryEngine, nesting
from restyle.errors import LossError, StyleNotFoundError
from scripted import paragraphs, uncommon
from support import style_of

TEXT = paragraphs(2)
STYLED = uncommon(TEXT)


@pytest.fixture(autouse=True)
def _settings(monkeypatch):
    monkeypatch.setattr(Settings, "_llm", None)
    monkeypatch.setattr("llama_index.core.settings.resolve_llm", lambda *_, **__: pytest.fail("Settings.llm was used"))
    monkeypatch.setattr(nesting, "_warned", set())


@pytest.fixture(autouse=True)
async def _closed():
    yield
    await close_memories()


@pytest.fixture(params=WAYS)
def way(request):
    return request.param


@pytest.fixture(params=MODES)
def mode(request):
    return request.param


def ids(source_nodes):
    return [node.node_id for node in source_nodes]


async def test_every_mode_speaks_in_the_authors_words_in_two_calls_a_block(mode, way):
    inner, llm = chatting(mode, TEXT)
    plain, plain_llm = chatting(mode, TEXT)
    engine = wrapped(inner)
    (text, response), (bare_text, bare) = await talk(engine, way), await talk(plain, way)
    assert (text, bare_text) == (STYLED, TEXT)
    assert asked(engine) == 2 * 2
    assert len(llm.calls) == len(plain_llm.calls)
    assert isinstance(response, type(bare))
    assert [source.tool_name for source in response.sources] == [source.tool_name for source in bare.sources]
    assert ids(response.source_nodes) == ([] if mode == "simple" else ids(SOURCES))
    assert [row["outcome"] for row in response.metadata["restyle"]["blocks"]] == ["styled"] * 2


@pytest.mark.parametrize("memory", MEMORIES)
async def test_the_next_turn_is_asked_with_neutral_words_only(mode, way, memory):
    inner, llm = chatting(mode, TEXT, memory)
    engine = wrapped(inner)
    for _ in range(2):
        assert (await talk(engine, way))[0] == STYLED
    assert "uncommon" not in str(llm.calls)
    assert llm.calls[-1] is not llm.calls[0]
    if mode != "condense_question":  # there the history goes into the question
        assert TEXT in [message.content for message in llm.calls[-1]]
    history = await inner._memory.aget_all()
    assert [message.role.value for message in history] == ["user", "assistant"] * 2
    assert [message.content for message in history[1::2]] == [TEXT, TEXT]


async def test_a_conversation_given_is_the_conversation(way):
    inner, llm = chatting("simple", TEXT)
    given = [ChatMessage(role="user", content="Hail!"), ChatMessage(role="assistant", content="Hail.")]
    engine = wrapped(inner)
    await talk(engine, way, chat_history=given)
    assert [message.content for message in llm.calls[0]][:2] == ["Hail!", "Hail."]
    assert len(engine.chat_history) == 4
    engine.reset()
    assert engine.chat_history == inner.chat_history == []


async def test_further_arguments_reach_the_engine(way):
    inner, _ = chatting("context", TEXT, found=[])
    _, response = await talk(wrapped(inner), way, prev_chunks=SOURCES)
    assert ids(response.source_nodes) == ids(SOURCES)


@pytest.mark.parametrize("mode", ["context", "condense_plus_context"])
async def test_what_an_engine_says_that_found_nothing_stays(mode, way):
    inner, _ = chatting(mode, TEXT, found=[])
    engine = wrapped(inner)
    text, response = await talk(engine, way)
    assert text == str(response) == "Empty Response"
    assert asked(engine) == 0
    assert not (response.metadata or {}).get("restyle")


async def test_the_report_can_be_left_out_or_have_the_neutral_text(way):
    inner, _ = chatting("simple", TEXT)
    assert (await talk(wrapped(inner, include_report=False), way))[1].metadata is None
    _, response = await talk(wrapped(inner, include_neutral=True), way)
    assert [row["neutral"] for row in response.metadata["restyle"]["blocks"]] == TEXT.split("\n\n")


@pytest.mark.parametrize("streaming", [False, True])
async def test_an_inner_wrapper_steps_aside(way, streaming):
    llm = ScriptedLLM(reply=lambda _: TEXT)
    plain = RetrieverQueryEngine(Fixed(), get_response_synthesizer(llm=llm, streaming=streaming))
    query_engine = RestyleQueryEngine(plain, style=style_of(), style_model=ScriptedLLM(), destyle_model=ScriptedLLM())
    inner = CondenseQuestionChatEngine.from_defaults(query_engine, llm=llm, memory=MEMORIES["buffer"]())
    engine = wrapped(inner)
    if "stream" in way and not streaming:
        with (
            pytest.raises(ValueError, match="Streaming is not enabled"),
            pytest.warns(UserWarning, match="wrap the outermost"),
        ):
            await talk(engine, way)
        return
    with pytest.warns(UserWarning, match="wrap the outermost"):
        text, response = await talk(engine, way)
    assert text == STYLED
    assert asked(engine) == 2 * 2
    assert ids(response.source_nodes) == ids(SOURCES)
    assert [message.content for message in inner.chat_history] == ["Who lights the lamp?", TEXT]


async def test_a_wrapped_engine_within_a_wrapper_speaks_through_it(way):
    inner, _ = chatting("simple", TEXT)
    within = wrapped(inner)
    with pytest.warns(UserWarning, match="wrap the outermost"):
        text, _ = await talk(wrapped(within), way)
    assert text == STYLED
    assert asked(within) == 0


async def test_all_that_is_done_stands_under_the_call(mode, way):
    inner, _ = chatting(mode, TEXT)
    with instrumented() as (spans, events):
        await talk(wrapped(inner), way)
    tree = spans.tree()
    under = f"RestyleChatEngine.{way}"
    assert under in tree[""]
    assert f"{type(inner).__name__}.{way}" in tree[under]
    (post,) = [name for name in tree[under] if name.startswith("RestylePostprocessor.")]
    assert tree[post] == ["restyle_block"] * 2
    assert len(tree["restyle_block"]) == 4
    assert not spans.open_spans
    assert events.names().count("RestyleBlockEvent") == 2


class Heard(LlamaDebugHandler):
    """What a callback manager tells, in order."""

    def __init__(self):
        super().__init__(print_trace_on_end=False)
        self.heard = []

    def start_trace(self, trace_id=None):
        self.heard.append(f"begin {trace_id}")

    def end_trace(self, trace_id=None, trace_map=None):  # noqa: ARG002 - as it is called
        self.heard.append(f"end {trace_id}")

    def on_event_start(self, event_type, *args, **kwargs):
        if event_type == CBEventType.LLM:
            self.heard.append("llm")
        return super().on_event_start(event_type, *args, **kwargs)


async def test_callback_managers_hear_one_trace(way):
    handler = Heard()
    manager = CallbackManager([handler])
    models = {
        "destyle_model": ScriptedLLM(reply=lambda text: text, callback_manager=manager),
        "style_model": ScriptedLLM(callback_manager=manager),
    }
    llm = ScriptedLLM(reply=lambda _: TEXT, callback_manager=manager)
    engine = wrapped(SimpleChatEngine(llm, MEMORIES["buffer"](), [], manager), **models)
    assert engine.callback_manager is engine._postprocessor.callback_manager is manager
    await talk(engine, way)
    assert handler.heard.count("llm") == 1 + 4
    if "stream" not in way:  # what streams goes on when the call is over, each call by itself
        assert handler.heard == ["begin chat", *["llm"] * 5, "end chat"]


async def test_what_is_lost_raises_where_it_is_read(way):
    models = {
        "destyle_model": ScriptedLLM(reply=lambda _: "Cold."),
        "style_model": ScriptedLLM(reply=lambda _: "Cold."),
    }
    inner, _ = chatting("simple", TEXT)
    with pytest.raises(LossError):
        await talk(wrapped(inner, on_loss="raise", **models), way)


def test_it_is_what_it_stands_for():
    inner, _ = chatting("simple", TEXT)
    engine = wrapped(inner)
    assert isinstance(engine, BaseChatEngine)
    assert "BaseChatEngine" in [base.__name__ for base in RestyleChatEngine.__mro__]
    assert repr(engine) == "RestyleChatEngine(SimpleChatEngine, style='author')"
    assert MARKED_KEY not in f"{engine!r}{engine}"
    for copier in (pickle.dumps, copy.deepcopy):
        with pytest.raises(TypeError, match="may hold an API key"):
            copier(engine)
    with pytest.raises(StyleNotFoundError):
        RestyleChatEngine(inner, style="nobody")
    with pytest.raises(ValueError, match="memory is 'both': choose neutral or restyled"):
        wrapped(inner, memory="both")
    assert isinstance(engine.stream_chat("Well?"), StreamingAgentChatResponse)
