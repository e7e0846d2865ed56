"""Word alignment, the language model and the phrase table, each on material small enough to check by hand."""

from __future__ import annotations

import math

import pytest

from restyle.embedded.align import align_words
from restyle.embedded.casing import BEGIN, Casing
from restyle.embedded.lm import LanguageModel
from restyle.embedded.phrases import Weights, extract, phrase_table
from restyle.embedded.tokens import tokenise

FRAMES = [
    "he was in the house but left it {} last night",
    "they saw that the ship went {} to the north",
    "she said to us that we spoke {} of our home",
    "it rained on the old roof {} for many hours",
    "the men of the town worked {} on their boats",
    "I do not know why you walked {} along the shore",
    "our own clock was wound {} before the great storm",
    "no bird of the sea can sleep {} in the wind",
    "her letter from the city came {} with some money",
    "a boy of ten should read {} in good books",
]
ADVERBS = {"slowly": "by slow degrees", "often": "oft-times", "always": "ever and always", "there": "there"}


def parallel() -> list[tuple[list[str], list[str]]]:
    return [
        (frame.format(plain).split(), frame.format(styled).split())
        for frame in FRAMES
        for plain, styled in ADVERBS.items()
    ]


def test_one_word_is_linked_to_all_that_stand_for_it():
    pairs = parallel()
    for (source, target), links in zip(pairs, align_words(pairs), strict=True):
        linked = {(source[i], target[j]) for i, j in links}
        assert {(word, word) for word in source if word in target} <= linked
        for plain, styled in ADVERBS.items():
            if plain in source:
                assert {(plain, word) for word in styled.split()} <= linked


def test_alignment_does_not_depend_on_how_pairs_are_grouped(monkeypatch):
    pairs = parallel()
    whole = align_words(pairs)
    monkeypatch.setattr("restyle.embedded.align._CHUNK", 40)
    assert align_words(pairs) == whole


@pytest.fixture
def language() -> LanguageModel:
    return LanguageModel.train([text.split() for text in ("a b c", "a b d", "b c a b", "d", "c c a")])


def test_probabilities_sum_to_one_less_the_unknown(language):
    reached = {language.start}
    for _ in range(3):
        reached |= {language.step(state, word)[1] for state in reached for word in range(1, len(language.words))}
    for state in reached:
        total = sum(math.exp(language.step(state, word)[0]) for word in range(1, len(language.words)))
        assert 0.85 < total < 1.002


def test_seen_continuations_are_likelier(language):
    a, b, d = (language.number(word) for word in "abd")
    _, after = language.step(language.start, a)
    assert language.step(after, b)[0] > language.step(after, d)[0]
    assert language.step(after, language.number("never seen"))[0] < language.step(after, d)[0]


def test_rows_describe_the_whole_model(language):
    again = LanguageModel.from_rows(language.words, language.rows())
    assert again.probabilities == language.probabilities
    assert again.backoffs == language.backoffs


def table(*pairs: tuple[str, str]):
    tokens = [(tokenise(source), tokenise(target)) for source, target in pairs]
    casing = Casing.learn(side for pair in tokens for side in pair)
    forms = [([BEGIN, *casing.forms(source)], [BEGIN, *casing.forms(target)]) for source, target in tokens]
    alignments = align_words([([f.key for f in left], [f.key for f in right]) for left, right in forms])
    return phrase_table(extract(forms, alignments), Weights())


def test_phrases_never_change_facts():
    learnt = table(
        *[("it was not cold in May.", "it was cold in June.")] * 5,
        *[("we saw 12 men near Sennor.", "we did spy a few men by the town.")] * 5,
        *[("he has no fear of it.", "he has great fear of it.")] * 5,
        ("it was very cold.", "it was cold."),
        *[("it was cold.", "it was bitter.")] * 20,
        *[("who came? two men.", "two men came.")] * 5,
    )
    assert learnt
    for source, phrases in learnt.items():
        for phrase in phrases:
            left, right = source.split(), list(phrase.target)
            for fact in ("not", "no", "<number>", "<name>", "May", "June", "Sennor", "?", "."):
                assert left.count(fact) == right.count(fact), (source, phrase)
            assert ("very" in left) <= ("very" in right), (source, phrase)


def test_repeated_replacements_are_learnt():
    learnt = table(
        *[("it was very cold.", "it was uncommon cold.")] * 4,
        *[("we were very late.", "we were uncommon late.")] * 4,
        *[("it was late.", "it was late.")] * 4,
    )
    assert learnt["very"][0].target == ("uncommon",)
    assert learnt["late"][0].target == ("late",)
    assert learnt["late"][0].kept == 1
