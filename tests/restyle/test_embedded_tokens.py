from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from restyle.embedded.casing import NAME, NUMBER, PROTECTED, Casing, capitalise
from restyle.embedded.tokens import detokenise, split_sentences, tokenise

PIECES = st.sampled_from(
    [
        "'Twas ",
        "don’t ",
        "“Go. ",
        "now.” ",
        '"a b" ',
        "[1]",
        "`x`",
        "```",
        "\n",
        "\n\n",
        " ",
        "Mr ",
        ". ",
        "5.3 ",
        "é",
        "<b>",
    ]
)


def kinds(text: str) -> list[tuple[str, str]]:
    return [(token.text, token.kind) for token in tokenise(text)]


@given(st.text() | st.lists(PIECES).map("".join))
def test_tokens_and_gaps_are_the_text(text):
    written = detokenise(tokenise(text))
    assert text.startswith(written)
    assert not text[len(written) :].strip()
    assert [token for sentence in split_sentences(text) for token in sentence] == tokenise(text)
    assert all(split_sentences(text))


@pytest.mark.parametrize(
    "span",
    [
        "https://a.example/b?c=1",
        "www.example.org/x_(y",
        "ada@example.org",
        "`x = not y`",
        "``a ` b``",
        "“Go away. I am ill.”",
        '"two words"',
        "[12]",
        "[^note]",
        "<em>",
        "<https://a.example>",
    ],
)
def test_protected_spans_are_one_token(span):
    text = f"See {span}, it is so."
    assert (span, "fixed") in kinds(text)
    assert len(split_sentences(text)) == 1


def test_a_quote_ends_with_its_paragraph():
    assert kinds("“open\n\nend”")[0] == ("“", "other")


@pytest.mark.parametrize("word", ["'twas", "'Tis", "’twill", "don't", "well-known", "Hannah's", "I’ll", "ne'er"])
def test_words_with_apostrophes_and_hyphens(word):
    assert kinds(f"And {word} so")[1] == (word, "word")


def test_a_leading_apostrophe_is_else_a_mark():
    assert kinds("the 'best' man")[1] == ("'", "other")


@pytest.mark.parametrize("number", ["1,200", "3.5", "£5", "10:30", "5kg", "20%", "1868-03-03", "3rd"])
def test_numbers_are_one_token(number):
    assert kinds(f"about {number}.")[1] == (number, "number")


def test_sentences_end_where_paragraphs_end():
    assert [detokenise(s).strip() for s in split_sentences("One thing\n\ntwo things. Three.")] == [
        "One thing",
        "two things.",
        "Three.",
    ]


@pytest.mark.parametrize(
    ("word", "capital"), [("'twas", "'Twas"), ("ere", "Ere"), ("’tis", "’Tis"), ("", ""), ("7", "7")]
)
def test_the_first_letter_is_raised(word, capital):
    assert capitalise(word) == capital


def test_forms_tell_names_from_first_words():
    sentences = [tokenise("The boat of Amos was late."), tokenise("We saw Amos and the boat.")]
    casing = Casing.learn(sentences)
    forms = casing.forms(tokenise("Boat and Zeno, two or 12, I said “so it is” to Amos."))
    assert [form.norm for form in forms if form.norm.isalnum() or form.norm[0] == "<"] == [
        *("boat", "and", NAME, NUMBER, "or", NUMBER, "I", "said", PROTECTED, "to", NAME)
    ]
    assert forms[0].raised
    assert not forms[2].raised
    [name, *_] = casing.forms(tokenise("Amos came."))
    assert name.is_name
