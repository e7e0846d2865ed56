"""LangChain and LlamaIndex give the same text for the same text, style and answers of the models."""

from __future__ import annotations

import hashlib

import pytest
from llama_index.core.base.response.schema import AsyncStreamingResponse, Response, StreamingResponse

from langchain_restyle import Restyle
from llama import ScriptedLLM, adrained, drained, nodes
from llama_index_restyle import RestylePostprocessor
from parity.cases import CASES, chunkings
from restyle import rewrite
from scripted import Scripted, aiterated, collected, uncommon
from support import style_of

SOURCES = nodes("a")


def synthesized(text):
    return "".join(f"Response {number}: {text}\n---------------------\n" for number in (1, 2))


def moody(text: str) -> str:
    """A model whose answers are good, lossy, refusals, comments or cut off: which of these, the text decides."""
    mood = hashlib.sha256(text.encode()).digest()[0] % 6
    return {
        0: uncommon(text).replace("3", "several").replace("Captain", "Boatman"),
        1: "I'm sorry, but I can't help with that.",
        2: f"Here is the rewritten text:\n\n{uncommon(text)}",
        3: "",
    }.get(mood, uncommon(text))


async def ways(postprocessor, text):
    """What LlamaIndex makes of a text, in all the ways and chunkings in which it may come."""
    yield postprocessor.postprocess_response(Response(text, SOURCES)).response
    yield (await postprocessor.apostprocess_response(Response(text, SOURCES))).response
    for chunks in chunkings(text).values():
        stream = StreamingResponse((chunk for chunk in chunks), SOURCES)
        yield drained(postprocessor.postprocess_response(stream))
        astream = AsyncStreamingResponse(aiterated(chunks), SOURCES)
        yield await adrained(await postprocessor.apostprocess_response(astream))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
@pytest.mark.usefixtures("keeper_home")
async def test_the_keeper(case):
    expected = rewrite(case.text, "keeper").text
    assert Restyle("keeper").invoke(case.text) == expected
    async for text in ways(RestylePostprocessor("keeper"), case.text):
        assert text == expected


@pytest.mark.parametrize("options", [{}, {"on_loss": "neutral"}, {"on_loss": "keep"}, {"destyle": False}], ids=str)
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
async def test_the_same_answers(case, options):
    lang = {"style_model": Scripted(reply=moody), "destyle_model": Scripted(reply=moody)}
    llama = {"style_model": ScriptedLLM(reply=moody), "destyle_model": ScriptedLLM(reply=moody)}
    text = synthesized(case.text)
    restyle = Restyle(style_of(), **lang, **options)
    expected = restyle.invoke(text)
    asked = [len(model.calls) for model in lang.values()]
    postprocessor = RestylePostprocessor(style_of(), **llama, **options)
    assert postprocessor.postprocess_response(Response(text, SOURCES)).response == expected
    assert [len(model.calls) for model in llama.values()] == asked
    if options.get("on_loss") != "keep":  # where what has been said is not called back, it is not asked for again
        async for other in ways(postprocessor, text):
            assert other == expected
        return
    spoken = "".join(restyle.stream(text))
    assert "".join(await collected(restyle.astream(text))) == spoken
    for chunks in ([text], list(text)):
        assert drained(postprocessor.postprocess_response(StreamingResponse(iter_(chunks), SOURCES))) == spoken


def iter_(chunks):
    yield from chunks


def test_the_answers_are_of_every_kind():
    texts = [synthesized(case.text) for case in CASES]
    postprocessor = RestylePostprocessor(
        style_of(), style_model=ScriptedLLM(reply=moody), destyle_model=ScriptedLLM(reply=moody), on_loss="keep"
    )
    rows = [
        row
        for text in texts
        for row in (
            postprocessor.postprocess_response(Response(text, SOURCES)).metadata.get("restyle") or {"blocks": []}
        )["blocks"]
    ]
    assert {row["outcome"] for row in rows} >= {"styled", "lossy", "original"}
    assert {fault for row in rows for fault in row.get("faults", [])} >= {"refusal", "comment", "empty"}
