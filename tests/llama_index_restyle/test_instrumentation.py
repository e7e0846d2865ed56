"""What traces, events and callback handlers of both generations hear of a rewriting."""

from __future__ import annotations

import json
import pickle

import pytest
from llama_index.core import Document, SummaryIndex
from llama_index.core.base.response.schema import AsyncStreamingResponse, Response, StreamingResponse
from llama_index.core.callbacks import CallbackManager, CBEventType, LlamaDebugHandler, TokenCountingHandler

from llama import MARKED_KEY, ScriptedLLM, adrained, drained, instrumented, nodes, pieces_of
from llama_index_restyle import RestylePostprocessor, RestyleQueryEngine
from restyle import rewrite
from restyle.demo import ANSWERS
from scripted import paragraphs, uncommon
from support import style_of

TEXT = paragraphs(3)
ANSWER = "\n\n".join(ANSWERS.values())
BLOCK = "restyle_block"


def models():
    return {"destyle_model": ScriptedLLM(reply=lambda text: text), "style_model": ScriptedLLM()}


@pytest.fixture
def postprocessor():
    return RestylePostprocessor(style_of(), **models())


def stream():
    return StreamingResponse((piece for piece in pieces_of(TEXT)), nodes("a"))


def astream():
    async def pieces():
        for piece in pieces_of(TEXT):
            yield piece

    return AsyncStreamingResponse(pieces(), nodes("a"))


def check(spans, events, method, calls):
    tree = spans.tree()
    assert tree[f"RestylePostprocessor.{method}"] == [BLOCK] * 3
    assert tree[BLOCK] == [calls] * 6
    assert not spans.open_spans
    assert not spans.dropped_spans
    own = [event for event in events.seen if event.class_name().startswith("Restyle")]
    assert [event.class_name() for event in own] == ["RestyleStartEvent", *["RestyleBlockEvent"] * 3, "RestyleEndEvent"]
    (root,) = [span.id_ for span in spans.completed_spans if span.id_.startswith(f"RestylePostprocessor.{method}")]
    assert {event.span_id for event in own} == {root}
    assert {event.style for event in own} == {"author"}
    assert [event.report["outcome"] for event in own[1:-1]] == ["styled"] * 3
    assert own[-1].blocks == 3
    assert json.dumps([event.model_dump(mode="json") for event in own])


async def test_calls_nest_in_blocks_and_blocks_in_the_rewriting(postprocessor):
    with instrumented() as (spans, events):
        postprocessor.postprocess_response(Response(TEXT))
    check(spans, events, "postprocess_response", "ScriptedLLM.chat")
    with instrumented() as (spans, events):
        await postprocessor.apostprocess_response(Response(TEXT))
    check(spans, events, "apostprocess_response", "ScriptedLLM.achat")


async def test_in_streams_too_though_the_rewriting_has_returned_by_then(postprocessor):
    with instrumented() as (spans, events):
        assert drained(postprocessor.postprocess_response(stream())) == uncommon(TEXT)
    check(spans, events, "postprocess_response", "ScriptedLLM.chat")
    with instrumented() as (spans, events):
        assert await adrained(await postprocessor.apostprocess_response(astream())) == uncommon(TEXT)
    check(spans, events, "apostprocess_response", "ScriptedLLM.achat")


async def test_the_whole_question_is_one_tree():
    index = SummaryIndex.from_documents([Document(text="The lamp is lit at six.")], transformations=[])
    plain = index.as_query_engine(llm=ScriptedLLM(reply=lambda _: TEXT))
    engine = RestyleQueryEngine(plain, style=style_of(), **models())
    for ask, prefix in ((engine.query, ""), (engine.aquery, "a")):
        with instrumented() as (spans, _):
            result = ask("Who?")
            if prefix:
                await result
        tree = spans.tree()
        assert tree[""] == [f"RestyleQueryEngine.{prefix}query"]
        assert tree[f"RestyleQueryEngine.{prefix}query"] == [f"RestyleQueryEngine._{prefix}query"]
        assert tree[f"RestyleQueryEngine._{prefix}query"] == [
            f"RetrieverQueryEngine.{prefix}query",
            f"RestylePostprocessor.{prefix}postprocess_response",
        ]


def test_verbatim_blocks_have_no_span_and_no_event(postprocessor):
    with instrumented() as (spans, events):
        postprocessor.postprocess_response(Response("# very\n\nIt was very cold.\n\n```\nvery\n```\n"))
    assert spans.tree()["RestylePostprocessor.postprocess_response"] == [BLOCK]
    assert events.names().count("RestyleBlockEvent") == 1


async def test_what_fails_is_dropped_under_its_name():
    def fail(text):
        raise ConnectionError(text[:5])

    broken = RestylePostprocessor(style_of(), style_model=ScriptedLLM(reply=fail), destyle_model=ScriptedLLM())
    with instrumented() as (spans, events):
        with pytest.raises(ConnectionError):
            broken.postprocess_response(Response("It was very cold."))
        with pytest.raises(ConnectionError):
            await broken.apostprocess_response(Response("It was very cold."))
    assert [span.id_.partition("-")[0] for span in spans.dropped_spans].count(BLOCK) == 2
    assert not spans.open_spans
    assert "RestyleEndEvent" not in events.names()


@pytest.mark.usefixtures("keeper_home")
async def test_callback_handlers_hear_of_the_two_models_and_count_their_tokens():
    for ways in range(2):
        counter, debug = TokenCountingHandler(tokenizer=str.split), LlamaDebugHandler(print_trace_on_end=False)
        manager = CallbackManager([counter, debug])
        index = SummaryIndex.from_documents([Document(text="The lamp is lit.")], transformations=[])
        app = ScriptedLLM(reply=lambda _: ANSWER)  # with a manager of its own, so only the style's models are counted
        plain = index.as_query_engine(llm=app)
        plain.callback_manager = manager
        engine = RestyleQueryEngine(plain, style="keeper")
        response = engine.query("Who?") if ways else await engine.aquery("Who?")
        assert response.response == rewrite(ANSWER, "keeper").text
        calls = sum(row["asks"] for row in response.metadata["restyle"]["blocks"])
        assert len(debug.get_event_pairs(CBEventType.LLM)) == calls == len(counter.llm_token_counts) >= 6
        assert counter.prompt_llm_token_count >= 2 * len(ANSWER.split()) - 12
        assert counter.completion_llm_token_count > 0
        assert len(debug.get_event_pairs(CBEventType.QUERY)) == 2  # the engine's and the wrapper's


def test_a_given_llm_keeps_its_own_manager():
    given = models()
    before = given["style_model"].callback_manager
    manager = CallbackManager([])
    postprocessor = RestylePostprocessor(style_of(), callback_manager=manager, **given)
    postprocessor.postprocess_response(Response("It was very cold."))
    assert given["style_model"].callback_manager is before is not manager


def test_nothing_shows_a_key(postprocessor):
    with instrumented() as (spans, events):
        postprocessor.postprocess_response(Response(TEXT))
        drained(postprocessor.postprocess_response(stream()))
    own = [event for event in events.seen if event.class_name().startswith("Restyle")]
    kept = [span for span in spans.completed_spans if span.id_.startswith("Restyle")]
    shown = f"{postprocessor!r}{postprocessor}{postprocessor.to_dict()}{postprocessor.to_json()}{own}{kept}"
    assert MARKED_KEY not in shown
    assert postprocessor.model_dump_json().count("ScriptedLLM") == 2
    with pytest.raises(TypeError, match="holds an LLM, whose key would be written"):
        pickle.dumps(postprocessor)


@pytest.mark.usefixtures("keeper_home")
def test_what_names_its_models_is_dumped_and_read_back(monkeypatch):
    monkeypatch.setenv("RESTYLE_API_KEY", MARKED_KEY)
    monkeypatch.setenv("OPENAI_API_KEY", MARKED_KEY)
    made = RestylePostprocessor("keeper", style_model="openai:gpt-9", attempts=3, on_loss="keep")
    for again in (pickle.loads(pickle.dumps(made)), RestylePostprocessor.from_dict(made.to_dict())):
        assert type(again) is RestylePostprocessor
        assert again.to_dict() == made.to_dict()
        assert (again.style, again.style_model, again.attempts, again.on_loss) == ("keeper", "openai:gpt-9", 3, "keep")
    assert MARKED_KEY.encode() not in pickle.dumps(made)
    assert MARKED_KEY not in f"{made.to_dict()}{made!r}"


def test_a_dump_of_a_given_llm_cannot_be_read_back_as_another(postprocessor):
    with pytest.raises(ValueError, match="style_model"):
        RestylePostprocessor.from_dict(postprocessor.to_dict())
