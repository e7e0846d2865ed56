from __future__ import annotations

import json
import time

import openai
import pytest

from restyle.testing import Sandbox


@pytest.fixture
def sandbox():
    with Sandbox(replies={"luna": "Plain."}) as sandbox:
        yield sandbox


@pytest.fixture
def client(sandbox):
    with openai.OpenAI(base_url=sandbox.base_url, api_key="unused", max_retries=0) as client:
        yield client


def request(name, text="Text.", **body):
    body = {"model": "echo", "messages": [{"role": "user", "content": text}], **body}
    return {"custom_id": name, "method": "POST", "url": "/v1/chat/completions", "body": body}


def begin(client, *rows, **options):
    content = "\n".join(row if isinstance(row, str) else json.dumps(row) for row in rows).encode()
    file = client.files.create(file=("input.jsonl", content), purpose="batch")
    return client.batches.create(
        input_file_id=file.id, endpoint="/v1/chat/completions", completion_window="24h", **options
    )


def wait(client, batch):
    deadline = time.monotonic() + 10
    while batch.status not in {"completed", "failed", "expired", "cancelled"}:
        assert time.monotonic() < deadline
        time.sleep(0.01)
        batch = client.batches.retrieve(batch.id)
    return batch


def rows(client, file):
    content = client.files.content(file).content.decode()
    return {row["custom_id"]: row for row in map(json.loads, content.strip().split("\n"))}


def test_requests_are_answered_as_they_are_without_a_batch(sandbox, client):
    begun = begin(client, request("a", "One two."), request("b", model="luna"), metadata={"restyle": "tag"})
    assert (begun.object, begun.status, begun.metadata) == ("batch", "validating", {"restyle": "tag"})
    batch = wait(client, begun)
    assert (batch.status, batch.error_file_id, batch.errors) == ("completed", None, None)
    assert (batch.request_counts.total, batch.request_counts.completed, batch.request_counts.failed) == (2, 2, 0)
    assert batch.created_at <= batch.in_progress_at <= batch.finalizing_at <= batch.completed_at < batch.expires_at
    found = rows(client, batch.output_file_id)
    assert {name: row["response"]["body"]["choices"][0]["message"]["content"] for name, row in found.items()} == {
        "a": "One two.",
        "b": "Plain.",
    }
    assert found["a"]["response"]["status_code"] == 200
    assert found["a"]["error"] is None
    assert found["a"]["response"]["body"]["usage"]["prompt_tokens"] == 2
    assert client.files.retrieve(batch.output_file_id).purpose == "batch_output"
    assert [body["model"] for body in sandbox.batches.answered] == ["echo", "luna"]
    assert sandbox.requests == []


def test_a_request_that_fails_stands_in_the_file_of_errors(client):
    batch = wait(client, begin(client, request("good"), request("bad", messages=[]), request("flow", stream=True)))
    assert (batch.request_counts.completed, batch.request_counts.failed) == (1, 2)
    assert rows(client, batch.output_file_id).keys() == {"good"}
    found = rows(client, batch.error_file_id)
    assert {name: row["response"]["status_code"] for name, row in found.items()} == {"bad": 400, "flow": 400}
    assert found["bad"]["response"]["body"]["error"]["code"] == "empty_array"


def test_a_batch_may_have_errors_only(sandbox, client):
    sandbox.batches.error_share, sandbox.batches.error_status = 1.0, 429
    batch = wait(client, begin(client, request("a"), request("b")))
    assert (batch.status, batch.output_file_id) == ("completed", None)
    assert {row["response"]["status_code"] for row in rows(client, batch.error_file_id).values()} == {429}
    assert sandbox.batches.answered == []


def test_a_batch_expires_part_way(sandbox, client):
    sandbox.batches.expires_after = 2
    batch = wait(client, begin(client, *(request(name) for name in "abcd")))
    assert (batch.status, batch.completed_at) == ("expired", None)
    assert rows(client, batch.output_file_id).keys() == {"a", "b"}
    found = rows(client, batch.error_file_id)
    assert {name: (row["response"], row["error"]["code"]) for name, row in found.items()} == {
        "c": (None, "batch_expired"),
        "d": (None, "batch_expired"),
    }


def test_a_batch_is_cancelled(sandbox, client):
    sandbox.batches.delay = 0.2
    begun = begin(client, request("a"))
    assert client.batches.cancel(begun.id).status == "cancelling"
    batch = wait(client, begun)
    assert (batch.status, batch.output_file_id) == ("cancelled", None)
    assert rows(client, batch.error_file_id)["a"]["error"]["code"] == "batch_cancelled"
    with pytest.raises(openai.ConflictError, match="Cannot cancel a batch with status 'cancelled'"):
        client.batches.cancel(begun.id)
    assert sandbox.batches.answered == []


@pytest.mark.parametrize(
    ("lines", "code", "line"),
    [
        (["{"], "invalid_json_line", 1),
        ([request("a"), {"custom_id": "b"}], "invalid_request", 2),
        ([request("a"), request("a")], "duplicate_custom_id", 2),
        ([request("a") | {"url": "/v1/embeddings"}], "mismatched_endpoint", 1),
        ([request("a", model="nobody")], "model_not_found", 1),
        ([request("a", model=["echo"])], "model_not_found", 1),
        ([], "empty_file", None),
    ],
)
def test_an_input_that_does_not_fit_fails_as_a_whole(sandbox, client, lines, code, line):
    batch = wait(client, begin(client, *lines))
    assert batch.status == "failed"
    assert [(error.code, error.line) for error in batch.errors.data] == [(code, line)]
    assert (batch.output_file_id, batch.error_file_id) == (None, None)
    assert sandbox.batches.answered == []


def test_more_than_the_queue_holds_fails_until_there_is_room(sandbox, client):
    sandbox.batches.delay, sandbox.batches.enqueued_words = 0.1, 40
    row = request("a", "word " * 15)
    first, second = begin(client, row), begin(client, row)
    assert wait(client, second).errors.data[0].code == "token_limit_exceeded"
    assert wait(client, first).status == "completed"
    assert wait(client, begin(client, row)).status == "completed"


def test_the_list_is_paged_with_the_newest_first(client):
    begun = [begin(client, request("a"), metadata={"number": str(number)}) for number in range(3)]
    page = client.batches.list(limit=2)
    assert ([batch.id for batch in page.data], page.has_more) == ([begun[2].id, begun[1].id], True)
    assert [batch.metadata["number"] for batch in client.batches.list(limit=2)] == ["2", "1", "0"]


def test_a_lost_response_leaves_a_batch_behind(sandbox, client):
    sandbox.batches.lost_responses = 1
    with pytest.raises(openai.InternalServerError, match="the batch was created"):
        begin(client, request("a"))
    (batch,) = client.batches.list()
    assert wait(client, batch).status == "completed"


def test_what_cannot_be_a_batch_is_refused(client):
    file = client.files.create(file=("input.jsonl", b"{}"), purpose="batch").id
    other = client.files.create(file=("input.jsonl", b"{}"), purpose="fine-tune").id
    good = {"input_file_id": file, "endpoint": "/v1/chat/completions", "completion_window": "24h"}
    for field, value in [
        ("endpoint", "/v1/embeddings"),
        ("completion_window", "1h"),
        ("input_file_id", other),
        ("input_file_id", "file-none"),
        ("metadata", {"restyle": 3}),
        ("metadata", "tag"),
    ]:
        with pytest.raises(openai.BadRequestError) as error:
            client.batches.create(**{**good, field: value})
        assert error.value.param.startswith(field)
    for name in good:
        with pytest.raises(openai.BadRequestError, match="Missing required parameter"):
            client.post("/batches", body={key: value for key, value in good.items() if key != name}, cast_to=object)
    for call in (client.batches.retrieve, client.batches.cancel):
        with pytest.raises(openai.NotFoundError, match="No batch found with id 'batch_none'"):
            call("batch_none")


def test_it_stops_although_a_batch_is_under_way():
    with Sandbox() as sandbox, openai.OpenAI(base_url=sandbox.base_url, api_key="unused") as client:
        sandbox.batches.delay = 60.0
        begin(client, request("a"))
        start = time.monotonic()
    assert time.monotonic() - start < 10
