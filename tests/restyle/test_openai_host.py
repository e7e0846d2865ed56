from __future__ import annotations

import time

import pytest
from openai.types.fine_tuning import FineTuningJob

from fine_tuning import TRAINING, VALIDATION
from hosts import host as raw_host
from restyle.errors import ModelError
from restyle.testing import Fault, Loss, Sandbox
from restyle.training.hosts import openai_host
from restyle.training.hosts.host import FINAL, Files
from restyle.training.hosts.openai_host import OpenAIHost, client_for, model_suffix, supervised
from restyle.training.hosts.openai_jobs import state_of
from restyle.training.losses import Point

BASE = "gpt-4.1-mini-2025-04-14"
KEY = "sk-secret-of-the-tests"
JOBS, FILES = "/v1/fine_tuning/jobs", "/v1/files"
LOSSES = [Loss(1, 2.5), Loss(2, 2.0, 1.9), Loss(3, 1.5, 1.7, 1.8)]


@pytest.fixture(scope="module")
def running():
    with Sandbox() as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(running):
    running.tuning.__init__(host="openai", losses=LOSSES)
    return running


def opened(base_url, *, newest_first=True, **options):
    return OpenAIHost(
        "openai",
        where="the host",
        variable="RESTYLE_API_KEY",
        options={"base_url": base_url, "api_key": KEY},
        body=lambda files, role: supervised(BASE, files, {"n_epochs": 3, "batch_size": None}, suffix=f"author-{role}"),
        pause=0.001,
        newest_first=newest_first,
        **options,
    )


@pytest.fixture
def host(sandbox, monkeypatch):
    monkeypatch.setenv("RESTYLE_API_KEY", KEY)
    with opened(sandbox.base_url) as host:
        yield host


@pytest.fixture
def paths(tmp_path):
    (tmp_path / "train.messages.jsonl").write_bytes(TRAINING)
    (tmp_path / "valid.messages.jsonl").write_bytes(VALIDATION)
    return tmp_path / "train.messages.jsonl", tmp_path / "valid.messages.jsonl"


@pytest.fixture
def files(host, paths):
    return Files(*map(host.upload, paths))


def watched(host, job, until=FINAL):
    deadline = time.monotonic() + 20
    while (state := host.state(job)).status not in until:
        assert time.monotonic() < deadline, state
        time.sleep(0.005)
    return state


def test_a_job_from_its_files_to_its_model(host, files, sandbox, tmp_path):
    assert [content for _, content in sandbox.tuning.uploads] == [TRAINING, VALIDATION]
    job = host.create(files, role="restyle", tag="author-1")
    assert sandbox.tuning.asked == [
        {
            "model": BASE,
            "training_file": files.train,
            "validation_file": files.valid,
            "suffix": "author-restyle",
            "method": {"type": "supervised", "supervised": {"hyperparameters": {"n_epochs": 3}}},
            "metadata": {"restyle": "author-1"},
        }
    ]
    state = watched(host, job)
    assert (state.status, state.error) == ("succeeded", "")
    assert state.model.startswith(f"ft:{BASE}:")
    assert state.tokens
    assert host.serve(job, role="restyle", model=state.model, folder=tmp_path).model == state.model
    assert host.serve(job, role="restyle", model=state.model, folder=tmp_path).base_url == sandbox.base_url

    events = host.events(job)
    assert events[0].message.startswith("Created fine-tuning job")
    assert "success" in events[-1].message
    told = [(event.step, event.loss, event.held_out_loss) for event in events if event.step is not None]
    assert told == [(1, 2.5, None), (2, 2.0, 1.9), (3, 1.5, 1.8)]
    curve = host.curve(job)
    assert curve.train == (Point(1, 2.5), Point(2, 2.0), Point(3, 1.5))
    assert curve.held_out == (Point(2, 1.9), Point(3, 1.7))
    assert curve.full_held_out == (Point(3, 1.8),)


def test_without_a_held_out_file(host, paths, sandbox):
    job = host.create(Files(host.upload(paths[0])), role="destyle", tag="author-2")
    assert "validation_file" not in sandbox.tuning.asked[0]
    assert watched(host, job).status == "succeeded"


TROUBLE = [
    [Fault("status", 429, retry_after=0.01), Fault("status", 429)],
    [Fault("status", 500), Fault("status", 408)],
    [Fault("drop"), Fault("truncate")],
]


@pytest.mark.parametrize("faults", TROUBLE, ids=["busy", "failing", "breaking off"])
def test_what_costs_nothing_is_asked_again(host, paths, sandbox, faults):
    def suffer(path, method):
        for fault in faults:
            sandbox.inject(fault, path=path, method=method)

    suffer(FILES, "POST")
    files = Files(*map(host.upload, paths))
    job = host.create(files, role="restyle", tag="author-3")
    watched(host, job)
    suffer(JOBS, "GET")
    assert host.find(files, tag="author-3") == job
    suffer(JOBS, "GET")
    assert host.state(job).status == "succeeded"
    suffer(JOBS, "GET")
    suffer(FILES, "GET")
    assert host.curve(job).full_held_out == (Point(3, 1.8),)
    sandbox.tuning.hold = True
    other = host.create(files, role="restyle", tag="author-4")
    suffer(f"{JOBS}/{other}/cancel", "POST")
    host.cancel(other)
    sandbox.tuning.hold = False
    assert watched(host, other).status == "cancelled"
    assert len(sandbox.tuning.asked) == 2


@pytest.mark.parametrize(
    ("fault", "begun"),
    [(Fault("lost"), True), (Fault("truncate"), True), (Fault("drop"), False), (Fault("status", 500), False)],
    ids=["lost", "truncate", "drop", "500"],
)
def test_a_job_is_asked_for_once_and_found_where_it_was_begun(host, files, sandbox, fault, begun):
    tag = f"author-5-{fault.kind}"
    sandbox.inject(fault, path=JOBS)
    with pytest.raises(ModelError) as caught:
        host.create(files, role="restyle", tag=tag)
    assert caught.value.status == (fault.status if fault.kind == "status" else None)
    assert len(sandbox.tuning.asked) == begun
    found = host.find(files, tag=tag)
    assert (found is not None) == begun
    assert not begun or watched(host, found).status == "succeeded"


def test_a_busy_host_begins_a_job_later(host, files, sandbox):
    sandbox.inject(Fault("status", 429, retry_after=0.01), path=JOBS, times=3)
    host.create(files, role="restyle", tag="author-6")
    assert len(sandbox.tuning.asked) == 1


def test_a_host_says_how_long_to_wait(host, paths, sandbox):
    sandbox.inject(Fault("status", 429, retry_after=0.05), path=FILES)
    before = time.monotonic()
    host.upload(paths[0])
    assert time.monotonic() - before >= 0.05


def test_a_host_that_stays_busy_is_given_up(host, files, sandbox):
    sandbox.inject(Fault("status", 429), path=JOBS, times=8)
    with pytest.raises(ModelError, match="the host failed with HTTP 429: rate_limit_exceeded: An injected") as caught:
        host.create(files, role="restyle", tag="author-7")
    assert (caught.value.status, sandbox.tuning.asked) == (429, [])
    host.create(files, role="restyle", tag="author-7")  # all eight were used


def test_a_host_that_asks_to_wait_for_hours_is_not_waited_for(host, paths, sandbox):
    sandbox.inject(Fault("status", 429, retry_after=3600), path=FILES)
    with pytest.raises(ModelError, match="HTTP 429"):
        host.upload(paths[0])


def test_a_bad_request_is_an_error_at_once(host, files, sandbox):
    sandbox.tuning.models = ("another",)
    with pytest.raises(ModelError) as caught:
        host.create(files, role="restyle", tag="author-8")
    assert str(caught.value) == (
        "the host failed with HTTP 400: model_not_available: "
        f"Model {BASE} is not available for fine-tuning or does not exist. (parameter model)"
    )
    assert caught.value.status == 400


def test_a_job_that_fails_says_why(host, files, sandbox):
    sandbox.tuning.fails = "The training file has a row that policy forbids"
    state = watched(host, host.create(files, role="restyle", tag="author-9"))
    assert state.status == "failed"
    assert "The training file has a row that policy forbids" in state.error
    assert state.model is None


def test_a_file_is_waited_for(host, paths, sandbox):
    sandbox.tuning.file_seconds = 0.05
    before = time.monotonic()
    name = host.upload(paths[0])
    assert time.monotonic() - before >= 0.05
    assert host.client.files.retrieve(name).status == "processed"


def test_a_file_that_is_never_processed(host, paths, sandbox, monkeypatch):
    monkeypatch.setattr(openai_host, "_PROCESSING", 0.02)
    sandbox.tuning.file_seconds = 60
    with pytest.raises(ModelError, match=r"the host has not processed .*train\.messages\.jsonl, file file-\w+ there"):
        host.upload(paths[0])


def test_a_file_that_the_host_cannot_use(paths):
    answer = {"id": "file-1", "status": "error", "status_details": "line 3 has no messages"}
    with raw_host(answer) as base_url, opened(base_url) as host, pytest.raises(ModelError) as caught:
        host.upload(paths[0])
    assert str(caught.value).endswith("file file-1 there (error): line 3 has no messages")


def test_a_job_is_found_on_any_page(host, files, monkeypatch):
    monkeypatch.setattr(openai_host, "_PAGE", 2)
    made = [host.create(files, role="restyle", tag=f"page-{number}") for number in range(5)]
    assert [host.find(files, tag=f"page-{number}") for number in range(5)] == made
    assert host.find(files, tag="page-5") is None


def test_a_host_that_forgets_metadata_knows_a_job_by_its_files(host, files, paths, sandbox):
    sandbox.tuning.forgets_metadata = True
    job = host.create(files, role="restyle", tag="author-10")
    assert host.find(files, tag="author-10") == job
    assert host.find(Files(files.train), tag="author-10") is None
    assert host.find(Files(host.upload(paths[0]), files.valid), tag="author-10") is None
    watched(host, job)
    sandbox.tuning.fails = "for once"
    failed = host.create(files, role="restyle", tag="author-11")
    assert watched(host, failed).status == "failed"
    assert host.find(files, tag="author-11") == job  # not the one that has failed: it would not be begun anew


def test_what_keeps_no_metadata_is_sent_none(sandbox, paths):
    with opened(sandbox.base_url, tagged=False) as host:
        host.create(Files(host.upload(paths[0])), role="restyle", tag="author-12")
    assert "metadata" not in sandbox.tuning.asked[0]


def test_events_come_from_all_pages_once(host, files, sandbox, monkeypatch):
    monkeypatch.setattr(openai_host, "_PAGE", 2)
    sandbox.tuning.hold = True
    job = host.create(files, role="restyle", tag="author-13")
    watched(host, job, {"running"})
    early = host.events(job)
    sandbox.tuning.hold = False
    watched(host, job)
    late = host.events(job)
    assert late[: len(early)] == early
    assert len(late) > len(early) > 0
    assert late == host.events(job)
    with opened(sandbox.base_url) as other:
        assert other.events(job) == late


@pytest.mark.parametrize("times", [(1, 2, 3), (1, 1, 1), (3, 2, 1)])
def test_a_host_without_order_or_pages(times):
    events = [{"id": f"event-{time}-{place}", "message": "", "created_at": time} for place, time in enumerate(times)]
    listing = {"object": "list", "data": events}  # whatever page was asked for
    with raw_host(*[listing] * 4) as base_url, opened(base_url, newest_first=False) as host:
        for _ in range(2):
            assert [event.id for event in host.events("job-1")] == sorted(event["id"] for event in events)


def test_figures_of_events_are_read_with_care():
    data = {"step": "7", "total_steps": 9.0, "train_loss": "nan", "valid_loss": [1], "full_valid_loss": None}
    event = {"id": "event-1", "message": "Step 7", "type": "metrics", "data": data}
    odd = {"id": "event-0", "message": "odd", "type": "metrics", "data": "step 6"}
    listing = {"object": "list", "data": [event, odd], "has_more": False}
    with raw_host(listing) as base_url, opened(base_url) as host:
        told = [(each.step, each.steps, each.loss, each.held_out_loss) for each in host.events("job-1")]
    assert told == [(None, None, None, None), (7, 9, None, None)]


def test_losses_are_read_from_result_files():
    job = {"id": "ftjob-1", "object": "fine_tuning.job", "status": "succeeded", "result_files": ["file-1", "file-2"]}
    nothing = {"object": "list", "data": [], "has_more": False}
    table = b"step,train_loss,valid_loss,validation_mean_token_accuracy,full_valid_loss\n1,2.0,,,\n2,1.5,1.9,0.6,1.8\n"
    with raw_host(nothing, nothing, job, b"PK no table", table) as base_url, opened(base_url) as host:
        curve = host.curve("ftjob-1")
    assert curve.train == (Point(1, 2.0), Point(2, 1.5))
    assert (curve.held_out, curve.full_held_out) == ((Point(2, 1.9),), (Point(2, 1.8),))


def test_losses_are_known_without_the_result_file(host, files):
    job = host.create(files, role="restyle", tag="author-14")
    watched(host, job)
    for name in host.client.fine_tuning.jobs.retrieve(job).result_files:
        host.client.files.delete(name)
    assert host.curve(job).full_held_out == (Point(3, 1.8),)


def test_a_job_that_is_over_is_not_cancelled(host, files):
    job = host.create(files, role="restyle", tag="author-15")
    watched(host, job)
    host.cancel(job)
    assert host.state(job).status == "succeeded"


def test_a_job_of_another_project(host):
    with pytest.raises(ModelError, match="the host has no job ftjob-1: use the key of the project") as caught:
        host.state("ftjob-1")
    assert caught.value.status == 404
    with pytest.raises(ModelError, match="the host has no job ftjob-1"):
        host.cancel("ftjob-1")


@pytest.mark.parametrize(
    ("answer", "status", "said"),
    [
        ({"error": {"message": f"Incorrect key: {KEY}"}}, "401 Unauthorized", "refused the key (HTTP 401): check RES"),
        ({"error": {"message": f"{KEY} may not"}}, "403 Forbidden", "(HTTP 403): $RESTYLE_API_KEY may not"),
        ({"error": {"message": f"{KEY}?", "code": "bad"}}, "400 Bad Request", "HTTP 400: bad: $RESTYLE_API_KEY?"),
        ({"detail": [{"msg": f"{KEY}?"}]}, "422 Unprocessable", "$RESTYLE_API_KEY?"),
        (f"<h1>{KEY}</h1>".encode(), "502 Bad Gateway", "<h1>$RESTYLE_API_KEY</h1>"),
    ],
)
def test_errors_hold_no_key(monkeypatch, answer, status, said):
    monkeypatch.setenv("RESTYLE_API_KEY", KEY)
    monkeypatch.setattr(openai_host, "_ATTEMPTS", 1)
    with raw_host(answer, status=status) as base_url, opened(base_url) as host, pytest.raises(ModelError) as caught:
        host.find(Files("file-1"), tag="author-16")
    assert said in str(caught.value)
    assert KEY not in repr(caught.value)
    assert caught.value.__cause__ is None


def test_an_empty_account_is_no_busy_host():
    answer = {"error": {"message": "You exceeded your current quota", "code": "insufficient_quota"}}
    said = pytest.raises(ModelError, match="HTTP 429: insufficient_quota: You exceeded")  # not: did not answer
    with raw_host(answer, status="429 Too Many Requests") as base_url, opened(base_url) as host, said:
        host.find(Files("file-1"), tag="author-17")


def test_a_web_page_is_no_host(paths):
    said = pytest.raises(ModelError, match="no JSON: is the base_url complete")
    with raw_host(b"<html></html>", kind="text/html") as base_url, opened(base_url) as host, said:
        host.upload(paths[0])


def test_nobody_there(monkeypatch):
    monkeypatch.setattr(openai_host, "_ATTEMPTS", 2)
    with opened("http://127.0.0.1:1/v1") as host, pytest.raises(ModelError, match="did not answer") as caught:
        host.state("job-1")
    assert caught.value.status is None


@pytest.mark.parametrize(
    ("status", "read"),
    [
        ("validating_files", "validating_files"),
        ("pending", "queued"),
        ("notRunning", "queued"),
        ("running", "running"),
        ("pausing", "running"),
        ("paused", "paused"),
        ("something new", "running"),
        ("succeeded", "succeeded"),
        ("canceled", "cancelled"),
        ("failed", "failed"),
    ],
)
def test_statuses(status, read):
    assert state_of(FineTuningJob.construct(id="job-1", status=status)).status == read


def test_a_state_as_it_is_sent():
    error = {"code": "invalid_file", "message": "No.", "param": "training_file"}
    job = {"id": "job-1", "status": "failed", "error": error, "estimated_finish": time.time() + 60}
    state = state_of(FineTuningJob.construct(**job))
    assert state.error == "invalid_file: No. (parameter training_file)"
    assert 50 < state.seconds_left <= 60
    nothing = {"code": None, "message": None, "param": None}
    assert state_of(FineTuningJob.construct(**job | {"error": nothing, "estimated_finish": 0})).error == ""
    assert state_of(FineTuningJob.construct(**job | {"estimated_finish": 0})).seconds_left == 0.0
    assert state_of(FineTuningJob.construct(id="job-1", status="running")).seconds_left is None


def test_a_key_is_needed(monkeypatch):
    with pytest.raises(ModelError, match="no NEBIUS_API_KEY in the environment"):
        client_for("https://api.example/v1/", "NEBIUS_API_KEY")
    monkeypatch.setenv("NEBIUS_API_KEY", KEY)
    assert client_for("https://api.example/v1/", "NEBIUS_API_KEY")["api_key"] == KEY


@pytest.mark.parametrize(
    ("provider", "name", "suffix"),
    [
        ("openai", "wodehouse", "wodehouse-restyle"),
        ("openai", "a" * 64, "a" * 56 + "-restyle"),
        ("openai", "v1.2", "v1.2-restyle"),
        ("azure", "v1.2", "v1-2-restyle"),
        ("azure", "wodehouse-letters", "wodehouse-restyle"),
        ("together", "a" * 64, "a" * 32 + "-restyle"),
    ],
)
def test_suffixes(provider, name, suffix):
    assert model_suffix(provider, name, "restyle") == suffix
