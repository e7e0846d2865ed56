from __future__ import annotations

import json
from pathlib import Path

import pytest

from restyle.blocks import split_blocks

JOINS = Path(__file__).parents[2] / "../shared/data/segmentation/joins.jsonl"


@pytest.mark.skipif(not JOINS.exists(), reason="the joined passages are not part of the project")
def test_few_blocks_reach_across_two_passages():
    straddling = 0
    sizes = []
    for row in map(json.loads, JOINS.read_text(encoding="utf-8").splitlines()):
        passages = ["\n\n".join(segment["paragraphs"]) for segment in row["segments"]]
        borders = [len("\n\n".join(passages[:count])) for count in range(1, len(passages))]
        blocks = split_blocks("\n\n".join(passages))
        sizes += [len(block.text.split()) for block in blocks]
        straddling += sum(any(block.start < border < block.end for border in borders) for block in blocks)
    assert straddling / len(sizes) <= 0.135
    assert sum(sizes) / len(sizes) >= 150
    assert sum(40 <= size <= 400 for size in sizes) / len(sizes) >= 0.995
