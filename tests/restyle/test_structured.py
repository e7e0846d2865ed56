"""JSON passes as one piece; prose that looks like it for a moment is prose."""

from __future__ import annotations

import json
from itertools import pairwise

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from restyle.blocks import Block, Splitter
from restyle.structured import AnswerSplitter, is_structured

PARAGRAPH = (
    "The boat came back at dawn with 14 men, and nothing was lost, although the wind was very strong last night and "
    "the keeper of the lamp did not sleep at all, because he counted every light on the sea until the sun rose over it."
)


def pieces_of(chunks, splitter=None):
    splitter = splitter or AnswerSplitter()
    fed = [splitter.feed(chunk) for chunk in chunks]
    return [piece for pieces in fed for piece in pieces] + splitter.flush()


def chunked(text, cuts):
    bounds = [0, *sorted(min(cut, len(text)) for cut in cuts), len(text)]
    return [text[start:end] for start, end in pairwise(bounds)]


CUTS = st.lists(st.integers(0, 400), max_size=20)
SPACE = st.text(alphabet=" \t\r\n", max_size=6)
LEAVES = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20)
KEYS = st.text(max_size=8)
VALUES = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4), max_leaves=12
)
OBJECTS = st.dictionaries(KEYS, VALUES, max_size=5)
ARRAYS = st.lists(OBJECTS | st.text(max_size=9) | st.lists(VALUES, max_size=3), max_size=5)


@st.composite
def documents(draw):
    """A JSON object or array, written in any of the usual ways."""
    value = draw(OBJECTS | ARRAYS)
    text = json.dumps(value, indent=draw(st.sampled_from([None, 2, "\t"])), ensure_ascii=draw(st.booleans()))
    return draw(SPACE), text, draw(SPACE)


@settings(max_examples=300, deadline=None)
@given(documents(), CUTS)
@example(parts=("", '{"answer": "A paragraph.\\n\\nAnother."}', "\n"), cuts=range(40))
@example(parts=("\n\n", '[\n  "# no heading",\n  "```"\n]', ""), cuts=range(40))
@example(parts=("  ", "[]", ""), cuts=[1, 2, 3])
@example(parts=("", "{ }", ""), cuts=[1, 2])
def test_json_is_one_verbatim_block_whatever_the_chunks(parts, cuts):
    before, body, after = parts
    text = before + body + after
    assert is_structured(text)
    pieces = pieces_of(chunked(text, cuts))
    assert pieces == pieces_of([text])
    assert "".join(piece.text for piece in pieces) == text
    (block,) = [piece for piece in pieces if piece.kind != "gap"]
    assert block == Block(body, len(before), len(before) + len(body), "code")
    assert block.verbatim


PROSE = [
    *(
        "[1] The lamp has 4 wicks.",
        "[^2]: A note.",
        "[1, 2, 3] tell of it.",
        "[link](https://example.org) is where it stands.",
    ),
    *("{not json}", "{name}, it was cold.", '{"a": 1} and so on.', '{"a": 1', '["The lamp", he said.', "[[1]] It was."),
    *('{"a": 1}\n{"a": 2}', "{'a': 1}", '{"a": NaNa}', "{", "[", " [ ", "[x] done", "{}[]", '"a string"', "17", "null"),
]


@pytest.mark.parametrize("text", PROSE)
@pytest.mark.parametrize("size", [1, 4, 1000])
def test_what_only_begins_like_json_is_cut_as_prose_is(text, size):
    text = f"{text}\n\n{PARAGRAPH}" if text.endswith(".") else text
    assert not is_structured(text)
    chunks = [text[at : at + size] for at in range(0, len(text), size)]
    assert pieces_of(chunks) == pieces_of([text], Splitter())


LOOSE = st.lists(
    st.sampled_from([*PROSE, *'{}[]":,\n\\', " ", "\n\n", '{"a": 1}', '["b"]', "\u00a0", "\ufeff", PARAGRAPH, "# x"]),
    max_size=8,
).map("".join)


@settings(max_examples=400, deadline=None)
@given(st.text(max_size=200) | LOOSE, CUTS)
def test_any_text_comes_out_as_it_was(text, cuts):
    pieces = pieces_of(chunked(text, cuts))
    assert "".join(piece.text for piece in pieces) == text
    offset = 0
    for piece in pieces:
        assert piece.text
        assert (piece.start, piece.end) == (offset, offset + len(piece.text))
        offset = piece.end
    assert pieces == pieces_of([text])
    if not is_structured(text):
        assert pieces == pieces_of([text], Splitter())


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=200) | LOOSE, CUTS)
def test_prose_is_not_delayed(text, cuts):
    """Chunk by chunk, as much as the plain splitter gives."""
    assume(text.lstrip()[:1] not in {"{", "["})
    splitter, plain = AnswerSplitter(), Splitter()
    for chunk in chunked(text, cuts):
        assert [piece for piece in splitter.feed(chunk) if piece.text.strip()] == [
            piece for piece in plain.feed(chunk) if piece.text.strip()
        ]


@pytest.mark.parametrize("beginning", ["[1] ", "[see](x) ", "{not json} ", "[ 1 ] ", "[x] ", ""])
def test_prose_that_begins_with_a_bracket_is_not_delayed(beginning):
    splitter = AnswerSplitter()
    first = splitter.feed(f"{beginning}{PARAGRAPH}\n\n{PARAGRAPH}")
    assert [piece.text for piece in first if piece.kind == "prose"] == [f"{beginning}{PARAGRAPH}"]


def test_after_the_end_it_begins_anew():
    splitter = AnswerSplitter()
    for text, kind in (('{"a": 1}', "code"), (PARAGRAPH, "prose"), ("[2] Yes.", "prose"), ('["x"]', "code")):
        assert pieces_of([text], splitter) == [Block(text, 0, len(text), kind)]
    assert splitter.flush() == []


@pytest.mark.parametrize("text", ["[true, false]", "[null]", "[51.5, -0.12]", "[-1]", "[1e3]"])
def test_an_array_of_other_values_is_structured_too(text):
    assert is_structured(text)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("[" * 100_000, id="deep array"),
        pytest.param('{"a":' * 100_000, id="deep object"),
        pytest.param(f'["a", 1{"0" * 5000}]', id="long number"),
    ],
)
def test_json_that_python_will_not_read_is_no_reason_to_fail(text):
    assert not is_structured(text)
    assert "".join(piece.text for piece in pieces_of([text])) == text
