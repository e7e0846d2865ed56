"""How the style's models are called: through LangChain's cache, and word by word where that may be."""

from __future__ import annotations

import threading
import time

import pytest
from langchain_core.caches import InMemoryCache
from langchain_core.globals import set_llm_cache

from contract.calls import called, every_way
from contract.models import Pair, Talking
from contract.shapes import SHAPES
from contract.sources import streamed
from contract.wrappings import Given
from scripted import paragraph, paragraphs, uncommon

both = pytest.mark.parametrize("way", ["stream", "astream"])
STR = SHAPES[0]


@pytest.fixture
def _cache():
    set_llm_cache(InMemoryCache(maxsize=100))
    yield
    set_llm_cache(None)


cached = pytest.mark.usefixtures("_cache")


@cached
@every_way
async def test_what_the_cache_knows_is_not_asked_again(pair, way):
    given = Given(STR, chunked=way.chunked)
    for _ in range(2):
        outputs = await called(way, *given.into(pair.restyle()))
        assert set(outputs) == {STR.make(uncommon)}
        # The inputs of a batch are worked on at the same time: a later one may find nothing yet.
        assert STR.blocks <= len(pair.style.calls) <= way.times * STR.blocks
    asked = len(pair.style.calls), len(pair.destyle.calls)
    await called(way, *given.into(pair.restyle()))
    assert (len(pair.style.calls), len(pair.destyle.calls)) == asked


@cached
@every_way
async def test_nor_by_another_way(pair, way):
    assert pair.restyle().invoke(STR.make(str)) == STR.make(uncommon)
    await called(way, *Given(STR, chunked=way.chunked).into(pair.restyle()))
    assert (len(pair.style.calls), len(pair.destyle.calls)) == (STR.blocks, STR.blocks)


@cached
@every_way
async def test_a_model_that_could_stream_is_cached_too(way):
    pair = Pair(style=Talking())
    pair.style.go_on.set()
    for _ in range(2):
        outputs = await called(way, *Given(STR, chunked=way.chunked).into(pair.restyle(max_concurrency=1)))
        assert set(outputs) == {STR.make(uncommon)}
    assert len(pair.style.calls) == STR.blocks


@both
async def test_keep_streams_the_first_block_word_by_word(way):
    pair = Pair(style=Talking())
    text = paragraphs(3)
    outputs = []
    async for chunk in streamed(way, pair.restyle(on_loss="keep"), text):
        outputs.append(chunk)
        pair.style.go_on.set()  # only now may the model say its last word
    assert "".join(outputs) == uncommon(text)
    assert uncommon(paragraph(0)).startswith(outputs[0])
    assert len(outputs) > 20


def goes_on_when_asked(model, times):
    """Lets a model say its last word when it has been asked so often."""

    def wait():
        until = time.monotonic() + 5
        while len(model.calls) < times and time.monotonic() < until:
            time.sleep(0.001)
        model.go_on.set()

    threading.Thread(target=wait, daemon=True).start()


@both
async def test_no_block_but_the_first_in_line_is_streamed(way):
    pair = Pair(style=Talking())
    goes_on_when_asked(pair.style, 4)
    outputs = [chunk async for chunk in streamed(way, pair.restyle(on_loss="keep"), paragraphs(4))]
    assert "".join(outputs) == uncommon(paragraphs(4))
    assert pair.style.spoken == 1


@both
async def test_keep_streams_messages_word_by_word_too(way):
    pair = Pair(style=Talking())
    chunks = []
    given = Given(next(shape for shape in SHAPES if shape.name == "chunk"), chunked=True)
    async for chunk in streamed(way, *given.into(pair.restyle(on_loss="keep"))):
        chunks.append(chunk)
        pair.style.go_on.set()
    whole = sum(chunks[1:], chunks[0])
    assert whole.content == given.shape.make(uncommon).content
    assert len(chunks) > 20
    assert [len(chunk.response_metadata) > 0 for chunk in chunks].count(True) == 1


@both
@pytest.mark.parametrize("on_loss", ["original", "neutral", "raise"])
async def test_otherwise_what_leaves_is_whole_blocks(way, on_loss):
    pair = Pair(style=Talking())
    pair.style.go_on.set()
    text = paragraphs(3)
    outputs = [chunk async for chunk in streamed(way, pair.restyle(on_loss=on_loss), text) if chunk.strip()]
    assert outputs == [uncommon(paragraph(number)) for number in range(3)]
