"""Whatever shape, way and wrapping: the same value comes out, its text in the author's words."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest
from langchain_core.messages import BaseMessage
from langchain_core.prompt_values import ChatPromptValue

from contract.calls import ASYNC_WAYS, SYNC_WAYS
from contract.models import Pair, Talking
from contract.shapes import SHAPES
from contract.wrappings import WRAPPINGS, Given
from langchain_restyle import Restyle
from restyle import rewrite
from restyle.prompts import DESTYLE_PROMPT
from scripted import uncommon

PLAIN = WRAPPINGS[:1]


def matrix(ways, wrappings):
    """Every shape in every way in every wrapping, each a test of its own."""

    def cells(test):
        for name, values in (("shape", SHAPES), ("way", ways), ("wrapping", wrappings)):
            test = pytest.mark.parametrize(name, values, ids=[each.name for each in values])(test)
        return test

    return cells


def without_reports(value: Any, reports: list[Any]) -> Any:
    """The value without what `Restyle` says about its work, which is put into ``reports``."""
    if isinstance(value, BaseMessage) and "restyle" in value.response_metadata:
        reports.append(value.response_metadata["restyle"])
        rest = {key: each for key, each in value.response_metadata.items() if key != "restyle"}
        return value.model_copy(update={"response_metadata": rest})
    if isinstance(value, dict):
        return {key: without_reports(each, reports) for key, each in value.items()}
    if isinstance(value, list):
        return [without_reports(each, reports) for each in value]
    if isinstance(value, ChatPromptValue):
        return value.model_copy(update={"messages": without_reports(value.messages, reports)})
    return value


def inner(before: Any, after: Any) -> Iterator[tuple[Any, Any]]:
    """What two values are made of."""
    if isinstance(before, dict):
        assert list(after) == list(before)
        return zip(before.values(), after.values(), strict=True)
    if isinstance(before, list):
        return zip(before, after, strict=True)
    if isinstance(before, ChatPromptValue):
        return zip(before.messages, after.messages, strict=True)
    return iter([(before.content, after.content)] if isinstance(before, BaseMessage) else [])


def check_that_nothing_was_copied(before: Any, after: Any) -> None:
    for one, other in inner(before, after):
        if one == other and not isinstance(one, list):  # a list may be another one, with the same in it
            assert one is other
        else:
            check_that_nothing_was_copied(one, other)


def check(outputs, given, way, wrapping, wanted):
    assert outputs
    for output in outputs:
        reports: list[Any] = []
        restyled = wrapping.restyled(output, given)
        assert without_reports(restyled, reports) == wanted
        assert isinstance(restyled, dict) if isinstance(wanted, dict) else type(restyled) is type(wanted)
        rows = [row for report in reports for row in report["blocks"]]
        assert {(row["outcome"], row["asks"]) for row in rows} <= {("styled", 2)}
        assert len(rows) == (given.shape.blocks if given.shape.reports else 0)
        if way.whole:
            assert type(restyled) is type(wanted)
            check_that_nothing_was_copied(given.value, restyled)
    assert given.value == given.shape.make(str)


def check_with_scripts(pair, outputs, given, way, wrapping):
    check(outputs, given, way, wrapping, given.shape.make(uncommon))
    asked = way.times * given.shape.blocks
    assert pair.destyle.told == [DESTYLE_PROMPT] * asked
    assert pair.style.told == [wrapping.prompt] * asked


@matrix(SYNC_WAYS, WRAPPINGS)
def test_contract(pair, shape, way, wrapping):
    given = Given(shape, chunked=way.chunked)
    runnable, value = wrapping.build(pair.restyle(key=shape.key), given)
    check_with_scripts(pair, way.call(runnable, value, wrapping.config), given, way, wrapping)


@matrix(ASYNC_WAYS, WRAPPINGS)
async def test_contract_async(pair, shape, way, wrapping):
    given = Given(shape, chunked=way.chunked)
    runnable, value = wrapping.build(pair.restyle(key=shape.key), given)
    check_with_scripts(pair, await way.call(runnable, value, wrapping.config), given, way, wrapping)


options = pytest.mark.parametrize("options", [{"on_loss": "keep"}, {"final_only": True}], ids=["keep", "final_only"])


@pytest.fixture
def talking():
    """A style model that streams."""
    pair = Pair(style=Talking())
    pair.style.go_on.set()
    return pair


@matrix(SYNC_WAYS, PLAIN)
@options
def test_contract_under_options(talking, shape, way, wrapping, options):
    given = Given(shape, chunked=way.chunked)
    runnable, value = wrapping.build(talking.restyle(key=shape.key, **options), given)
    check_with_scripts(talking, way.call(runnable, value, {}), given, way, wrapping)


@matrix(ASYNC_WAYS, PLAIN)
@options
async def test_contract_under_options_async(talking, shape, way, wrapping, options):
    given = Given(shape, chunked=way.chunked)
    runnable, value = wrapping.build(talking.restyle(key=shape.key, **options), given)
    check_with_scripts(talking, await way.call(runnable, value, {}), given, way, wrapping)


@cache
def keeper(text: str) -> str:
    restyled = rewrite(text, "keeper").text
    assert restyled != text
    return restyled


@pytest.mark.usefixtures("keeper_home")
@matrix(SYNC_WAYS, PLAIN)
def test_contract_with_a_trained_style(shape, way, wrapping):
    given = Given(shape, chunked=way.chunked)
    runnable, value = wrapping.build(Restyle("keeper", key=shape.key), given)
    check(way.call(runnable, value, wrapping.config), given, way, wrapping, shape.make(keeper))


@pytest.mark.usefixtures("keeper_home")
@matrix(ASYNC_WAYS, PLAIN)
async def test_contract_with_a_trained_style_async(shape, way, wrapping):
    given = Given(shape, chunked=way.chunked)
    runnable, value = wrapping.build(Restyle("keeper", key=shape.key), given)
    check(await way.call(runnable, value, wrapping.config), given, way, wrapping, shape.make(keeper))
