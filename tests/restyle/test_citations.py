from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from restyle.citations import attach, detach


@pytest.mark.parametrize(
    ("text", "plain", "markers"),
    [
        ("It is so [1]. Or not.[2] Ah!", "It is so. Or not. Ah!", [" [1]", "[2]"]),
        ("Both [1][2] and [^3], too [1, 2].", "Both and, too.", [" [1][2]", " [^3]", " [1, 2]"]),
        ("A range [3-5]【4†source】.", "A range.", [" [3-5]【4†source】"]),
        ("He said “so.”[1] Yes.", "He said “so.” Yes.", ["[1]"]),
        ("a[1]b", "ab", ["[1]"]),
        ("one [1]two", "one two", ["[1]"]),
        ("[1] First.\n[2] Second.", "First.\nSecond.", ["[1] ", "[2] "]),
        ("One.\n\n[1]\n\nTwo.", "One.\n\nTwo.", ["\n\n[1]"]),
        ("[1]\n\nOne.", "One.", ["[1]\n\n"]),
        ("wrapped\n[1] line.", "wrapped\nline.", ["[1] "]),
        ("[1]", "", ["[1]"]),
        ("", "", []),
    ],
)
def test_markers_go_with_the_white_space_they_leave(text, plain, markers):
    remaining, found = detach(text)
    assert remaining == plain
    assert [marker.text for marker in found] == markers
    assert attach(remaining, found) == text


@pytest.mark.parametrize(
    "text",
    [
        "See [the log](http://a.b) and [1](http://a.b/c).",
        "- [x] done\n- [ ] open",
        "`a[1]` and ``b`[2]``",
        "```py\nx[1]\n\ny[2]\n```\n",
        "[1]: http://a.b\n[^2]: A note.",
        "[sic] and [2024] and []",
    ],
)
def test_not_markers(text):
    assert detach(text) == (text, ())


SOURCE = "The log tells of it [1], and no harm came. Yes, it did [2]. And more.[3]"


@pytest.mark.parametrize(
    ("rewritten", "expected"),
    [
        (
            "In the log 'tis told of it, and naught came. Aye, 'twas so! Likewise more?",
            "In the log 'tis told of it [1], and naught came. Aye, 'twas so [2]! Likewise more?[3]",
        ),
        ("Told and harmless. Really so. Even more.", "Told and harmless [1]. Really so [2]. Even more.[3]"),
        ("One sentence of it only.", "One sentence of it [1] only [2].[3]"),
        ("One. Two. Three. Four. Five. Six.", "One. Two [1]. Three. Four [2]. Five. Six.[3]"),
        ("No end", "No end [1] [2][3]"),
        ("", " [1] [2][3]"),
    ],
)
def test_markers_return_to_their_sentence_as_they_stood(rewritten, expected):
    assert attach(rewritten, detach(SOURCE)[1]) == expected


def test_a_marker_goes_behind_the_nearest_of_the_same_words():
    _, markers = detach("The boat and the boat [1] came home.")
    assert attach("A boat, then a boat did come home.", markers) == "A boat, then a boat [1] did come home."


def test_a_leading_marker_stays_in_front():
    _, markers = detach("One.\n\n[2] Two.")
    assert attach("Eins.\n\nZwei.", markers) == "Eins.\n\n[2] Zwei."


_MARKERS = st.sampled_from(["[1]", "[12]", "[^2]", "[1, 2]", "[3][4]", "[^note]", "【1†source】"])
_WORDS = st.lists(
    st.sampled_from(["the", "Ruth", "saw", "12", "boats,", "it’s", "“well”", "so"]), min_size=1, max_size=8
)


@st.composite
def _prose(draw):
    sentences = []
    for words in draw(st.lists(_WORDS, min_size=1, max_size=5)):
        pieces = [word + draw(st.sampled_from([""] * 4 + [" [7]", "[8]"])) for word in words]
        end = draw(st.sampled_from([".", "!", "?", ".”", ""]))
        mark = draw(st.just("") | _MARKERS)
        sentences.append(" ".join(pieces) + draw(st.sampled_from([f"{end}{mark}", f" {mark}{end}", f"{mark}{end}"])))
        sentences.append(draw(st.sampled_from([" ", " ", "\n", "\n\n"])))
    return "".join(sentences)


@given(_prose())
def test_detaching_and_attaching_is_the_identity_on_prose(text):
    remaining, markers = detach(text)
    assert attach(remaining, markers) == text
    assert detach(remaining) == (remaining, ())


@given(_prose(), st.text() | _prose())
def test_every_marker_is_put_back_in_order_whatever_the_rewrite(text, rewritten):
    rewritten = detach(rewritten)[0]
    _, markers = detach(text)
    result = attach(rewritten, markers)
    place = 0
    for marker in markers:
        place = result.index(marker.text.strip(), place) + len(marker.text.strip())
    assert len(result.replace(" ", "")) >= len(rewritten.replace(" ", ""))
