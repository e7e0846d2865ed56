"""Rows that are too long to be trained on whole, as the tokenizer of the model to be trained counts."""

from __future__ import annotations

import builtins
import re

import pytest

from pairing import build, lines
from restyle.data.documents import Document
from restyle.data.lengths import RowLimit
from restyle.errors import MissingExtraError, PairsError
from restyle.prompts import DESTYLE_PROMPT, RESTYLE_PROMPT
from support import plain_passage, styled_passage
from teaching import ScriptedTeacher

SHORT, LONG = styled_passage(0), "\n\n".join(map(styled_passage, range(1, 4)))
DOCUMENTS = [Document("short.md", SHORT), Document("long.md", LONG)]
TEMPLATE = 64


@pytest.fixture
def tokenizer(tmp_path):
    """A token for each word and each mark, in the file that every open model has."""
    library = pytest.importorskip("tokenizers")
    words = library.Tokenizer(library.models.WordLevel({"[UNK]": 0, "mill": 1}, unk_token="[UNK]"))
    words.pre_tokenizer = library.pre_tokenizers.Whitespace()
    words.post_processor = library.processors.TemplateProcessing(
        single="[UNK] $A [UNK]", special_tokens=[("[UNK]", 0)]
    )  # what begins and ends a text is the chat template's affair, and not to be counted here
    path = tmp_path / "tokenizer.json"
    words.save(str(path))
    return path


def tokens(*texts):
    return sum(len(re.findall(r"\w+|[^\w\s]+", text)) for text in texts)


def longest(text, neutral):
    """Tokens of the longer of a pair's rows, each of which holds both texts."""
    return tokens(text, neutral) + max(tokens(RESTYLE_PROMPT), tokens(DESTYLE_PROMPT)) + TEMPLATE


def test_rows_over_the_limit_are_dropped_and_say_how_long_they_are(tmp_path, tokenizer):
    limit = longest(SHORT, plain_passage(0))
    made = build(DOCUMENTS, ScriptedTeacher(), tmp_path / "pairs", max_tokens=limit, tokenizer=tokenizer)
    assert made.manifest["dropped"] == {"tokens": 1}
    (dropped,) = lines(made.directory / "dropped.jsonl")
    assert (dropped["text"], dropped["reason"], dropped["teacher"]) == (LONG, "tokens", "scripted")
    found = longest(LONG, "\n\n".join(map(plain_passage, range(1, 4)))) - TEMPLATE
    assert dropped["detail"] == f"{found} tokens and 64 for a chat template, at most {limit}"
    for role in ("restyle", "destyle"):
        (row,) = made.rows(role, "train")
        assert tokens(row.ask.system, row.ask.user, row.answer) + TEMPLATE <= limit
    assert LONG in made.author_texts()  # the embedded model learns no rows


def test_one_token_less_is_too_few(tmp_path, tokenizer):
    limit = longest(SHORT, plain_passage(0)) - 1
    made = build(DOCUMENTS, ScriptedTeacher(), tmp_path / "pairs", max_tokens=limit, tokenizer=str(tokenizer))
    assert made.manifest["dropped"] == {"tokens": 2}
    again = build(DOCUMENTS, ScriptedTeacher(), tmp_path / "pairs", max_tokens=10_000, tokenizer=tokenizer)
    assert (again.asked, again.manifest["dropped"]) == (0, {})


def test_each_teacher_s_row_counts_for_itself(tmp_path, tokenizer):
    wordy = ScriptedTeacher("wordy", lambda _: f"{plain_passage(0)} {'It is so, ' * 9}as I said.")
    limit = longest(SHORT, plain_passage(0))
    teachers = [ScriptedTeacher(), wordy]
    made = build(DOCUMENTS[:1], teachers, tmp_path / "pairs", max_tokens=limit, tokenizer=tokenizer)
    (dropped,) = lines(made.directory / "dropped.jsonl")
    assert (dropped["teacher"], dropped["reason"]) == ("wordy", "tokens")
    assert [row["teacher"] for row in lines(made.directory / "pairs.jsonl")] == ["scripted"]


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"max_tokens": 64, "tokenizer": "gpt-4o"}, "max_tokens is 64: a chat template alone may take 64, give more"),
        ({"max_tokens": 2048}, "max_tokens is 2048, but of which model? Give tokenizer=..., the path"),
        ({"max_tokens": 2048, "tokenizer": "nobody/nothing-7b"}, "'nobody/nothing-7b' is not on this machine: give"),
        ({"max_tokens": 2048, "tokenizer": "no/tokenizer.json"}, "no/tokenizer.json: no such file: give the"),
        ({"max_tokens": 2048, "tokenizer": "broken.json"}, "broken.json: not a tokenizer ("),
        ({"max_tokens": 2048, "tokenizer": "other.json"}, "other.json: not a tokenizer ("),
    ],
)
def test_limits_that_cannot_be_checked(tmp_path, monkeypatch, options, says):
    pytest.importorskip("tokenizers")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "broken.json").write_text('{"version": "1.0", "model": ', "utf-8")
    (tmp_path / "other.json").write_bytes(b'{"name": "\xff"}')
    teacher = ScriptedTeacher()
    with pytest.raises(PairsError, match=re.escape(says)):
        build(DOCUMENTS, teacher, tmp_path / "pairs", **options)
    assert teacher.asks == []
    assert not (tmp_path / "pairs").exists()


def test_without_the_library_the_extra_is_named(tmp_path, monkeypatch):
    imported = builtins.__import__

    def without(name, *arguments, **options):
        if name == "tokenizers":
            raise ImportError(name)
        return imported(name, *arguments, **options)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(MissingExtraError, match="tokens"):
        RowLimit.of(2048, tmp_path / "tokenizer.json")
