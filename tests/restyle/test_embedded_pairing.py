from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from restyle.embedded.pairing import align_sentences
from restyle.embedded.tokens import detokenise, split_sentences


def pairs(source: str, target: str) -> list[tuple[str, str]]:
    aligned = align_sentences(split_sentences(source), split_sentences(target))
    return [(detokenise(left).strip(), detokenise(right).strip()) for left, right in aligned]


def test_equal_texts_pair_one_to_one():
    text = "The lamp was lit. The wind rose in the night. No ship came near us."
    assert [left for left, _ in pairs(text, text)] == [right for _, right in pairs(text, text)]
    assert len(pairs(text, text)) == 3


def test_a_merged_sentence_is_found():
    source = "The lamp was lit at six. The wind rose in the night and tore the sail. No ship came near us that week."
    target = "The lamp was lit at six. The wind rose in the night. It tore the sail. No ship came near us that week."
    assert pairs(source, target) == [
        ("The lamp was lit at six.", "The lamp was lit at six."),
        ("The wind rose in the night and tore the sail.", "The wind rose in the night. It tore the sail."),
        ("No ship came near us that week.", "No ship came near us that week."),
    ]
    assert [right for _, right in pairs(target, source)] == [left for left, _ in pairs(source, target)]


def test_too_unequal_texts_are_one_pair():
    assert len(pairs("One. Two.", "One. Two. Three. Four. Five. Six.")) == 1


sentence = st.lists(st.sampled_from(["ab", "cd", "ef", "gh", "ij", "kl"]), min_size=1, max_size=6).map(
    lambda words: " ".join(words).capitalize() + "."
)


@given(st.lists(sentence, min_size=1, max_size=8), st.lists(sentence, min_size=1, max_size=8))
def test_nothing_is_lost_and_order_is_kept(left, right):
    sources, targets = split_sentences(" ".join(left)), split_sentences(" ".join(right))
    aligned = align_sentences(sources, targets)
    assert [token for source, _ in aligned for token in source] == [token for s in sources for token in s]
    assert [token for _, target in aligned for token in target] == [token for t in targets for token in t]
    assert all(source and target for source, target in aligned)
