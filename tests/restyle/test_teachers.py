from __future__ import annotations

import json

import pytest

from restyle.data.teachers import NEUTRALISE, EndpointTeacher, RecordedTeacher, find_teacher
from restyle.errors import ModelError, RowError, TeacherMissingError
from restyle.messages import Answer, Ask
from restyle.testing import Fault, Sandbox
from support import write_rows

GOOD = '{"text": "a", "neutral": "b"}'


def recorded(folder, pairs):
    return RecordedTeacher(
        write_rows(folder / "recorded.jsonl", [{"text": text, "neutral": neutral} for text, neutral in pairs.items()])
    )


async def answer_of(teacher, text):
    async with teacher:
        return await teacher.answer(Ask(teacher.system, text, "destyle"))


async def test_a_recorded_passage_is_replayed(tmp_path):
    teacher = recorded(tmp_path, {"Styled.": "Plain.", "Other.": "Else."})
    assert await answer_of(teacher, "Styled.") == Answer("Plain.", "stop")


async def test_a_block_of_several_passages_is_put_together(tmp_path):
    teacher = recorded(tmp_path, {"A.\n\nB.": "ab", "A.": "a", "C.": "c", "D.": "d"})
    assert await answer_of(teacher, "A.\n\nB.\n\nC.\n \n\nD.") == Answer("ab\n\nc\n \n\nd", "stop")
    assert await answer_of(teacher, "A.\n\nC.") == Answer("a\n\nc", "stop")


@pytest.mark.parametrize("text", ["Never.", "A.\n\nNever.", "Never.\n\nA.", ""])
async def test_what_was_never_recorded_is_not_invented(tmp_path, text):
    teacher = recorded(tmp_path, {"A.": "a"})
    assert await answer_of(teacher, text) == Answer("", "not_recorded")


def test_a_recordings_identity_is_its_content(tmp_path):
    one = recorded(tmp_path / "1", {"A.": "a", "B.": "b"})
    assert recorded(tmp_path / "2", {"B.": "b", "A.": "a"}).identity == one.identity
    assert recorded(tmp_path / "3", {"A.": "a", "B.": "c"}).identity != one.identity
    assert recorded(tmp_path / "4", {"A.": "a"}).identity != one.identity


@pytest.mark.parametrize(
    "line",
    [
        "{",
        "nonsense",
        "[]",
        "{}",
        '{"text": "a"}',
        '{"text": "a", "neutral": null}',
        '{"text": 1, "neutral": "b"}',
        "[" * 100_000,
        r'{"text": "a", "neutral": "\ud800"}',
    ],
    ids=range(9),
)
def test_a_broken_line_is_refused_with_its_number(tmp_path, line):
    path = tmp_path / "recorded.jsonl"
    path.write_text(f"{GOOD}\n\n{line}\n", "utf-8")
    with pytest.raises(RowError) as caught:
        RecordedTeacher(path)
    assert str(caught.value).startswith(f"{path}:3: ")
    assert "mend" in str(caught.value)


def test_a_recording_that_is_not_utf8(tmp_path):
    path = tmp_path / "recorded.jsonl"
    path.write_bytes(GOOD.encode() + b'\n{"text": "\xff"}\n')
    with pytest.raises(RowError, match=r"recorded\.jsonl:2: not UTF-8"):
        RecordedTeacher(path)


async def test_a_byte_order_mark_and_blank_lines_do_no_harm(tmp_path):
    path = tmp_path / "recorded.jsonl"
    path.write_bytes(b"\xef\xbb\xbf" + GOOD.encode() + b"\r\n\r\n\n")
    assert await answer_of(RecordedTeacher(path), "a") == Answer("b", "stop")


def test_a_recording_that_is_not_there(tmp_path):
    with pytest.raises(TeacherMissingError, match=r"recorded\.jsonl: no such file of recorded answers: check the path"):
        find_teacher(tmp_path / "recorded.jsonl")


def test_without_anybody_the_error_says_what_is_needed():
    with pytest.raises(TeacherMissingError) as caught:
        find_teacher(None)
    for word in ("openai:MODEL", "base_url", "JSONL", "text", "neutral"):
        assert word in str(caught.value)


def test_something_else_is_no_teacher():
    with pytest.raises(TeacherMissingError, match=r"of type int, which is none.*langchain_restyle"):
        find_teacher(42)


def test_a_model_alone_says_too_little():
    with pytest.raises(TeacherMissingError, match="'gpt-6-luna' is neither 'openai:MODEL' nor"):
        find_teacher("gpt-6-luna")


def test_openai_needs_its_key(monkeypatch):
    with pytest.raises(ModelError, match="no OPENAI_API_KEY in the environment: set it, or give the base_url"):
        find_teacher("openai:gpt-6-luna")
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    teacher = find_teacher("openai:gpt-6-luna")
    assert (teacher.model, teacher.base_url, teacher.identity) == ("gpt-6-luna", None, "openai:gpt-6-luna")


@pytest.mark.parametrize("url", ["localhost:8000", "http://me:hush@host/v1", "http://host/v1?key=hush"])
def test_a_base_url_with_a_secret_never_reaches_a_ledger(url):
    with pytest.raises(ModelError, match="base_url must be http") as caught:
        find_teacher("m", url)
    assert "hush" not in str(caught.value)


def test_a_teacher_passes_through(tmp_path):
    teacher = recorded(tmp_path, {"A.": "a"})
    assert find_teacher(teacher) is teacher


async def test_an_endpoint_gets_the_instructions_and_the_text_alone(monkeypatch):
    monkeypatch.setenv("RESTYLE_API_KEY", "rs-own")
    monkeypatch.setenv("OPENAI_API_KEY", "sk-foreign")
    with Sandbox(replies={"luna": "Plain."}) as sandbox:
        base_url = sandbox.base_url
        teacher = find_teacher("luna", base_url)
        assert await answer_of(teacher, "Ignore $all {that}.") == Answer("Plain.", "stop")
        (request,) = sandbox.requests
    assert request.body["model"] == "luna"
    assert request.body["messages"] == [
        {"role": "system", "content": NEUTRALISE},
        {"role": "user", "content": "Ignore $all {that}."},
    ]
    assert request.headers["authorization"] == "Bearer rs-own"
    assert "sk-foreign" not in json.dumps(request.headers)
    assert teacher.identity == f"{base_url}:luna"


async def test_an_endpoint_that_fails_for_a_moment_is_asked_again():
    with Sandbox(replies={"luna": "Plain."}) as sandbox:
        sandbox.inject(Fault("status", status=429, retry_after=0.01))
        assert await answer_of(EndpointTeacher("luna", sandbox.base_url), "Text.") == Answer("Plain.", "stop")
        assert len(sandbox.requests) == 2


async def test_an_endpoint_that_fails_is_named():
    says = r"model 'luna' at http://127.* is not there \(HTTP 404\)"
    with Sandbox() as sandbox, pytest.raises(ModelError, match=says):
        await answer_of(EndpointTeacher("luna", sandbox.base_url), "Text.")


async def test_an_endpoint_answers_only_while_it_is_open():
    with pytest.raises(RuntimeError, match="inside 'async with teacher:' only"):
        await EndpointTeacher("luna", "http://127.0.0.1:1/v1").answer(Ask("", "Text.", "destyle"))
