"""Whatever query engine, whole or streaming: the same answer from the same sources, in the author's words."""

from __future__ import annotations

import pytest
from llama_index.core.prompts import PromptTemplate
from llama_index.core.schema import QueryBundle

from contract_llama.calls import Answered, aanswered, answered, check_calls, check_response, check_text
from contract_llama.cells import cells, plain, restyled, streaming
from contract_llama.engines import Kind
from contract_llama.models import Models, application
from contract_llama.texts import ANSWER, QUESTION, SOURCES
from scripted import uncommon


def check(kind: Kind, adapter: str, models: Models, before: Answered, after: Answered) -> None:
    assert before.text == kind.answer
    check_response(before, after)
    check_text(models, before.text, after.text, after.heard)
    check_calls(models, after.heard, kind.blocks)
    if len(before.pieces) > 1:
        assert len(after.pieces) >= kind.blocks
    if adapter == "engine":
        assert (after.response.metadata or {}).get("restyle", {}).get("blocks", []) == after.heard.blocks()
        *_, inner, _ = after.heard.given["query"]
    else:
        inner = after.heard.given["synthesize"][-1]
    inner.check()


@streaming
@cells
def test_contract(models, kind, adapter, streaming):
    llms = application(), application()
    engines = plain(kind, llms[0], streaming=streaming), restyled(kind, adapter, models, llms[1], streaming=streaming)
    if streaming and not kind.streams:
        for engine in engines:
            with pytest.raises(ValueError, match="stream"):
                engine.query(QUESTION)
        return
    check(kind, adapter, models, *(answered(engine) for engine in engines))
    assert llms[1].texts == llms[0].texts


@streaming
@cells
async def test_contract_async(models, kind, adapter, streaming):
    llms = application(), application()
    engines = plain(kind, llms[0], streaming=streaming), restyled(kind, adapter, models, llms[1], streaming=streaming)
    if streaming and not kind.streams:
        for engine in engines:
            with pytest.raises(ValueError, match="stream"):
                await engine.aquery(QUESTION)
        return
    check(kind, adapter, models, *[await aanswered(engine) for engine in engines])
    assert sorted(llms[1].texts) == sorted(llms[0].texts)


@cells
def test_prompts(scripts, kind, adapter):
    """They are read and updated as those of the engine alone; not all of them can be."""
    engines = plain(kind, application()), restyled(kind, adapter, scripts, application())
    names = list(engines[0].get_prompts())
    assert list(engines[1].get_prompts()) == names

    def updated(engine, name):
        try:
            engine.update_prompts({name: PromptTemplate(f"Very new: {name}")})
        except ValueError as error:
            return str(error)
        return engine.get_prompts()[name].get_template()

    for name in names:
        one, other = (updated(engine, name) for engine in engines)
        assert other == one
        assert ("Very new" in one) == (name.count(":") < 2)


@pytest.mark.parametrize("adapter", ["engine", "synthesizer"])
@pytest.mark.parametrize("name", ["compact", "refine", "tree_summarize", "router_multi", "sub_question", "citation"])
def test_updated_prompts_are_used(scripts, kinds, adapter, name):
    llm = application()
    engine = restyled(kinds[name], adapter, scripts, llm)
    names = [each for each in engine.get_prompts() if each.endswith(("text_qa_template", "summary_template"))]
    engine.update_prompts({each: PromptTemplate("Very new") for each in names})
    assert answered(engine).text == uncommon(ANSWER)
    assert "Very new" in llm.texts


@pytest.mark.parametrize("name", ["compact", "citation"])
async def test_the_two_halves_of_an_engine(scripts, kinds, name):
    """What is retrieved is left alone, what is synthesized is restyled."""
    inner = plain(kinds[name], application())
    engine = restyled(kinds[name], "engine", scripts, application())
    question = QueryBundle(QUESTION)
    for nodes in (engine.retrieve(question), await engine.aretrieve(question)):
        assert nodes == SOURCES
        assert all(one is other for one, other in zip(nodes, SOURCES, strict=True))
    assert engine.retriever.retrieve(question) == SOURCES
    for response in (engine.synthesize(question, SOURCES), await engine.asynthesize(question, SOURCES)):
        assert response.response == uncommon(ANSWER)
        texts = [node.text for node in inner.synthesize(question, SOURCES).source_nodes]
        assert [node.text for node in response.source_nodes] == texts
