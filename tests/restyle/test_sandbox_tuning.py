from __future__ import annotations

import time

import openai
import pytest

from fine_tuning import MARKED, PLAIN, TRAINING, VALIDATION, events, jsonl, playing, say, upload, wait
from restyle.testing import Loss
from restyle.training.losses import from_checkpoints, from_events, from_result_file

MODEL = "gpt-4.1-mini-2025-04-14"
LOSSES = [
    Loss(1, 2.5, 2.6),
    Loss(2, 2.0, None, 2.1),
    Loss(3, 1.7, 1.9),
    Loss(4, 1.5, None, 1.8),
    Loss(5, 1.4, 1.6),
    Loss(6, 1.3, None, 1.7),
    Loss(7, 1.2, 1.5),
    Loss(8, 1.1, None, 1.75),
]


@pytest.fixture(scope="module")
def running():
    with playing("openai") as (sandbox, client):
        yield sandbox, client, upload(client, TRAINING)


@pytest.fixture
def shared(running):
    """One sandbox for all tests, with nothing told or asked yet, its client, and a file to train on."""
    sandbox, client, file = running
    sandbox.tuning.__init__(host="openai")
    sandbox.requests.clear()
    return sandbox, client, file


@pytest.fixture
def openai_host(shared):
    return shared[:2]


def begin(client, **options):
    return client.fine_tuning.jobs.create(model=MODEL, training_file=upload(client, TRAINING), **options)


def method(**hyperparameters):
    return {"type": "supervised", "supervised": {"hyperparameters": hyperparameters}}


def test_a_job_at_openai_tells_its_losses_and_its_model_answers(openai_host):
    sandbox, client = openai_host
    sandbox.tuning.losses = LOSSES
    valid = upload(client, VALIDATION, "valid.jsonl")
    job = begin(client, validation_file=valid, suffix="keeper", metadata={"k": "v"}, method=method(n_epochs=4))
    assert (job.status, job.model, job.fine_tuned_model) == ("validating_files", MODEL, None)
    job = wait(client, job)
    assert job.status == "succeeded", job.error
    assert job.fine_tuned_model == f"ft:{MODEL}:org:keeper:{job.id[-8:]}"
    assert (job.metadata, job.hyperparameters.n_epochs, job.hyperparameters.batch_size) == ({"k": "v"}, 4, "auto")
    assert say(client, job.fine_tuned_model) == MARKED

    told = events(client, job)
    [first, *_] = metrics = [event for event in told if event.type == "metrics"]
    assert (first.message, len(metrics)) == ("Step 1/8: training loss=2.50, validation loss=2.60", len(LOSSES))
    assert first.data["train_mean_token_accuracy"] == pytest.approx(0.082, abs=0.001)
    curve = from_events(told)
    assert [point.loss for point in curve.full_held_out] == [2.1, 1.8, 1.7, 1.75]

    made = list(client.fine_tuning.jobs.checkpoints.list(job.id))
    assert [each.step_number for each in made] == [8, 6, 4]  # the last three epochs, the latest first
    assert [each.fine_tuned_model_checkpoint for each in made] == [
        job.fine_tuned_model,
        f"{job.fine_tuned_model}:ckpt-step-6",
        f"{job.fine_tuned_model}:ckpt-step-4",
    ]
    assert say(client, made[1].fine_tuned_model_checkpoint) == MARKED
    assert from_checkpoints(made).full_held_out == curve.full_held_out[1:]

    content = client.files.content(job.result_files[0]).content
    assert b"," not in content  # base64, as the cookbook found it
    assert [(point.step, point.loss) for point in from_result_file(content).held_out] == [
        (loss.step, loss.valid) for loss in LOSSES if loss.valid is not None
    ]
    assert [name for name, _ in sandbox.tuning.uploads] == ["valid.jsonl", "train.jsonl"]
    assert sandbox.tuning.uploads[1][1] == TRAINING
    assert [asked["suffix"] for asked in sandbox.tuning.asked] == ["keeper"]
    assert sandbox.requests[0].path == "/v1/chat/completions"


def test_without_a_validation_file_nothing_is_told_of_one_and_the_file_may_be_plain(openai_host):
    sandbox, client = openai_host
    sandbox.tuning.losses, sandbox.tuning.base64_results, sandbox.tuning.forgets_metadata = LOSSES, False, True
    job = wait(client, begin(client, metadata={"k": "v"}))
    assert (job.fine_tuned_model, job.metadata) == (f"ft:{MODEL}:org::{job.id[-8:]}", None)
    assert {each.metadata for each in client.fine_tuning.jobs.list()} == {None}
    lines = client.files.content(job.result_files[0]).text.splitlines()
    assert lines[0] == "step,train_loss,train_accuracy,valid_loss,valid_mean_token_accuracy"
    assert [line.split(",")[3:] for line in lines[1:]] == [["", ""]] * len(LOSSES)
    assert [each.step_number for each in client.fine_tuning.jobs.checkpoints.list(job.id)] == [8, 7, 6]


def test_a_job_that_is_to_fail_does_and_the_next_does_not(openai_host):
    sandbox, client = openai_host
    sandbox.tuning.fails = "The training went wrong."
    job = wait(client, begin(client))
    assert (job.status, job.error.code, job.error.message) == ("failed", "server_error", "The training went wrong.")
    assert events(client, job)[-1].level == "error"
    assert "Fine-tuning job started" in [event.message for event in events(client, job)]
    assert wait(client, begin(client)).status == "succeeded"


def test_jobs_run_side_by_side_until_they_are_let_go_or_cancelled(openai_host):
    sandbox, client = openai_host
    sandbox.tuning.hold = True
    jobs = [begin(client) for _ in range(3)]
    for job in jobs:
        assert wait(client, job, until=("running", "failed")).status == "running"
    assert client.fine_tuning.jobs.cancel(jobs[0].id).status == "cancelled"
    sandbox.tuning.hold = False
    assert [wait(client, job).status for job in jobs] == ["cancelled", "succeeded", "succeeded"]


def test_a_job_takes_its_time_and_says_when_it_ends(openai_host):
    sandbox, client = openai_host
    sandbox.tuning.seconds = 0.2
    begun = time.monotonic()
    job = wait(client, begin(client))
    assert time.monotonic() - begun >= 0.2
    assert abs(job.estimated_finish - job.created_at) <= 1


def test_a_file_is_processed_before_it_can_be_trained_on(openai_host):
    sandbox, client = openai_host
    sandbox.tuning.file_seconds = 60
    file = client.files.create(file=("train.jsonl", TRAINING), purpose="fine-tune")
    assert file.status == "uploaded"
    with pytest.raises(openai.BadRequestError, match="is not ready") as caught:
        client.fine_tuning.jobs.create(model=MODEL, training_file=file.id)
    assert caught.value.param == "training_file"
    assert sandbox.tuning.asked == []
    sandbox.tuning.file_seconds = 0.05
    file = client.files.create(file=("train.jsonl", TRAINING), purpose="fine-tune")
    client.files.wait_for_processing(file.id, poll_interval=0.01)
    assert [each.status for each in client.files.list() if each.id == file.id] == ["processed"]
    assert client.fine_tuning.jobs.create(model=MODEL, training_file=file.id).status == "validating_files"


@pytest.mark.parametrize(
    ("content", "param", "code", "message"),
    [
        (b"".join(TRAINING.splitlines(keepends=True)[:9]), "training_file", "invalid_n_examples", "has 9 example"),
        (TRAINING + b"{}\n", "training_file", "invalid_training_file", "file format error in the training file"),
        (
            jsonl([{"prompt": PLAIN, "completion": MARKED}] * 12),
            "training_file",
            "invalid_training_file",
            "has 'messages'",
        ),
        (b"oops", "validation_file", "invalid_validation_file", "file format error in the validation file"),
    ],
)
def test_bad_files_fail_the_job(shared, content, param, code, message):
    _, client, good = shared
    files = {"training_file": good, param: upload(client, content)}
    job = wait(client, client.fine_tuning.jobs.create(model=MODEL, **files))
    assert (job.status, job.error.param, job.error.code) == ("failed", param, code)
    assert message in job.error.message


@pytest.mark.parametrize(
    ("change", "param", "code"),
    [
        ({"model": "gpt-5"}, "model", "model_not_available"),
        ({"suffix": "x" * 65}, "suffix", "string_above_max_length"),
        ({"seed": -1}, "seed", "integer_below_min_value"),
        ({"integrations": [{"type": "mlflow"}]}, "integrations[0].type", "invalid_value"),
        ({"metadata": {"k" * 65: "v"}}, "metadata", "string_above_max_length"),
        ({"metadata": {str(number): "" for number in range(17)}}, "metadata", "object_above_max_properties"),
        ({"extra_body": {"trainingType": "Standard"}}, "trainingType", "unknown_parameter"),
        ({"method": method(n_epochs=51)}, "method.supervised.hyperparameters.n_epochs", "integer_above_max_value"),
        ({"method": method(n_epochs=1.5)}, "method.supervised.hyperparameters.n_epochs", "invalid_type"),
        ({"method": method(n_epochs=True)}, "method.supervised.hyperparameters.n_epochs", "invalid_type"),
        ({"method": method(batch_size=0)}, "method.supervised.hyperparameters.batch_size", "integer_below_min_value"),
        ({"method": method(batch_size=257)}, "method.supervised.hyperparameters.batch_size", "integer_above_max_value"),
        ({"method": method(lora=True)}, "method.supervised.hyperparameters.lora", "unknown_parameter"),
        (
            {"hyperparameters": {"learning_rate_multiplier": 0}},
            "hyperparameters.learning_rate_multiplier",
            "decimal_below_min_value",
        ),
    ],
)
def test_a_bad_request_makes_no_job_at_openai(shared, change, param, code):
    sandbox, client, file = shared
    with pytest.raises(openai.BadRequestError) as caught:
        client.fine_tuning.jobs.create(**{"model": MODEL, "training_file": file, **change})
    assert (caught.value.param, caught.value.code) == (param, code)
    assert sandbox.tuning.asked == []


def test_what_openai_takes_is_taken(shared):
    sandbox, client, file = shared
    sandbox.tuning.models = ("gpt-9",)
    job = client.fine_tuning.jobs.create(
        model="gpt-9",
        training_file=file,
        suffix="x" * 64,
        seed=2**31 - 1,
        integrations=[{"type": "wandb", "wandb": {"project": "p"}}],
        hyperparameters={"n_epochs": 50, "batch_size": 256, "learning_rate_multiplier": 0.1},
    )
    assert wait(client, job).fine_tuned_model.startswith("ft:gpt-9:org:xxx")
