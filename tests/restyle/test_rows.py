from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from restyle.data.rows import Row, parse_row, read_rows, to_json, write_rows
from restyle.errors import PairsError, RowError
from restyle.messages import Ask

FORMS = ["prompt_completion", "messages"]
ROWS = st.builds(
    lambda system, user, role, answer: Row(Ask(system, user, role), answer),
    st.text(),
    st.text(),
    st.sampled_from(["restyle", "destyle"]),
    st.text(),
)
GOOD = to_json(Row(Ask("s", "u", "restyle"), "a"))


@pytest.mark.parametrize("form", FORMS)
@given(row=ROWS)
def test_export_parse_export_is_the_identity(form, row):
    line = to_json(row, form)
    parsed = parse_row(json.loads(line), row.ask.role)
    assert parsed == row
    assert to_json(parsed, form) == line
    assert "\n" not in line
    assert "\r" not in line


@pytest.mark.parametrize("form", FORMS)
@settings(max_examples=40)
@given(rows=st.lists(ROWS, max_size=5))
def test_files_export_parse_export_is_the_identity(form, rows, tmp_path_factory):
    path = tmp_path_factory.getbasetemp() / f"{form}.jsonl"
    rows = [Row(Ask(row.ask.system, row.ask.user, "restyle"), row.answer) for row in rows]
    write_rows(path, rows, form)
    written = path.read_bytes()
    parsed = read_rows(path, "restyle")
    assert parsed == rows
    write_rows(path, parsed, form)
    assert path.read_bytes() == written


def test_what_ends_a_line_elsewhere_does_not_here(tmp_path):
    text = "a\u2028b\u2029c\x85d\x0be\x0cf\rg\r\nh\x1ci\x00j"
    path = tmp_path / "rows.jsonl"
    write_rows(path, [Row(Ask(text, text, "restyle"), text)])
    assert path.read_bytes().count(b"\n") == 1
    assert read_rows(path, "restyle") == [Row(Ask(text, text, "restyle"), text)]


def test_the_formats_are_those_of_trl_and_openai():
    row = Row(Ask("s", "u", "restyle"), "ä")
    assert to_json(row) == (
        '{"prompt": [{"role": "system", "content": "s"}, {"role": "user", "content": "u"}], '
        '"completion": [{"role": "assistant", "content": "ä"}]}'
    )
    assert to_json(row, "messages") == (
        '{"messages": [{"role": "system", "content": "s"}, {"role": "user", "content": "u"}, '
        '{"role": "assistant", "content": "ä"}]}'
    )


def message(role, content="x"):
    return {"role": role, "content": content}


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("{", "Expecting"),
        ("[" * 100_000, "recursion"),
        ("[]", "a row is a JSON object, this is a list"),
        ('"text"', "a row is a JSON object, this is a str"),
        ("{}", "exactly a system, a user and an assistant message"),
        ('{"messages": "hello"}', "exactly a system, a user and an assistant message"),
        ('{"prompt": "hello", "completion": "there"}', "exactly a system, a user and an assistant message"),
        (json.dumps({"messages": [message("system"), message("user")]}), "exactly a system"),
        (json.dumps({"messages": [message(role) for role in ("system", "user", "assistant", "user")]}), "exactly"),
        (json.dumps({"messages": [message(role) for role in ("user", "user", "assistant")]}), "expected the system"),
        (
            json.dumps({"messages": [message("system"), message("user"), message("assistant", None)]}),
            'expected the assistant message with its text, found {"role": "assistant", "content": null}',
        ),
        (json.dumps({"messages": [message("system"), "hello", message("assistant")]}), 'found "hello"'),
        (
            GOOD.replace('"a"', r'"\ud800"'),
            "surrogates not allowed",
        ),
    ],
    ids=range(13),
)
def test_a_broken_row_is_refused_with_its_line(tmp_path, line, says):
    path = tmp_path / "train.jsonl"
    path.write_text(f"{GOOD}\n{GOOD}\n{line}\n{GOOD}\n", "utf-8")
    with pytest.raises(RowError) as caught:
        read_rows(path, "restyle")
    assert str(caught.value).startswith(f"{path}:3: ")
    assert says in str(caught.value)
    assert "restore the line, or make the pairs again" in str(caught.value)


def test_a_file_that_is_not_utf8(tmp_path):
    path = tmp_path / "train.jsonl"
    path.write_bytes(GOOD.encode() + b"\n\xff\n")
    with pytest.raises(RowError, match=r"train\.jsonl:2: not UTF-8"):
        read_rows(path, "restyle")


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(PairsError, match=r"train\.jsonl: no such file: make the pairs with 'restyle pairs'"):
        read_rows(tmp_path / "train.jsonl", "restyle")
