"""Engines and synthesizers wrapped: all that is not the answer's wording stays theirs."""

from __future__ import annotations

import asyncio
import copy
import pickle
import warnings

import pytest
from llama_index.core import Document, PromptTemplate, Settings, SummaryIndex
from llama_index.core.base.base_query_engine import BaseQueryEngine
from llama_index.core.base.response.schema import AsyncStreamingResponse, Response, StreamingResponse
from llama_index.core.chat_engine import CondenseQuestionChatEngine
from llama_index.core.memory import ChatMemoryBuffer
from llama_index.core.query_engine import RetrieverQueryEngine, RetryQueryEngine, TransformQueryEngine
from llama_index.core.response_synthesizers import BaseSynthesizer, get_response_synthesizer
from llama_index.core.schema import QueryBundle
from llama_index.core.tools import QueryEngineTool

from llama import MARKED_KEY, ScriptedLLM, adrained, drained, nodes
from llama_index_restyle import RestyleQueryEngine, RestyleSynthesizer, nesting
from restyle.errors import StyleNotFoundError
from scripted import paragraphs, uncommon
from support import style_of

TEXT = paragraphs(3)
STYLED = uncommon(TEXT)


@pytest.fixture(autouse=True)
def _settings(monkeypatch):
    """Nothing may fall back to the model in the settings: there is none."""
    monkeypatch.setattr(Settings, "_llm", None)
    monkeypatch.setattr("llama_index.core.settings.resolve_llm", lambda *_, **__: pytest.fail("Settings.llm was used"))
    monkeypatch.setattr(nesting, "_warned", set())


@pytest.fixture
def models():
    return {"destyle_model": ScriptedLLM(reply=lambda text: text), "style_model": ScriptedLLM()}


@pytest.fixture
def index():
    return SummaryIndex.from_documents([Document(text="The lamp is lit at six.")], transformations=[])


@pytest.fixture
def app():
    """The application's model, which says `TEXT` to everything."""
    return ScriptedLLM(reply=lambda _: TEXT)


@pytest.fixture(params=[False, True], ids=["whole", "streaming"])
def plain(request, index, app):
    return index.as_query_engine(llm=app, streaming=request.param)


@pytest.fixture
def engine(plain, models):
    return RestyleQueryEngine(plain, style=style_of(), **models)


def asked(models):
    return sum(len(model.calls) for model in models.values())


async def test_it_answers_as_the_engine_does_in_other_words(engine, plain, models):
    for wrapped, bare in [
        (engine.query("Who?"), plain.query("Who?")),
        (await engine.aquery("Who?"), await plain.aquery("Who?")),
    ]:
        assert type(wrapped) is type(bare)
        assert await adrained(wrapped) == uncommon(await adrained(bare)) == STYLED
        assert [node.node.text for node in wrapped.source_nodes] == [node.node.text for node in bare.source_nodes]
        assert bare.metadata.items() <= wrapped.metadata.items()
    assert asked(models) == 2 * 2 * 3


async def test_retrieval_and_synthesis_are_those_of_the_engine(engine, plain):
    bundle = QueryBundle("Who?")
    found = engine.retrieve(bundle)
    assert [node.node_id for node in found] == [node.node_id for node in plain.retrieve(bundle)]
    assert [node.node_id for node in await engine.aretrieve(bundle)] == [node.node_id for node in found]
    assert engine.retriever is plain.retriever
    extra = nodes("more")
    for response in (
        engine.synthesize(bundle, found, additional_source_nodes=extra),
        await engine.asynthesize(bundle, found, additional_source_nodes=extra),
    ):
        assert await adrained(response) == STYLED
        assert [node.node_id for node in response.source_nodes] == [*(node.node_id for node in found), "node-0"]


def test_prompts_are_those_of_the_engine_two_levels_deep(engine, plain, app):
    assert engine.get_prompts().keys() == plain.get_prompts().keys() != set()
    engine.update_prompts({"response_synthesizer:text_qa_template": PromptTemplate("MINE {query_str}")})
    drained(engine.query("Who?"))
    assert app.texts == ["MINE Who?"]
    assert [str(p.template) for p in plain.get_prompts().values() if "MINE" in str(getattr(p, "template", ""))]


def test_a_prompt_of_the_style_is_no_prompt_of_the_engine(engine, models):
    assert not [
        prompt for prompt in engine.get_prompts().values() if "rewrite" in str(prompt).lower().split("{")[0][:30]
    ]
    drained(engine.query("Who?"))
    systems = {str(call[0].content) for model in models.values() for call in model.calls}
    assert systems == {style_of().restyle.prompt, style_of().destyle.prompt}
    assert {call[1].content for call in models["destyle_model"].calls} == set(TEXT.split("\n\n"))


async def test_streaming_false_makes_whole_answers_for_tools(plain, models):
    engine = RestyleQueryEngine(plain, style=style_of(), streaming=False, **models)
    for response in (engine.query("Who?"), await engine.aquery("Who?")):
        assert type(response) is Response
        assert response.response == STYLED
        assert response.metadata["restyle"]
    tool = QueryEngineTool.from_defaults(engine, name="lamp", description="lamps")
    assert tool.call("Who?").content == STYLED
    assert (await tool.acall("Who?")).content == STYLED


class _Yes:
    """An evaluator that is content."""

    def evaluate_response(self, *_, **__):
        return type("Result", (), {"passing": True})()

    def _get_prompts(self):
        return {}

    def _get_prompt_modules(self):
        return {}

    def get_prompts(self):
        return {}


async def test_what_a_retry_engine_has_read_already_is_rewritten(plain, models):
    retry = RetryQueryEngine(plain, _Yes())
    for streaming in (None, False):
        engine = RestyleQueryEngine(retry, style=style_of(), streaming=streaming, **models)
        response = engine.query("Who?")
        assert drained(response) == str(response) == STYLED
        aresponse = await engine.aquery("Who?")
        assert await adrained(aresponse) == STYLED
        if streaming is False:
            assert type(response) is type(aresponse) is Response


def test_an_engine_without_an_answer_keeps_its_words(index, app, models):
    class Nothing(type(index.as_retriever())):
        def _retrieve(self, _query_bundle):
            return []

    for said in (None, "Nothing very useful."):
        synthesizer = get_response_synthesizer(llm=app)
        if said and hasattr(synthesizer, "_empty_response"):  # the oldest core knows only one text
            synthesizer._empty_response = said
        plain = RetrieverQueryEngine(Nothing(index), synthesizer)
        engine = RestyleQueryEngine(plain, style=style_of(), **models)
        assert engine.query("Who?").response == plain.query("Who?").response != ""
        through = RestyleQueryEngine(TransformQueryEngine(plain, _Same()), style=style_of(), **models)
        assert through.query("Who?").response == plain.query("Who?").response
    assert asked(models) == 0


class _Same:
    def run(self, query, **_):
        return query


async def test_a_synthesizer_works_where_engines_want_one(index, app, models):
    for streaming in (False, True):
        inner = get_response_synthesizer(llm=app, streaming=streaming)
        synthesizer = RestyleSynthesizer(inner, style=style_of(), **models)
        engine = index.as_query_engine(llm=app, response_synthesizer=synthesizer)
        kinds = (StreamingResponse, AsyncStreamingResponse) if streaming else (Response, Response)
        for response, kind in zip((engine.query("Who?"), await engine.aquery("Who?")), kinds, strict=True):
            assert type(response) is kind
            assert await adrained(response) == STYLED
            assert len(response.source_nodes) == 1
            assert len(response.metadata["restyle"]["blocks"]) == 3
        text = synthesizer.get_response("Who?", ["The lamp is lit."])
        assert (text if isinstance(text, str) else "".join(text)) == STYLED
        atext = await synthesizer.aget_response("Who?", ["The lamp is lit."])
        assert (atext if isinstance(atext, str) else "".join([piece async for piece in atext])) == STYLED
        assert synthesizer.get_prompts().keys() == inner.get_prompts().keys()
    assert asked(models) == 2 * 4 * 2 * 3


async def test_a_chat_engine_can_switch_a_synthesizers_streaming(index, app, models):
    synthesizer = RestyleSynthesizer(get_response_synthesizer(llm=app), style=style_of(), **models)
    engine = index.as_query_engine(llm=app, response_synthesizer=synthesizer)
    chat = CondenseQuestionChatEngine.from_defaults(engine, llm=app, memory=ChatMemoryBuffer.from_defaults(llm=app))
    assert "".join(chat.stream_chat("Who?").response_gen).strip() == STYLED
    assert chat.chat("Who?").response == STYLED
    assert not synthesizer._streaming


def test_callbacks_are_those_of_the_parts(plain, engine, app):
    assert engine.callback_manager is plain.callback_manager
    inner = get_response_synthesizer(llm=app)
    synthesizer = RestyleSynthesizer(inner, style=style_of())
    assert synthesizer.callback_manager is inner.callback_manager
    manager = type(inner.callback_manager)([])
    synthesizer.callback_manager = manager
    assert inner.callback_manager is synthesizer._postprocessor.callback_manager is manager


async def test_a_wrapper_within_a_wrapper_steps_aside_and_says_so_once(engine, models):
    outer = RestyleQueryEngine(engine, style=style_of(), **models)
    with pytest.warns(UserWarning, match="wrap the outermost engine only"):
        assert drained(outer.query("Who?")) == STYLED
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert await adrained(await outer.aquery("Who?")) == STYLED
        assert drained(engine.query("Who?")) == STYLED  # by itself it is the outermost
    assert asked(models) == 3 * 2 * 3
    assert "very" in "".join(models["destyle_model"].texts)


async def test_a_failing_engine_leaves_no_mark_on_the_next_call(engine):
    def fail(*_):
        raise OSError("gone")

    working, engine._inner = engine._inner, type("Broken", (), {"query": fail, "aquery": fail})()
    with pytest.raises(OSError, match="gone"):
        engine.query("Who?")
    with pytest.raises(OSError, match="gone"):
        await engine.aquery("Who?")
    engine._inner = working
    assert drained(engine.query("Who?")) == STYLED


async def test_many_questions_at_once_get_their_own_answers(index, models):
    numbered = ScriptedLLM(reply=lambda prompt: f"It was very cold in {prompt.rpartition('Query: ')[2].split()[0]}.")
    engine = RestyleQueryEngine(index.as_query_engine(llm=numbered), style=style_of(), **models)
    answers = await asyncio.gather(*(engine.aquery(f"{1000 + number}") for number in range(50)))
    assert [answer.response for answer in answers] == [
        f"It was uncommon cold in {1000 + number}." for number in range(50)
    ]


@pytest.mark.parametrize("copier", [pickle.dumps, copy.deepcopy, copy.copy])
def test_wrappers_are_not_pickled(engine, app, copier):
    synthesizer = RestyleSynthesizer(get_response_synthesizer(llm=app), style=style_of())
    for wrapper in (engine, synthesizer):
        with pytest.raises(TypeError, match="may hold an API key") as caught:
            copier(wrapper)
        assert MARKED_KEY not in f"{caught.value}{wrapper!r}{wrapper}"


def test_they_are_what_they_stand_for(engine, app):
    synthesizer = RestyleSynthesizer(get_response_synthesizer(llm=app), style=style_of())
    assert isinstance(engine, BaseQueryEngine)
    assert isinstance(synthesizer, BaseSynthesizer)
    assert repr(engine) == "RestyleQueryEngine(RetrieverQueryEngine, style='author')"
    assert repr(synthesizer) == "RestyleSynthesizer(CompactAndRefine, style='author')"
    with pytest.raises(StyleNotFoundError):
        RestyleQueryEngine(engine, style="nobody")
