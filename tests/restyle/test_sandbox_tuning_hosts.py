from __future__ import annotations

import json
import time
import urllib.error
import urllib.request

import openai
import pytest

from fine_tuning import MARKED, TRAINING, VALIDATION, playing, say, upload, wait
from restyle.testing import Loss, Sandbox
from restyle.training.losses import from_checkpoints, from_result_file

MARK = b"\xef\xbb\xbf"
AZURE, OPEN = "gpt-4.1-mini", "Qwen3-32B"
TRAINED, SERVED = "meta-llama/Llama-3.1-8B-Instruct", "meta-llama/Meta-Llama-3.1-8B-Instruct"
LOSSES = [Loss(1, 2.0, 2.1), Loss(2, 1.5, 1.6, 1.7), Loss(3, 1.2), Loss(4, 1.0, 1.4, 1.5)]


@pytest.fixture(scope="module")
def azure_host():
    with playing("azure") as (sandbox, client):
        yield sandbox, client


@pytest.fixture(scope="module")
def nebius_host():
    with playing("nebius") as (sandbox, client):
        yield sandbox, client


@pytest.fixture
def azure(azure_host):
    return fresh("azure", *azure_host)


@pytest.fixture
def nebius(nebius_host):
    return fresh("nebius", *nebius_host)


def fresh(host, sandbox, client):
    """The same sandbox with nothing told or asked yet."""
    sandbox.tuning.__init__(host=host)
    sandbox.requests.clear()
    return sandbox, client


def begin_azure(client, *, mark=MARK, model=AZURE, **options):
    return client.fine_tuning.jobs.create(model=model, training_file=upload(client, mark + TRAINING), **options)


def begin_nebius(client, *, valid=False, **hyperparameters):
    files = {"validation_file": upload(client, VALIDATION)} if valid else {}
    return client.fine_tuning.jobs.create(
        model=TRAINED, training_file=upload(client, TRAINING), hyperparameters=hyperparameters, **files
    )


def v0(sandbox, path="", **body):
    """What ``/v0/models`` answers, with the status where it is an error."""
    url = sandbox.base_url.removesuffix("/v1") + f"/v0/models{path}"
    request = urllib.request.Request(url, json.dumps(body).encode() if body else None)
    try:
        with urllib.request.urlopen(request) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)


def test_a_model_tuned_at_azure_answers_under_its_deployments_name_alone(azure):
    sandbox, client = azure
    sandbox.tuning.losses, sandbox.tuning.hold = LOSSES, True
    valid = upload(client, MARK + VALIDATION)
    job = begin_azure(client, validation_file=valid, suffix="keeper", extra_body={"trainingType": "developerTier"})
    assert job.status == "pending"  # which is none of OpenAI's words
    assert (job.result_files, job.organization_id, job.hyperparameters.n_epochs) == (None, None, -1)
    sandbox.tuning.hold = False
    job = wait(client, job)
    assert job.status == "succeeded", job.error
    assert job.fine_tuned_model == f"gpt-4.1-mini-2025-04-14.ft-{job.id.removeprefix('ftjob-')}-keeper"
    assert job.model_extra["trainingType"] == "developerTier"
    with pytest.raises(openai.NotFoundError, match="deployment for this resource does not exist") as caught:
        say(client, job.fine_tuned_model)
    assert caught.value.code == "DeploymentNotFound"
    sandbox.tuning.deployments["gpt-of-mine"] = job.fine_tuned_model
    assert say(client, "gpt-of-mine") == MARKED
    assert "gpt-of-mine" in [model.id for model in client.models.list()]
    assert [request.path for request in sandbox.requests] == ["/openai/v1/chat/completions"] * 2

    assert [each.step_number for each in client.fine_tuning.jobs.checkpoints.list(job.id)] == [4, 2]
    content = client.files.content(job.result_files[0]).text
    assert content.splitlines()[0].split(",")[4:6] == ["validation_mean_token_accuracy", "full_valid_loss"]
    assert [point.loss for point in from_result_file(content).full_held_out] == [1.7, 1.5]


def test_azure_wants_a_mark_where_it_is_as_its_guide_says(azure):
    sandbox, client = azure
    job = wait(client, begin_azure(client, mark=b""))
    assert (job.status, job.error.code) == ("failed", "invalid_training_file")
    assert "byte order mark" in job.error.message
    sandbox.tuning.needs_bom = False
    assert wait(client, begin_azure(client, mark=b"")).status == "succeeded"


def test_a_file_at_azure_is_pending_before_it_is_processed(azure):
    sandbox, client = azure
    sandbox.tuning.file_seconds = 60
    file = client.files.create(file=("train.jsonl", TRAINING), purpose="fine-tune")
    assert client.files.retrieve(file.id).status == "pending"


@pytest.mark.parametrize(
    ("change", "param", "code"),
    [
        ({"suffix": "x" * 19}, "suffix", "string_above_max_length"),
        ({"suffix": "a.b"}, "suffix", "invalid_value"),
        ({"extra_body": {"trainingType": "Cheap"}}, "trainingType", "invalid_value"),
        ({"model": OPEN}, "trainingType", "missing_required_parameter"),
        ({"model": "gpt-4.1-2025-04-14"}, "model", "model_not_available"),
    ],
)
def test_a_bad_request_makes_no_job_at_azure(azure, change, param, code):
    sandbox, client = azure
    with pytest.raises(openai.BadRequestError) as caught:
        begin_azure(client, **change)
    assert (caught.value.param, caught.value.code) == (param, code)
    assert sandbox.tuning.asked == []


def test_an_open_model_at_azure_is_trained_with_any_spelling_of_the_type(azure):
    _, client = azure
    job = wait(client, begin_azure(client, model=OPEN, extra_body={"trainingType": "globalStandard"}))
    assert job.fine_tuned_model == f"{OPEN}.ft-{job.id.removeprefix('ftjob-')}"


def test_a_checkpoint_at_nebius_is_activated_and_then_answers(nebius):
    sandbox, client = nebius
    sandbox.tuning.losses = LOSSES
    job = wait(client, begin_nebius(client, valid=True, lora=True, learning_rate=1e-4))
    assert job.status == "succeeded", job.error
    assert (job.fine_tuned_model, job.metadata, job.result_files) == (None, None, [])  # it has none of these
    assert (job.hyperparameters.model_extra["lora"], job.hyperparameters.model_extra["lora_r"]) == (True, 8)
    assert job.model_extra["total_steps"] == 4
    assert [event.type for event in client.fine_tuning.jobs.list_events(job.id)] == ["message"] * 7
    assert next(iter(client.fine_tuning.jobs.list_events(job.id))).message.startswith("Created")  # the oldest first
    made = list(client.fine_tuning.jobs.checkpoints.list(job.id))
    assert [(each.step_number, each.metrics.train_loss, each.metrics.valid_loss) for each in made] == [
        (2, 1.5, 1.7),
        (4, 1.0, 1.5),
    ]
    assert [each.metrics.full_valid_loss for each in made] == [None, None]
    assert [point.loss for point in from_checkpoints(made, whole_file=True).full_held_out] == [1.7, 1.5]

    source = f"{job.id}:{made[0].id}"
    sandbox.tuning.activation_seconds = 60
    waits = v0(sandbox, name="keeper", source=source, base_model=SERVED, description="Old letters.")
    assert (waits["status"], waits["base_model"], waits["source"]) == ("validating", SERVED, source)
    assert waits["name"].startswith(f"{SERVED}-LoRa:keeper-")
    assert v0(sandbox, f"/{waits['name']}")["status"] == "validating"
    with pytest.raises(openai.NotFoundError):
        say(client, waits["name"])

    sandbox.tuning.activation_seconds = 0.02
    begun = v0(sandbox, name="keeper", source=source, base_model=SERVED)
    assert begun["status"] == "validating"
    time.sleep(0.03)
    found = v0(sandbox, f"/{begun['name']}")
    assert (found["status"], found["job_id"], found["checkpoint_id"]) == ("active", job.id, made[0].id)
    assert say(client, begun["name"]) == MARKED
    assert {each["name"] for each in v0(sandbox)} >= {waits["name"], begun["name"]}


def test_an_activation_fails_as_it_is_told_to_or_without_an_adapter(nebius):
    sandbox, client = nebius
    for options, reason in (({"lora": True}, "No room."), ({}, "no LoRA adapter")):
        sandbox.tuning.activation_fails = "No room."
        job = wait(client, begin_nebius(client, **options))
        assert job.hyperparameters.model_extra["lora"] is bool(options)  # full fine-tuning is the default
        [checkpoint] = client.fine_tuning.jobs.checkpoints.list(job.id)
        name = v0(sandbox, name="k", source=f"{job.id}:{checkpoint.id}", base_model=SERVED)["name"]
        found = v0(sandbox, f"/{name}")
        assert found["status"] == "error"
        assert reason in found["status_reason"]
        with pytest.raises(openai.NotFoundError):
            say(client, name)


def test_a_wrong_activation_is_refused(nebius):
    sandbox, client = nebius
    job = wait(client, begin_nebius(client, lora=True))
    [checkpoint] = client.fine_tuning.jobs.checkpoints.list(job.id)
    source = f"{job.id}:{checkpoint.id}"
    assert v0(sandbox, name="k", source=source)[0] == 422
    assert v0(sandbox, name="k", source=source, base_model=TRAINED)[0] == 400  # it is served by another name
    assert v0(sandbox, name="k", source=f"{job.id}:none", base_model=SERVED)[0] == 404
    assert v0(sandbox, "/none")[0] == 404
    sandbox.tuning.host = "openai"
    assert v0(sandbox, name="k", source=source, base_model=SERVED)[0] == 404


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"metadata": {"k": "v"}}, ["body", "metadata"]),
        ({"hyperparameters": {"lora": "yes"}}, ["body", "hyperparameters", "lora"]),
        ({"hyperparameters": {"n_epochs": "auto"}}, ["body", "hyperparameters", "n_epochs"]),
        ({"hyperparameters": {"lora_rank": 8}}, ["body", "hyperparameters", "lora_rank"]),
        ({"hyperparameters": {"lora_dropout": 1.5}}, ["body", "hyperparameters", "lora_dropout"]),
    ],
)
def test_a_bad_request_makes_no_job_at_nebius(nebius, change, place):
    sandbox, client = nebius
    with pytest.raises(openai.UnprocessableEntityError) as caught:
        client.fine_tuning.jobs.create(**{"model": TRAINED, "training_file": upload(client, TRAINING), **change})
    assert caught.value.body["detail"][0]["loc"] == place
    with pytest.raises(openai.BadRequestError, match="not available for fine-tuning"):
        client.fine_tuning.jobs.create(model=SERVED, training_file="file-1")
    assert sandbox.tuning.asked == []


def test_nebius_never_tells_whether_a_file_is_processed(nebius):
    sandbox, client = nebius
    sandbox.tuning.file_seconds = 60
    file = client.files.create(file=("train.jsonl", TRAINING), purpose="fine-tune")
    assert (file.status, client.files.retrieve(file.id).status) == (None, None)
    job = client.fine_tuning.jobs.create(
        model=TRAINED, training_file=file.id, hyperparameters={"learning_rate_multiplier": 2e-5}
    )
    assert job.hyperparameters.model_extra["learning_rate"] == 1e-5  # the multiplier is taken, and that is all


def test_the_default_is_restyles_own_server():
    with Sandbox() as sandbox:
        assert sandbox.tuning.host == "restyle"
        assert v0(sandbox)[0] == 404
