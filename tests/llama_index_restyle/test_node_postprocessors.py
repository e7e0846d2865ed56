"""Passages in other words: copies go out, and the retriever's own nodes stay what they were."""

from __future__ import annotations

import asyncio
import threading
from copy import deepcopy

import pytest
from llama_index.core import Settings
from llama_index.core.query_engine import CitationQueryEngine, RetrieverQueryEngine
from llama_index.core.response_synthesizers import get_response_synthesizer
from llama_index.core.schema import (
    ImageNode,
    IndexNode,
    MediaResource,
    MetadataMode,
    Node,
    NodeRelationship,
    NodeWithScore,
    RelatedNodeInfo,
    TextNode,
)

from llama import ScriptedLLM, instrumented
from llama_chats import Fixed, chatting, talk
from llama_index_restyle import DestyleNodePostprocessor, RestyleNodePostprocessor
from restyle.prompts import DESTYLE_PROMPT
from scripted import paragraphs, uncommon
from support import style_of

TEXT = paragraphs(2)
STYLED = uncommon(TEXT)


def plain(text):
    """What the de-style model makes of a passage."""
    return text.replace("very ", "")


@pytest.fixture(autouse=True)
def _settings(monkeypatch):
    monkeypatch.setattr(Settings, "_llm", None)
    monkeypatch.setattr("llama_index.core.settings.resolve_llm", lambda *_, **__: pytest.fail("Settings.llm was used"))


@pytest.fixture
def styler():
    return ScriptedLLM()


@pytest.fixture
def neutraliser():
    return ScriptedLLM(reply=lambda text: text)


@pytest.fixture
def restyling(styler, neutraliser):
    return RestyleNodePostprocessor(style=style_of(), style_model=styler, destyle_model=neutraliser)


@pytest.fixture
def destyling():
    return DestyleNodePostprocessor(style=style_of(), destyle_model=ScriptedLLM(reply=plain))


def found(text=TEXT, **more):
    node = TextNode(
        text=text,
        id_="found",
        embedding=[0.5, 0.25],
        metadata={"page": 3, "tags": ["a"]},
        excluded_llm_metadata_keys=["page"],
        relationships={NodeRelationship.SOURCE: RelatedNodeInfo(node_id="letter")},
        start_char_idx=40,
        end_char_idx=40 + len(text),
        **more,
    )
    return NodeWithScore(node=node, score=0.75)


async def both(postprocessor, nodes):
    """What the two methods make of nodes."""
    return [
        postprocessor.postprocess_nodes(nodes, query_str="Who?"),
        await postprocessor.apostprocess_nodes(nodes, query_str="Who?"),
    ]


async def test_passages_are_put_in_the_authors_words_and_all_else_is_kept(restyling, styler, neutraliser):
    given = found()
    before = deepcopy(given)
    for (out,) in await both(restyling, [given]):
        assert given == before
        assert out is not given
        assert out.node is not given.node
        assert (out.node.text, out.score) == (STYLED, 0.75)
        for name in ("id_", "embedding", "relationships", "start_char_idx", "end_char_idx", "text_template"):
            assert getattr(out.node, name) == getattr(before.node, name)
        assert out.node.metadata == {"page": 3, "tags": ["a"], "original_text": TEXT}
        out.node.metadata["tags"].append("b")  # nothing is shared
        assert given == before
    assert len(styler.calls) == len(neutraliser.calls) == 2 * 2


async def test_neither_models_nor_embeddings_are_shown_the_original(restyling, destyling):
    for postprocessor in (restyling, destyling):
        for (out,) in await both(postprocessor, [found("It was very cold.")]):
            assert out.node.excluded_llm_metadata_keys == ["page", "original_text"]
            assert out.node.excluded_embed_metadata_keys == ["original_text"]
            for mode in (MetadataMode.LLM, MetadataMode.EMBED):
                assert "very" not in out.node.get_content(mode)
            (again,) = postprocessor.postprocess_nodes([out])
            assert again.node.excluded_llm_metadata_keys == ["page", "original_text"]


async def test_passages_are_stripped_of_their_style_by_one_model(destyling):
    for (out,) in await both(destyling, [found()]):
        assert out.node.text == plain(TEXT)
        assert out.node.metadata["original_text"] == TEXT
    asked = destyling.destyle_model.calls
    assert [DESTYLE_PROMPT, TEXT.split("\n\n")[0]] in [[message.content for message in messages] for messages in asked]
    assert len(asked) == 2 * 2


async def test_order_is_kept_whatever_the_scores(restyling):
    texts = [f"It was very cold in {1800 + number}." for number in range(30)]
    given = [NodeWithScore(node=TextNode(text=text), score=None) for text in texts]
    for out in await both(restyling, given):
        assert [each.node.text for each in out] == [uncommon(text) for text in texts]
        assert [each.node_id for each in out] == [each.node_id for each in given]
        assert {each.score for each in out} == {None}


async def test_nodes_without_text_pass_and_those_of_all_kinds_are_rewritten(restyling):
    image = ImageNode(image_url="http://localhost/lamp.png")
    sound = Node(audio_resource=MediaResource(url="http://localhost/bell.mp3"))
    resource = MediaResource(text="It was very cold.", mimetype="text/plain", embeddings={"dense": [0.5]})
    multi = Node(text_resource=resource, image_resource=MediaResource(url="http://localhost/lamp.png"))
    captioned = ImageNode(text="A very old lamp.", image_url="http://localhost/lamp.png")
    reached = threading.Lock()  # no copy of it can be made
    index = IndexNode(text="Of very old lamps.", index_id="lamps", obj=reached)
    given = [NodeWithScore(node=node) for node in (image, multi, sound, TextNode(text=""), captioned, index)]
    for out in await both(restyling, given):
        assert [each.node.get_content() for each in out] == [
            "",
            "It was uncommon cold.",
            "",
            "",
            "A uncommon old lamp.",
            "Of uncommon old lamps.",
        ]
        assert [type(each.node) for each in out] == [type(each.node) for each in given]
        assert out[0].node.metadata == {}
        assert out[1].node.image_resource == multi.image_resource
        new = out[1].node.text_resource
        assert (new.mimetype, new.embeddings) == ("text/plain", {"dense": [0.5]})
        assert out[4].node.image_url == captioned.image_url
        assert out[5].node.obj is reached
    assert multi.text_resource.text == "It was very cold."


async def test_nothing_to_rewrite_asks_nobody(restyling):
    given = [NodeWithScore(node=ImageNode(image_url="http://localhost/lamp.png"))]
    restyling.style_model = restyling.destyle_model = None  # the card's, behind an endpoint that is not there
    for nodes in ([], given):
        for out in await both(restyling, nodes):
            assert out == nodes


async def test_headers_of_citations_stay(restyling, destyling, styler):
    for out in await both(restyling, [found("Source 12:\nIt was very cold [3].\n")]):
        assert out[0].node.text == "Source 12:\nIt was uncommon cold [3].\n"
    for out in await both(destyling, [found("Source 1:\nIt was very cold.")]):
        assert out[0].node.text == "Source 1:\nIt was cold."
    assert "Source" not in str(styler.texts)


async def test_all_passages_share_one_limit(restyling, styler, neutraliser):
    restyling.max_concurrency = 3
    styler.delay = neutraliser.delay = 0.01
    given = [NodeWithScore(node=TextNode(text=f"It was very cold in {1800 + number}.")) for number in range(12)]

    async def ticking():
        while True:
            ticks.append(await asyncio.sleep(0.002))

    restyling.postprocess_nodes(given)
    ticks = []
    clock = asyncio.create_task(ticking())
    await restyling.apostprocess_nodes(given)
    clock.cancel()
    assert len(ticks) > 5  # the loop went on
    assert 2 <= max(styler.peak, neutraliser.peak) <= 3
    assert not [task for task in asyncio.all_tasks() if task not in (clock, asyncio.current_task())]


@pytest.mark.parametrize("kind", [RestyleNodePostprocessor, DestyleNodePostprocessor])
async def test_a_query_engine_uses_them(kind, restyling, destyling):
    postprocessor = restyling if kind is RestyleNodePostprocessor else destyling
    expected = {RestyleNodePostprocessor: STYLED, DestyleNodePostprocessor: plain(TEXT)}[kind]
    llm, retriever = ScriptedLLM(reply=lambda _: "Said."), Fixed([found()])
    engine = RetrieverQueryEngine.from_args(retriever, llm=llm, node_postprocessors=[postprocessor])
    assert postprocessor.callback_manager is engine.callback_manager
    for response in (engine.query("Who?"), await engine.aquery("Who?")):
        assert [each.node.text for each in response.source_nodes] == [expected]
        assert response.source_nodes[0].node.metadata["original_text"] == TEXT
    assert len(llm.calls) == 2
    assert all(expected in text and TEXT not in text for text in llm.texts)
    assert retriever.found[0].node.text == TEXT


async def test_passages_alone_are_shown_in_the_authors_words(restyling, monkeypatch):
    monkeypatch.setattr(
        Settings, "_llm", ScriptedLLM(reply=lambda _: pytest.fail("it was asked"))
    )  # LlamaIndex wants one
    synthesizer = get_response_synthesizer(response_mode="context_only")
    engine = RetrieverQueryEngine(Fixed([found()]), synthesizer, [restyling])
    for response in (engine.query("Who?"), await engine.aquery("Who?")):
        assert STYLED in response.response
        assert TEXT not in response.response


async def test_a_citation_engine_cites_the_new_passages(destyling):
    class Whole:
        def split_text(self, text):
            return [text]

    llm = ScriptedLLM(reply=lambda _: "Cold [1].")
    settings = {"llm": llm, "text_splitter": Whole(), "node_postprocessors": [destyling]}
    engine = CitationQueryEngine(Fixed([found()]), **settings)
    for response in (engine.query("Who?"), await engine.aquery("Who?")):  # an old core calls the sync method in both
        assert response.source_nodes[0].node.text == f"Source 1:\n{plain(TEXT)}\n"


@pytest.mark.parametrize("way", ["chat", "achat", "stream_chat", "astream_chat"])
async def test_a_chat_engine_uses_them(destyling, way):
    inner, llm = chatting("condense_plus_context", "Said.", found=[found()])
    inner._node_postprocessors = [destyling]
    text, response = await talk(inner, way)
    assert text == "Said."
    assert response.source_nodes[0].node.text == plain(TEXT)
    assert TEXT not in str(llm.calls)


async def test_blocks_stand_under_the_call_and_managers_hear_of_them(restyling):
    with instrumented() as (spans, events):
        await both(restyling, [found()])
    tree = spans.tree()
    for method in ("_postprocess_nodes", "_apostprocess_nodes"):
        assert len(tree[f"RestyleNodePostprocessor.{method}"]) == 2
    assert events.names().count("RestyleBlockEvent") == 4
    assert not spans.open_spans
