from __future__ import annotations

import socket

import openai
import pytest

from fine_tuning import MARKED, TRAINING, playing, say, upload, wait
from restyle.testing import Fault, Sandbox

MODEL = "gpt-4.1-mini-2025-04-14"
JOBS = "/v1/fine_tuning/jobs"


def begin(client, file=None):
    return client.fine_tuning.jobs.create(model=MODEL, training_file=file or upload(client, TRAINING))


def test_a_job_whose_answer_is_lost_is_begun_and_one_that_is_dropped_is_not():
    with playing("openai") as (sandbox, client):
        file = upload(client, TRAINING)
        for kind, begun in (("drop", 0), ("lost", 1)):
            sandbox.inject(Fault(kind), path=JOBS)
            with pytest.raises(openai.APIConnectionError):
                begin(client, file)
            assert len(sandbox.tuning.asked) == len(list(client.fine_tuning.jobs.list())) == begun
        assert sandbox.requests == []


@pytest.mark.parametrize("kind", ["lost", "drop", "truncate"])
def test_an_upload_may_be_lost(kind):
    with playing("openai") as (sandbox, client):
        sandbox.inject(Fault(kind), path="/v1/files")
        with pytest.raises(openai.APIConnectionError):
            upload(client, TRAINING)
        assert len(sandbox.tuning.uploads) == len(list(client.files.list())) == (0 if kind == "drop" else 1)
        assert upload(client, TRAINING)


def test_faults_wait_for_their_path_and_method():
    with playing("azure") as (sandbox, client):
        sandbox.inject(Fault("status", status=503), path=JOBS, method="GET")
        sandbox.inject(Fault("status", status=429, retry_after=0), times=2, path="/v1/files")
        sandbox.inject(Fault("status", status=500), path="/v1/", method=None)
        with pytest.raises(openai.RateLimitError) as caught:
            upload(client, TRAINING)
        assert caught.value.response.headers["retry-after"] == "0"
        with pytest.raises(openai.InternalServerError, match="500"):  # of any method, and injected later
            client.files.list()
        with pytest.raises(openai.InternalServerError, match="503"):
            client.fine_tuning.jobs.list()
        with pytest.raises(openai.RateLimitError):
            upload(client, TRAINING)
        assert upload(client, TRAINING)
        assert say(client, "echo", "Untouched.") == "Untouched."


def test_a_slow_answer_comes_in_the_end():
    with playing("nebius") as (sandbox, client):
        sandbox.inject(Fault("slow", delay=0.2), path=JOBS, method="GET")
        with pytest.raises(openai.APITimeoutError):
            client.with_options(timeout=0.05).fine_tuning.jobs.list()
        sandbox.inject(Fault("slow", delay=0.01), path=JOBS, method="GET")
        assert list(client.fine_tuning.jobs.list()) == []


def test_a_chat_answer_may_be_lost_too():
    with playing("openai") as (sandbox, client):
        sandbox.inject(Fault("lost"))
        with pytest.raises(openai.APIConnectionError):
            say(client, "echo")
        assert len(sandbox.requests) == 1


def test_a_fault_of_chat_answers_is_refused_elsewhere():
    with pytest.raises(ValueError, match="'refusal' is one of chat answers: it cannot happen to /v1/files"):
        Sandbox().inject(Fault("refusal"), path="/v1/files")


def test_a_host_that_restarts_in_the_middle_of_a_job_ends_it_on_the_same_port(tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    first, second = (Sandbox(state=tmp_path, port=port) for _ in range(2))
    first.tuning.host = "openai"
    with openai.OpenAI(base_url=f"http://127.0.0.1:{port}/v1", api_key="unused", max_retries=0) as client:
        with first:
            assert first.base_url == f"http://127.0.0.1:{port}/v1"
            done = wait(client, begin(client))
            first.tuning.hold = True
            job = wait(client, begin(client), until=("running", "failed"))
            assert job.status == "running"
        with pytest.raises(openai.APIConnectionError):
            client.fine_tuning.jobs.retrieve(job.id)
        with second:  # the job keeps the host it was begun at
            job = wait(client, job)
            assert job.fine_tuned_model == f"ft:{MODEL}:org::{job.id[-8:]}"
            assert [say(client, each.fine_tuned_model) for each in (done, job)] == [MARKED, MARKED]
            assert len(list(client.fine_tuning.jobs.checkpoints.list(job.id))) == 1


def test_a_host_that_restarts_before_it_is_let_go_still_holds(tmp_path):
    sandbox = Sandbox(state=tmp_path)
    sandbox.tuning.hold = True
    with playing("nebius", sandbox) as (_, client):
        job = client.fine_tuning.jobs.create(
            model="Qwen/Qwen3-32B", training_file=upload(client, TRAINING), hyperparameters={"lora": True}
        )
        wait(client, job, until=("running",))
    with playing("nebius", sandbox) as (_, client):
        assert wait(client, job, until=("running",)).status == "running"
        assert client.fine_tuning.jobs.cancel(job.id).status == "cancelled"
