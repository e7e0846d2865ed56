from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from restyle import blocks, markup
from restyle.blocks import Splitter, split_blocks

LINES = [
    *("", " ", "\t", "\r", "# Title", "Title", "===", "---", "-----", "* * *", "```", "~~~", "``` x", "    code"),
    *("| a | b |", "a | b", "--|--", "> quote", "- item", "  - nested", "1. one", "2) two", "<!--", "-->", "<div>"),
    *("<pre>", "</pre>", "$$", "\\[", "\\]", "file_name: x", "Response 2:", "key: value", "...", "[1]: http://x"),
    *("**Bold**", "CHAPTER II", "“Yes,” he said.", "“No.”", "Dr. Smith came. He left at 3 p.m. today.", "\x85\xa0\x1c"),
    "- This item is a full sentence of more than eight words.",
    "A sentence of some length, which goes on and on until it finally ends. Another one! And a third?",
    "one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen",
]
ENDS = ["\n", "\n\n", "\r\n", " ", "\r", "", ". "]
TEXTS = st.one_of(
    st.text(max_size=200),
    st.lists(st.tuples(st.sampled_from(LINES), st.sampled_from(ENDS)), max_size=25).map(
        lambda lines: "".join(line + end for line, end in lines)
    ),
    st.lists(st.tuples(st.integers(1, 40), st.sampled_from([" ", "\n", "\n\n"])), max_size=20).map(
        lambda sentences: "".join("Aaa " + "bbb " * length + "end." + joint for length, joint in sentences)
    ),
)
SIZES = st.tuples(st.integers(1, 30), st.integers(0, 30), st.integers(0, 60)).map(
    lambda steps: {"minimum": steps[0], "aim": steps[0] + steps[1], "maximum": sum(steps)}
)


@pytest.fixture(params=[25, 1000], autouse=True, scope="module")
def long_line(request):
    # With short limits every text has lines that are cut while they arrive.
    patch = pytest.MonkeyPatch()
    patch.setattr(markup, "LONG_LINE", request.param)
    patch.setattr(blocks, "LONG_LINE", request.param)
    yield
    patch.undo()


def pieces_of(chunks, **options):
    splitter = Splitter(**options)
    pieces = [piece for chunk in chunks for piece in splitter.feed(chunk)]
    pieces += splitter.flush()
    return pieces


@settings(max_examples=400, deadline=None)
@given(TEXTS, SIZES, st.booleans(), st.data())
@example(text="word " * 300 + "| x\n--|--", sizes={"minimum": 2, "aim": 5, "maximum": 9}, training=False, data=None)
@example(
    text="incomprehensibilities " * 60 + "\n\nNext.\n",
    sizes={"minimum": 70, "aim": 80, "maximum": 2000},
    training=False,
    data=None,
)
@example(
    text="<" + "a " * 1100 + ">\n\nNext.\n",
    sizes={"minimum": 1, "aim": 2, "maximum": 3},
    training=False,
    data=None,
)
@example(
    text="word " * 2000 + "end. " + " ".join("Aaa " + "bbb " * (n * 7 % 11) + "end." for n in range(90)),
    sizes={"minimum": 2, "aim": 5, "maximum": 9},
    training=False,
    data=None,
)
@example(text=" " * 1100 + "x\n", sizes={"minimum": 1, "aim": 1, "maximum": 1}, training=False, data=None)
def test_lossless_and_independent_of_chunks(text, sizes, training, data):
    whole = pieces_of([text], training=training, **sizes)
    assert "".join(piece.text for piece in whole) == text
    assert pieces_of(text, training=training, **sizes) == whole
    if data is not None:
        cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=12)))
        chunks = [text[start:end] for start, end in zip([0, *cuts], [*cuts, len(text)], strict=True)]
        assert pieces_of(chunks, training=training, **sizes) == whole


@settings(max_examples=200, deadline=None)
@given(TEXTS, SIZES, st.booleans())
def test_pieces_are_well_formed(text, sizes, training):
    offset, before = 0, ""
    for piece in pieces_of([text], training=training, **sizes):
        assert (piece.start, text[piece.start : piece.end]) == (offset, piece.text)
        assert piece.text
        if piece.kind == "gap":
            assert piece.text.isspace()
            assert before != "gap"
        elif piece.kind == "prose":
            assert piece.text == piece.text.strip()
        else:
            assert piece.text == piece.text.rstrip()
            assert piece.text.split("\n", 1)[0].strip()
        offset, before = piece.end, piece.kind
    assert offset == len(text)


@settings(max_examples=200, deadline=None)
@given(TEXTS, SIZES)
def test_the_reader_yields_the_same_markup_in_both_modes(text, sizes):
    def verbatim(training):
        pieces = pieces_of([text], training=training, **sizes)
        return [piece for piece in pieces if piece.kind not in ("prose", "gap")]

    assert verbatim(training=True) == verbatim(training=False)
    assert [block for block in split_blocks(text, **sizes) if block.verbatim] == verbatim(training=True)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.integers(1, 40), min_size=1, max_size=60), st.sampled_from([" ", "\n", "\n\n"]), st.booleans())
def test_sentences_that_fit_give_blocks_that_fit(lengths, joint, training):
    text = joint.join("Aaa " + "bbb " * (length - 1) + "ends here." for length in lengths)
    total = sum(length + 2 for length in lengths)
    found = [len(p.text.split()) for p in pieces_of([text], training=training, minimum=50, aim=80, maximum=200)]
    found = [size for size in found if size]
    assert sum(found) == total
    assert all(size <= 200 for size in found)
    if training and total >= 50:
        assert all(size >= 50 for size in found)
