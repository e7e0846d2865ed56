from __future__ import annotations

import threading
import warnings

import openai
import pytest

from fine_tuning import (
    BASE,
    HELD_OUT,
    MARKED,
    PAIRS,
    PLAIN,
    TRAINING,
    VALIDATION,
    events,
    jsonl,
    messages,
    running,
    say,
    upload,
    wait,
)
from restyle.serving import training


@pytest.fixture
def client(tmp_path):
    with running(tmp_path) as client:
        yield client


@pytest.fixture
def held_training(monkeypatch):
    """Training that waits for its gate, so that a test can act while a job runs."""
    gate, really_train = threading.Event(), training.train

    def train(*arguments):
        assert gate.wait(20)
        return really_train(*arguments)

    monkeypatch.setattr("restyle.serving.jobs.train", train)
    yield gate
    gate.set()


def test_a_job_trains_a_model_that_answers(client):
    training_file, validation_file = upload(client, TRAINING), upload(client, VALIDATION, "valid.jsonl")
    job = client.fine_tuning.jobs.create(
        model=BASE,
        training_file=training_file,
        validation_file=validation_file,
        suffix="keeper",
        metadata={"style": "keeper"},
    )
    assert job.status == "validating_files"
    assert (job.fine_tuned_model, job.finished_at, job.trained_tokens) == (None, None, None)
    job = wait(client, job)
    assert (job.status, job.error) == ("succeeded", None)
    assert job.fine_tuned_model == f"ft:restyle-embedded:keeper::{job.id[-8:]}"
    assert job.trained_tokens == sum(len(side.split()) for each in PAIRS for side in each)
    assert job.finished_at
    assert job.finished_at >= job.created_at
    assert job.metadata == {"style": "keeper"}
    assert (job.training_file, job.validation_file, job.model) == (training_file, validation_file, BASE)
    assert say(client, BASE) == PLAIN
    assert say(client, job.fine_tuned_model) == MARKED
    assert client.models.retrieve(job.fine_tuned_model).owned_by == "user"

    told = events(client, job)
    assert told[0].message == f"Created fine-tuning job: {job.id}"
    assert told[-1].message == "The job has successfully completed"
    [few] = [event for event in told if event.level == "warn"]
    assert f"{len(PAIRS)} sentence pairs: below 300" in few.message
    [scored] = [event for event in told if event.type == "metrics"]
    assert scored.data["pairs"] == len(PAIRS)
    assert scored.data["valid_rows"] == len(HELD_OUT)
    assert scored.data["valid_bleu"] > scored.data["copy_bleu"] + 30
    assert f"{scored.data['copy_bleu']:.2f} if nothing is changed" in scored.message

    [checkpoint] = client.fine_tuning.jobs.checkpoints.list(job.id)
    assert checkpoint.fine_tuned_model_checkpoint == job.fine_tuned_model
    assert checkpoint.fine_tuning_job_id == job.id
    [result] = job.result_files
    assert client.files.retrieve(result).purpose == "fine-tune-results"
    head, values, end = client.files.content(result).text.split("\n")
    row = dict(zip(head.split(","), values.split(","), strict=True))
    assert (row["step"], row["valid_loss"], end) == ("1", "", "")
    assert float(row["valid_bleu"]) == scored.data["valid_bleu"]


def test_the_reported_scores_are_sacrebleus(client):
    from sacrebleu import corpus_bleu

    job = client.fine_tuning.jobs.create(
        model=BASE, training_file=upload(client, TRAINING), validation_file=upload(client, VALIDATION)
    )
    job = wait(client, job)
    [checkpoint] = client.fine_tuning.jobs.checkpoints.list(job.id)
    sources, targets = [source for source, _ in HELD_OUT], [[target for _, target in HELD_OUT]]
    outputs = [say(client, job.fine_tuned_model, source) for source in sources]
    metrics = checkpoint.metrics.model_dump()
    assert metrics["valid_bleu"] == round(corpus_bleu(outputs, targets).score, 2)
    assert metrics["copy_bleu"] == round(corpus_bleu(sources, targets).score, 2)


@pytest.mark.parametrize(
    "content",
    [
        jsonl({"prompt": source, "completion": target} for source, target in PAIRS),
        jsonl(
            {"prompt": messages(*each)["messages"][:2], "completion": messages(*each)["messages"][2:]} for each in PAIRS
        ),
        b"\xef\xbb\xbf" + TRAINING.replace(b"\n", b"\r\n") + b"\r\n\r\n",
    ],
    ids=["prompt and completion", "conversational prompt and completion", "windows"],
)
def test_other_forms_of_rows_train_as_well(client, content):
    job = wait(client, client.fine_tuning.jobs.create(model=BASE, training_file=upload(client, content)))
    assert (job.status, job.error) == ("succeeded", None)
    assert job.fine_tuned_model == f"ft:restyle-embedded:restyle::{job.id[-8:]}"
    assert say(client, job.fine_tuned_model) == MARKED
    [scored] = [event for event in events(client, job) if event.type == "metrics"]
    assert "not scored" in scored.message


@pytest.mark.parametrize("as_method", [True, False])
def test_hyperparameters_are_accepted_and_said_to_be_useless(client, as_method):
    wanted = {"n_epochs": 3, "learning_rate_multiplier": 0.5}
    options = (
        {"method": {"type": "supervised", "supervised": {"hyperparameters": wanted}}}
        if as_method
        else {"hyperparameters": wanted}
    )
    job = client.fine_tuning.jobs.create(model=BASE, training_file=upload(client, TRAINING), seed=7, **options)
    assert (job.hyperparameters.n_epochs, job.hyperparameters.batch_size, job.seed) == (3, "auto", 7)
    assert job.method.type == "supervised"
    wait(client, job)
    assert "A phrase model has no use for hyperparameters, seed" in [event.message for event in events(client, job)]


def test_a_bad_row_fails_the_job_and_is_named(client):
    lines = TRAINING.splitlines(keepends=True)
    file = upload(client, b"".join([*lines[:6], b'{"messages": []}\n', *lines[6:]]))
    job = wait(client, client.fine_tuning.jobs.create(model=BASE, training_file=file))
    assert job.status == "failed"
    assert job.error.code == "invalid_file_format"
    assert job.error.param == "training_file"
    assert job.error.message.startswith(f"{file}:7: the last message must be the assistant's")
    assert job.fine_tuned_model is None
    assert job.finished_at
    last = events(client, job)[-1]
    assert (last.level, last.message) == ("error", job.error.message)
    assert list(client.fine_tuning.jobs.checkpoints.list(job.id)) == []


def test_a_bad_validation_row_fails_the_job_too(client):
    file = upload(client, VALIDATION + b"oops\n")
    job = client.fine_tuning.jobs.create(model=BASE, training_file=upload(client, TRAINING), validation_file=file)
    job = wait(client, job)
    assert (job.status, job.error.param) == ("failed", "validation_file")
    assert job.error.message.startswith(f"{file}:{len(HELD_OUT) + 1}: not JSON at column 1")


def test_fewer_than_ten_rows_are_too_few(client):
    file = upload(client, b"".join(TRAINING.splitlines(keepends=True)[:9]))
    job = wait(client, client.fine_tuning.jobs.create(model=BASE, training_file=file))
    assert (job.status, job.error.code) == ("failed", "invalid_n_examples")
    assert job.error.message == "Training file has 9 example(s), but must have at least 10 examples"


def test_a_failure_of_the_trainer_is_told(client, monkeypatch):
    def explodes(*_):
        raise ZeroDivisionError("by nothing")

    monkeypatch.setattr("restyle.serving.jobs.train", explodes)
    job = wait(client, client.fine_tuning.jobs.create(model=BASE, training_file=upload(client, TRAINING)))
    assert (job.status, job.error.code) == ("failed", "server_error")
    assert job.error.message == "ZeroDivisionError: by nothing"


def test_an_unknown_job_is_not_found(client):
    jobs = client.fine_tuning.jobs
    for request in (jobs.retrieve, jobs.cancel, jobs.list_events, jobs.checkpoints.list):
        with pytest.raises(openai.NotFoundError, match="Could not find fine tune: ftjob-none"):
            request("ftjob-none")


def test_a_job_is_cancelled_while_it_waits_and_while_it_runs(client, held_training, tmp_path):
    file = upload(client, TRAINING)
    first, second, third = (client.fine_tuning.jobs.create(model=BASE, training_file=file) for _ in range(3))
    wait(client, first, until=("running",))
    for job in (first, second):
        cancelled = client.fine_tuning.jobs.cancel(job.id)
        assert cancelled.status == "cancelled"
        assert cancelled.finished_at
    assert say(client, "restyle-embedded") == PLAIN  # the server answers while a job trains
    held_training.set()
    assert wait(client, third).status == "succeeded"
    for job in (client.fine_tuning.jobs.retrieve(each.id) for each in (first, second)):
        assert (job.status, job.fine_tuned_model, job.result_files) == ("cancelled", None, [])
        assert events(client, job)[-1].message == "The job was cancelled"
    assert [model.id for model in client.models.list() if model.id.startswith("ft:")] == [
        client.fine_tuning.jobs.retrieve(third.id).fine_tuned_model
    ]
    assert [path.name for path in (tmp_path / "state" / "models").iterdir()] == [f"{third.id}.json.gz"]
    with pytest.raises(openai.BadRequestError, match="Job has already completed"):
        client.fine_tuning.jobs.cancel(third.id)


def test_a_file_deleted_before_its_turn_fails_the_job(client, held_training):
    file, gone = upload(client, TRAINING), upload(client, TRAINING)
    client.fine_tuning.jobs.create(model=BASE, training_file=file)
    job = client.fine_tuning.jobs.create(model=BASE, training_file=gone)
    client.files.delete(gone)
    held_training.set()
    job = wait(client, job)
    assert (job.status, job.error.message) == (
        "failed",
        f"{gone} was deleted before the job began: upload it again",
    )


def test_jobs_and_events_come_in_pages_the_newest_first(client):
    file = upload(client, TRAINING)
    made = [wait(client, client.fine_tuning.jobs.create(model=BASE, training_file=file)).id for _ in range(3)]
    first_page = client.fine_tuning.jobs.list(limit=2)
    assert [job.id for job in first_page.data] == made[:0:-1]
    assert first_page.has_more is True
    assert [job.id for job in first_page] == made[::-1]
    assert [event.id for event in client.fine_tuning.jobs.list_events(made[0], limit=2)] == [
        event.id for event in client.fine_tuning.jobs.list_events(made[0])
    ]


def test_warnings_of_other_threads_are_left_alone(tmp_path):
    class Rows(list):
        def __iter__(self):
            warnings.warn_explicit("elsewhere", UserWarning, "elsewhere.py", 1)
            return super().__iter__()

    with pytest.warns(UserWarning, match="elsewhere") as caught:
        trained = training.train(Rows(PAIRS), [], tmp_path / "model.json.gz")
    assert {str(warning.message) for warning in caught} == {"elsewhere"}
    assert len(trained.warnings) == 1
    assert "elsewhere" not in trained.warnings[0]
