from __future__ import annotations

import math

import pytest

pytest.importorskip("together")

from restyle.errors import ModelError
from restyle.training.hosts.host import Files
from together_rows import BASE, LIMITS, TAG
from together_stub import Fault

pytest_plugins = ["together_fixtures"]

STATUSES = {
    "pending": "queued",
    "queued": "queued",
    "running": "running",
    "compressing": "running",
    "uploading": "running",
    "cancel_requested": "running",
    "something_new": "running",
    "cancelled": "cancelled",
    "error": "failed",
    "user_error": "failed",
    "completed": "succeeded",
}


def test_a_job_is_asked_for_with_everything_set(stub, begun):
    begun(seed=7)
    (body,) = stub.sent("POST", "/v1/fine-tunes")
    suffix = body.pop("suffix")
    assert suffix.startswith("author-restyle-")
    assert len(suffix) <= 40
    assert body == {
        "model": BASE,
        "training_file": "file-1",
        "validation_file": "file-2",
        "n_evals": 6,
        "early_stopping_enabled": True,
        "early_stopping_patience": 2,
        "early_stopping_warmup_evals": 0,
        "n_epochs": 3,
        "n_checkpoints": 2,  # the most of the model
        "batch_size": 16,
        "learning_rate": 1e-4,
        "lr_scheduler": {"lr_scheduler_type": "cosine", "lr_scheduler_args": {"min_lr_ratio": 0.0, "num_cycles": 0.5}},
        "warmup_ratio": 0.03,
        "max_grad_norm": 1.0,
        "weight_decay": 0.0,
        "packing": False,
        "random_seed": 7,
        "training_method": {"method": "sft", "train_on_inputs": False},
        "training_type": {
            "type": "Lora",
            "lora_r": 16,
            "lora_alpha": 32,
            "lora_dropout": 0.05,
            "lora_trainable_modules": "all-linear",
        },
    }


def test_without_rows_held_out_nothing_is_evaluated(stub, opened, rows):
    host = opened()
    host.create(Files(host.upload(rows())), role="destyle", tag=TAG)
    (body,) = stub.sent("POST", "/v1/fine-tunes")
    assert "validation_file" not in body
    assert (body["n_evals"], body["early_stopping_enabled"]) == (0, False)


def test_one_epoch_is_too_short_to_be_stopped_early(stub, begun):
    begun(epochs=1)
    (body,) = stub.sent("POST", "/v1/fine-tunes")
    assert (body["n_epochs"], body["n_evals"], body["early_stopping_enabled"]) == (1, 2, False)


def test_defaults_keep_to_the_limits_of_the_base(stub, begun):
    lora = LIMITS["lora_training"] | {"min_batch_size": 1, "max_batch_size": 8}
    stub.limits = LIMITS | {"max_num_epochs": 2, "max_num_evals": 3, "lora_training": lora}
    begun()
    (body,) = stub.sent("POST", "/v1/fine-tunes")
    assert (body["n_epochs"], body["n_evals"], body["batch_size"]) == (2, 3, 8)


@pytest.mark.parametrize(
    ("setting", "limit"),
    [
        ({"rank": 128}, "1 to 64"),
        ({"epochs": 30}, "1 to 20"),
        ({"batch_size": 4}, "8 to 96"),
        ({"learning_rate": 0.5}, "0.01"),
    ],
)
def test_what_the_base_does_not_allow_is_told_before_anything_is_sent(stub, opened, rows, setting, limit):
    with pytest.raises(ValueError, match=f"{next(iter(setting))} is .*{limit}"):
        opened(**setting).upload(rows())
    assert not stub.files


def test_a_base_that_is_not_there_is_named(opened, rows):
    with pytest.raises(ModelError, match="no base 'nobody/nothing' to train") as caught:
        opened(base="nobody/nothing").upload(rows())
    assert caught.value.status == 404


def test_long_names_are_cut_so_that_the_suffix_fits(stub, opened, rows):
    host = opened(style="a" * 22 + "." + "b" * 40)
    host.create(Files(host.upload(rows())), role="destyle", tag=TAG)
    suffix = stub.sent("POST", "/v1/fine-tunes")[0]["suffix"]
    assert suffix.startswith("a" * 22 + "-destyle-")
    assert len(suffix) <= 40


def test_a_file_is_taken_when_the_host_has_looked_at_it(stub, opened, rows):
    stub.file_statuses = ["PENDING", "QUEUED", "RUNNING", "COMPLETED"]
    assert opened().upload(rows()) == "file-1"
    assert stub.files["file-1"]["content"] == rows().read_bytes()
    assert stub.files["file-1"]["looks"] >= 4


def test_a_file_that_the_host_refuses_is_an_error_with_its_reason(stub, opened, rows):
    stub.file_statuses = ["PENDING", "INVALID_FORMAT"]
    with pytest.raises(ModelError, match=r"refuses the file train.messages.jsonl: line 2 has no messages") as caught:
        opened().upload(rows())
    assert caught.value.status == 400


def test_the_same_file_sent_again_is_the_same_file(stub, opened, rows):
    assert opened().upload(rows()) == opened().upload(rows()) == "file-1"
    assert len(stub.files) == 1


def test_statuses_are_told_in_openais_words(stub, begun):
    host, _, job = begun()
    for there, here in STATUSES.items():
        stub.jobs[job]["statuses"] = [there]
        state = host.state(job)
        assert (there, state.status) == (there, here)
        assert (state.model is not None) == (here == "succeeded")
        assert state.seconds_left == (90.0 if there == "running" else None)
        assert state.tokens == 1234


def test_why_a_job_failed_is_told(stub, begun):
    stub.statuses = ["error"]
    host, _, job = begun()
    assert host.state(job).error == "out of memory"


def test_events_come_in_their_order_with_the_losses_in_the_training(begun):
    host, _, job = begun(until="succeeded")
    events = host.events(job)
    assert [event.message for event in events if event.message] == [
        "Fine tune request created",
        "Training started",
        "Training completed",
    ]
    assert [(event.step, event.loss, event.held_out_loss) for event in events if not event.message] == [
        (1, 2.5, None),
        (2, 2.0, None),
        (2, None, 2.2),
        (4, 1.5, None),
        (4, None, 1.9),
    ]
    assert events[-1].message == "Training completed"
    assert {event.steps for event in events} == {6}
    assert len({event.id for event in events}) == len(events)
    assert [event.id for event in host.events(job)] == [event.id for event in events]


def test_the_held_out_losses_are_of_the_whole_file(begun):
    host, _, job = begun()
    curve = host.curve(job)
    assert curve.full_held_out == ((2, 2.2), (4, 1.9))
    assert curve.train == ((1, 2.5), (2, 2.0), (4, 1.5))
    assert not curve.held_out


def test_a_training_loss_that_is_no_number_is_kept_as_diverged(stub, begun):
    stub.metrics = [{"train/global_step": 3, "train/loss": math.nan}]
    host, _, job = begun()
    assert host.curve(job).diverged == (3,)


def test_a_job_without_metrics_yet_has_no_losses(stub, begun):
    host, _, job = begun()
    stub.faults.append(Fault(f"/v1/fine-tunes/{job}/metrics", 404, times=2))
    assert not host.curve(job).train
    assert all(event.loss is None for event in host.events(job))


def test_cancelling_ends_a_job_and_leaves_one_that_is_over(stub, begun):
    host, _, job = begun(until="running")
    host.cancel(job)
    assert [host.state(job).status, host.state(job).status] == ["running", "cancelled"]
    host.cancel(job)
    assert len(stub.sent("POST", f"/v1/fine-tunes/{job}/cancel")) == 1


def test_a_job_that_cannot_be_cancelled_is_an_error(stub, begun):
    host, _, job = begun(until="running")
    stub.faults.append(Fault(f"/v1/fine-tunes/{job}/cancel", 403))
    stub.jobs[job]["statuses"] = ["running"]
    with pytest.raises(ModelError, match="HTTP 403"):
        host.cancel(job)


def test_a_job_that_ends_while_it_is_cancelled_stays_as_it_is(stub, begun):
    stub.statuses = ["running", "completed"]
    host, _, job = begun()
    stub.faults.append(Fault(f"/v1/fine-tunes/{job}/cancel", 400))
    host.cancel(job)
    assert host.state(job).status == "succeeded"
    assert len(stub.sent("POST", f"/v1/fine-tunes/{job}/cancel")) == 1
