"""Which language a block is in, and which blocks leave because of it."""

from __future__ import annotations

import json
import subprocess
import sys
from itertools import groupby
from operator import itemgetter
from pathlib import Path

import pytest

from foreign import ENGLISH, PARAGRAPHS
from restyle.blocks import split_blocks
from restyle.data.filters import Drop
from restyle.data.languages import check_language, drop_of_language, find_language
from restyle.errors import PairsError

pytest.importorskip("py3langid", reason="an extra that some environments are without")

PROSE = Path(__file__).parents[2] / "../shared/data/prose"
ALL = {**PARAGRAPHS, "en": ENGLISH}
PARTS = [40, 60, 1000]  # words


def parts(text, size):
    words = text.split()
    return [" ".join(words[start : start + size]) for start in range(0, max(1, len(words) - size + 1), 3)]


def mixed(text, quoted, share, words):
    """A narration with a quotation, repeated to a length."""
    count = int(share * words)
    before, inside = (text.split() * words)[: words - count], (quoted.split() * words)[:count]
    return f"{' '.join(before)} “{' '.join(inside)}”"


@pytest.mark.parametrize("size", PARTS)
@pytest.mark.parametrize("language", ALL)
def test_every_part_of_a_paragraph_is_told_apart(language, size):
    for part in parts(ALL[language], size):
        assert find_language(part) == language
        assert drop_of_language(part, language) is None
        for wanted in ALL.keys() - {language}:
            assert drop_of_language(part, wanted).reason == "language"


def test_a_drop_says_what_was_found_and_what_was_wanted():
    assert drop_of_language(PARAGRAPHS["de"], "en") == Drop("language", "'de' (1.00), 'en' is wanted")


@pytest.mark.parametrize("words", [40, 80, 160, 250])
@pytest.mark.parametrize("language", PARAGRAPHS)
def test_a_quotation_drops_no_block_and_a_remark_saves_none(language, words):
    for share in (0.1, 0.2, 0.3, 0.4):
        assert drop_of_language(mixed(ENGLISH, PARAGRAPHS[language], share, words), "en") is None
        assert drop_of_language(mixed(PARAGRAPHS[language], ENGLISH, share, words), "en") is not None


@pytest.mark.parametrize("text", ["", "…", "— — —", "1914 1918 " * 30])
def test_what_has_no_words_of_a_language_is_no_other_language_s(text):
    drop = drop_of_language(text, "en")
    assert drop is None or drop.detail.startswith("'zxx'")


def test_capitals_and_typography_do_not_matter():
    assert drop_of_language(ENGLISH.upper(), "en") is None
    assert drop_of_language(ENGLISH.replace(" ", "\n"), "en") is None


def test_an_unknown_language_is_told_before_there_is_a_text():
    for check in (check_language, lambda code: drop_of_language(ENGLISH, code)):
        for code in ("english", "EN", "en-GB", ""):
            with pytest.raises(PairsError) as caught:
                check(code)
            assert str(caught.value).startswith(f"the language {code!r} is unknown: give one of ace, af, am,")
            assert {*ALL, "pt", "zh"} <= set(str(caught.value).partition("one of ")[2].split(", "))
    check_language("en")


def test_without_the_package_the_extra_is_named():
    program = """
import sys
sys.modules["py3langid"] = None
from restyle.data.languages import check_language
from restyle.errors import MissingExtraError
try:
    check_language("en")
except MissingExtraError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == ("the language filter needs the package 'py3langid': pip install 'restyle[language]'")


def test_the_model_is_loaded_by_the_first_text():
    program = "import sys, restyle.data.languages; print(sorted({'numpy', 'py3langid'} & sys.modules.keys()))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.skipif(not PROSE.is_dir(), reason="the prose is not here")
def test_of_real_books_no_block_is_dropped():
    blocks = []
    for book in sorted(PROSE.iterdir()):
        rows = map(json.loads, book.read_text("utf-8").splitlines())
        for _, chapter in groupby(rows, itemgetter("chapter")):
            blocks += split_blocks("\n\n".join(row["text"] for row in chapter))
    texts = [block.text for block in blocks if len(block.text.split()) >= 40]
    assert len(texts) > 2500
    assert [text for text in texts[::4] if drop_of_language(text, "en")] == []
