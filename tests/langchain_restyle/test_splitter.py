"""Documents cut into single ideas: nothing lost, every piece in its exact place."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.document_loaders import BaseLoader
from langchain_core.documents import BaseDocumentTransformer, Document
from langchain_core.embeddings import DeterministicFakeEmbedding, Embeddings

from embeddings import Recorded, about, topic_vectors, topics_of
from langchain_restyle.splitter import SingleIdeaSplitter
from restyle import split_blocks
from restyle.errors import EmbeddingError, MissingExtraError
from scripted import paragraph, paragraphs

CODE = "    lamp = 3\n    lamp += 1"
TEXT = (
    f"# A heading\n\n{paragraph(1)}\n\n{paragraph(2)}\n\n"
    f"{CODE}\n\n   \n{paragraph(3)}\n\n| a | b |\n| - | - |\n| 1 | 2 |\n\n{CODE}\n"
)
MIXED = about("sea sea sea bread bread law law law sea sea")
SPLITTER = SingleIdeaSplitter(aim=60, minimum=40, maximum=100)


def check_places(text, pieces):
    """Every piece stands where it says it does, and nothing but white space between them."""
    end = 0
    for piece in pieces:
        start = piece.metadata["start_index"]
        assert not text[end:start].strip()
        end = piece.metadata["end_index"]
        assert text[start:end] == piece.page_content
    assert not text[end:].strip()


def test_pieces_are_blocks_with_places_and_metadata():
    (document,) = [Document(TEXT, metadata={"source": "a.md", "tags": ["x"]}, id="one")]
    pieces = SPLITTER.split_documents([document])
    check_places(TEXT, pieces)
    blocks = split_blocks(TEXT, aim=60, minimum=40, maximum=100)
    assert [piece.page_content for piece in pieces] == [block.text for block in blocks]
    assert [piece.metadata.get("verbatim", False) for piece in pieces] == [block.verbatim for block in blocks]
    assert [piece.page_content for piece in pieces if piece.metadata.get("verbatim")][:2] == ["# A heading", CODE]
    assert len(pieces) == 7
    for piece in pieces:
        assert piece.id is None
        assert piece.metadata["source"] == "a.md"
        assert piece.metadata["tags"] is not document.metadata["tags"]
    assert document.metadata == {"source": "a.md", "tags": ["x"]}


@given(
    st.lists(
        st.sampled_from([paragraph(1), "Short.", CODE, "- item", " ", "\t", "> said", "\r\n", "\n", "```\nx\n```"])
    )
)
def test_places_are_exact_in_any_text(parts):
    text = "\n\n".join(parts)
    pieces = SPLITTER.create_documents([text])
    check_places(text, pieces)
    assert SPLITTER.split_text(text) == [piece.page_content for piece in pieces]
    splitter = SPLITTER.as_text_splitter()
    assert splitter.create_documents([text]) == pieces


async def test_every_way_to_split_gives_the_same():
    documents = [Document(paragraphs(4), metadata={"n": 1}), Document(TEXT), Document(""), Document(" \n")]
    pieces = SPLITTER.split_documents(iter(documents))
    assert len(pieces) == 11
    assert SPLITTER.transform_documents(documents) == pieces
    assert await SPLITTER.atransform_documents(documents) == pieces
    texts, metadatas = [each.page_content for each in documents], [each.metadata for each in documents]
    assert SPLITTER.create_documents(texts, metadatas) == pieces
    assert SPLITTER.create_documents(texts[1:]) == pieces[4:]
    assert [piece for text in texts for piece in SPLITTER.split_text(text)] == [piece.page_content for piece in pieces]
    assert isinstance(SPLITTER, BaseDocumentTransformer)


def test_sizes_are_those_of_split_blocks():
    text = paragraphs(40)
    assert SingleIdeaSplitter().split_text(text) == [block.text for block in split_blocks(text)]
    assert len(SPLITTER.split_text(text)) > len(SingleIdeaSplitter().split_text(text))
    with pytest.raises(ValueError, match="minimum=50, aim=40"):
        SingleIdeaSplitter(minimum=50, aim=40)


def test_texts_and_metadatas_must_match():
    with pytest.raises(ValueError, match="shorter"):
        SPLITTER.create_documents(["a", "b"], [{}])


async def test_where_a_text_splitter_is_wanted():
    from langchain_text_splitters import TextSplitter

    class Loader(BaseLoader):
        def lazy_load(self):
            yield Document(TEXT, metadata={"source": "a.md"})

    splitter = SPLITTER.as_text_splitter()
    assert isinstance(splitter, TextSplitter)
    pieces = SPLITTER.split_documents(Loader().lazy_load())
    assert Loader().load_and_split(splitter) == pieces
    assert splitter.split_text(TEXT) == SPLITTER.split_text(TEXT)
    assert splitter.transform_documents(list(Loader().lazy_load())) == pieces
    assert await splitter.atransform_documents(list(Loader().lazy_load())) == pieces
    assert splitter.create_documents([TEXT], []) == SPLITTER.create_documents([TEXT])
    assert (splitter._chunk_size, splitter._chunk_overlap, splitter._strip_whitespace) == (100, 0, False)
    assert splitter._add_start_index
    assert splitter._length_function("one two") == 2


def test_without_the_package_of_text_splitters(monkeypatch):
    monkeypatch.delitem(sys.modules, "langchain_restyle.text_splitter", raising=False)
    monkeypatch.setitem(sys.modules, "langchain_text_splitters", None)
    with pytest.raises(
        MissingExtraError, match=r"as_text_splitter\(\) needs .*: pip install langchain-text-splitters$"
    ):
        SPLITTER.as_text_splitter()
    assert len(SPLITTER.split_text(paragraphs(4))) == 4


def test_importing_it_loads_no_more_than_core():
    program = "import json, sys, langchain_restyle.splitter; print(json.dumps(list(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    loaded = set(json.loads(done.stdout))
    assert "langchain_core.documents" in loaded
    assert loaded.isdisjoint({"langchain_text_splitters", "langchain_openai", "openai", "langchain", "numpy"})


class TopicEmbeddings(Embeddings):
    """Knows three topics, and who asked: ``calls`` of the sync method, ``awaited`` of the other."""

    def __init__(self):
        self.calls, self.awaited = Recorded(topic_vectors), Recorded(topic_vectors)

    def embed_documents(self, texts):
        return self.calls(texts)

    async def aembed_documents(self, texts):
        return await self.awaited.awaited(texts)

    def embed_query(self, _):
        raise AssertionError("nothing is queried")


async def test_embeddings_tell_where_an_idea_ends():
    documents = [Document(MIXED, metadata={"source": "a.md"}), Document(""), Document(paragraphs(1))]
    embeddings = TopicEmbeddings()
    splitter = SingleIdeaSplitter(embeddings=embeddings)
    pieces = splitter.split_documents(documents)
    check_places(MIXED, pieces[:-1])
    blocks = split_blocks(MIXED, embed=topic_vectors)
    assert topics_of(blocks) == ["sea", "bread", "law", "sea"]
    assert [piece.page_content for piece in pieces[:-1]] == [block.text for block in blocks]
    assert [piece.page_content for piece in pieces] != [
        piece.page_content for piece in SingleIdeaSplitter().split_documents(documents)
    ]
    assert splitter.split_text(MIXED) == [block.text for block in blocks]
    assert splitter.as_text_splitter().split_documents(documents) == pieces
    assert (len(embeddings.calls.calls), len(embeddings.awaited.calls)) == (3, 0)
    assert await splitter.atransform_documents(documents) == pieces
    assert await splitter.as_text_splitter().atransform_documents(documents) == pieces
    assert (len(embeddings.calls.calls), len(embeddings.awaited.calls)) == (3, 2)
    fake = SingleIdeaSplitter(embeddings=DeterministicFakeEmbedding(size=8))
    check_places(MIXED, await fake.atransform_documents([Document(MIXED)]))


def test_what_does_not_embed_is_refused():
    with pytest.raises(EmbeddingError, match="this is str"):
        SingleIdeaSplitter(embeddings="openai:text-embedding-3-small")
    with pytest.raises(EmbeddingError, match="the class TopicEmbeddings"):
        SingleIdeaSplitter(embeddings=TopicEmbeddings)
