from __future__ import annotations

import json
import random
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from restyle.blocks import split_blocks
from restyle.data.aligning import counterparts
from restyle.data.beads import Sentence, align_sentences
from restyle.data.landmarks import Point, corridor, landmarks

PARALLEL = Path(__file__).parents[2] / "../shared/data/parallel/bbe_kjv.train.jsonl"


class Language:
    """Sentences of made-up words, and plain versions in which four words of ten are others."""

    def __init__(self, seed=0, words=3000):
        self.random = random.Random(seed)
        letters = "abcdefghijklmnopqrstuvwxyz"
        self.words = ["".join(self.random.choices(letters, k=self.random.randint(2, 9))) for _ in range(words)]
        self.weights = [1 / rank for rank in range(1, words + 1)]  # as Zipf has it
        self.plain_words = {word: word if self.random.random() < 0.6 else word[::-1] for word in self.words}

    def sentence(self):
        words = self.random.choices(self.words, self.weights, k=self.random.randint(8, 24))
        return " ".join(words).capitalize() + "."

    def paragraph(self, sentences=5):
        return [self.sentence() for _ in range(sentences)]

    def plain(self, sentence):
        words = (self.plain_words[word] for word in sentence.lower().rstrip(".").split())
        return " ".join(words).capitalize() + "."


@pytest.fixture
def language():
    return Language()


def text_of(paragraphs):
    return "\n\n".join(" ".join(sentences) for sentences in paragraphs)


def spans_of(paragraphs):
    """The places of the paragraphs in their text."""
    ends = [len(text_of(paragraphs[: count + 1])) for count in range(len(paragraphs))]
    return [(end - len(" ".join(sentences)), end) for end, sentences in zip(ends, paragraphs, strict=True)]


def found(paragraphs, plain):
    """The counterpart of each paragraph, as text."""
    spans = counterparts(text_of(paragraphs), spans_of(paragraphs), plain)
    return [span and plain[slice(*span)] for span in spans]


def versions(language, count=12):
    paragraphs = [language.paragraph() for _ in range(count)]
    return paragraphs, [[language.plain(sentence) for sentence in sentences] for sentences in paragraphs]


def joined(paragraphs):
    return [" ".join(sentences) for sentences in paragraphs]


def test_a_text_is_its_own_plain_version(language):
    paragraphs, _ = versions(language)
    assert found(paragraphs, text_of(paragraphs)) == joined(paragraphs)


def test_every_paragraph_finds_its_plain_version(language):
    paragraphs, plain = versions(language)
    assert found(paragraphs, text_of(plain)) == joined(plain)


def test_the_plain_version_may_have_other_paragraphs(language):
    paragraphs, plain = versions(language)
    sentences = [sentence for paragraph in plain for sentence in paragraph]
    text = text_of([sentences[start : start + 7] for start in range(0, len(sentences), 7)])
    assert [" ".join((counterpart or "").split()) for counterpart in found(paragraphs, text)] == joined(plain)


def test_a_sentence_may_become_two_and_two_one(language):
    paragraphs, plain = versions(language)
    halves = plain[3][2].split()
    plain[3][2:3] = [" ".join(halves[:6]) + ".", " ".join(halves[6:]).capitalize()]
    plain[7][1:3] = [plain[7][1].rstrip(".") + ", and " + plain[7][2].lower()]
    assert found(paragraphs, text_of(plain)) == joined(plain)


def test_a_paragraph_of_which_a_sentence_is_left_out_has_no_counterpart(language):
    paragraphs, plain = versions(language)
    del plain[4][2]
    expected: list[str | None] = [*joined(plain)]
    expected[4] = None
    assert found(paragraphs, text_of(plain)) == expected


def test_what_the_plain_version_adds_between_paragraphs_is_left_out(language):
    paragraphs, plain = versions(language)
    added = text_of([*plain[:5], language.paragraph(), language.paragraph(2), *plain[5:]])
    assert found(paragraphs, added) == joined(plain)


def test_a_paragraph_into_which_something_is_put_has_no_counterpart(language):
    paragraphs, plain = versions(language)
    expected: list[str | None] = [*joined(plain)]
    expected[6] = None
    plain[6][3:3] = language.paragraph(2)
    assert found(paragraphs, text_of(plain)) == expected


def test_a_sentence_that_says_much_more_is_no_counterpart(language):
    paragraphs, plain = versions(language)
    expected: list[str | None] = [*joined(plain)]
    expected[6] = None
    plain[6][3] = ", and ".join(sentence.rstrip(".") for sentence in [plain[6][3], *language.paragraph(2)]) + "."
    assert found(paragraphs, text_of(plain)) == expected


def test_a_plain_version_may_be_much_shorter_throughout(language):
    paragraphs, plain = versions(language, 60)
    short = [[" ".join(sentence.split()[::2]).capitalize().rstrip(".") + "." for sentence in part] for part in plain]
    got = found(paragraphs, text_of(short))
    assert all(counterpart in {None, whole} for counterpart, whole in zip(got, joined(short), strict=True))
    assert sum(counterpart is not None for counterpart in got) >= 50


def test_what_is_left_out_at_an_end_is_not_made_up_by_a_neighbour(language):
    paragraphs, plain = versions(language)
    expected: list[str | None] = [*joined(plain)]
    expected[4] = expected[8] = None
    del plain[4][0], plain[8][-1]
    assert found(paragraphs, text_of(plain)) == expected


def test_paragraphs_whose_common_border_is_gone_have_no_counterparts(language):
    paragraphs, plain = versions(language)
    expected: list[str | None] = [*joined(plain)]
    expected[4] = expected[5] = None
    plain[4][-1] = plain[4][-1].rstrip(".") + ", and " + plain[5].pop(0).lower()
    assert found(paragraphs, text_of(plain)) == expected


def test_chapters_may_be_missing_on_either_side(language):
    paragraphs, plain = versions(language, 120)
    author, version = paragraphs[:20] + paragraphs[50:], plain[:70] + plain[100:]
    expected = [*joined(plain[:20]), *joined(plain[50:70]), *[None] * 30, *joined(plain[100:])]
    assert found(author, text_of(version)) == expected


def test_other_texts_have_no_counterparts(language):
    paragraphs, _ = versions(language, 60)
    other = text_of([language.plain(language.sentence()) for _ in range(5)] for _ in range(60))
    assert found(paragraphs, other) == [None] * 60


def test_texts_that_have_nothing_in_common_in_their_middles_meet_again():
    language, foreign = Language(1), Language(2)
    paragraphs, plain = versions(language, 40)
    middle = [[foreign.sentence() for _ in range(5)] for _ in range(100)]
    other = [[language.sentence() for _ in range(5)] for _ in range(100)]
    got = found([*paragraphs[:20], *middle, *paragraphs[20:]], text_of([*plain[:20], *other, *plain[20:]]))
    assert got == [*joined(plain[:20]), *[None] * 100, *joined(plain[20:])]


def test_short_words_of_their_own_are_borne_out_by_their_neighbours(language):
    paragraphs, plain = versions(language)
    paragraphs[5].insert(2, "Ay, verily!")
    plain[5].insert(2, "Yes, truly!")
    assert found(paragraphs, text_of(plain)) == joined(plain)


@pytest.mark.parametrize("plain", ["", " \n\n ", "Something else."])
def test_a_text_without_a_plain_version(plain):
    assert counterparts("One. Two.", [(0, 4), (5, 9)], plain) == [None, None]
    assert counterparts("One.", [], plain) == counterparts("", [], plain) == []


def sentences_of(text):
    return [Sentence(len(word), frozenset(word), opening=False) for word in text.split()]


@given(st.text("abc "), st.text("abc "))
def test_beads_hold_every_sentence_once(author, plain):
    here, there = sentences_of(author), sentences_of(plain)
    beads = align_sentences(here, there)
    ends = [(0, 0), *((bead.end, bead.plain_end) for bead in beads)]
    assert [(bead.start, bead.plain_start) for bead in beads] == ends[:-1]
    assert ends[-1] == (len(here), len(there))


@given(st.sets(st.tuples(st.integers(0, 999), st.integers(0, 999))), st.integers(1000, 5000), st.integers(1000, 5000))
def test_a_corridor_has_no_gap(points, author, plain):
    chain = [
        Point(place, other)
        for place, other in zip(*(sorted({point[side] for point in points}) for side in (0, 1)), strict=False)
    ]
    steps = corridor(chain, author, plain)
    assert len(steps) == author + 1
    assert steps[0][0] == 0
    assert steps[-1][1] == plain
    assert all(least <= most for least, most in steps)
    assert all(following[0] <= most <= following[1] for (_, most), following in pairwise(steps))


def test_landmarks_ascend_and_end():
    words = [frozenset(f"w{number % 30}" for number in range(place, place + 4)) for place in range(200)]
    words[0] = frozenset({"only", "here"})
    points = landmarks(words, words)
    assert Point(0, 0) in points
    assert all(one.author < other.author and one.plain < other.plain for one, other in pairwise(points))


def test_the_search_grows_with_the_text_and_not_with_its_square():
    def tried(count):
        language = Language(3)
        author = [language.sentence() for _ in range(count)]
        plain = [language.plain(sentence) for sentence in author]
        words = [[frozenset(sentence.lower().split()) for sentence in text] for text in (author, plain)]
        return sum(most - least + 1 for least, most in corridor(landmarks(*words), count, count))

    assert tried(8000) <= 5 * tried(2000) <= 5 * 2000 * 60
    assert sum(most - least for least, most in corridor([], 8000, 8000)) <= 8000 * 60


@pytest.mark.skipif(not PARALLEL.exists(), reason="the parallel texts are not part of the project")
def test_the_king_james_version_finds_its_plain_one():
    """Three hundred passages, a twentieth of which is missing on either side."""
    rows = (json.loads(line) for line in PARALLEL.read_text("utf-8").splitlines())
    whole = (row for row in rows if row["styled"].endswith(".") and row["neutral"].endswith("."))
    passages = [(row["styled"], row["neutral"]) for row, _ in zip(whole, range(300), strict=False)]
    dice = random.Random(0)
    gone = [dice.choice(["author", "plain", *["neither"] * 18]) for _ in passages]
    author = [styled for (styled, _), side in zip(passages, gone, strict=True) if side != "author"]
    plain = "\n\n".join(neutral for (_, neutral), side in zip(passages, gone, strict=True) if side != "plain")
    text = "\n\n".join(author)
    spans = [(block.start, block.end) for block in split_blocks(text)]
    neutral_of = dict(passages)
    missing = {styled for (styled, _), side in zip(passages, gone, strict=True) if side == "plain"}
    right = given = possible = 0
    for (start, end), span in zip(spans, counterparts(text, spans, plain), strict=True):
        held = text[start:end].split("\n\n")
        if any(passage not in neutral_of for passage in held):
            continue  # cut within a passage: nobody knows what its plain version is
        expected = "\n\n".join(neutral_of[passage] for passage in held)
        possible += missing.isdisjoint(held) and expected in plain
        given += span is not None
        right += span is not None and missing.isdisjoint(held) and plain[slice(*span)] == expected
    assert possible >= 100
    assert right >= 0.99 * given
    assert right >= 0.85 * possible
