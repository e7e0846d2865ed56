"""Responses of every kind in, responses of the same kind out."""

from __future__ import annotations

import asyncio
import threading
import time
from copy import deepcopy

import pytest
from llama_index.core.base.response.schema import AsyncStreamingResponse, PydanticResponse, Response, StreamingResponse
from llama_index.core.chat_engine.types import AgentChatResponse
from llama_index.core.query_engine import RetrieverQueryEngine
from llama_index.core.schema import BaseComponent
from pydantic import BaseModel, ValidationError

from llama import ScriptedLLM, adrained, drained, nodes, pieces_of
from llama_index_restyle import RestylePostprocessor
from restyle.errors import ChatModelError, LossError, ParameterError, ShapeError, StyleNotFoundError
from scripted import paragraphs, uncommon
from support import style_of

TEXT = paragraphs(3)
STYLED = uncommon(TEXT)
SOURCES = nodes("first", "second", "first")
EMPTY = "Empty Response"


class Poem(BaseModel):
    title: str
    body: str
    lines: int = 3


def neutral(text: str) -> str:
    return text


def upset(text: str) -> str:
    raise ConnectionError(text[:10])


def made(**options) -> RestylePostprocessor:
    models = {"destyle_model": ScriptedLLM(reply=neutral), "style_model": ScriptedLLM()}
    return RestylePostprocessor(style_of(), **{**models, **options})


def asked(postprocessor) -> int:
    return len(postprocessor.style_model.calls) + len(postprocessor.destyle_model.calls)


def stream(text=TEXT, sources=SOURCES, error=None, **fields) -> StreamingResponse:
    def pieces():
        yield from pieces_of(text)
        if error is not None:
            raise error

    return StreamingResponse(pieces(), list(sources), **fields)


def astream(text=TEXT, sources=SOURCES, error=None, **fields) -> AsyncStreamingResponse:
    async def pieces():
        for piece in pieces_of(text):
            yield piece
            await asyncio.sleep(0)
        if error is not None:
            raise error

    return AsyncStreamingResponse(pieces(), list(sources), **fields)


async def both(postprocessor, make):
    """What the two methods make of what ``make`` makes."""
    return postprocessor.postprocess_response(make()), await postprocessor.apostprocess_response(make())


@pytest.fixture
def postprocessor():
    return made()


async def test_a_response_is_rewritten_and_keeps_all_else(postprocessor):
    for new in await both(postprocessor, lambda: Response(TEXT, list(SOURCES), {"node-0": {"page": 0}})):
        assert type(new) is Response
        assert new.response == STYLED != TEXT
        assert [node.node_id for node in new.source_nodes] == [node.node_id for node in SOURCES]
        assert new.metadata["node-0"] == {"page": 0}
        assert [row["outcome"] for row in new.metadata["restyle"]["blocks"]] == ["styled"] * 3
    assert asked(postprocessor) == 2 * 3 * 2


async def test_what_came_in_is_not_changed(postprocessor):
    response = Response(TEXT, list(SOURCES), {"node-0": {"page": 0}})
    before = deepcopy(response)
    for new in await both(postprocessor, lambda: response):
        assert response == before
        assert new is not response
        assert new.source_nodes is not response.source_nodes
        assert new.metadata is not response.metadata


async def test_streams_are_rewritten_while_they_come(postprocessor):
    response, aresponse = postprocessor.postprocess_response(stream()), None
    assert type(response) is StreamingResponse
    assert "restyle" not in response.metadata
    pieces = response.response_gen
    assert next(pieces) == STYLED.partition("\n\n")[0]
    assert len(response.metadata["restyle"]["blocks"]) == 1
    assert "".join(pieces) == STYLED[len(STYLED.partition("\n\n")[0]) :]
    assert len(response.metadata["restyle"]["blocks"]) == 3
    aresponse = await postprocessor.apostprocess_response(astream())
    assert type(aresponse) is AsyncStreamingResponse
    assert await adrained(aresponse) == STYLED
    assert aresponse.metadata == response.metadata
    for new in (response, aresponse):
        assert [node.node_id for node in new.source_nodes] == [node.node_id for node in SOURCES]


async def test_streams_can_be_read_in_every_way_that_they_have(postprocessor, capsys):
    assert str(postprocessor.postprocess_response(stream())) == STYLED
    read = postprocessor.postprocess_response(stream())
    assert read.get_response().response == str(read) == STYLED
    assert read.get_response().metadata["restyle"]
    postprocessor.postprocess_response(stream()).print_response_stream()
    assert capsys.readouterr().out == STYLED
    awaited = await postprocessor.apostprocess_response(astream())
    assert (await awaited.get_response()).response == STYLED
    assert await adrained(awaited) == STYLED
    await (await postprocessor.apostprocess_response(astream())).print_response_stream()
    assert capsys.readouterr().out.rstrip("\n") == STYLED
    assert asked(postprocessor) == 5 * 3 * 2


async def test_a_stream_that_has_been_read_is_rewritten_as_a_whole(postprocessor):
    used = stream()
    assert str(used) == TEXT
    for new in await both(postprocessor, lambda: used):
        assert type(new) is StreamingResponse
        assert str(new) == new.get_response().response == "".join(new.response_gen) == STYLED
    aused = astream()
    await aused.get_response()
    for anew in await both(postprocessor, lambda: aused):
        assert type(anew) is AsyncStreamingResponse
        assert (await anew.get_response()).response == await adrained(anew) == STYLED
    assert str(used) == TEXT


async def test_a_plain_stream_in_an_async_path_stays_one(postprocessor):
    new = await postprocessor.apostprocess_response(stream())
    assert type(new) is StreamingResponse
    assert drained(new) == STYLED


def test_an_async_stream_needs_the_async_method(postprocessor):
    with pytest.raises(ShapeError, match=r"await apostprocess_response\(response\)"):
        postprocessor.postprocess_response(astream())


async def test_objects_pass_but_for_the_fields_that_are_prose():
    poem = Poem(title="very cold", body=TEXT)
    response = PydanticResponse(poem, list(SOURCES), {"a": 1})
    plain = made()
    for new in await both(plain, lambda: response):
        assert new is response
    assert asked(plain) == 0
    for new in await both(made(pydantic_fields=("body",)), lambda: response):
        assert type(new) is PydanticResponse
        assert new.response == Poem(title="very cold", body=STYLED)
        assert new.metadata["a"] == 1
        assert {row["field"] for row in new.metadata["restyle"]["blocks"]} == {"body"}
        assert new.source_nodes == SOURCES
    for new in await both(made(pydantic_fields=("title", "body")), lambda: response):
        assert new.response == Poem(title="uncommon cold", body=STYLED)
    assert poem.body == TEXT
    for new in await both(made(pydantic_fields=("body",)), lambda: PydanticResponse(None)):
        assert new.response is None
    for name in ("lines", "nonsense"):
        with pytest.raises(ShapeError, match=f"field '{name}' of Poem"):
            made(pydantic_fields=(name,)).postprocess_response(response)


@pytest.mark.parametrize("said", [EMPTY, "Nothing very useful."])
async def test_what_an_engine_says_that_found_nothing_passes(said):
    postprocessor = made() if said == EMPTY else made(empty_response=said)
    for new in await both(postprocessor, lambda: Response(said)):
        assert new.response == said
    assert drained(postprocessor.postprocess_response(stream(said, []))) == said
    assert await adrained(await postprocessor.apostprocess_response(astream(said, []))) == said
    assert asked(postprocessor) == 0
    # With sources it is an answer, and what only begins alike is one, too.
    for text, sources in [("Empty Response very.", []), ("Empty", []), ("Nothing very useful. Not very.", [])]:
        fresh = made(empty_response="Nothing very useful.") if text.startswith("N") else made()
        assert drained(fresh.postprocess_response(stream(text, sources))) == uncommon(text)
        assert await adrained(await fresh.apostprocess_response(astream(text, sources))) == uncommon(text)
        assert fresh.postprocess_response(Response(text, sources)).response == uncommon(text)
        assert asked(fresh) == 6
    sourced = made(empty_response="very")
    assert sourced.postprocess_response(Response("very", SOURCES)).response == "uncommon"
    assert drained(sourced.postprocess_response(stream("very"))) == "uncommon"


@pytest.mark.parametrize("text", [None, "", "  ", "```\nvery\n```", '{"very": 1}'])
async def test_what_holds_no_prose_passes(postprocessor, text):
    for new in await both(postprocessor, lambda: Response(text, SOURCES, {"a": 1})):
        assert new.response == text
        assert new.metadata == {"a": 1}
    assert drained(postprocessor.postprocess_response(stream(text or "", metadata={"a": 1}))) == (text or "")
    assert asked(postprocessor) == 0


def test_headers_and_rulers_of_synthesizers_pass(postprocessor):
    text = (
        "Response 1: It was very cold.\n---------------------\nResponse 2: It was very quiet.\n\n"
        "file_name: very.txt\nfile_path: /very/long.txt\n\nIt was very late.\n\nSource 3:\nIt was very early."
    )
    expected = (
        "Response 1: It was uncommon cold.\n---------------------\nResponse 2: It was uncommon quiet.\n\n"
        "file_name: very.txt\nfile_path: /very/long.txt\n\nIt was uncommon late.\n\nSource 3:\nIt was uncommon early."
    )
    assert postprocessor.postprocess_response(Response(text, SOURCES)).response == expected
    assert drained(postprocessor.postprocess_response(stream(text))) == expected
    assert not [asked for asked in postprocessor.destyle_model.texts if "Response" in asked or "Source" in asked]


def test_markers_stay_with_their_sentences_though_no_model_sees_them(postprocessor):
    text = "It was very cold [1]. It was very quiet [2][3]. Nothing was very late."
    new = postprocessor.postprocess_response(Response(text, SOURCES))
    assert new.response == uncommon(text)
    assert drained(postprocessor.postprocess_response(stream(text))) == uncommon(text)
    assert not [asked for asked in postprocessor.style_model.texts if "[" in asked]


async def test_the_report_can_be_left_out(postprocessor):
    silent = made(include_report=False)
    for new in await both(silent, lambda: Response(TEXT, SOURCES)):
        assert new.metadata is None
    for new in await both(silent, lambda: Response(TEXT, SOURCES, {"a": 1})):
        assert new.metadata == {"a": 1}
    new = silent.postprocess_response(stream())
    drained(new)
    assert new.metadata is None
    telling = made(include_neutral=True).postprocess_response(Response(TEXT, SOURCES))
    assert [row["neutral"] for row in telling.metadata["restyle"]["blocks"]] == TEXT.split("\n\n")
    assert "neutral" not in str(postprocessor.postprocess_response(Response(TEXT)).metadata)


@pytest.mark.parametrize("wrong", ["text", None, 3, AgentChatResponse("text")])
async def test_what_is_no_response_is_refused(postprocessor, wrong):
    with pytest.raises(ShapeError, match=f"a {type(wrong).__name__} is no response"):
        postprocessor.postprocess_response(wrong)
    with pytest.raises(TypeError, match="RestyleChatEngine"):
        await postprocessor.apostprocess_response(wrong)


class _Retriever:
    callback_manager = None

    def retrieve(self, _query):
        return list(SOURCES)

    async def aretrieve(self, _query):
        return list(SOURCES)


async def test_given_as_something_else_it_says_what_is_meant(postprocessor):
    from llama_index.core.response_synthesizers import get_response_synthesizer

    as_nodes = RetrieverQueryEngine(
        _Retriever(), get_response_synthesizer(llm=ScriptedLLM()), node_postprocessors=[postprocessor]
    )
    with pytest.raises(TypeError, match=r"RestyleQueryEngine.*RestyleNodePostprocessor"):
        as_nodes.query("Who?")
    with pytest.raises(TypeError, match=r"RestyleQueryEngine.*RestyleNodePostprocessor"):
        await as_nodes.aquery("Who?")
    as_synthesizer = RetrieverQueryEngine(_Retriever(), postprocessor)
    with pytest.raises(TypeError, match="RestyleSynthesizer"):
        as_synthesizer.query("Who?")
    with pytest.raises(TypeError, match="RestyleSynthesizer"):
        await as_synthesizer.aquery("Who?")


async def test_an_error_of_the_source_comes_after_what_came_before_it(postprocessor):
    response = postprocessor.postprocess_response(stream(f"{TEXT}\n\n", error=OSError("gone")))
    heard = []
    with pytest.raises(OSError, match="gone"):
        heard.extend(response.response_gen)
    with pytest.raises(OSError, match="gone"):
        heard.extend(piece for piece in response.response_gen)
    aresponse = await postprocessor.apostprocess_response(astream(f"{TEXT}\n\n", error=OSError("gone")))
    with pytest.raises(OSError, match="gone"):
        await aresponse.get_response()


async def test_what_was_cut_off_never_passes_for_a_whole():
    for broken in (made(style_model=ScriptedLLM(reply=upset)), made()):
        error = OSError("gone") if broken.style_model.reply is uncommon else None
        response = broken.postprocess_response(stream(error=error))
        for _ in range(3):
            with pytest.raises(OSError, match=r"gone|In the yea"):
                response.get_response()
        aresponse = await broken.apostprocess_response(astream(error=error))
        for _ in range(3):
            with pytest.raises(OSError, match=r"gone|In the yea"):
                await aresponse.get_response()


async def test_losses_and_errors_are_the_policys():
    lossy = ScriptedLLM(reply=lambda text: text.replace("1801", "long ago"))
    for new in await both(made(style_model=lossy), lambda: Response(TEXT)):
        assert new.response == TEXT
        assert [row["outcome"] for row in new.metadata["restyle"]["blocks"]] == ["styled", "original", "styled"]
        assert new.metadata["restyle"]["blocks"][1]["asks"] == 3
    for new in await both(made(style_model=lossy, on_loss="keep", attempts=1), lambda: Response(TEXT)):
        assert "long ago" in new.response
    with pytest.raises(LossError, match="1801"):
        made(style_model=lossy, on_loss="raise").postprocess_response(Response(TEXT))
    broken = ScriptedLLM(reply=upset)
    with pytest.raises(ConnectionError):
        made(destyle_model=broken).postprocess_response(Response(TEXT))
    for new in await both(made(destyle_model=broken, on_error="original"), lambda: Response(TEXT)):
        assert new.response == TEXT
        assert new.metadata["restyle"]["blocks"][0]["error"] == "ConnectionError"


async def test_the_head_block_leaves_token_by_token_where_nothing_can_call_it_back():
    kept = made(on_loss="keep")
    pieces = list(kept.postprocess_response(stream()).response_gen)
    assert "".join(pieces) == STYLED
    assert len(pieces) > 20
    apieces = [piece async for piece in (await kept.apostprocess_response(astream())).async_response_gen()]
    assert "".join(apieces) == STYLED
    assert len(apieces) > 20


def test_one_step_is_enough_for_neutral_text():
    postprocessor = made(destyle=False)
    assert postprocessor.postprocess_response(Response(TEXT)).response == STYLED
    assert not postprocessor.destyle_model.calls


async def test_requests_in_flight_are_bounded():
    for _ in range(2):
        bounded = made(max_concurrency=2, style_model=ScriptedLLM(delay=0.01))
        bounded.postprocess_response(Response(paragraphs(8)))
        assert bounded.style_model.peak == 2
        bounded = made(max_concurrency=2, style_model=ScriptedLLM(delay=0.01))
        await bounded.apostprocess_response(Response(paragraphs(8)))
        assert bounded.style_model.peak == 2
    with pytest.raises(ValidationError):
        made(max_concurrency=0)


async def test_a_stream_that_is_given_up_leaves_nothing_behind():
    closed = []

    def pieces():
        try:
            yield from pieces_of(paragraphs(20))
        finally:
            closed.append("sync")

    async def apieces():
        try:
            for piece in pieces_of(paragraphs(20)):
                yield piece
        finally:
            closed.append("async")

    slow = made(style_model=ScriptedLLM(delay=0.01))
    response = slow.postprocess_response(StreamingResponse(pieces()))
    next(response.response_gen)
    response.response_gen.close()
    deadline = time.monotonic() + 5
    while any(thread.name.startswith("restyle_") for thread in threading.enumerate()):
        assert time.monotonic() < deadline
        await asyncio.sleep(0.01)
    others = asyncio.all_tasks()
    aresponse = await slow.apostprocess_response(AsyncStreamingResponse(apieces()))
    await anext(aresponse.response_gen)
    await aresponse.response_gen.aclose()
    assert asyncio.all_tasks() == others
    assert closed == ["sync", "async"]


def test_it_is_a_component_by_all_the_usual_names():
    assert issubclass(RestylePostprocessor, BaseComponent)
    assert RestylePostprocessor.class_name() == "RestylePostprocessor"


def test_what_cannot_be_is_refused_at_once():
    with pytest.raises(StyleNotFoundError):
        RestylePostprocessor(style="nobody")
    with pytest.raises(ParameterError, match="tone"):
        RestylePostprocessor(style=style_of(), parameters={"tone": "merry"})
    with pytest.raises(ChatModelError, match=r"metadata\.is_chat_model=False"):
        made(style_model=ScriptedLLM(chat_model=False))
    with pytest.raises(ValidationError):
        RestylePostprocessor(style=style_of(), atempts=3)
    with pytest.raises(ValidationError):
        made(style_model=3)


def test_an_llm_that_cannot_describe_itself_is_refused():
    class Unknown(ScriptedLLM):
        @property
        def metadata(self):
            raise ValueError("Unknown model 'ft:gpt-9'")

    with pytest.raises(ChatModelError, match="EndpointLLM, which takes any name"):
        made(destyle_model=Unknown())
