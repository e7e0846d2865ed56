from __future__ import annotations

import json

import pytest

from restyle.data import batch_rows
from restyle.data.batch_rows import Packing, read_line, request_line
from restyle.messages import Answer, Ask, Usage

KEY = "0123456789abcdef" * 4
ASKS = [Ask("Be plain.", "é" * number, "destyle") for number in range(20)]


def line(status=200, key=KEY, error=None, **body):
    response = None if status is None else {"status_code": status, "request_id": "r", "body": body}
    return json.dumps({"id": "x", "custom_id": key, "response": response, "error": error}).encode()


def completion(**message):
    return {"choices": [{"index": 0, "message": message, "finish_reason": "stop"}]}


def test_a_request_is_one_line_with_the_text_as_it_is():
    written = request_line(KEY, "luna", Ask("Be plain.", "One\n\u2028two é", "destyle"))
    assert written.count(b"\n") == 1
    assert "é".encode() in written
    row = json.loads(written)
    assert (row["custom_id"], row["method"], row["url"]) == (KEY, "POST", "/v1/chat/completions")
    assert row["body"]["messages"][1]["content"] == "One\n\u2028two é"


def test_what_is_packed_is_within_the_limits_and_loses_nothing(monkeypatch):
    sizes = [len(request_line(KEY, "luna", ask)) for ask in ASKS]
    monkeypatch.setattr(batch_rows, "MOST_BYTES", sum(sizes[:5]))
    packing, batches = Packing(iter(ASKS), "luna"), []
    while packing:
        batches.append(list(packing.batch(7)))
    assert [ask for batch in batches for ask in batch] == ASKS
    assert len(batches[0]) == 5
    assert all(sum(len(request_line(KEY, "luna", ask)) for ask in batch) <= sum(sizes[:5]) for batch in batches)
    packing, batches = Packing(ASKS[:4], "luna"), []
    while packing:
        batches.append(len(list(packing.batch(3))))
    assert batches == [3, 1]
    assert not Packing([], "luna")


def test_a_request_above_the_limit_goes_alone(monkeypatch):
    monkeypatch.setattr(batch_rows, "MOST_BYTES", 1)
    packing = Packing(ASKS[:2], "luna")
    assert [list(packing.batch()), list(packing.batch()), bool(packing)] == [[ASKS[0]], [ASKS[1]], False]


@pytest.mark.parametrize(
    ("body", "answer"),
    [
        (completion(content="Plain."), Answer("Plain.", "stop")),
        (completion(content=None, refusal="No."), Answer("No.", "stop")),
        (completion(content="", reasoning_content="Hm."), Answer("", "stop", "Hm.")),
        (completion(content="half \ud800"), Answer("half ?", "stop")),
    ],
)
def test_an_answer_is_read_as_without_a_batch(body, answer):
    assert read_line(line(**body)) == (KEY, answer, False)


def test_what_it_cost_is_read():
    result = read_line(line(**completion(content="Plain."), usage={"prompt_tokens": 7, "completion_tokens": 3}))
    assert result.answer.usage == Usage(7, 3)
    for unclear in ({"prompt_tokens": 7}, {"prompt_tokens": {}, "completion_tokens": "3"}, None):
        result = read_line(line(**completion(content="Plain."), usage=unclear))
        assert (result.answer, result.answer.usage) == (Answer("Plain.", "stop"), None)


@pytest.mark.parametrize(
    ("row", "refused"),
    [
        (line(400, error={"message": "no"}), True),
        (line(413), True),
        (line(429), False),
        (line(408), False),
        (line(500), False),
        (line(None, error=None), False),
        (line(None, error={"code": "batch_expired"}), False),
        (line(), False),
        (line(choices=[]), False),
        (line(choices=None), False),
        (line(choices=[None]), False),
        (line(choices=[{"message": None}]), False),
        (line(choices="text"), False),
        (line("200", **completion(content="x")), False),
        (line([200]), False),
        (line(choices=[{"message": {"content": "x"}, "finish_reason": ["stop"]}]), False),
        (line(**completion(content=["x"])), False),
    ],
)
def test_what_is_no_answer_is_told_apart_by_whether_it_would_be_again(row, refused):
    assert read_line(row) == (KEY, None, refused)


@pytest.mark.parametrize(
    "row",
    [b"", b"{", b"[]", b"7", b"{}", b"\xff", b"[" * 100_000, line(key=3), line(key="abc"), line(key=KEY + "\n")],
)
def test_what_is_no_line_of_ours_is_passed_over(row):
    assert read_line(row) is None
