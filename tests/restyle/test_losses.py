from __future__ import annotations

import base64
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai.types.fine_tuning import FineTuningJobEvent
from openai.types.fine_tuning.jobs import FineTuningJobCheckpoint

from fine_tuning import TRAINING, VALIDATION, running, upload, wait
from restyle.errors import RowError
from restyle.training.losses import (
    IMPLAUSIBLE,
    LossCurve,
    Point,
    averaged,
    from_checkpoints,
    from_events,
    from_log_history,
    from_result_file,
    judge,
)

CSV = """step,train_loss,train_accuracy,valid_loss,valid_mean_token_accuracy
1,2.5,0.4,,
2,2.25,0.5,2.75,0.3
3,NaN,,nan,
4,2.0,0.5,inf,
"""


def points(*losses, every=1):
    return tuple(Point(every * number, loss) for number, loss in enumerate(losses, 1))


def checkpoint(number, **metrics):
    return FineTuningJobCheckpoint(
        id="ftckpt-1",
        created_at=1,
        fine_tuned_model_checkpoint="ft:model:step",
        fine_tuning_job_id="ftjob-1",
        metrics=metrics,
        object="fine_tuning.job.checkpoint",
        step_number=number,
    )


def event(kind, **data):
    return FineTuningJobEvent(
        id="e", created_at=1, level="info", message="m", object="fine_tuning.job.event", type=kind, data=data
    )


@pytest.mark.parametrize(
    "content",
    [CSV, CSV.encode(), f"\ufeff{CSV}".encode(), base64.b64encode(CSV.encode()), base64.encodebytes(CSV.encode())],
    ids=["text", "bytes", "marked", "base64", "base64 in lines"],
)
def test_result_files(content):
    assert from_result_file(content, base=3.0) == LossCurve(
        train=(*points(2.5, 2.25), Point(4, 2.0)), held_out=(Point(2, 2.75),), base=3.0, diverged=(3,)
    )


def test_result_files_of_azure_have_the_full_loss():
    names = "step,train_loss,valid_loss,validation_mean_token_accuracy,full_valid_loss"
    assert from_result_file(f"{names}\n10,1.5,1.9,0.5,\n20,1.2,1.1,0.6,1.4\n").full_held_out == (Point(20, 1.4),)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("", "results.csv:1: no CSV with a column 'step', it begins with ''"),
        (b"\xff\xfe\x00", "results.csv:1: no CSV"),
        ("<html>", "results.csv:1: no CSV with a column 'step', it begins with '<html>'"),
        ("a,b\n1,2\n", "results.csv:1: no CSV with a column 'step', it begins with 'a,b"),
        (f"step,<{'x' * 200_000}>\n", "results.csv:0: not CSV (field larger than field limit"),
        ("step,train_loss\n1,2.5\n2,low\n", "results.csv:3: train_loss is 'low'"),
        ("step,train_loss\none,2.5\n", "results.csv:2: step is 'one'"),
    ],
)
def test_what_is_no_result_file(content, problem):
    with pytest.raises(RowError) as caught:
        from_result_file(content, "results.csv")
    assert str(caught.value).startswith(problem)


@given(st.text() | st.binary())
def test_any_content_is_read_or_refused(content):
    try:
        assert isinstance(from_result_file(content), LossCurve)
    except RowError as error:
        assert str(error).startswith("the result file:")  # noqa: PT017 - either way is right


def test_the_result_file_of_the_sandbox_has_no_loss(tmp_path):
    with running(tmp_path) as client:
        files = {"training_file": upload(client, TRAINING), "validation_file": upload(client, VALIDATION)}
        job = wait(client, client.fine_tuning.jobs.create(model="restyle-embedded", **files))
        content = client.files.content(job.result_files[0]).read()
        of_job = from_checkpoints(client.fine_tuning.jobs.checkpoints.list(job.id))
        of_events = from_events(client.fine_tuning.jobs.list_events(job.id))
    assert from_result_file(content) == of_job == of_events == LossCurve()


def test_checkpoints_have_the_full_loss():
    found = [
        checkpoint(200, step=200.0, train_loss=0.9, valid_loss=0.27, full_valid_loss=0.4),
        checkpoint(100, step=100.0, train_loss=1.2, full_valid_loss=0.6),
    ]
    curve = LossCurve(
        train=(Point(100, 1.2), Point(200, 0.9)),
        held_out=(Point(200, 0.27),),
        full_held_out=(Point(100, 0.6), Point(200, 0.4)),
    )
    assert from_checkpoints(found) == curve
    assert from_checkpoints([each.model_dump() for each in found]) == curve


def test_checkpoints_of_nebius():
    found = [checkpoint(step, train_loss=2 / step, valid_loss=3 / step) for step in (1, 2)]
    assert from_checkpoints(found, whole_file=True) == LossCurve(train=points(2.0, 1.0), full_held_out=points(3.0, 1.5))


def test_events():
    found = [
        event("metrics", step=2, train_loss=1.5, valid_loss=1.75, full_valid_loss=None, total_steps=2),
        event("message", step=9, train_loss=9.0),
        event("metrics", step=1, train_loss="2.5"),
        event("metrics"),
    ]
    curve = LossCurve(train=points(2.5, 1.5), held_out=(Point(2, 1.75),))
    assert from_events(found) == curve
    assert from_events([each.model_dump() for each in found]) == curve


def test_the_log_of_a_trainer():
    history = [
        {"loss": 2.5, "grad_norm": 1.0, "epoch": 0.5, "step": 10},
        {"eval_loss": 2.75, "eval_runtime": 1.0, "epoch": 0.5, "step": 10},
        {"loss": float("nan"), "epoch": 1.0, "step": 20},
        {"train_runtime": 9.0, "train_loss": 2.1, "epoch": 1.0, "step": 20},
    ]
    assert from_log_history(history, base=3.5) == LossCurve(
        train=(Point(10, 2.5),), full_held_out=(Point(10, 2.75),), base=3.5, diverged=(20,)
    )


def test_sources_are_merged():
    first = LossCurve(train=points(2.5, 2.0), held_out=points(2.6), base=3.0, diverged=(7,))
    second = LossCurve(train=(Point(2, 1.9), Point(3, 1.8)), full_held_out=points(2.7), diverged=(5, 7))
    assert first.merged(second) == LossCurve(points(2.5, 1.9, 1.8), points(2.6), points(2.7), 3.0, (5, 7))


@given(st.lists(st.floats(0, 10), max_size=50), st.integers(1, 60))
def test_averaging_keeps_the_mean_and_the_last_step(losses, groups):
    made = averaged(points(*losses), groups)
    assert len(made) == min(groups, len(losses))
    if losses:
        assert made[-1].step == len(losses)
        assert min(losses) - 1e-9 <= min(point.loss for point in made)
        assert math.isclose(averaged(points(*losses), 1)[0].loss, math.fsum(losses) / len(losses))


GOOD = LossCurve(train=points(2.4, 1.9, 1.6, 1.45), full_held_out=points(2.4, 1.9, 1.7, 1.6), base=2.6)


def test_a_good_run_is_not_warned_of():
    assert judge(GOOD, overlap=False) == judge(GOOD, overlap=None) == []


def warning_of(overlap=None, base=None, **series):
    [warning] = judge(LossCurve(base=base, **series), overlap)
    return warning


def test_rising_held_out_loss_names_the_best_step():
    warning = warning_of(train=points(2.4, 1.9, 1.5, 1.4), full_held_out=points(2.4, 1.8, 1.9, 2.0))
    assert "rose from 1.800 at step 2 to 2.000 at step 4" in warning
    assert "memorises; use the checkpoint of step 2" in warning


def test_noise_is_no_rise():
    assert judge(LossCurve(train=points(1.5, 1.4), full_held_out=points(1.70, 1.73)), overlap=False) == []


def test_both_losses_rising_is_no_memorising():
    warning = warning_of(train=points(*[2.0] * 12, *[2.5] * 12), full_held_out=points(2.1, 2.9, every=12))
    assert "the training loss rose, too: lower the learning rate" in warning


def test_single_batches_are_evened_out():
    noisy = points(0.0, 0.85, 2.9, 0.0, 0.72, 2.5, 0.16, 1.76, 1.6)  # three means from 1.07 to 1.25
    assert judge(LossCurve(held_out=noisy), overlap=False) == []
    assert "of single batches, for want of full_valid_loss" in warning_of(held_out=points(*[1.0] * 12, *[2.0] * 12))


def test_the_full_loss_is_used_where_it_is_known():
    assert judge(LossCurve(held_out=points(*[0.0] * 9), full_held_out=points(1.5)), overlap=False) == []


def test_a_gap_to_the_training_loss():
    assert judge(LossCurve(train=points(1.0), full_held_out=points(1.5)), overlap=False) == []
    assert "1.6 times as much" in warning_of(train=points(1.0), full_held_out=points(1.6))
    assert "training loss is 0.000 (over" in warning_of(train=points(0.0), full_held_out=points(1.6))


@pytest.mark.parametrize(
    ("overlap", "says"),
    [
        (True, "the check of the files found texts for training among those held out"),
        (False, "no text for training was found"),
        (None, "run restyle.training.hosts.uploads.check_uploads"),
    ],
)
def test_an_implausibly_low_loss_is_explained_by_the_check_of_the_files(overlap, says):
    warning = warning_of(overlap, full_held_out=points(0.005))
    assert "0.005 at step 1 is implausibly low" in warning
    assert says in warning
    assert judge(LossCurve(full_held_out=points(IMPLAUSIBLE)), overlap) == []


def test_no_better_than_the_base_model():
    assert "ends at 2.000, not under the base model's 2.000" in warning_of(full_held_out=points(2.0), base=2.0)
    assert judge(LossCurve(full_held_out=points(1.99), base=2.0), overlap=False) == []


def test_nothing_held_out():
    assert "no held-out loss" in warning_of(train=points(1.0))
    assert "no held-out loss" in warning_of()


def test_a_training_loss_that_is_no_number():
    [first, second] = judge(LossCurve(diverged=(7, 9)), overlap=None)
    assert "no number at step 7, and 2 times in all" in first
    assert "no held-out loss" in second


LOSS = st.floats(0, 20)
SERIES = st.lists(LOSS, max_size=30).map(lambda losses: points(*losses))


@given(st.builds(LossCurve, SERIES, SERIES, SERIES, st.none() | LOSS), st.sampled_from([True, False, None]))
def test_any_curve_can_be_judged(curve, overlap):
    assert all(": " in warning for warning in judge(curve, overlap))
