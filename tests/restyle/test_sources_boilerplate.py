"""What stands around and between the author's words, and stays outside."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from restyle.data.boilerplate import letters, own_paragraphs, own_text
from restyle.data.documents import read_documents
from restyle.data.page_marks import without_page_marks

GUTENBERG = """The Project Gutenberg eBook of Fog, by Ann Pike

This ebook is for the use of anyone anywhere.

*** START OF THE PROJECT GUTENBERG EBOOK FOG ***

Produced by Ben, Carl and the
Online Distributed Proofreading Team

[Transcriber's Note: Old spelling is kept.

So are the commas.]

  FOG

It was *late*.

    A verse

Produced by the sea, he said.


*** END OF THE PROJECT GUTENBERG EBOOK FOG ***

Updated editions will replace the previous one.
"""


def test_gutenberg_s_licence_and_credits():
    assert own_text(GUTENBERG) == "  FOG\n\nIt was *late*.\n\n    A verse\n\nProduced by the sea, he said.\n\n\n"


@pytest.mark.parametrize(
    ("paragraphs", "own"),
    [
        (["a", "End of the Project Gutenberg EBook of Fog", "b"], ["a"]),
        (["a", "End of Project Gutenberg's Fog, by Ann", "b"], ["a"]),
        (["law", "*END*THE SMALL PRINT! FOR PUBLIC DOMAIN ETEXTS*Ver.04.29.93*END*", "a"], ["a"]),
        (["```\n***START OF THIS PROJECT GUTENBERG EBOOK***\n```", "a"], ["a"]),
        (["x", "*** START OF THE BOOK", "a", "*** END OF THE BOOK", "y", "*** START OF THE BOOK", "b"], ["a", "b"]),
        (["## Transcriber’s Notes", "a"], ["a"]),
        (
            ["TRANSCRIBER'S NOTE: Kept.", "a", "The transcriber's notes were lost."],
            ["a", "The transcriber's notes were lost."],
        ),
        (["Transcribers' note: one.", "a", "[b]"], ["a", "[b]"]),
        (["[Transcriber's note: one.]", "a", "[b]"], ["a", "[b]"]),
        (["[Transcriber's note: never closed", *"abcdefghijkl"], [*"abcdefghijkl"]),
        (
            ["He said: *** END OF THE line ***", "Produced by hand."],
            ["He said: *** END OF THE line ***", "Produced by hand."],
        ),
        ([], []),
    ],
)
def test_marks_of_boilerplate(paragraphs, own):
    assert own_paragraphs(paragraphs) == own
    assert own_text("\n\n".join(paragraphs)).strip() == "\n\n".join(own)


@given(st.text(alphabet="ab \n\t*.", max_size=60))
def test_a_text_without_boilerplate_stays_as_it_is(text):
    assert own_text(text) == text
    assert without_page_marks(text) == text


PAGES = [
    "12\nMY LIFE AT SEA\n\nThe boat had left the harbour when the fog\ncame in from the west and the",
    "FOG 13\n\nlamps went out. Nobody spoke.",
    "14\nMY LIFE AT SEA\n\nThen the bell rang. It was\n1914",
    "FOG 15\n\nIn the night the wind rose.\n\n“Yes, sir.”",
    "16\nMY LIFE AT SEA\n\nAnn sang.\n\n“Yes, sir.”",
    "FOG 17\n\nAnn slept.\n\n“Yes, sir.”\n",
]


def test_numbers_and_heads_of_pages():
    assert without_page_marks("\f".join(PAGES)) == (
        "The boat had left the harbour when the fog\ncame in from the west and the\nlamps went out. Nobody spoke.\n\n"
        "Then the bell rang. It was\n1914\n\nIn the night the wind rose.\n\n“Yes, sir.”\n\nAnn sang.\n\n“Yes, sir.”\n\n"
        "Ann slept.\n\n“Yes, sir.”"
    )


@pytest.mark.parametrize(
    ("marks", "left"),
    [
        (["- 7 -", "- 8 -", "- 9 -"], ["", "", ""]),
        (["Page 7", "Page 8", "PAGE 9"], ["", "", ""]),
        (["iv", "v", "vi"], ["", "", ""]),
        (["IV", "V", "VI"], ["IV", "V", "VI"]),  # chapters
        (["7", "9", "8"], ["7", "9", "8"]),
        (["A HEAD", "A HEAD", "ANOTHER"], ["A HEAD", "A HEAD", "ANOTHER"]),
        (["He went.", "He went.", "He went."], ["He went."] * 3),
        (["word " * 11] * 3, ["word " * 11] * 3),
    ],
)
def test_only_what_is_surely_a_mark_goes(marks, left):
    pages = [f"{mark}\n\nText of a page." for mark in marks]
    wanted = [f"{mark}\n\nText of a page." if mark else "Text of a page." for mark in left]
    assert without_page_marks("\f".join(pages)) == "\n\n".join(wanted)
    at_the_foot = [f"Text of a page.\n\n{mark}" for mark in marks]
    wanted = [f"Text of a page.\n\n{mark}" if mark else "Text of a page." for mark in left]
    assert without_page_marks("\f".join(at_the_foot)).split() == "\n\n".join(wanted).split()


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("7\n\nOne and\n\n8\n\ntwo.\n\n9\n\nThree.\n", "One and\ntwo.\n\nThree.\n"),
        ("One.\n\n  12  \n\nTwo.\n \n13\n\nThree.\n\n[14]", "One.\n\nTwo.\n\nThree."),
        ("One.\n\n7\n\nTwo.\n\n8\n\nThree.", None),  # two may be anything
        ("One.\n\n9\n\nTwo.\n\n8\n\nThree.\n\n7", None),
        ("One\n7\nTwo\n8\nThree\n9", None),
        ("One.\n\n7.\n\n8.\n\n9.", None),
    ],
)
def test_numbers_that_stand_alone(text, left):
    assert without_page_marks(text) == (text if left is None else left)


def test_files_are_read_without_them(tmp_path):
    (tmp_path / "a.txt").write_text(GUTENBERG.replace("\n", "\r\n") + "\f1\n", "utf-8")
    (tmp_path / "b.md").write_text("---\ntitle: Fog\n---\n\n1\n\n2\n\n3\n\nText.\n", "utf-8")
    (tmp_path / "c.html").write_text(
        "<pre>The law\n\n*** START OF THE PROJECT GUTENBERG EBOOK FOG ***\n\nMore</pre><p>Text.</p>"
        "<section class='pg-boilerplate pgheader' id='pg-footer'>Law</section>",
        "utf-8",
    )
    texts = {document.id: document.text for document in read_documents(tmp_path)}
    assert texts["a.txt"].startswith("  FOG\n\nIt was *late*.")
    assert texts["b.md"] == "---\ntitle: Fog\n---\n\n1\n\n2\n\n3\n\nText.\n"
    assert texts["c.html"] == "Text."


def test_what_was_left_out_is_counted(tmp_path):
    (tmp_path / "a.txt").write_bytes(b"\xef\xbb\xbf" + GUTENBERG.replace("\n", "\r\n").encode())
    (tmp_path / "b.txt").write_text("\f".join(PAGES), "utf-8")
    (tmp_path / "c.md").write_text("Text.\n\nEnd of Project Gutenberg's Fog\n\nLaw\n", "utf-8")
    (tmp_path / "d.txt").write_text("Text \u2014 caf\u00e9.\r\n\r\n\r\n7\n", "utf-8")
    stripped = {document.id: document.stripped for document in read_documents(tmp_path)}
    assert stripped == {
        "a.txt": letters(GUTENBERG) - letters("FOG It was *late*. A verse Produced by the sea, he said."),
        "b.txt": letters("12 MY LIFE AT SEA FOG 13" * 3),
        "c.md": letters("End of Project Gutenberg's Fog Law"),
        "d.txt": 0,
    }
