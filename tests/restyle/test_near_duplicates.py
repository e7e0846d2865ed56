"""Near-duplicates found by hashing, against every pair compared: `restyle.data.near_duplicates`."""

from __future__ import annotations

import json
import os
import random
import re
import subprocess
import sys
from pathlib import Path
from sqlite3 import ProgrammingError

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from restyle.data import near_duplicates as module
from restyle.data.near_duplicates import THRESHOLD, NearDuplicates
from restyle.errors import PairsError
from support import plain_passage, styled_passage

PROSE = Path(__file__).parents[2] / "../shared/data/prose"


def near_duplicates(texts, threshold=THRESHOLD):
    """The index of each text that repeats an earlier one, and the index of that one."""
    index = NearDuplicates(threshold)
    return {place: earlier for place, text in enumerate(texts) if (earlier := index.add(text)) is not None}


def shingles(text):
    words = re.findall(r"[^\W_]+", text.lower())
    run = min(3, len(words))
    return {tuple(words[place : place + run]) for place in range(len(words) - run + 1)} if words else set()


def similarity(one, other):
    ours, theirs = shingles(one), shingles(other)
    return len(ours & theirs) / len(ours | theirs) if ours and theirs else 0.0


def by_brute_force(texts, threshold):
    found, kept = {}, []
    for place, text in enumerate(texts):
        near = [earlier for earlier in kept if similarity(texts[earlier], text) >= threshold]
        if near:
            found[place] = near[0]
        else:
            kept.append(place)
    return found


_LINES = ["the lamp burns", "a boat came late", "nobody wrote to Ann", "sea and wind", "it rained on Monday", "go home"]
_TEXTS = st.lists(
    st.lists(st.sampled_from(_LINES), max_size=12).map(", ".join) | st.text(max_size=40), min_size=1, max_size=30
)


# Always the same examples: of a thousand pairs just at the threshold one may be missed, by design.
@settings(derandomize=True, max_examples=150, deadline=None)
@given(_TEXTS, st.sampled_from([0.5, 0.7, 0.8, 0.95, 1.0]))
def test_it_finds_what_comparing_every_pair_finds(texts, threshold):
    assert near_duplicates(texts, threshold) == by_brute_force(texts, threshold)


@given(_TEXTS)
def test_whatever_it_finds_is_near_and_no_two_that_stay_are_equal(texts):
    found = near_duplicates(texts)
    assert all(similarity(texts[earlier], texts[later]) >= 0.8 for later, earlier in found.items())
    assert all(earlier < later and earlier not in found for later, earlier in found.items())
    stay = [frozenset(shingles(text)) for place, text in enumerate(texts) if place not in found]
    assert len({words for words in stay if words}) == len([words for words in stay if words])


def test_case_and_punctuation_do_not_count():
    text = styled_passage(1)
    assert near_duplicates([text, text.upper(), re.sub(r"[,.']", " ", text), f"_{text}_"]) == {1: 0, 2: 0, 3: 0}


def test_the_first_one_kept_is_named_and_what_repeats_it_is_not_compared_with():
    words = [f"word{place}" for place in range(60)]
    texts = [" ".join([*words[start:], *(f"new{place}" for place in range(start))]) for start in (0, 5, 10)]
    assert similarity(texts[0], texts[2]) < 0.8 <= similarity(texts[1], texts[2])
    assert near_duplicates([styled_passage(1), *texts]) == {2: 1}


def test_the_passages_of_these_tests_are_none_of_each_other():
    passages = [passage(number) for number in range(300) for passage in (styled_passage, plain_passage)]
    assert near_duplicates(passages, 0.75) == {}


def test_texts_without_words_repeat_nothing():
    assert near_duplicates(["", "", "...", "* * *", "***"]) == {}


def test_texts_of_a_word_or_two():
    assert near_duplicates(["yes", "yes", "yes no", "no yes", "yes, no", "\ud800 x", "\ud800 x"]) == {1: 0, 4: 2, 6: 5}


@pytest.mark.parametrize("threshold", [0.0, 0.49, 1.01, float("nan")])
def test_a_threshold_out_of_range(threshold):
    with pytest.raises(ValueError, match=f"threshold is {threshold}: give a similarity"):
        NearDuplicates(threshold)


def test_no_room_for_the_index(monkeypatch):
    monkeypatch.setattr(module, "_TABLES", f"{module._TABLES} PRAGMA max_page_count=6;")
    with pytest.raises(PairsError, match=r"does not fit into the folder .*\(database or disk is full\): make room"):
        near_duplicates(map(styled_passage, range(1000)))


def test_its_file_is_closed_with_it():
    index = NearDuplicates()
    connection = index._connection
    del index
    with pytest.raises(ProgrammingError, match="closed"):
        connection.execute("SELECT 1")


def test_importing_it_does_not_import_rensa():
    code = "import sys, restyle.data.near_duplicates; sys.exit('rensa' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], timeout=60, check=False).returncode == 0


def test_another_process_finds_the_same_keys():
    """Nothing of Python's own hashing, which differs from process to process, is in them."""
    code = (
        "from restyle.data.near_duplicates import NearDuplicates, _runs\n"
        "print(NearDuplicates()._keys(_runs('keep the lamp burning and wait for the boat to come in'.split())))"
    )
    runs = [
        subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            timeout=60,
            check=True,
        )
        for seed in ("1", "2")
    ]
    assert runs[0].stdout == runs[1].stdout
    assert runs[0].stdout.startswith(b"[")


def test_of_a_thousand_pairs_just_at_the_threshold_none_is_missed():
    texts = []
    for number in range(1000):
        words = [f"{number}x{place}" for place in range(52)]  # 50 runs, and 40 of them again
        texts += [" ".join(words[:-10]), " ".join(words)]
    assert similarity(*texts[:2]) == 0.8
    assert near_duplicates(texts) == {place: place - 1 for place in range(1, 2000, 2)}


def test_form_letters_that_are_somewhat_alike_are_not_all_compared(monkeypatch):
    rng = random.Random(0)

    def letter():
        words = [f"word{place}" for place in range(150)]
        for place in rng.sample(range(150), 9):
            words[place] = f"name{rng.randrange(10**9)}"
        return " ".join(words)

    letters = [letter() for _ in range(400)]
    index = NearDuplicates()
    compared = []
    are_near = index._are_near
    monkeypatch.setattr(index, "_are_near", lambda *pair: compared.append(pair) or are_near(*pair))
    assert [index.add(text) for text in letters] == [None] * 400
    assert 0 < len(compared) <= 400 * module._COMPARED
    sharing = [count for (count,) in index._connection.execute("SELECT count(*) FROM bands GROUP BY key")]
    assert max(sharing) == module._CROWD
    assert index.add(f"{letters[7]} and a word more") == 7
    assert [index.add(letter.upper()) for letter in letters] == list(range(400))


# --- real prose ------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def blocks():
    if not PROSE.is_dir():
        pytest.skip("no prose here")
    texts = []
    for path in sorted(PROSE.glob("*.jsonl")):
        lines = path.read_text("utf-8").split("\n")
        words = [word for line in lines if line for word in json.loads(line)["text"].split()]
        texts += [" ".join(words[start : start + 150]) for start in range(0, len(words) - 150, 150)]
    return texts[::4]


def scanned(text, rng):
    """Three words in a hundred misread."""
    return re.sub(r"\w{3,}", lambda word: f"{word[0][:-1]}#" if rng.random() < 0.03 else word[0], text)


def renamed(text, rng):
    names = re.findall(r"(?<=[a-z] )[A-Z][a-z]+", text)
    return text.replace(rng.choice(names), "Zebediah") if names else text


def ended_otherwise(text, rng):
    return f"{text.rsplit(' ', 12)[0]} and so it ended, {rng.randrange(10**6)} years ago and more"


def respaced(text, rng):
    return re.sub(" ", lambda _: "\n" if rng.random() < 0.1 else " ", text).replace("'", "’")


@pytest.mark.parametrize("change", [scanned, renamed, ended_otherwise, respaced])
def test_near_copies_of_real_prose(blocks, change):
    rng = random.Random(change.__name__)
    chosen = rng.sample(range(len(blocks)), 120)
    copies = [change(blocks[place], rng) for place in chosen]
    found = near_duplicates([*blocks, *copies])
    alike = [similarity(blocks[place], copy) for place, copy in zip(chosen, copies, strict=True)]
    assert sum(each >= 0.8 for each in alike) > 90  # the test is about something
    expected = {
        len(blocks) + n: place for n, (place, each) in enumerate(zip(chosen, alike, strict=True)) if each >= 0.8
    }
    assert {later: earlier for later, earlier in found.items() if later >= len(blocks)} == expected


def test_a_text_that_is_in_no_way_repeated_stays(blocks):
    assert near_duplicates(blocks) == {}
