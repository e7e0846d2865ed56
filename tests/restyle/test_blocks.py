from __future__ import annotations

import pytest

from restyle.blocks import Block, Splitter, split_blocks

PROSE = "The keeper rose before the sun and walked down to the shore, as he had done each day for forty years."
SENTENCE = "The lamp was lit at dusk and it burned until the morning came. "  # 13 words


def kinds(text, **options):
    splitter = Splitter(**options)
    pieces = [*splitter.feed(text), *splitter.flush()]
    assert "".join(piece.text for piece in pieces) == text
    return [(piece.kind, piece.text) for piece in pieces if piece.kind != "gap"]


def words(block: Block) -> int:
    return len(block.text.split())


def paragraph(count: int) -> str:
    return " ".join(f"word{number}" for number in range(count - 1)) + " end."


@pytest.mark.parametrize(
    ("kind", "markup"),
    [
        ("code", "```python\nx = 1\n\ny = 2\n```"),
        ("code", "~~~~\n```\n~~~\nstill code\n~~~~"),
        ("code", "    indented = True\n\n    after_a_blank_line()"),
        ("code", "\tindented_with_a_tab()"),
        ("code", "<!-- a comment\n\nof two paragraphs -->"),
        ("code", "<!-- on one line -->"),
        ("code", "<div class='x'>\nno **markdown** here\n</div>"),
        ("code", "<script>\n\nlet x = 1;\n</script>"),
        ("code", "$$\na^2 + b^2 = c^2\n$$"),
        ("code", "\\[ a + b \\]"),
        ("code", "![a chart](chart.png)"),
        ("code", f"![a chart](data:image/png;base64,{'A' * 2000})"),
        ("table", "| a | b |\n|---|---|\n| 1 | 2 |"),
        ("table", "a | b\n--- | :-:\n1 | 2"),
        ("quote", "> He said it would rain.\n> It did."),
        ("quote", "> A lazy quotation\nthat goes on."),
        ("heading", "# Heading"),
        ("heading", "Heading\n======="),
        ("heading", "A heading of dashes\n---"),
        ("heading", "**In short**"),
        ("heading", "CHAPTER XIV"),
        ("heading", "Response 1:"),
        ("ruler", "---"),
        ("ruler", "* * *"),
        ("ruler", "___"),
        ("ruler", "---------------------"),
        ("front_matter", "file_name: report.txt\npage_label: 3"),
        ("list", "- salt\n- oil\n- a length of wick"),
        ("list", "1. Open the door.\n2. Close it."),
        ("list", "* one\n\n* two\n\n  with more about two"),
        ("list", "- " + SENTENCE + "\n- too short"),
        ("list", "[1]: https://example.org/a\n[2]: https://example.org/b"),
    ],
)
@pytest.mark.parametrize("training", [False, True])
def test_markup_is_verbatim_and_prose_around_it_is_not(kind, markup, training):
    text = f"{PROSE}\n\n{markup}\n\n{PROSE}\n"
    assert kinds(text, training=training) == [("prose", PROSE), (kind, markup), ("prose", PROSE)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("---\ntitle: x\ntags:\n  - a\n---\nBody here.", ["front_matter", "prose"]),
        ("---\n\nNo fields follow.", ["ruler", "prose"]),
        ("---\ntitle: never closed\n\nBut here is a text.", ["front_matter", "prose"]),
        ("---", ["ruler"]),
        ("Text first.\n\n---\nName: x\n---\n", ["prose", "ruler", "heading"]),
        ("Intro:\n- a\n- b\nlazy\n\nAfter the list.", ["prose", "list", "prose"]),
        ("It rained in\n1887. And in other\nyears too.", ["prose"]),
        ("A whole sentence stands here.\n-----------\nAnother one.", ["prose", "ruler", "prose"]),
        ("Two lines\nof text\n---\nmore", ["prose", "ruler", "prose"]),
        ("Prose | with a pipe\nand no table.", ["prose"]),
        ("Prose.\na | b\n--|--\n1 | 2\nProse again.", ["prose", "table", "prose"]),
        ("Prose\n    that is indented.", ["prose"]),
        ("- item:\n\n    ```\n    code\n    ```\n\nProse.", ["list", "code", "prose"]),
        ("# One\n# Two", ["heading", "heading"]),
        ("```\nnever closed\n\n# not a heading", ["code"]),
        ("Use ``` in a sentence\n```inline``` at a line's start", ["prose"]),
        ("#hashtag is no heading", ["prose"]),
        ("-5 degrees, and falling", ["prose"]),
        ("**Bold** words begin this one", ["prose"]),
        ("Response 1: it rains", ["prose"]),
    ],
)
def test_structure(text, expected):
    assert [kind for kind, _ in kinds(text)] == expected


def test_a_list_of_sentences_is_prose():
    text = f"- {SENTENCE.strip()}\n- {SENTENCE.strip()}\n\n{PROSE}"
    assert {kind for kind, _ in kinds(text)} == {"prose"}


def test_a_long_list_of_sentences_is_not_held_until_it_ends():
    splitter = Splitter()
    assert any(splitter.feed(f"- {SENTENCE}\n" * 100))


def test_offsets_and_gaps():
    splitter = Splitter(minimum=1)
    assert [*splitter.feed(" \r\nOne.\r\n\r\n# Two\r\n    code\n \n"), *splitter.flush()] == [
        Block(" \r\n", 0, 3, "gap"),
        Block("One.", 3, 7, "prose"),
        Block("\r\n\r\n", 7, 11, "gap"),
        Block("# Two", 11, 16, "heading"),
        Block("\r\n", 16, 18, "gap"),
        Block("    code", 18, 26, "code"),
        Block("\n \n", 26, 29, "gap"),
    ]
    assert splitter.feed("Again.\n\n") == [Block("Again.", 0, 6, "prose")]


def test_only_prose_is_not_verbatim():
    assert not Block("x", 0, 1, "prose").verbatim
    assert Block("x", 0, 1, "code").verbatim


@pytest.mark.parametrize("sizes", [(5, 10, 20), (30, 10, 20), (10, 0, 20), (10, 5, 9), (0, 0, 0)])
@pytest.mark.parametrize("split", [Splitter, lambda **sizes: split_blocks("", **sizes)])
def test_nonsensical_sizes_are_refused(sizes, split):
    aim, minimum, maximum = sizes
    with pytest.raises(ValueError, match=f"minimum={minimum}, aim={aim}, maximum={maximum}"):
        split(aim=aim, minimum=minimum, maximum=maximum)


def test_a_finished_paragraph_comes_out_upon_its_blank_line():
    splitter = Splitter()
    first, second = paragraph(50), paragraph(45)
    assert splitter.feed(first) == []
    assert splitter.feed("\n") == []
    assert [piece.text for piece in splitter.feed("\n")] == [first]
    assert [piece.text for piece in splitter.feed(f"{second}\n# He")] == []
    assert [piece.text for piece in splitter.feed("ading\n")] == ["\n\n", second, "\n", "# Heading"]


def test_short_paragraphs_wait_for_the_next_but_not_across_markup():
    dialogue = "“Rain,” he said.\n\n“Rain,” said I."
    assert kinds(f"{dialogue}\n\n{paragraph(40)}\n\n{dialogue}\n\n# Heading\n\nShort.") == [
        ("prose", f"{dialogue}\n\n{paragraph(40)}"),
        ("prose", dialogue),
        ("heading", "# Heading"),
        ("prose", "Short."),
    ]


@pytest.mark.parametrize("wrap", [" ", "\n"])
def test_a_long_paragraph_is_cut_at_sentence_ends_before_it_ends(wrap):
    splitter = Splitter()
    sentences = wrap.join(SENTENCE.strip() for _ in range(100))
    early = [piece for piece in splitter.feed(sentences) if piece.kind == "prose"]
    assert len(early) >= 4
    for block in [*early, *(piece for piece in splitter.flush() if piece.kind == "prose")]:
        assert 40 <= words(block) <= 400
        assert block.text.endswith("came.")
        assert block.text.startswith("The lamp")


def test_a_sentence_longer_than_the_maximum_stays_whole_and_is_not_joined():
    long = paragraph(900)
    text = f"{SENTENCE * 5}{long} {SENTENCE * 5}".strip()
    for training in (False, True):
        assert long in [body for _, body in kinds(text, training=training)]


def test_after_a_very_long_sentence_blocks_come_early_again():
    splitter = Splitter()
    long = paragraph(900)
    early = splitter.feed(f"{long} {SENTENCE * 80}")
    assert early[0].text == long
    assert sum(words(piece) for piece in early[1:]) > 600


@pytest.mark.parametrize("sizes", [[30, 390], [390, 30], [30, 380, 30], [10] * 90, [250] * 7, [39, 320, 39], [1000]])
def test_training_blocks_keep_the_budget(sizes):
    text = "\n\n".join((SENTENCE * (size // 13) + paragraph(size % 13 + 2)) for size in sizes)
    blocks = split_blocks(text)
    assert all(40 <= words(block) <= 400 for block in blocks), [words(block) for block in blocks]


def test_training_does_not_cut_paragraphs_that_fit():
    # Twice the aim, still within the budget, and no two sentences share a word.
    paragraphs = [
        " ".join(
            "Abc " + " ".join(f"{chr(97 + n)}{chr(97 + m)}{chr(97 + p)}xy" for n in range(12)) + "." for m in range(26)
        )
        for p in range(6)
    ]
    assert {len(text.split()) for text in paragraphs} == {338}
    assert [block.text for block in split_blocks("\n\n".join(paragraphs))] == paragraphs


def test_training_cuts_where_the_vocabulary_changes():
    sea = "The ship sailed through waves and wind; sailors hauled sail, and the harbour lay far behind the ship. "
    bread = "Knead flour with yeast and salt, let the dough rise, then bake the loaf in a hot oven until crisp. "
    text = "\n\n".join([(sea * 3).strip()] * 3 + [(bread * 3).strip()] * 3)
    assert [("Knead" in block.text, "ship" in block.text) for block in split_blocks(text)] == [
        (False, True),
        (True, False),
    ]


def test_training_decides_within_a_bounded_horizon():
    splitter = Splitter(training=True)
    text = f"{paragraph(100)}\n\n" * 100
    early = splitter.feed(text)
    held = sum(words(piece) for piece in splitter.flush())
    assert held <= 10 * 400 + 100
    assert sum(words(piece) for piece in early) + held == 10_000


def test_empty_and_blank_texts():
    assert split_blocks("") == []
    assert split_blocks(" \n\t\n") == []
    splitter = Splitter()
    assert splitter.flush() == []
    assert [*splitter.feed(" \n\n"), *splitter.flush()] == [Block(" \n\n", 0, 3, "gap")]
