from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fine_tuning import PAIRS, TRAINING, jsonl, messages
from restyle.errors import RowError
from restyle.serving.rows import read_rows

TEXTS = st.text(min_size=1).filter(str.strip)


@given(st.lists(st.tuples(TEXTS, TEXTS)), st.booleans())
def test_rows_are_read_as_they_were_written(rows, ascii_only):
    lines = [json.dumps(messages(*row), ensure_ascii=ascii_only) for row in rows]
    content = "\n".join(lines).encode("utf-8", "surrogatepass" if ascii_only else "strict")
    assert read_rows(content, "file-1") == rows


def test_the_last_user_message_and_the_last_answer_are_the_pair():
    said = [("user", "one"), ("assistant", "uno"), ("user", "two"), ("assistant", "due")]
    row = {"messages": [{"role": role, "content": text} for role, text in said], "split": "train"}
    assert read_rows(jsonl([row]), "file-1") == [("two", "due")]


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        (b"[]", "a row is a JSON object, this is a list"),
        (b"{}", "a row has 'messages'"),
        (b'{"messages": {}}', "a row has 'messages'"),
        (b'{"prompt": "x"}', "a row has 'messages'"),
        (b'{"prompt": "x", "completion": " "}', "completion is ' '"),
        (b'{"messages": ["x"]}', "messages[0] is a str, not an object"),
        (b'{"messages": [{"role": "king", "content": "x"}]}', "messages[0].role is 'king'"),
        (b'{"messages": [{"role": ["user"], "content": "x"}]}', "messages[0].role is ['user']"),
        (b'{"messages": [{"role": "user", "content": 3}]}', "messages[0].content is 3"),
        (b'{"messages": [{"role": "user", "content": "x"}]}', "the last message must be the assistant's"),
        (b'{"messages": [{"role": "assistant", "content": "x"}]}', "there is no user message"),
        (b"\xff", "not UTF-8 at byte 1"),
        (b"{", "not JSON at column 2"),
        (b"[" * 100_000, "maximum recursion depth"),
    ],
)
def test_what_is_wrong_with_a_row_is_said_with_its_place(row, problem):
    with pytest.raises(RowError) as caught:
        read_rows(TRAINING + b"\n" + row, "file-1")
    assert str(caught.value).startswith(f"file-1:{len(PAIRS) + 2}: {problem}")
