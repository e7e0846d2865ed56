from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from restyle.data.splits import HELD_OUT, split_documents

PAIRS = st.dictionaries(st.text(max_size=8), st.integers(1, 500), max_size=30)


@given(PAIRS, st.integers(0, 5))
def test_every_document_is_in_one_split_and_most_of_them_are_for_training(pairs, seed):
    splits = split_documents(pairs, seed=seed)
    assert splits.keys() == pairs.keys()
    if len(pairs) < 3:
        assert set(splits.values()) <= {"train"}
        return
    count = Counter(splits.values())
    assert min(count["train"], count["valid"], count["test"]) >= 1
    total = sum(pairs.values())
    largest = max(pairs.values())
    for split in ("valid", "test"):
        held = sum(pairs[document] for document, where in splits.items() if where == split)
        # At most a tenth and the document that reached it.
        assert held < HELD_OUT * total + largest


@given(PAIRS, st.randoms(use_true_random=False))
def test_the_order_of_the_documents_plays_no_part(pairs, random):
    shuffled = list(pairs.items())
    random.shuffle(shuffled)
    assert split_documents(dict(shuffled)) == split_documents(pairs)


def test_the_same_on_every_machine():
    splits = split_documents({f"{number:02}.md": 10 for number in range(20)})
    assert [name for name, split in splits.items() if split == "test"] == ["10.md", "17.md"]
    assert [name for name, split in splits.items() if split == "valid"] == ["02.md", "12.md"]


def test_about_a_tenth_is_held_out_for_each():
    splits = split_documents({f"{number}.md": 7 for number in range(200)})
    assert Counter(splits.values()) == {"train": 160, "valid": 20, "test": 20}


def test_the_seed_deals_anew():
    pairs = {f"{number}.md": 7 for number in range(50)}
    assert split_documents(pairs, seed=1) != split_documents(pairs, seed=2)


@pytest.mark.parametrize("large", ["a", "b", "c", "d"])
def test_a_document_that_is_most_of_the_text_is_trained_on(large):
    pairs = dict.fromkeys("abcd", 3) | {large: 100}
    splits = split_documents(pairs)
    assert splits[large] == "train"
    assert {"valid", "test"} < set(splits.values())


def test_nothing_honest_can_be_held_out_of_two():
    assert split_documents({"a": 10, "b": 10}) == {"a": "train", "b": "train"}
    assert split_documents({}) == {}
