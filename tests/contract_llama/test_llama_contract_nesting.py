"""Of wrappers around wrappers only the outermost rewrites, whatever stands between them, and a warning says so once."""

from __future__ import annotations

import asyncio
import warnings
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass

import pytest
from llama_index.core.base.base_query_engine import BaseQueryEngine
from llama_index.core.query_engine import CustomQueryEngine, RetryQueryEngine, RouterQueryEngine, SubQuestionQueryEngine
from llama_index.core.question_gen import LLMQuestionGenerator
from llama_index.core.response_synthesizers import TreeSummarize
from llama_index.core.selectors import LLMMultiSelector, LLMSingleSelector

from contract_llama.calls import aanswered, answered, check_calls
from contract_llama.cells import streaming
from contract_llama.engines import Strict, retrieving, tools
from contract_llama.models import application
from contract_llama.texts import ANSWER
from llama_index_restyle import RestyleQueryEngine, RestyleSynthesizer, nesting
from scripted import uncommon


@pytest.fixture(autouse=True)
def _nobody_was_warned(monkeypatch):
    monkeypatch.setattr(nesting, "_warned", set())


@dataclass(frozen=True)
class Nest:
    """Something in between.

    Attributes:
        name: Of its tests.
        build: Makes it, over restyled engines, streaming or not.
        warns: Which class warns.
    """

    name: str
    build: Callable[..., BaseQueryEngine]
    warns: type = RestyleQueryEngine


def inner(scripts, *, streaming=False):
    return RestyleQueryEngine(retrieving(application(), streaming=streaming), **scripts.options)


def restyling(scripts, *, streaming=False):
    """With its own synthesizer wrapped."""
    return retrieving(
        application(), streaming=streaming, around=lambda each: RestyleSynthesizer(each, **scripts.options)
    )


def router_single(scripts, *, streaming):
    llm = application()
    engines = tools(inner(scripts, streaming=streaming), inner(scripts, streaming=streaming))
    return RouterQueryEngine(LLMSingleSelector.from_defaults(llm), engines, llm=llm)


def router_multi(scripts, *, streaming):
    llm = application()
    engines = tools(inner(scripts), restyling(scripts))
    summarizer = TreeSummarize(llm, streaming=streaming)
    return RouterQueryEngine(LLMMultiSelector.from_defaults(llm), engines, llm=llm, summarizer=summarizer)


def sub_question(scripts, *, streaming):
    llm = application()
    return SubQuestionQueryEngine.from_defaults(
        tools(inner(scripts), inner(scripts)),
        llm=llm,
        question_gen=LLMQuestionGenerator.from_defaults(llm),
        response_synthesizer=retrieving(llm, streaming=streaming)._response_synthesizer,
        verbose=False,
        use_async=False,
    )


NESTS = [
    Nest("engine", inner),
    Nest("synthesizer", restyling, warns=RestyleSynthesizer),
    Nest("router_single", router_single),
    Nest("router_multi", router_multi),
    Nest("sub_question", sub_question),
    Nest("retry", lambda scripts, *, streaming: RetryQueryEngine(inner(scripts, streaming=streaming), Strict())),
]
nests = pytest.mark.parametrize("nest", NESTS, ids=lambda nest: nest.name)


def check(scripts, answer):
    assert answer.text == uncommon(ANSWER)
    check_calls(scripts, answer.heard, 3)


@streaming
@nests
def test_nested(scripts, nest, streaming):
    engine = RestyleQueryEngine(nest.build(scripts, streaming=streaming), **scripts.options)
    with pytest.warns(UserWarning, match="outermost") as warned:
        check(scripts, answered(engine))
    said = [str(each.message) for each in warned]
    assert any(f"a {nest.warns.__name__} is called" in each for each in said)
    assert len(said) == len({*said})
    assert answered(engine).text == uncommon(ANSWER)  # a second warning would be an error


async def router_forgets():
    """Whether the router of this LlamaIndex asks several engines in a thread that knows nothing of its caller."""
    known, seen, llm = ContextVar("known", default=False), [], application()

    class Curious(CustomQueryEngine):
        def custom_query(self, _):
            raise NotImplementedError

        async def acustom_query(self, _):
            seen.append(known.get())
            return "It is very quiet."

    known.set(True)
    selector = LLMMultiSelector.from_defaults(llm)
    await RouterQueryEngine(selector, tools(Curious(), Curious()), llm, TreeSummarize(llm)).aquery("Was it very cold?")
    return seen == [False, False]


@streaming
@nests
async def test_nested_async(scripts, nest, streaming):
    if nest.name == "router_multi" and await router_forgets():
        pytest.skip("this router asks several engines in a thread that knows nothing of its caller")
    engine = RestyleQueryEngine(nest.build(scripts, streaming=streaming), **scripts.options)
    with pytest.warns(UserWarning, match="outermost") as warned:
        check(scripts, await aanswered(engine))
    said = [str(each.message) for each in warned]
    assert any(f"a {nest.warns.__name__} is called" in each for each in said)
    assert len(said) == len({*said})
    assert (await aanswered(engine)).text == uncommon(ANSWER)


@streaming
async def test_the_inner_one_alone_rewrites(scripts, streaming):
    """Before the outer one was asked, while its answer streams, and after."""
    alone = inner(scripts, streaming=streaming)
    outer = RestyleQueryEngine(alone, **scripts.options)
    assert answered(alone).text == uncommon(ANSWER)
    with pytest.warns(UserWarning, match="outermost"):
        responses = outer.query("Was it very cold?"), await outer.aquery("Was it very cold?")
    assert answered(alone).text == (await aanswered(alone)).text == uncommon(ANSWER)
    if streaming:
        assert "".join(responses[0].response_gen) == uncommon(ANSWER)
        assert "".join([text async for text in responses[1].async_response_gen()]) == uncommon(ANSWER)
    assert answered(alone).text == (await aanswered(alone)).text == uncommon(ANSWER)


async def test_one_beside_the_other(scripts):
    """What a task is inside of, others are not."""
    alone = inner(scripts)
    outer = RestyleQueryEngine(alone, **scripts.options)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        responses = await asyncio.gather(*[engine.aquery("Was it very cold?") for engine in (outer, alone) * 4])
    assert {response.response for response in responses} == {uncommon(ANSWER)}
    assert len(scripts.style.calls) == 3 * 8
