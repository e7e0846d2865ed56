from __future__ import annotations

import os

import openai
import pytest

from restyle.testing import Sandbox
from wire import call


@pytest.fixture(scope="module")
def sandbox():
    with Sandbox() as sandbox:
        yield sandbox


@pytest.fixture(scope="module")
def client(sandbox):
    with openai.OpenAI(base_url=sandbox.base_url, api_key="unused", max_retries=0) as client:
        yield client


def test_files_are_kept_listed_and_deleted(client):
    content = b'{"prompt": "a", "completion": "b"}\n\xff\x00'
    first = client.files.create(file=("one.jsonl", content), purpose="fine-tune")
    second = client.files.create(file=("../../two.jsonl", b""), purpose="fine-tune")
    assert (first.bytes, first.filename, first.purpose, first.object) == (
        len(content),
        "one.jsonl",
        "fine-tune",
        "file",
    )
    assert client.files.retrieve(first.id) == first
    assert client.files.content(first.id).content == content
    assert client.files.content(second.id).content == b""
    listed = [file.id for file in client.files.list(purpose="fine-tune")]
    assert {first.id, second.id} <= set(listed)
    assert [file.id for file in client.files.list(limit=1)] == listed  # the client walks the pages
    assert client.files.delete(first.id).deleted is True
    assert first.id not in [file.id for file in client.files.list()]
    for request in (client.files.retrieve, client.files.content, client.files.delete):
        with pytest.raises(openai.NotFoundError, match="No such File object"):
            request(first.id)


def test_a_large_upload_comes_back_whole(client):
    content = os.urandom(3 * 2**20)
    file = client.files.create(file=("big.jsonl", content), purpose="fine-tune")
    assert client.files.content(file.id).content == content
    client.files.delete(file.id)


def test_an_upload_needs_a_file_and_the_right_purpose(sandbox, client):
    with pytest.raises(openai.BadRequestError, match="'vision' is not one of"):
        client.files.create(file=("one.jsonl", b"x"), purpose="vision")
    status, answer = call(sandbox, "POST", "/v1/files", b"x", {"content-type": "text/plain"})
    assert (status, answer["error"]["param"]) == (400, "file")
    status, answer = call(sandbox, "POST", "/v1/files", b"x", {"content-type": "multipart/form-data"})
    assert status == 400


@pytest.mark.parametrize("name", ["file-1", "..%2F..%2Fetc", "file-" + "0" * 24])
def test_a_file_id_is_never_a_path(sandbox, name):
    assert call(sandbox, "GET", f"/v1/files/{name}")[0] == 404


@pytest.mark.parametrize("query", ["limit=0", "limit=x", "after=file-none"])
def test_a_page_that_cannot_be_is_refused(sandbox, query):
    status, answer = call(sandbox, "GET", f"/v1/files?{query}")
    assert (status, answer["error"]["param"]) == (400, query.partition("=")[0])
