"""Whatever shows a component shows no key: neither one in the environment nor one of an LLM that was given."""

from __future__ import annotations

import copy
import pickle

import pytest
from llama_index.core import Document, SummaryIndex
from llama_index.core.agent.workflow import FunctionAgent
from llama_index.core.base.response.schema import Response
from llama_index.core.chat_engine import SimpleChatEngine
from llama_index.core.memory import ChatMemoryBuffer
from llama_index.core.response_synthesizers import get_response_synthesizer

import llama_index_restyle as public
from llama import MARKED_KEY, ScriptedLLM, instrumented, nodes
from llama_agents import AGENT_WARNINGS, Talker, scripted
from support import style_of

pytestmark = AGENT_WARNINGS

ENVIRONMENT = f"{MARKED_KEY}-of-the-environment"


class Author(public.RestyleAgentMixin, FunctionAgent):
    pass


def app():
    return ScriptedLLM(reply=lambda _: "It was very cold.")


def engine():
    return SummaryIndex.from_documents([Document(text="Very cold.")], transformations=[]).as_query_engine(llm=app())


def chat_engine():
    return SimpleChatEngine.from_defaults(llm=app(), memory=ChatMemoryBuffer.from_defaults(llm=app()))


def given():
    return {"style": style_of(), "style_model": ScriptedLLM(), "destyle_model": ScriptedLLM()}


COMPONENTS = {
    "DestyleNodePostprocessor": lambda: public.DestyleNodePostprocessor(style=style_of(), destyle_model=ScriptedLLM()),
    "EmbeddedLLM": lambda: public.EmbeddedLLM(style="keeper"),
    "EndpointLLM": lambda: public.EndpointLLM(model="author", base_url="http://127.0.0.1:1/v1"),
    "LLMTeacher": lambda: public.LLMTeacher(ScriptedLLM(), identity="mine"),
    "RestyleAgentMixin": lambda: Author(
        llm=Talker(),
        style=style_of(),
        restyle_options={"style_model": ScriptedLLM(), "destyle_model": ScriptedLLM()},
    ),
    "RestyleChatEngine": lambda: public.RestyleChatEngine(chat_engine(), **given()),
    "RestyleFinetuneEngine": lambda: public.RestyleFinetuneEngine(None, "pairs"),
    "RestyleNodePostprocessor": lambda: public.RestyleNodePostprocessor(**given()),
    "RestylePostprocessor": lambda: public.RestylePostprocessor(**given()),
    "RestyleQueryEngine": lambda: public.RestyleQueryEngine(engine(), **given()),
    "RestyleSynthesizer": lambda: public.RestyleSynthesizer(get_response_synthesizer(llm=app()), **given()),
    "RestyleWorkflow": lambda: public.RestyleWorkflow(scripted("function"), **given()),
    "SingleIdeaNodeParser": public.SingleIdeaNodeParser,
}


@pytest.fixture(params=COMPONENTS)
def component(request, monkeypatch):
    monkeypatch.setenv("RESTYLE_API_KEY", ENVIRONMENT)
    monkeypatch.setenv("OPENAI_API_KEY", ENVIRONMENT)
    return COMPONENTS[request.param]()


def pickled(value):
    """Its pickle, or how it refused to be written."""
    try:
        return pickle.dumps(value)
    except (TypeError, AttributeError, pickle.PicklingError) as error:
        return str(error).encode()


def test_the_table_is_complete():
    functions = {"abuild_pairs", "aestimate_pairs", "build_pairs", "estimate_pairs"}
    assert set(COMPONENTS) == set(public.__all__) - functions


def test_the_marked_key_is_shown_by_what_holds_it():
    assert MARKED_KEY in repr(app())
    assert MARKED_KEY in str(app().to_dict())
    assert MARKED_KEY.encode() in pickle.dumps(public.EndpointLLM(model=MARKED_KEY))


def test_reprs_and_dumps_show_no_key(component):
    assert MARKED_KEY not in f"{component!r}{component}"
    for method in ("to_dict", "to_json", "model_dump_json"):
        if hasattr(component, method):
            assert MARKED_KEY not in str(getattr(component, method)())


def test_pickles_hold_no_key(component):
    assert MARKED_KEY.encode() not in pickled(component)


def test_a_refused_option_is_not_shown():
    for options in ({"api_key": MARKED_KEY}, {"style_modell": ScriptedLLM()}, {"destyle": ScriptedLLM()}):
        for kind in (public.RestylePostprocessor, public.RestyleNodePostprocessor, public.DestyleNodePostprocessor):
            with pytest.raises(ValueError, match=next(iter(options))) as caught:
                kind(style=style_of(), **options)
            assert MARKED_KEY not in str(caught.value)


def test_components_that_are_settings_can_be_copied():
    for name in ("RestylePostprocessor", "RestyleNodePostprocessor", "DestyleNodePostprocessor"):
        component = COMPONENTS[name]()
        assert copy.copy(component).to_dict() == component.model_copy().to_dict() == component.to_dict()


@pytest.mark.usefixtures("keeper_home")
def test_traces_show_no_key(monkeypatch):
    monkeypatch.setenv("RESTYLE_API_KEY", ENVIRONMENT)
    monkeypatch.setenv("OPENAI_API_KEY", ENVIRONMENT)
    response = Response("It was very cold.", nodes("a"))
    with instrumented() as (spans, events):
        public.RestylePostprocessor("keeper").postprocess_response(response)
        endpoint = public.RestylePostprocessor(style_of(), on_error="original")
        assert endpoint.postprocess_response(response).response == response.response  # nobody answers at port 1
    assert {"LLMChatStartEvent", "RestyleBlockEvent", "RestyleEndEvent"} <= set(events.names())
    assert "ModelError" in str(events.seen)
    assert MARKED_KEY not in str([event.model_dump() for event in events.seen])
    assert MARKED_KEY not in str([*spans.completed_spans, *spans.dropped_spans])
