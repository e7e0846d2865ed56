"""Every way into restyle gives the same text."""

from __future__ import annotations

import pytest
from langchain_core.messages import AIMessage, AIMessageChunk

from langchain_restyle import Restyle
from parity.cases import CASES, Case, chunkings
from restyle import arewrite, arewrite_stream, rewrite, rewrite_stream
from scripted import aiterated, collected, summed

STYLE = "keeper"
pytestmark = pytest.mark.usefixtures("keeper_home")

SHAPES = [str, AIMessage, AIMessageChunk]
_EXPECTED: dict[str, str] = {}


@pytest.fixture(params=CASES, ids=lambda case: case.name)
def case(request) -> Case:
    return request.param


@pytest.fixture
def chunked(case) -> list[list[str]]:
    return list(chunkings(case.text).values())


@pytest.fixture
def expected(case) -> str:
    if case.name not in _EXPECTED:
        _EXPECTED[case.name] = rewrite(case.text, STYLE).text
    return _EXPECTED[case.name]


@pytest.fixture
def restyle() -> Restyle:
    return Restyle(STYLE)


def shaped(text, shape):
    return text if shape is str else shape(content=text)


def texts(outputs, shape):
    """The texts of outputs that must all be of ``shape``."""
    outputs = list(outputs)
    assert {type(output) for output in outputs} == {shape}
    return [output if shape is str else output.content for output in outputs]


def test_names_are_unique():
    assert len({case.name for case in CASES}) == len(CASES)


def test_chunks_are_the_text(case, chunked):
    assert {"".join(chunks) for chunks in chunked} == {case.text}


def test_the_keeper_speaks_and_what_must_stay_stays(case, expected):
    assert (expected != case.text) == case.changes
    for kept in case.keeps:
        assert kept in case.text
        assert kept in expected


def test_rewrite_is_deterministic(case, expected):
    assert rewrite(case.text, STYLE).text == expected


def test_rewrite_stream(chunked, expected):
    for chunks in chunked:
        assert "".join(block.text for block in rewrite_stream(chunks, STYLE)) == expected


async def test_arewrite(case, chunked, expected):
    assert (await arewrite(case.text, STYLE)).text == expected
    for chunks in chunked:
        blocks = await collected(arewrite_stream(aiterated(chunks), STYLE))
        assert "".join(block.text for block in blocks) == expected


@pytest.mark.parametrize("shape", SHAPES)
def test_restyle(case, expected, restyle, shape):
    value = shaped(case.text, shape)
    assert texts([restyle.invoke(value), *restyle.batch([value, value])], shape) == [expected] * 3
    assert "".join(texts(restyle.stream(value), shape)) == expected


@pytest.mark.parametrize("shape", SHAPES)
async def test_restyle_async(case, expected, restyle, shape):
    value = shaped(case.text, shape)
    outputs = [await restyle.ainvoke(value), *await restyle.abatch([value, value])]
    assert texts(outputs, shape) == [expected] * 3
    assert "".join(texts(await collected(restyle.astream(value)), shape)) == expected


@pytest.mark.parametrize("shape", [str, AIMessageChunk])
def test_restyle_transforms_chunks(chunked, expected, restyle, shape):
    for chunks in chunked:
        outputs = list(restyle.transform(shaped(chunk, shape) for chunk in chunks))
        assert "".join(texts(outputs, shape)) == expected
        if shape is AIMessageChunk:
            assert summed(outputs).content == expected


@pytest.mark.parametrize("shape", [str, AIMessageChunk])
async def test_restyle_transforms_chunks_async(chunked, expected, restyle, shape):
    for chunks in chunked:
        outputs = await collected(restyle.atransform(aiterated([shaped(chunk, shape) for chunk in chunks])))
        assert "".join(texts(outputs, shape)) == expected
        if shape is AIMessageChunk:
            assert summed(outputs).content == expected


async def test_restyle_transforms_a_message_that_comes_whole(case, expected, restyle):
    message = AIMessage(case.text)
    assert texts(restyle.transform(iter([message])), AIMessage) == [expected]
    assert texts(await collected(restyle.atransform(aiterated([message]))), AIMessage) == [expected]
