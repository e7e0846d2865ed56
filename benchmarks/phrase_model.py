"""The embedded phrase model against leaving the text alone: BLEU both ways, speed, facts kept.

Run: python benchmarks/phrase_model.py [--data DIR]. DIR holds parallel/*.jsonl; default: ../shared/data beside the
repository. Scores are sacreBLEU 13a, with capitals and (lc) without. Times are wall times of one core.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
import warnings
from pathlib import Path
from typing import Any

from sacrebleu.metrics.bleu import BLEU

from restyle.embedded import PhraseModel
from restyle.facts import losses
from restyle.sentences import sentence_spans

Rows = list[dict[str, str]]

DIRECTIONS = (("neutral", "styled"), ("styled", "neutral"))
DEFAULT = Path(__file__).resolve().parents[2] / "shared" / "data"
BLOCKS_TRAIN, BLOCKS_VALID = 5, 6  # every fifth block is trained on, every sixth of the held-out ones rewritten


def rows(path: Path) -> Rows:
    """The pairs of a JSONL file."""
    with path.open(encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def fit(train: Rows, source: str, target: str) -> tuple[PhraseModel, float]:
    """A model of one direction, and the seconds that it took."""
    start = time.perf_counter()
    model = PhraseModel.fit([row[source] for row in train], [row[target] for row in train])
    return model, time.perf_counter() - start


def bleu(outputs: list[str], references: list[str], **options: Any) -> float:  # noqa: ANN401 - sacreBLEU's own
    """Corpus BLEU, in points."""
    return float(BLEU(**options).corpus_score(outputs, [references]).score)


def compare(title: str, train: Rows, valid: Rows) -> None:
    """Print one line for each direction."""
    print(f"\n{title}: {len(train)} training pairs, {len(valid)} held-out pairs")
    for source, target in DIRECTIONS:
        model, trained = fit(train, source, target)
        inputs, references = [row[source] for row in valid], [row[target] for row in valid]
        start = time.perf_counter()
        outputs = [model.rewrite(text) for text in inputs]
        seconds = time.perf_counter() - start
        sentences = sum(len(sentence_spans(text)) for text in inputs)
        copy, score = bleu(inputs, references), bleu(outputs, references)
        copy_lc, score_lc = (bleu(texts, references, lowercase=True) for texts in (inputs, outputs))
        kept = sum(not losses(*pair) for pair in zip(inputs, outputs, strict=True))
        print(
            f"  {source} -> {target}: copy {copy:.2f}, model {score:.2f} ({score - copy:+.2f}); "
            f"lc {copy_lc:.2f}, {score_lc:.2f} ({score_lc - copy_lc:+.2f})\n"
            f"    trained in {trained:.1f} s from {model.pairs} sentence pairs, {model.info['phrases']} phrases; "
            f"{sentences / seconds:.0f} sentences/s; names, numbers and negations kept in "
            f"{100 * kept / len(valid):.1f} % of outputs"
        )


def main() -> None:
    """Print the comparison on verses and on blocks, and the training time for 1,000 pairs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=DEFAULT, help="the folder that holds parallel/*.jsonl")
    folder = parser.parse_args().data / "parallel"
    if not folder.is_dir():
        sys.exit(f"{folder}: no such folder; name the data with --data DIR")
    sentence_spans("Loaded. Once.")  # the sentence splitter's own model is not what is measured
    verses = rows(folder / "verses_bbe_kjv.train.jsonl")
    compare("verses", verses, rows(folder / "verses_bbe_kjv.valid.jsonl"))
    blocks, held_out = rows(folder / "bbe_kjv.train.jsonl"), rows(folder / "bbe_kjv.valid.jsonl")
    compare("blocks", blocks[::BLOCKS_TRAIN], held_out[::BLOCKS_VALID])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        _, seconds = fit(verses[:1000], *DIRECTIONS[0])
    print(f"\n1,000 verse pairs: trained in {seconds:.2f} s")


if __name__ == "__main__":
    main()
