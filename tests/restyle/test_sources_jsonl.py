"""Rows of texts and of chats as the author's documents."""

from __future__ import annotations

import itertools
import json
import re
import tracemalloc
from contextlib import nullcontext
from functools import partial
from pathlib import Path

import pytest

from restyle.data.documents import Document, aread_documents, read_documents
from restyle.errors import DocumentError, RowError
from restyle.messages import Turn
from support import write_rows

PROSE = Path(__file__).parents[2] / "../shared/data/prose"


def user(text, **more):
    return {"role": "user", "content": text, **more}


def assistant(text, **more):
    return {"role": "assistant", "content": text, **more}


CHAT = [
    {"role": "system", "content": "Be brief."},
    user("Who?"),
    assistant("Nobody."),
    user("When?"),
    assistant("Now."),
]


def read(path, **options):
    return [(document.id, document.text) for document in read_documents(path, **options)]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "rows.jsonl"


def test_a_row_is_a_document_named_after_its_id_or_its_line(path):
    first = b'\xef\xbb\xbf{"text": "One."}\r\n\n'
    path.write_bytes(first + '{"id": "b", "text": "Two.\\r\\ncafe\\u0301"}\n{"text": "Three\u2028.", "id": 7}'.encode())
    assert read(path) == [
        ("rows.jsonl#1", "One."),
        ("rows.jsonl#b", "Two.\ncaf\u00e9"),
        ("rows.jsonl#7", "Three\u2028."),
    ]
    assert read(path.parent) == read(path)


def test_rows_of_one_id_are_one_text(path):
    rows = [("a", "One."), ("a", "Two."), ("b", "Three."), ("a", "Four.")]
    write_rows(path, [{"id": id_, "text": text} for id_, text in rows])
    assert read(path) == [("rows.jsonl#a", "One.\n\nTwo."), ("rows.jsonl#b", "Three."), ("rows.jsonl#a", "Four.")]


def test_fields_may_have_other_names(path):
    write_rows(
        path, [{"chapter": "i", "body": "One.", "text": 7}, {"chapter": "i", "body": "Two."}, {"body": "Three."}]
    )
    assert read(path, text_key="body", source_id_key="chapter") == [
        ("rows.jsonl#i", "One.\n\nTwo."),
        ("rows.jsonl#3", "Three."),
    ]
    with pytest.raises(RowError, match=r"rows\.jsonl:1: expected .*name the field of the text: text_key='\.\.\.'"):
        read(path)


def test_of_a_chat_the_author_s_turns_are_the_text(path):
    named = [user("Hello.", name="Anna"), user("Good day.", name="Ben"), assistant("Hm.", name="Anna")]
    write_rows(path, [{"messages": CHAT}, {"id": "c", "messages": named}, {"messages": [user("Anyone?")]}])
    assert read(path) == [("rows.jsonl#1", "Nobody.\n\nNow."), ("rows.jsonl#c", "Hm.")]
    assert read(path, sender="Anna") == [("rows.jsonl#c", "Hello.\n\nHm.")]
    assert read(path, sender="user")[0] == ("rows.jsonl#1", "Who?\n\nWhen?")
    assert read(path, sender="human") == read(path, sender="user")
    with pytest.raises(DocumentError) as caught:
        read(path, sender="Carl")
    assert str(caught.value) == (
        f"{path}: 'Carl' says nothing in these sessions: who does is 'system', 'user', 'assistant', 'Anna', 'Ben'. "
        "Name the author: sender='...'"
    )


def test_of_a_turn_only_its_text_counts(path):
    parts = [{"type": "image_url", "image_url": {"url": "data:,"}}, {"type": "text", "text": "See "}, "this."]
    turns = [assistant(None, tool_calls=[]), assistant(" \n"), assistant(parts), {"role": "assistant"}]
    write_rows(path, [{"messages": turns, "tools": []}, {"text": "A text among chats."}])
    assert read(path) == [("rows.jsonl#1", "See this."), ("rows.jsonl#2", "A text among chats.")]


U, A = partial(Turn, "user"), partial(Turn, "assistant")


def test_with_context_each_turn_is_a_part_by_itself(path):
    more = [assistant("Or\r\nlater."), user(" "), user("Oh."), {"role": "tool", "content": "Fog."}, assistant("Yes.")]
    write_rows(path, [{"messages": [*CHAT, *more]}, {"messages": [user("Well?"), assistant("Well.")], "id": 7}])
    turns = [
        ("Nobody.", [U("Who?")]),
        ("Now.", [U("Who?"), A("Nobody."), U("When?")]),
        ("Or\nlater.", [U("Who?"), A("Nobody."), U("When?"), A("Now.")]),
        ("Yes.", [U("Who?"), A("Nobody."), U("When?"), A("Now."), A("Or\nlater."), U("Oh.")]),
    ]
    for context in (1, 2, 9):
        assert list(read_documents(path, context=context)) == [
            *(Document("rows.jsonl#1", text, tuple(before[-context:])) for text, before in turns),
            Document("rows.jsonl#7", "Well.", (U("Well?"),)),
        ]
    joined = [("rows.jsonl#1", "Nobody.\n\nNow.\n\nOr\nlater.\n\nYes."), ("rows.jsonl#7", "Well.")]
    assert read(path) == read(path, context=0) == joined


def test_context_is_seen_from_the_author(path):
    turns = [user("Hello.", name="Anna"), user("Good day.", name="Ben"), assistant("Hm."), user("Rain.", name="Anna")]
    write_rows(path, [{"messages": turns}])
    assert list(read_documents(path, sender="Anna", context=5)) == [
        Document("rows.jsonl#1", "Hello."),
        Document("rows.jsonl#1", "Rain.", (A("Hello."), U("Good day."), U("Hm."))),
    ]


def test_turns_with_context_never_join_and_texts_do_as_ever(path):
    rows = [{"text": "One."}, {"text": "Two."}, {"messages": CHAT}, {"messages": CHAT[3:]}, {"text": "Three."}]
    write_rows(path, [{"id": "a", **row} for row in rows])
    texts = ["One.\n\nTwo.", "Nobody.", "Now.", "Now.", "Three."]
    assert read(path, context=1) == [("rows.jsonl#a", text) for text in texts]


def test_context_is_a_number_of_turns(path):
    write_rows(path, [{"messages": CHAT}])
    with pytest.raises(ValueError, match="context is -1: give the number of turns to keep, or 0 for none"):
        read(path, context=-1)


def paragraphs(number, words, **more):
    return [{"chapter": "i", "body": "word " * words, **more}] * number


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        (paragraphs(100, 39, para=1), "100 of 100 rows are documents of fewer than 40 words"),
        (paragraphs(100, 39, para=1) + paragraphs(300, 40), "100 of 400 rows are documents of fewer than 40 words"),
        (paragraphs(99, 39), None),
        (paragraphs(100, 39) + paragraphs(301, 40), None),
        (paragraphs(200, 39, id="a"), None),
        ([{"messages": CHAT}] * 200, None),
    ],
    ids=["all", "a quarter", "few", "less than a quarter", "named", "chats"],
)
def test_rows_that_look_like_paragraphs(path, rows, says):
    write_rows(path, rows)
    message = (
        f"{path}: {says}, too short for a block: if they are paragraphs of longer texts, name the field that says of "
        "which: source_id_key='...' (other fields: 'chapter', 'para')"
    )
    with pytest.warns(UserWarning, match=re.escape(message)) if says else nullcontext():
        read(path, text_key="body")
    read(path, text_key="body", source_id_key="chapter")


async def test_sources_may_be_awaited(path):
    write_rows(path, [{"messages": CHAT}])

    async def sources():
        yield path

    documents = [document async for document in aread_documents(sources(), sender="user")]
    assert documents == [Document("rows.jsonl#1", "Who?\n\nWhen?")]


@pytest.mark.parametrize(
    ("line", "error", "says"),
    [
        (b'{"text": "a"', RowError, r"rows\.jsonl:2: not JSON \(.*\): mend or remove the line"),
        (b'{"text": "\xff"}', RowError, r"rows\.jsonl:2: not UTF-8 \(.* at byte 10\): mend or remove the line"),
        (b"[" * 100_000, RowError, r"rows\.jsonl:2: not JSON"),
        (b"1" * 5000, RowError, r"rows\.jsonl:2: not JSON"),
        (
            b"[1]",
            RowError,
            r"rows\.jsonl:2: expected \{\"text\": \"\.\.\.\"\} or \{\"messages\": \[\.\.\.\]\}, found \[1\]",
        ),
        (b'{"body": "%s"}' % (b"a" * 99), RowError, r'found \{"body": "a{50}\.\.\.: mend the line, or name the field'),
        (b'{"text": ["a"]}', RowError, r"rows\.jsonl:2: expected"),
        (b'{"messages": "hello"}', RowError, r"rows\.jsonl:2: expected"),
        (b'{"text": " \\n"}', RowError, r"rows\.jsonl:2: the text is empty: remove the line"),
        (b'{"text": "a", "id": []}', DocumentError, r"rows\.jsonl:2: 'id' is of type list, which names no source"),
        (
            b'{"messages": [1]}',
            DocumentError,
            r"rows\.jsonl:2: messages\[0\] is of type int, not a message: give dicts",
        ),
        (
            b'{"messages": [{"role": "user", "content": 1}]}',
            DocumentError,
            r"2: messages\[0\]: the content is of type int",
        ),
    ],
)
def test_bad_rows(path, line, error, says):
    path.write_bytes(b'{"text": "Good."}\n' + line + b"\n")
    with pytest.raises(error, match=says):
        read(path)


def test_recorded_answers_beside_the_texts_are_no_text(path):
    rows = [{"text": "The author's.", "neutral": "Of the teacher."}]
    write_rows(path, rows)
    (path.parent / "a.txt").write_text("A letter.", "utf-8")
    for source in (path.parent, path.parent / "*"):
        assert read(source) == [("a.txt", "A letter.")]
    assert read(path) == [("rows.jsonl#1", "The author's.")]  # named on purpose
    write_rows(path, [{"neutral": "in tone", "body": "A letter."}])
    with pytest.raises(RowError, match="expected"):
        read(path.parent)


def test_an_empty_file_holds_no_text(path):
    path.write_text("\n\n", "utf-8")
    with pytest.raises(DocumentError, match=r"rows\.jsonl: the document is empty: remove it from the sources"):
        read(path)


def test_a_long_file_is_never_held_as_a_whole(path):
    line = json.dumps({"text": "word " * 2000}) + "\n"
    with path.open("w", encoding="utf-8") as file:
        file.writelines(itertools.repeat(line, 1000))
    tracemalloc.start()
    try:
        assert sum(1 for _ in read_documents(path)) == 1000
        assert tracemalloc.get_traced_memory()[1] < len(line) * 100
    finally:
        tracemalloc.stop()


@pytest.mark.skipif(not PROSE.is_dir(), reason="the prose is not here")
def test_real_books_a_paragraph_a_row():
    documents = list(read_documents(PROSE, source_id_key="chapter"))
    books = {document.id.partition("#")[0] for document in documents}
    assert len(books) == 5
    assert "jerome_three-men-in-a-boat.jsonl#chapter-1.xhtml" in {document.id for document in documents}
    rows = [json.loads(line) for book in sorted(PROSE.iterdir()) for line in book.read_text("utf-8").splitlines()]
    assert sum(document.text.count("\n\n") + 1 for document in documents) == len(rows)


@pytest.mark.skipif(not PROSE.is_dir(), reason="the prose is not here")
@pytest.mark.parametrize("book", ["jerome_three-men-in-a-boat", "wodehouse_right-ho-jeeves"])
def test_a_real_book_whose_paragraphs_nobody_puts_together(book):
    with pytest.warns(UserWarning, match=r"rows are documents of fewer .* \(other fields: 'chapter', 'para'\)"):
        read(PROSE / f"{book}.jsonl")
