"""Documents cut into nodes of one idea: nothing lost, every node in its exact place, and at home in LlamaIndex."""

from __future__ import annotations

import pickle
import re
from base64 import b64encode
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from llama_index.core import Settings
from llama_index.core.base.embeddings.base import BaseEmbedding
from llama_index.core.callbacks import CallbackManager, CBEventType, LlamaDebugHandler
from llama_index.core.ingestion import IngestionCache, IngestionPipeline
from llama_index.core.node_parser import NodeParser, SentenceSplitter, TokenTextSplitter
from llama_index.core.schema import (
    Document,
    ImageDocument,
    ImageNode,
    MediaResource,
    MetadataMode,
    Node,
    NodeRelationship,
    TextNode,
    TransformComponent,
)
from pydantic import Field, ValidationError

from embeddings import Recorded, about, topic_vectors, topics_of
from llama import MARKED_KEY
from llama_index_restyle.node_parser import SingleIdeaNodeParser
from restyle import split_blocks
from restyle.errors import EmbeddingError
from scripted import paragraph, paragraphs

CODE = "    lamp = 3\n    lamp += 1"
TEXT = (
    f"# A heading\n\n{paragraph(1)}\n\n{paragraph(2)}\n\n"
    f"{CODE}\n\n   \n{paragraph(3)}\n\n| a | b |\n| - | - |\n| 1 | 2 |\n\n{CODE}\n"
)
MIXED = about("sea sea sea bread bread law law law sea sea")
SIZES = {"aim": 60, "minimum": 40, "maximum": 100}
PARSER = SingleIdeaNodeParser(**SIZES)
OWN = {"block_index", "block_count", "verbatim", "block_gap"}
PICTURE = b64encode(b"\x89PNG\r\n\x1a\n")


def check_places(text, nodes):
    """Every node stands where it says it does, with the white space before it that it says."""
    end = 0
    for index, node in enumerate(nodes):
        gap = text[end : node.start_char_idx]
        assert not gap.strip()
        assert node.metadata["block_gap"] == (gap if index else "")
        end = node.end_char_idx
        assert text[node.start_char_idx : end] == node.text
    assert not text[end:].strip()


def test_it_is_a_node_parser():
    assert isinstance(PARSER, NodeParser)
    assert isinstance(PARSER, TransformComponent)
    assert PARSER.class_name() == "SingleIdeaNodeParser"


def test_nodes_are_blocks_with_places_and_metadata():
    document = Document(text=TEXT, metadata={"source": "a.md"}, id_="one", excluded_llm_metadata_keys=["source"])
    nodes = PARSER.get_nodes_from_documents([document])
    check_places(TEXT, nodes)
    blocks = split_blocks(TEXT, **SIZES)
    assert [node.text for node in nodes] == [block.text for block in blocks]
    assert [node.metadata["verbatim"] for node in nodes] == [block.verbatim for block in blocks]
    assert [node.metadata["block_index"] for node in nodes] == list(range(7))
    for node in nodes:
        assert node.metadata.keys() == OWN | {"source"}
        assert node.metadata["block_count"] == 7
        assert node.ref_doc_id == "one"
        assert node.get_content(MetadataMode.EMBED) == f"source: a.md\n\n{node.text}".strip()
        assert node.get_content(MetadataMode.LLM) == node.text
        assert node.excluded_llm_metadata_keys is not document.excluded_llm_metadata_keys
    assert document.excluded_llm_metadata_keys == ["source"]
    assert document.excluded_embed_metadata_keys == []
    assert document.metadata == {"source": "a.md"}


@given(
    st.lists(
        st.sampled_from([paragraph(1), "Short.", "Beta.", CODE, "- item", " ", "\t", "> said", "\r\n", "```\nx\n```"])
    ),
    st.sampled_from(["\n\n", "\n", " "]),
)
def test_places_are_exact_in_any_text(parts, between):
    text = between.join(parts)
    nodes = PARSER.get_nodes_from_documents([Document(text=text)])
    check_places(text, nodes)
    assert PARSER.split_text(text) == [node.text for node in nodes]


def test_places_are_exact_where_text_is_repeated():
    """LlamaIndex's text splitters look for a text, and find it inside an earlier one."""
    text = "Alpha. Beta.\n\n> quote\n\nBeta.\n\n> quote\n\nBeta."
    nodes = PARSER.get_nodes_from_documents([Document(text=text)])
    check_places(text, nodes)
    assert [node.start_char_idx for node in nodes] == [0, 14, 23, 30, 39]
    assert len({node.id_ for node in nodes}) == 5


def test_neighbours_and_source_are_linked():
    documents = [Document(text=TEXT, id_="one"), Document(text=paragraphs(3), id_="two")]
    nodes = PARSER.get_nodes_from_documents(documents)
    assert len(nodes) == 10
    _check_links(nodes)
    unlinked = SingleIdeaNodeParser(**SIZES, include_prev_next_rel=False).get_nodes_from_documents(documents)
    assert {tuple(node.relationships) for node in unlinked} == {(NodeRelationship.SOURCE,)}
    assert [node.text for node in unlinked] == [node.text for node in nodes]


def _check_links(nodes):
    for before, after in pairwise(nodes):
        if before.ref_doc_id == after.ref_doc_id:
            assert before.next_node.node_id == after.node_id
            assert before.next_node.hash == after.hash
            assert after.prev_node.node_id == before.node_id
        else:
            assert before.next_node is after.prev_node is None


def test_metadata_may_stay_behind():
    document = Document(text=TEXT, metadata={"source": "a.md"})
    nodes = SingleIdeaNodeParser(include_metadata=False).get_nodes_from_documents([document])
    assert {frozenset(node.metadata) for node in nodes} == {frozenset(OWN)}


def test_ids_hang_on_the_document_the_index_and_the_text():
    def ids(text, id_="one", **options):
        parser = SingleIdeaNodeParser(**SIZES, **options)
        return [node.id_ for node in parser.get_nodes_from_documents([Document(text=text, id_=id_)])]

    first = ids(TEXT)
    assert first == ids(TEXT)
    assert len(set(first)) == 7
    assert set(first).isdisjoint(ids(TEXT, "two"))
    changed = ids(TEXT.replace("in the year 1803", "in 1803").replace("In the year 1803", "In 1803"))
    assert [number for number, pair in enumerate(zip(first, changed, strict=True)) if len(set(pair)) == 2] == [4]
    asked = []
    assert ids(TEXT, id_func=lambda i, doc: asked.append(doc.id_) or f"node {i}") == [f"node {i}" for i in range(7)]
    assert set(asked) == {"one"}


def chunker():
    return SentenceSplitter(
        chunk_size=120, chunk_overlap=0, tokenizer=str.split, chunking_tokenizer_fn=re.compile(r"[^.]*\.\s*").findall
    )


def test_behind_another_parser_places_are_those_of_the_document():
    text = f"{paragraphs(4)}\n\n> Beta.\n\n{paragraph(5)}\n\n{paragraph(6)}\n\n> Beta.\n"
    document = Document(text=text, id_="one", metadata={"source": "a.md"})
    chunks = chunker().get_nodes_from_documents([document])
    assert len(chunks) > 3
    assert all(text[chunk.start_char_idx : chunk.end_char_idx] == chunk.text for chunk in chunks)
    nodes = PARSER.get_nodes_from_documents(chunks)
    for node in nodes:
        assert text[node.start_char_idx : node.end_char_idx] == node.text
        assert node.ref_doc_id == "one"
        assert node.metadata["source"] == "a.md"
    _check_links(nodes)
    assert max(node.metadata["block_index"] for node in nodes) < 3
    assert [node.id_ for node in PARSER.get_nodes_from_documents(chunker().get_nodes_from_documents([document]))] == [
        node.id_ for node in nodes
    ]
    assert len({node.id_ for node in nodes}) == len(nodes)


def test_behind_a_parser_that_lost_its_places():
    document = Document(text=paragraphs(4), id_="one")
    chunks = chunker().get_nodes_from_documents([document])
    chunks[0].start_char_idx = chunks[0].end_char_idx = None
    chunks[1].text = chunks[1].text.replace("1801", "the year of the storm")  # some transformation, no place since
    nodes = PARSER.get_nodes_from_documents(chunks)
    assert [node.start_char_idx for node in nodes] == [None, None, 594, 891]
    assert [node.end_char_idx for node in nodes] == [None, None, 889, 1186]
    assert len({node.id_ for node in nodes}) == 4
    chunks[1] = chunks[0].model_copy(update={"id_": "another"})  # the same text, and a place that nobody knows
    assert len({node.id_ for node in PARSER.get_nodes_from_documents(chunks)}) == 4


def test_chunks_that_overlap_share_no_ids():
    text = "\n\n".join([paragraph(1)] * 6)
    splitter = TokenTextSplitter(chunk_size=130, chunk_overlap=65, tokenizer=str.split, separator="\n\n")
    nodes = PARSER.get_nodes_from_documents(splitter.get_nodes_from_documents([Document(text=text, id_="one")]))
    assert len(nodes) > 6
    assert len({node.id_ for node in nodes}) == len(nodes)


def test_behind_itself_each_node_has_the_metadata_of_its_last_cut():
    wide = SingleIdeaNodeParser(aim=120, minimum=110, maximum=200)
    document = Document(text=f"{paragraphs(2)}\n\n> quote\n\n\n\n{paragraphs(6)}", id_="one")
    first = wide.get_nodes_from_documents([document])
    nodes = PARSER.get_nodes_from_documents(first)
    assert len(nodes) > len(first) > 1
    assert "\n\n\n\n" in {node.metadata["block_gap"] for node in first}
    end = 0
    for node in nodes:
        assert document.text[node.start_char_idx : node.end_char_idx] == node.text
        assert node.excluded_llm_metadata_keys.count("block_gap") == 1
        gap = document.text[end : node.start_char_idx] if node.metadata["block_index"] else ""
        assert node.metadata["block_gap"] == gap
        end = node.end_char_idx


def test_sizes_are_checked():
    with pytest.raises(ValidationError, match="minimum=50, aim=40"):
        SingleIdeaNodeParser(minimum=50, aim=40)
    text = paragraphs(40)
    assert SingleIdeaNodeParser().split_text(text) == [block.text for block in split_blocks(text)]
    assert len(PARSER.split_text(text)) > len(SingleIdeaNodeParser.from_defaults().split_text(text))


@pytest.mark.parametrize("documents", [[], [Document(text="")], [Document(text=" \n")], [TextNode(text="")]])
async def test_no_text_no_nodes(documents):
    assert PARSER.get_nodes_from_documents(documents) == []
    assert await PARSER.aget_nodes_from_documents(documents) == []
    assert PARSER(documents) == []
    assert PARSER.split_text("") == []


def test_images_and_other_media():
    picture = MediaResource(data=PICTURE)
    plain = Node(text_resource=MediaResource(text=TEXT), image_resource=picture, id_="plain", metadata={"source": "a"})
    seen = ImageDocument(text=TEXT, image=PICTURE, id_="seen")
    bare = [
        Node(image_resource=picture, id_="b1"),
        ImageDocument(image=PICTURE, id_="b2"),
        ImageNode(image="aa", id_="b3"),
    ]
    nodes = PARSER.get_nodes_from_documents([plain, bare[0], seen, *bare[1:], Document(text="", id_="none")])
    assert [node for node in nodes if node.id_ in {"b1", "b2", "b3"}] == bare
    for id_, kind in [("plain", TextNode), ("seen", ImageNode)]:
        cut = [node for node in nodes if node.ref_doc_id == id_]
        check_places(TEXT, cut)
        assert {type(node) for node in cut} == {kind}
        _check_links(cut)
    assert len(nodes) == 17
    assert [node.metadata.get("source") for node in nodes[:7]] == ["a"] * 7
    assert plain.metadata == {"source": "a"}


def test_serialised_form():
    parser = SingleIdeaNodeParser(**SIZES, include_metadata=False)
    described = parser.to_dict()
    assert described["class_name"] == "SingleIdeaNodeParser"
    assert {key: described[key] for key in SIZES} == SIZES
    text = paragraphs(4)
    for again in (SingleIdeaNodeParser.from_dict(described), pickle.loads(pickle.dumps(parser))):
        assert again.to_dict() == described
        assert again.split_text(text) == parser.split_text(text)
        document = Document(text=text, id_="one")
        assert [node.id_ for node in again.get_nodes_from_documents([document])] == [
            node.id_ for node in parser.get_nodes_from_documents([document])
        ]
    assert SingleIdeaNodeParser.from_dict(described, aim=50).aim == 50
    assert described["aim"] == 60

    def numbered(i, doc):
        return f"{doc.id_}-{i}"

    named = SingleIdeaNodeParser(id_func=numbered).to_dict()
    with pytest.raises(ValueError, match=r"id_func 'numbered': give from_dict\(data, id_func=numbered\)"):
        SingleIdeaNodeParser.from_dict(named)
    assert SingleIdeaNodeParser.from_dict(named, id_func=numbered).id_func is numbered


async def test_in_an_ingestion_pipeline():
    documents = [Document(text=paragraphs(6), id_="one"), Document(text=TEXT.replace(f"\n\n{CODE}\n", ""), id_="two")]
    wanted = PARSER.get_nodes_from_documents(documents)
    cache = IngestionCache()

    def pipeline(**sizes):
        return IngestionPipeline(transformations=[SingleIdeaNodeParser(**SIZES | sizes)], cache=cache)

    for nodes in (pipeline().run(documents=documents), pipeline().run(documents=documents)):
        assert [node.to_dict() for node in nodes] == [node.to_dict() for node in wanted]
    assert [node.id_ for node in await pipeline().arun(documents=documents)] == [node.id_ for node in wanted]
    assert len(pipeline(aim=100, maximum=200).run(documents=documents)) < len(wanted)  # not what the cache has
    assert len(cache.cache.get_all(collection="llama_cache")) == 2
    chained = IngestionPipeline(transformations=[chunker(), PARSER]).run(documents=documents)
    for node in chained:
        text = documents[node.ref_doc_id == "two"].text
        assert text[node.start_char_idx : node.end_char_idx] == node.text


async def test_every_way_to_call_it():
    handler = LlamaDebugHandler(print_trace_on_end=False)
    parser = SingleIdeaNodeParser.from_defaults(**SIZES, callback_manager=CallbackManager([handler]))
    documents = [Document(text=TEXT, id_="one")]
    wanted = PARSER.get_nodes_from_documents(documents)
    assert parser(documents) == wanted
    assert await parser.acall(documents) == wanted
    assert await parser.aget_nodes_from_documents(documents, show_progress=False) == wanted
    assert len(handler.get_event_pairs(CBEventType.NODE_PARSING)) == 3


class TopicEmbedding(BaseEmbedding):
    """Knows three topics, and who asked; it holds a key as real ones do."""

    model_name: str = "topics"
    api_key: str = MARKED_KEY
    calls: Recorded = Field(default_factory=lambda: Recorded(topic_vectors), exclude=True)
    awaited: Recorded = Field(default_factory=lambda: Recorded(topic_vectors), exclude=True)

    @classmethod
    def class_name(cls):
        return "TopicEmbedding"

    def _get_text_embeddings(self, texts):
        return self.calls(texts)

    async def _aget_text_embeddings(self, texts):
        return await self.awaited.awaited(texts)

    def _get_text_embedding(self, _):
        raise AssertionError("one at a time")

    _get_query_embedding = _aget_query_embedding = _get_text_embedding


async def test_an_embedding_model_tells_where_an_idea_ends(monkeypatch):
    model = TopicEmbedding(embed_batch_size=100)
    documents = [
        Document(text=MIXED, id_="one"),
        Document(text="", id_="two"),
        Document(text=paragraphs(1), id_="three"),
    ]
    parser = SingleIdeaNodeParser.from_defaults(embed_model=model)
    nodes = parser.get_nodes_from_documents(documents)
    check_places(MIXED, nodes[:-1])
    assert topics_of(nodes[:-1]) == ["sea", "bread", "law", "sea"]
    assert parser.split_text(MIXED) == [node.text for node in nodes[:-1]]
    assert (len(model.calls.calls), len(model.awaited.calls)) == (2, 0)
    assert await parser.aget_nodes_from_documents(documents) == nodes
    assert await parser.acall(documents) == nodes
    assert (len(model.calls.calls), len(model.awaited.calls)) == (2, 2)
    monkeypatch.setattr(Settings, "_embed_model", model)
    assert topics_of(SingleIdeaNodeParser().get_nodes_from_documents(documents)) != topics_of(nodes)
    assert len(model.calls.calls) == 2


async def test_vectors_that_cannot_be_compared_are_an_error():
    model = TopicEmbedding(calls=Recorded(lambda texts: topic_vectors(texts)[1:]), awaited=Recorded(lambda _: []))
    parser = SingleIdeaNodeParser(embed_model=model)
    with pytest.raises(EmbeddingError, match="10 texts"):
        parser.get_nodes_from_documents([Document(text=MIXED)])
    with pytest.raises(EmbeddingError, match="10 texts"):
        await parser.aget_nodes_from_documents([Document(text=MIXED)])


def test_what_embeds_no_texts_is_refused():
    for model in ("local:a-model", TopicEmbedding, topic_vectors, TopicEmbedding().to_dict()):
        with pytest.raises(ValidationError, match="embed_model") as caught:
            SingleIdeaNodeParser(embed_model=model)
        assert MARKED_KEY not in str(caught.value)


async def test_the_key_of_an_embedding_model_is_written_nowhere():
    parser = SingleIdeaNodeParser(embed_model=TopicEmbedding())
    described = parser.to_dict()
    assert described["embed_model"] == {"class_name": "TopicEmbedding", "model_name": "topics"}
    assert MARKED_KEY not in f"{described} {parser!r} {parser.to_json()} {parser.model_dump_json()}"
    with pytest.raises(TypeError, match="holds an embedding model"):
        pickle.dumps(parser)
    with pytest.raises(ValueError, match=r"embed_model 'topics', a TopicEmbedding: give from_dict\(data, embed_model="):
        SingleIdeaNodeParser.from_dict(described)
    again = SingleIdeaNodeParser.from_dict(described, embed_model=parser.embed_model)
    assert again.split_text(MIXED) == parser.split_text(MIXED)
    assert again.model_copy(deep=True).split_text(MIXED) == parser.split_text(MIXED)


async def test_an_ingestion_cache_tells_embedding_models_apart():
    documents, cache, models = [Document(text=MIXED, id_="one")], IngestionCache(), []
    for name in ("topics", "topics", "others", None):
        models.append(TopicEmbedding(model_name=name) if name else None)
        IngestionPipeline(transformations=[SingleIdeaNodeParser(embed_model=models[-1])], cache=cache).run(
            documents=documents
        )
    assert [model and len(model.calls.calls) for model in models] == [1, 0, 1, None]
    assert len(cache.cache.get_all(collection="llama_cache")) == 3
