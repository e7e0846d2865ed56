"""Blocks that reach across the join of two passages: by words alone, and with an embedding model.

Run: python benchmarks/segmentation.py [--data DIR] [--model NAME_OR_PATH]. DIR holds segmentation/joins.jsonl; default:
../shared/data beside the repository. NAME_OR_PATH is a sentence-transformers model; without it only words are compared.
The constants were tuned on the even texts, for the model with all-MiniLM-L6-v2.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterator, Sequence
from importlib import import_module
from pathlib import Path

from restyle.blocks import split_blocks
from restyle.embedding import Embed, as_embed

Joined = tuple[str, list[int]]  # a text, and the offsets at which its passages end

DEFAULT = Path(__file__).resolve().parents[2] / "shared" / "data"
MINIMUM, MAXIMUM = 40, 400


def joined(path: Path) -> Iterator[Joined]:
    """The joined texts."""
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            passages = ["\n\n".join(segment["paragraphs"]) for segment in json.loads(line)["segments"]]
            yield "\n\n".join(passages), [len("\n\n".join(passages[:count])) for count in range(1, len(passages))]


def remembering(embed: Embed) -> Embed:
    """The same, for passages that stand in several texts."""
    known: dict[str, Sequence[float]] = {}

    def recall(texts: Sequence[str]) -> list[Sequence[float]]:
        new = [text for text in texts if text not in known]
        known.update(zip(new, embed(new), strict=True) if new else [])
        return [known[text] for text in texts]

    return recall


def measure(name: str, embed: Embed | None, texts: list[Joined]) -> None:
    """Print one line for the even and one for the odd texts."""
    for half, title in enumerate(["even", "odd"]):
        start = time.perf_counter()
        straddling, sizes = 0, []
        for text, joins in texts[half::2]:
            blocks = split_blocks(text, minimum=MINIMUM, maximum=MAXIMUM, embed=embed)
            sizes += [len(block.text.split()) for block in blocks]
            straddling += sum(any(block.start < join < block.end for join in joins) for block in blocks)
        within = sum(MINIMUM <= size <= MAXIMUM for size in sizes) / len(sizes)
        print(
            f"{name}, {title:>4} texts: {100 * straddling / len(sizes):5.2f} % of {len(sizes)} blocks straddle, "
            f"mean {sum(sizes) / len(sizes):.1f} words, {100 * within:.2f} % within {MINIMUM}-{MAXIMUM}; "
            f"{sum(sizes) / (time.perf_counter() - start):,.0f} words/s"
        )


def main() -> None:
    """Measure what there is."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=DEFAULT, help="the folder that holds segmentation/joins.jsonl")
    parser.add_argument("--model", help="a sentence-transformers model, by name or path")
    options = parser.parse_args()
    path = options.data / "segmentation" / "joins.jsonl"
    if not path.is_file():
        sys.exit(f"{path}: no such file; name the data with --data DIR")
    texts = list(joined(path))
    measure("words", None, texts)
    if options.model:
        model = import_module("sentence_transformers").SentenceTransformer(options.model)
        measure("vectors", remembering(as_embed(model)), texts)


if __name__ == "__main__":
    main()
