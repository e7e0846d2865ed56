"""Training at a host: sent once, begun once, watched, gone on with, cancelled, made into a card."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import warnings
from urllib.parse import urlsplit

import pytest

import restyle
from jobs import wait_for
from restyle.errors import ModelError, PairsError, TrainingError
from restyle.style import Style
from restyle.testing import Fault, Loss, Sandbox
from restyle.training import prepare, train
from restyle.training.hosts.openai_host import OpenAIHost
from restyle.training.hosts.records import Record, jobs, open_job
from restyle.training.hosts.training import HostedTraining
from support import plain_passage, styled_passage, write_letters

BASE = "gpt-4.1-mini-2025-04-14"
JOBS = "/v1/fine_tuning/jobs"
LOSSES = [Loss(1, 2.5, 2.4), Loss(2, 1.9, 2.0, 2.1), Loss(3, 1.5, 1.8, 1.7), Loss(4, 1.3, 1.6, 1.5)]
PAIR = "restyle", "destyle"


@pytest.fixture(scope="module")
def pairs(tmp_path_factory):
    """A small set, for the sandbox trains on it in earnest."""
    folder = tmp_path_factory.mktemp("hosted")
    sources, recorded = write_letters(folder, documents=10)
    return restyle.build_pairs(sources, style="author", teacher=recorded, out=folder / "pairs")


@pytest.fixture
def sandbox(home):  # noqa: ARG001 - where jobs and cards are kept
    with Sandbox() as running:
        running.tuning.host = "openai"
        running.tuning.losses = LOSSES
        yield running


def begin(sandbox, pairs, **options):
    given = {"provider": "openai", "base": BASE, "base_url": sandbox.base_url, "poll": 0.01} | options
    return prepare(pairs, **given)


def finish(training, heard=None):
    training.start()
    training.wait(None if heard is None else heard.append)
    return training.result()


@pytest.mark.filterwarnings("ignore:.*16 rows.* under 50")
def test_a_pair_set_becomes_two_models_that_answer(sandbox, pairs):
    heard = []
    given = {"provider": "openai", "base": BASE, "base_url": sandbox.base_url, "poll": 0.01}
    style = train(pairs, on_progress=heard.append, **given)
    assert Style.load("author") == style
    for role in PAIR:
        stage, record = style.stage(role), style.training["adapters"][role]
        assert stage.prompt == pairs.prompt(role)
        assert stage.model.startswith(f"ft:{BASE}:")
        assert stage.base_url == sandbox.base_url
        assert stage.request == {"temperature": 0.7, "top_p": 0.8}
        assert record["losses"]["train"] == [[1, 2.5], [2, 1.9], [3, 1.5], [4, 1.3]]
        assert record["losses"]["held_out"] == [[2, 2.1], [3, 1.7], [4, 1.5]]
        assert style.metrics[role] == {"held_out": pairs.manifest["pairs"]["valid"], "loss": 1.5}
        of_role = [progress for progress in heard if progress.role == role]
        assert of_role[-1].status == "succeeded"
        assert [(each.step, each.loss) for each in of_role if each.loss is not None] == [
            (loss.step, loss.train) for loss in LOSSES
        ]
    assert style.training["adapters"]["restyle"]["job"] != style.training["adapters"]["destyle"]["job"]
    assert (style.dataset, style.training["base"]) == (pairs.digest, BASE)
    assert restyle.rewrite(plain_passage(3), style, destyle=False).text.startswith(styled_passage(3)[:40])


def test_what_is_sent_are_the_files_that_training_is_to_see(sandbox, pairs):
    finish(begin(sandbox, pairs))
    sent = dict.fromkeys(content for _, content in sandbox.tuning.uploads)
    files = [pairs.messages_file(role, split) for role in PAIR for split in ("train", "valid")]
    assert list(sent) == [path.read_bytes() for path in files]
    assert [body["model"] for body in sandbox.tuning.asked] == [BASE, BASE]
    assert all(body["validation_file"] for body in sandbox.tuning.asked)


def test_a_dry_run_sends_nothing_and_needs_no_key(sandbox, pairs, home):
    training = begin(sandbox, pairs, epochs=2, batch_size=8)
    plan, rows = training.plan, pairs.manifest["pairs"]["train"]
    assert (plan.style, plan.provider, plan.base, plan.epochs, plan.cost) == ("author", "openai", BASE, 2, None)
    assert "prices.toml" in plan.advice
    for part in plan.parts.values():
        assert (part.rows, part.held_out) == (rows, pairs.manifest["pairs"]["valid"])
        assert part.steps == -(-rows // 8) * 2
    texts = "".join(f"{row.ask.system}{row.ask.user}{row.answer}" for row in pairs.rows("restyle", "train"))
    assert plan.parts["restyle"].tokens == pytest.approx(len(texts) / 4.3 + 15 * rows, rel=0.25)
    assert not sandbox.tuning.uploads
    assert not (home / "jobs").exists()


def test_what_it_costs_is_told_where_the_user_has_a_price(sandbox, pairs, home):
    home.mkdir()
    (home / "prices.toml").write_text('["gpt-4.1-mini*"]\nread = 0.8\nwritten = 3.2\ntrained = 5.0\n')
    plan = begin(sandbox, pairs, epochs=3).plan
    tokens = sum(part.tokens for part in plan.parts.values())
    assert plan.cost == pytest.approx(tokens * 3 * 5.0 / 1e6)
    assert plan.advice == ""


def test_the_same_call_again_trains_nothing_again(sandbox, pairs):
    first = finish(begin(sandbox, pairs))
    assert finish(begin(sandbox, pairs, poll=0.02)) == Style.load("author")
    assert Style.load("author").restyle == first.restyle
    assert len(sandbox.tuning.asked) == 2
    finish(begin(sandbox, pairs, epochs=1))  # another training
    assert len(sandbox.tuning.asked) == 4


class Killed(BaseException):
    """The process is gone here."""


def kill_at(monkeypatch, place: int) -> None:
    """End it at the so-many-th moment at which something could be lost: around writing down, and around asking."""
    left = iter(range(place, -1, -1))

    def guarded(kind, name):
        original = getattr(kind, name)

        def call(self, *args, **options):
            for moment in ("before", "after"):
                if next(left, -1) == 0:
                    raise Killed
                if moment == "before":
                    result = original(self, *args, **options)
            return result

        monkeypatch.setattr(kind, name, call)

    guarded(Record, "save")
    guarded(OpenAIHost, "upload")
    guarded(OpenAIHost, "create")


def test_wherever_it_is_killed_each_job_is_begun_once(sandbox, pairs, home):
    place, whole = 0, False
    sandbox.tuning.hold = True  # beginning is enough here
    while not whole:
        shutil.rmtree(home, ignore_errors=True)
        sandbox.tuning.asked.clear()
        sandbox.tuning.forgets_metadata = place % 2 == 1
        with pytest.MonkeyPatch.context() as patch:
            kill_at(patch, place)
            try:
                begin(sandbox, pairs, poll=0.001, seed=place).start()
                whole = True
            except Killed:
                begin(sandbox, pairs, poll=0.001, seed=place).start()
        assert len(sandbox.tuning.asked) == 2, place
        place += 1
    assert place > 30


@pytest.mark.parametrize("forgets", [False, True], ids=["metadata", "no metadata"])
@pytest.mark.parametrize("kind", ["lost", "drop"])
def test_a_job_whose_beginning_got_no_answer_is_looked_for(sandbox, pairs, kind, forgets):
    sandbox.tuning.forgets_metadata = forgets
    sandbox.inject(Fault(kind), path=JOBS)
    finish(begin(sandbox, pairs))
    assert len(sandbox.tuning.asked) == 2


def test_busy_hosts_are_asked_again(sandbox, pairs):
    for path in ("/v1/files", JOBS):
        sandbox.inject(Fault("status", status=429, retry_after=0.01), path=path, times=2)
    sandbox.inject(Fault("status", status=503), path=JOBS, method="GET", times=2)
    finish(begin(sandbox, pairs))
    assert len(sandbox.tuning.asked) == 2


def test_a_refusal_is_an_error_at_once_and_nothing_is_begun(sandbox, pairs):
    training = begin(sandbox, pairs, base="gpt-2")
    with pytest.raises(ModelError, match=r"HTTP 400.*gpt-2.*parameter model"):
        training.start()
    assert not sandbox.tuning.asked
    with pytest.raises(TrainingError, match="restyle was not begun"):
        training.wait()


def test_a_job_that_fails_says_why_and_begins_anew(sandbox, pairs):
    sandbox.tuning.fails = "the cluster burnt down"
    training = begin(sandbox, pairs)
    training.start()
    with pytest.raises(TrainingError, match=r"restyle, ftjob-\S+ at openai, has failed: .*the cluster burnt down"):
        training.wait()
    (record,) = jobs()
    assert record.status == "failed"
    with pytest.raises(TrainingError, match="has failed"):
        training.result()
    finish(begin(sandbox, pairs))
    assert len(sandbox.tuning.asked) == 3  # the other direction had succeeded
    assert jobs()[0].status == "succeeded"


def test_a_job_outlives_the_process_and_the_pairs(sandbox, pairs, tmp_path):
    copied = shutil.copytree(pairs.directory, tmp_path / "pairs")
    sandbox.tuning.hold = True
    first = begin(sandbox, copied)
    first.start()
    shutil.rmtree(copied)
    again = open_job(first.id)
    sandbox.tuning.hold = False
    style = finish(again)
    assert style == Style.load("author")
    assert style.restyle.prompt == pairs.prompt("restyle")
    assert len(sandbox.tuning.asked) == 2


@pytest.mark.usefixtures("home")
def test_a_host_that_restarts_in_the_middle(pairs, tmp_path):
    heard, state = [], tmp_path / "state"
    with Sandbox(state=state) as first:
        first.tuning.host, first.tuning.hold = "openai", True
        training = begin(first, pairs, poll=0.05)
        training.start()
        port = urlsplit(first.base_url).port
        waiting = threading.Thread(target=training.wait, args=[heard.append])
        waiting.start()
        assert wait_for(lambda: "running" in [progress.status for progress in heard])
    second = Sandbox(state=state, port=port)
    second.tuning.losses = LOSSES
    with second:
        waiting.join(20)
        assert not waiting.is_alive()
        assert [progress.status for progress in heard].count("succeeded") == 2
        assert training.result().restyle.base_url == second.base_url


def test_what_was_not_sent_needs_the_same_pairs(sandbox, pairs, tmp_path):
    copied = shutil.copytree(pairs.directory, tmp_path / "pairs")
    sandbox.inject(Fault("status", status=400), path=JOBS)
    training = begin(sandbox, copied)
    with pytest.raises(ModelError):
        training.start()
    manifest = copied / "manifest.json"
    manifest.write_text(manifest.read_text("utf-8").replace('"seed": 0', '"seed": 1'), "utf-8")
    with pytest.raises(TrainingError, match="other pairs than those of job author-"):
        open_job(training.id).start()


def test_cancelling(sandbox, pairs):
    sandbox.tuning.hold = True
    training = begin(sandbox, pairs)
    training.start()
    waiting = threading.Timer(0.1, open_job(training.id).cancel)
    waiting.start()
    with pytest.raises(TrainingError, match="was cancelled"):
        training.wait()
    waiting.join()
    assert jobs()[0].status == "cancelled"
    sandbox.tuning.hold = False
    finish(begin(sandbox, pairs))
    assert len(sandbox.tuning.asked) == 4


def test_cancelling_what_was_never_begun(sandbox, pairs):
    sandbox.inject(Fault("status", status=400), path="/v1/files")
    training = begin(sandbox, pairs)
    with pytest.raises(ModelError):
        training.start()
    training.cancel()
    assert jobs()[0].status == "cancelled"
    assert not sandbox.tuning.asked


def test_a_file_that_the_host_has_deleted_is_sent_again(sandbox, pairs):
    sandbox.inject(Fault("status", status=400), path=JOBS)
    training = begin(sandbox, pairs)
    with pytest.raises(ModelError):
        training.start()
    record = jobs()[0]
    record.directions["restyle"].files["train"] = "file-gone"
    record.save(None)
    with pytest.raises(ModelError, match="404"):
        training.start()
    finish(training)
    assert len(sandbox.tuning.asked) == 2


def test_files_that_the_host_would_refuse_are_not_sent(sandbox, tmp_path, letters):
    sources, recorded = letters
    few = restyle.build_pairs(sources, style="author", teacher=recorded, out=tmp_path / "few")
    with pytest.raises(PairsError, match=r"openai would refuse these files, so nothing was sent:\n.*rows that can be"):
        begin(sandbox, few)
    assert not sandbox.tuning.uploads


def test_losses_that_say_something_are_warned_of(sandbox, pairs):
    sandbox.tuning.losses = [Loss(1, 1.0, 1.0, 1.0), Loss(2, 0.2, 1.5, 1.5)]
    training = begin(sandbox, pairs)
    training.start()
    training.wait()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        training.result()
    told = [str(each.message) for each in caught]
    for role in PAIR:
        assert any(text.startswith(f"{role}: the held-out loss rose from 1.000 at step 1") for text in told)


def test_two_processes_do_not_begin_the_same_job(sandbox, pairs):
    training, other = begin(sandbox, pairs), begin(sandbox, pairs)
    original, refused = OpenAIHost.upload, []

    def upload(self, path):
        with pytest.raises(TrainingError, match="is being begun by another process") as error:
            other.start()
        refused.append(error)
        return original(self, path)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(OpenAIHost, "upload", upload)
        training.start()
    assert refused
    assert len(sandbox.tuning.asked) == 2


def test_who_watches_does_not_undo_what_another_process_has_written(sandbox, pairs):
    sandbox.tuning.hold = True
    training = begin(sandbox, pairs)
    training.start()

    def other(_):
        if sandbox.tuning.hold:
            (record,) = jobs()
            record.directions["destyle"].attempt = 7
            record.save(None)
            sandbox.tuning.hold = False

    training.wait(other)
    (record,) = jobs()
    assert record.directions["destyle"].attempt == 7
    assert record.status == "succeeded"


def test_a_record_that_is_none(sandbox, pairs, home):
    training = begin(sandbox, pairs)
    assert isinstance(training, HostedTraining)
    with pytest.raises(TrainingError, match="no job 'author-1': those known are none"):
        open_job("author-1")
    with pytest.raises(TrainingError, match=r"no job '\.\./\.\./etc'"):
        open_job("../../etc")
    path = home / "jobs" / f"{training.id}.json"
    path.parent.mkdir(parents=True)
    for content in ("", "{}", "[1]", '{"id": 3'):
        path.write_text(content)
        with pytest.raises(TrainingError, match=f"{path}: not a job's record"):
            training.start()
        assert path.read_text() == content
    assert not sandbox.tuning.uploads


def test_no_key_is_written_anywhere(sandbox, pairs, home, monkeypatch):
    monkeypatch.setenv("RESTYLE_API_KEY", "sk-secret-of-mine")
    finish(begin(sandbox, pairs))
    files = [path for path in home.rglob("*") if path.is_file()]
    assert len(files) >= 3
    assert not [path for path in files if b"sk-secret-of-mine" in path.read_bytes()]


def test_a_killed_process_leaves_what_another_goes_on_with(sandbox, pairs, home):
    sandbox.tuning.hold = True
    code = (
        "import sys; from restyle.training import train\n"
        "train(sys.argv[1], provider='openai', base=sys.argv[2], base_url=sys.argv[3], poll=0.01, on_progress=print)"
    )
    arguments = [sys.executable, "-c", code, str(pairs.directory), BASE, sandbox.base_url]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True, env={**os.environ}) as process:
        for line in process.stdout:
            if "destyle" in line:
                break
        process.send_signal(signal.SIGKILL)
    (record,) = jobs()
    assert json.loads((home / "jobs" / f"{record.id}.json").read_text())["provider"] == "openai"
    sandbox.tuning.hold = False
    assert finish(open_job(record.id)).name == "author"
    assert len(sandbox.tuning.asked) == 2
