"""Embedding models of every kind as one function, and blocks that follow what it says."""

from __future__ import annotations

import asyncio
import math
import random
import threading
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from embeddings import Recorded, about, chatter, topic_vectors, topics_of
from restyle.async_blocks import asplit_blocks
from restyle.blocks import Splitter, split_blocks
from restyle.embedding import as_async_embed, as_embed
from restyle.errors import EmbeddingError, RestyleError

MIXED = about("sea sea sea bread bread law law law sea sea")
LONG = chatter(200)


def random_vectors(texts):
    return [[random.Random(f"{text} {axis}").gauss(0, 1) for axis in range(4)] for text in texts]


def test_vectors_find_what_the_words_do_not_tell():
    assert topics_of(split_blocks(MIXED, embed=topic_vectors)) == ["sea", "bread", "law", "sea"]
    assert topics_of(split_blocks(MIXED)) != ["sea", "bread", "law", "sea"]


def test_neither_the_length_of_vectors_nor_a_part_that_all_share_changes_anything():
    blocks = split_blocks(LONG, embed=random_vectors)
    assert blocks != split_blocks(LONG)
    assert split_blocks(LONG, embed=lambda texts: [np.array(v) * 1e150 for v in random_vectors(texts)]) == blocks
    assert split_blocks(LONG, embed=lambda texts: [np.array(v) * 1e-150 for v in random_vectors(texts)]) == blocks
    shared = split_blocks(MIXED, embed=lambda texts: [[*vector, 20.0] for vector in topic_vectors(texts)])
    assert topics_of(shared) == ["sea", "bread", "law", "sea"]


@pytest.mark.parametrize("number", [0.0, 1.0, 0.1])
def test_vectors_that_tell_nothing_leave_it_to_the_words(number):
    assert split_blocks(LONG, embed=lambda texts: [[number] * 3 for _ in texts]) == split_blocks(LONG)


def test_a_zero_vector_leaves_its_gaps_to_the_words():
    def forgetful(texts):
        return [
            [0.0] * 3 if "baker" in text else vector for text, vector in zip(texts, topic_vectors(texts), strict=True)
        ]

    assert topics_of(split_blocks(MIXED, embed=forgetful))[-2:] == ["law", "sea"]


def test_one_call_for_each_stretch_of_prose_and_none_where_nothing_can_be_cut():
    model = Recorded(random_vectors)
    first, second = chatter(20, seed=1), chatter(30, seed=2)
    split_blocks(
        f"# One\n\n{first}\n\n# Two\n\nShort.\n\n# Three\n\n{second}\n\n# Four\n\n{'word ' * 100}", embed=model
    )
    assert [" ".join(call) for call in model.calls] == [" ".join(text.split()) for text in (first, second)]
    parts = [text for call in model.calls for text in call]
    assert max(len(text.split()) for text in parts) <= 128
    assert 50 < len(parts) < 80


@given(st.integers(0, 1000), st.integers(1, 20))
@settings(max_examples=20)
def test_whatever_the_vectors_nothing_is_lost_and_the_budget_kept(seed, size):
    text = f"{chatter(40, seed)}\n\n# Heading\n\n{chatter(3, seed + 1)}"
    blocks = split_blocks(text, embed=random_vectors)
    assert " ".join(block.text for block in blocks).split() == text.split()
    for before, after in pairwise(blocks):
        assert not text[before.end : after.start].strip()
    assert all(text[block.start : block.end] == block.text for block in blocks)
    long = [len(block.text.split()) for block in blocks if not block.verbatim]
    assert all(40 <= words <= 400 for words in long[:-3])
    splitter = Splitter(training=True, embed=random_vectors)
    pieces = [piece for start in range(0, len(text), size) for piece in splitter.feed(text[start : start + size])]
    assert [piece for piece in [*pieces, *splitter.flush()] if piece.kind != "gap"] == blocks


def test_run_time_knows_no_vectors():
    with pytest.raises(ValueError, match="training=True"):
        Splitter(embed=random_vectors)


async def test_awaited_it_gives_the_same_blocks():
    for text, calls in [("", 0), ("Short.", 0), (MIXED, 1), (f"{MIXED}\n\n# Heading\n\n{chatter(20)}", 1)]:
        model = Recorded(random_vectors)
        assert await asplit_blocks(text, embed=model.awaited) == split_blocks(text, embed=random_vectors)
        assert len(model.calls) == calls
    assert topics_of(await asplit_blocks(MIXED, embed=Recorded(topic_vectors).awaited)) == [
        "sea",
        "bread",
        "law",
        "sea",
    ]
    sizes = {"aim": 60, "minimum": 20, "maximum": 90}
    model = Recorded(random_vectors)
    assert await asplit_blocks(LONG, **sizes, embed=model.awaited) == split_blocks(LONG, **sizes, embed=random_vectors)
    texts = [text for call in model.calls for text in call]
    assert len(texts) == len(set(texts))
    with pytest.raises(ValueError, match="minimum=50, aim=40"):
        await asplit_blocks("", minimum=50, aim=40, embed=model.awaited)


async def test_while_it_is_awaited_others_run():
    async def never(_):
        await asyncio.Event().wait()

    task = asyncio.create_task(asplit_blocks(MIXED, embed=never))
    await asyncio.sleep(0.05)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


class LangChainLike:
    def embed_documents(self, texts):
        return topic_vectors(texts)

    async def aembed_documents(self, texts):
        await asyncio.sleep(0)
        return topic_vectors(texts)


class LlamaIndexLike:
    def get_text_embedding_batch(self, texts):
        return topic_vectors(texts)

    async def aget_text_embedding_batch(self, texts):
        await asyncio.sleep(0)
        return topic_vectors(texts)

    def __call__(self, _):
        raise AssertionError("this is for nodes")


class SentenceTransformerLike:
    def encode(self, sentences):
        self.thread = threading.current_thread()
        return np.array(topic_vectors(sentences), dtype=np.float32)

    def __call__(self, _):
        raise AssertionError("this is for tensors")


@pytest.mark.parametrize("model", [LangChainLike(), LlamaIndexLike(), SentenceTransformerLike(), topic_vectors])
async def test_whatever_embeds_is_taken(model):
    assert topics_of(split_blocks(MIXED, embed=as_embed(model))) == ["sea", "bread", "law", "sea"]
    blocks = await asplit_blocks(MIXED, embed=as_async_embed(model))
    assert topics_of(blocks) == ["sea", "bread", "law", "sea"]


async def test_the_async_method_is_preferred_and_else_a_thread_waits():
    assert as_async_embed(model := LangChainLike()) == model.aembed_documents
    assert as_async_embed(model := LlamaIndexLike()) == model.aget_text_embedding_batch
    model = SentenceTransformerLike()
    await as_async_embed(model)(["a ship"])
    assert model.thread is not threading.current_thread()


@pytest.mark.parametrize(
    ("model", "kind"),
    [
        ("openai:text-embedding-3-small", "a str"),
        (None, "a NoneType"),
        (3, "a int"),
        (object(), "a object"),
        (LangChainLike, "the class LangChainLike, not an object of it"),
    ],
)
@pytest.mark.parametrize("convert", [as_embed, as_async_embed])
def test_whatever_does_not_embed_is_refused_by_its_type(model, kind, convert):
    with pytest.raises(EmbeddingError, match="embed_documents or get_text_embedding_batch or encode") as caught:
        convert(model)
    assert kind.removeprefix("a ") in str(caught.value)
    assert "text-embedding" not in str(caught.value)
    assert isinstance(caught.value, RestyleError)
    assert isinstance(caught.value, ValueError)


def one_is(vector):
    return lambda texts: [vector, *([[1.0, 2.0]] * (len(texts) - 1))]


@pytest.mark.parametrize(
    ("embed", "what"),
    [
        (lambda texts: [[1.0, 2.0]] * (len(texts) - 1), r"given 10 texts and returned numbers of shape \(9, 2\)"),
        (lambda texts: [[1.0, 2.0]] * (len(texts) + 1), r"shape \(11, 2\)"),
        (lambda _: [], r"shape \(0,\)"),
        (lambda texts: [[]] * len(texts), r"shape \(10, 0\)"),
        (lambda texts: [1.0] * len(texts), r"shape \(10,\)"),
        (lambda texts: [[[1.0]]] * len(texts), r"shape \(10, 1, 1\)"),
        (one_is([1.0]), "returned list, which is no list of vectors of one length"),
        (one_is([1.0, "much"]), "returned list, which is no list of vectors"),
        (one_is([1.0, None]), "NaN or infinite"),
        (one_is([1.0, math.nan]), r"NaN or infinite numbers for 'oar .*' \(text 1 of 10\)"),
        (one_is([1.0, -math.inf]), "NaN or infinite"),
        (lambda _: None, r"shape \(\)"),
        (lambda _: {"data": []}, "returned dict"),
        (lambda texts: (each for each in texts), "returned generator"),
    ],
)
async def test_vectors_that_cannot_be_compared_are_refused(embed, what):
    with pytest.raises(EmbeddingError, match=what):
        split_blocks(MIXED, embed=embed)
    with pytest.raises(EmbeddingError, match=what):
        await asplit_blocks(MIXED, embed=Recorded(embed).awaited)


def test_an_error_of_the_model_is_its_own():
    def broken(_):
        raise ConnectionError("no route")

    with pytest.raises(ConnectionError, match="no route"):
        split_blocks(MIXED, embed=broken)
