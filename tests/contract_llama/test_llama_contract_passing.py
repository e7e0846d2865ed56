"""What is no prose, and what is no answer, passes as it is."""

from __future__ import annotations

from inspect import signature

import pytest
from llama_index.core import get_response_synthesizer
from llama_index.core.base.response.schema import PydanticResponse
from llama_index.core.query_engine import RetrieverQueryEngine
from llama_index.core.response_synthesizers import BaseSynthesizer
from pydantic import BaseModel

from contract_llama.calls import aanswered, answered, check_response
from contract_llama.cells import streaming
from contract_llama.engines import Shelf, retrieving
from contract_llama.models import application
from contract_llama.texts import ANSWER, SOURCES
from llama_index_restyle import RestyleQueryEngine, RestyleSynthesizer
from scripted import uncommon

adapters = pytest.mark.parametrize("adapter", ["engine", "synthesizer"])
NOTHING = "Nothing was found: it is very empty here."


class Harbour(BaseModel):
    """What an application may want instead of prose."""

    name: str
    report: str


HARBOUR = Harbour(name="The very old harbour", report=ANSWER)


class Speaking(BaseSynthesizer):
    """Says something else where nothing was found."""

    def __init__(self, streaming):
        super().__init__(application(), streaming=streaming, empty_response=NOTHING)

    def get_response(self, *_, **__):
        return ANSWER

    async def aget_response(self, *_, **__):
        return ANSWER

    def _get_prompts(self):
        return {}

    def _update_prompts(self, prompts):
        pass


def over(nodes, synthesizer, adapter, models):
    if adapter == "synthesizer":
        return RetrieverQueryEngine(Shelf(nodes), RestyleSynthesizer(synthesizer, **models.options))
    return RestyleQueryEngine(RetrieverQueryEngine(Shelf(nodes), synthesizer), **models.options)


async def both_ways(engine):
    return [answered(engine), await aanswered(engine)]


def check_that_it_passed(scripts, plain, after):
    for one, other in zip(plain, after, strict=True):
        assert other.text == one.text
        check_response(one, other)
        assert not other.heard.blocks()
        assert "restyle" not in (other.response.metadata or {})
    assert scripts.asked(after[0].heard) == [0, 0]


@streaming
@adapters
@pytest.mark.parametrize("mode", ["compact", "refine", "tree_summarize", "simple_summarize"])
async def test_empty_responses(scripts, mode, adapter, streaming):
    def synthesizer():
        return get_response_synthesizer(application(), response_mode=mode, streaming=streaming)

    plain = await both_ways(RetrieverQueryEngine(Shelf([]), synthesizer()))
    assert {answer.text for answer in plain} == {"Empty Response"}
    check_that_it_passed(scripts, plain, await both_ways(over([], synthesizer(), adapter, scripts)))


@pytest.mark.skipif(
    "empty_response" not in signature(BaseSynthesizer).parameters, reason="synthesizers have no empty_response= yet"
)
@streaming
@adapters
async def test_empty_responses_of_another_wording(scripts, adapter, streaming):
    plain = await both_ways(RetrieverQueryEngine(Shelf([]), Speaking(streaming)))
    assert {answer.text for answer in plain} == {NOTHING}
    check_that_it_passed(scripts, plain, await both_ways(over([], Speaking(streaming), adapter, scripts)))
    for answer in await both_ways(over(SOURCES, Speaking(streaming), adapter, scripts)):
        assert answer.text == uncommon(ANSWER)


def structured(kind):
    llm = application(HARBOUR.model_dump_json())
    return {"output_cls": retrieving(llm, output_cls=Harbour), "llm": retrieving(llm.as_structured_llm(Harbour))}[kind]


@pytest.mark.parametrize("kind", ["output_cls", "llm"])
async def test_structured_responses(scripts, kind):
    plain = await both_ways(structured(kind))
    assert [answer.response.response for answer in plain] == [HARBOUR] * 2
    after = await both_ways(RestyleQueryEngine(structured(kind), **scripts.options))
    assert all(answer.response.response == HARBOUR for answer in after)
    check_that_it_passed(scripts, plain, after)


@pytest.mark.parametrize("kind", ["output_cls", "llm"])
async def test_structured_responses_of_a_synthesizer(scripts, kind):
    plain = await both_ways(structured(kind))
    engine = structured(kind)
    after = await both_ways(
        RetrieverQueryEngine(Shelf(), RestyleSynthesizer(engine._response_synthesizer, **scripts.options))
    )
    assert all(answer.response.response == HARBOUR for answer in after)
    check_that_it_passed(scripts, plain, after)


async def test_fields_of_structured_responses(scripts):
    """Those that are prose, where it is said which are."""
    engine = RestyleQueryEngine(structured("output_cls"), pydantic_fields=("report",), **scripts.options)
    plain = await both_ways(structured("output_cls"))
    for before, after in zip(plain, await both_ways(engine), strict=True):
        assert isinstance(after.response, PydanticResponse)
        assert after.response.response == Harbour(name=HARBOUR.name, report=uncommon(ANSWER))
        check_response(before, after)
        assert before.response.response == HARBOUR
        after.heard.given["query"][-2].check()
    assert scripts.asked(after.heard) == [6, 6]


@streaming
async def test_json_passes(scripts, streaming):
    says = HARBOUR.model_dump_json()
    plain = await both_ways(retrieving(application(says), streaming=streaming))
    after = await both_ways(RestyleQueryEngine(retrieving(application(says), streaming=streaming), **scripts.options))
    assert after[0].text == after[1].text == says
    check_that_it_passed(scripts, plain, after)
