"""Train, valid and test: by document, so that no neighbour of a held-out block was trained on."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Literal

__all__ = ["HELD_OUT", "SPLITS", "Split", "split_documents"]

Split = Literal["train", "valid", "test"]
SPLITS: tuple[Split, ...] = ("train", "valid", "test")

HELD_OUT = 0.1  # share of the pairs for valid, and as much again for test

_ENOUGH = 3  # fewer documents cannot be dealt to three splits


def split_documents(pairs: Mapping[str, int], *, seed: int = 0) -> dict[str, Split]:
    """Deal documents (each with its number of pairs) to the splits, the same way on every machine.

    Test and valid take documents in hash order until they hold a tenth of the pairs each, at least one document each;
    documents so large that one would be a fifth of all come last and the largest stays in train. With fewer than three
    documents everything is for training: nothing honest can be held out.
    """
    splits: dict[str, Split] = dict.fromkeys(pairs, "train")
    if len(pairs) < _ENOUGH:
        return splits
    wanted = HELD_OUT * sum(pairs.values())

    def order(document: str) -> tuple[float, bytes]:
        return max(0.0, pairs[document] - 2 * wanted), hashlib.sha256(f"{seed}:{document}".encode()).digest()

    candidates = sorted(pairs, key=order)[:-1]
    held_out: tuple[tuple[Split, int], ...] = (("test", 1), ("valid", 0))  # a document stays reserved for valid
    for split, reserved in held_out:
        taken = 0
        while len(candidates) > reserved and taken < wanted:
            document = candidates.pop(0)
            splits[document] = split
            taken += pairs[document]
    return splits
