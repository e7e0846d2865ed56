"""What a user sees of training: plan, options, progress, what Ctrl-C leaves, jobs at hosts."""

from __future__ import annotations

import dataclasses
import io
import re

import pytest
from rich.console import Console
from typer.main import get_command

from commands import NOTE
from restyle.cli import train, training_progress
from restyle.cli.app import app
from restyle.data.pairs import build_pairs
from restyle.errors import TrainingError
from restyle.serving.tuning_rules import Loss
from restyle.style import Style
from restyle.testing import Sandbox
from restyle.training import base, find_trainer
from restyle.training.local.settings import LocalSettings
from restyle.training.plans import Part, Plan, Progress
from support import style_of, write_letters

PLAN = Plan(
    style="author",
    provider="openai",
    base="gpt-9",
    parts={"restyle": Part(1200, 80, 345678, 225), "destyle": Part(1200, 80, 300001, None)},
    epochs=3,
    cost=5.811,
)
LOSSES = {"train": [[1, 3.0], [2, 2.5]], "held_out": [[2, 2.6]]}


class Scripted:
    """A training that tells what it was told to tell; an exception is raised."""

    id = "author-0123456789ab"

    def __init__(self, plan=PLAN, news=(), start=None):
        self.plan, self.news, self._start, self.calls = plan, news, start, []

    def start(self):
        self.calls.append("start")
        if self._start is not None:
            raise self._start

    def wait(self, on_progress=None):
        self.calls.append("wait")
        for each in self.news:
            if isinstance(each, BaseException):
                raise each
            on_progress(each)

    def cancel(self):
        self.calls.append("cancel")

    def result(self):
        adapters = {"restyle": {"losses": LOSSES}, "destyle": {"losses": LOSSES, "next_step": "deploy it as x"}}
        style = dataclasses.replace(
            style_of(),
            training={"provider": self.plan.provider, "base": "gpt-9", "adapters": adapters},
            metrics={"restyle": {"held_out": 80, "loss": 2.6}, "destyle": {"held_out": 80, "loss": 2.6}},
        )
        style.save()
        return style


@pytest.fixture
def scripted(monkeypatch, home):
    """Let ``restyle train`` do that training, and remember the options it was asked with."""
    del home
    asked = []

    def use(training):
        monkeypatch.setattr(train, "prepare", lambda _, **options: asked.append(options) or training)
        return asked

    return use


@pytest.fixture
def made(tmp_path, home, monkeypatch):
    """A pair set under ``pairs``, and no style yet: its home."""
    monkeypatch.chdir(tmp_path)
    letters, recorded = write_letters(tmp_path, documents=8)
    build_pairs(letters, style="author", teacher=recorded, out=tmp_path / "pairs")
    return home


def test_a_dry_run_tells_the_plan_and_does_nothing(scripted, command):
    training = Scripted(dataclasses.replace(PLAN, warnings=("it ends [soon]",)))
    scripted(training)
    done = command("train", "pairs", "--provider", "openai", "--dry-run", "--png")
    assert done.status == 0
    assert done.out.splitlines() == [
        "style 'author', provider openai, base gpt-9",
        "model     rows  held out   tokens  steps",
        "restyle  1,200        80  345,678    225",
        "destyle  1,200        80  300,001      -",
        "tokens of one epoch: counted by its tokenizer",
        "epochs: at most 3",
        "cost: about $5.81",
        "nothing was sent or trained",
    ]
    assert done.err == "warning: it ends [soon]\n"
    assert training.calls == []
    assert Style.list() == []


def test_what_a_plan_does_not_know_is_said(scripted, command):
    scripted(Scripted(dataclasses.replace(PLAN, epochs=None, exact=False, cost=None, advice="no price of 'gpt-9'")))
    said = command("train", "pairs", "--dry-run").out
    assert "tokens of one epoch: estimated at 4.3 characters a token\nepochs: the host chooses\n" in said
    assert "cost: unknown, no price of 'gpt-9'\n" in said


def test_a_dry_run_of_the_embedded_provider(made, command):
    done = command("train", "pairs", "--dry-run")
    assert re.search(r"^restyle +12 +2 +- +-$", done.out, re.MULTILINE)
    assert "cost: nothing" in done.out
    assert not re.search("tokens of|epochs", done.out)
    assert not made.exists()


@pytest.mark.usefixtures("made")
def test_the_embedded_provider_is_told_in_lines(command):
    done = command("train", "pairs")
    assert done.status == 0
    assert re.findall(r"^(\w+): succeeded$", done.err, re.MULTILINE) == ["restyle", "destyle"]
    assert "losses:" not in done.out
    assert NOTE in " ".join(done.out.split())
    done = command("train", "pairs", "--epochs", "2")
    assert (done.status, done.err) == (1, "error: the provider 'embedded' has no option 'epochs': leave it out\n")


def test_options_reach_the_provider_as_what_they_are(scripted, command):
    asked = scripted(Scripted())
    flags = ["--epochs=2", "--batch-size=8", "--seed=7", "--rank=4", "--learning-rate=1e-4", "--suffix=2024"]
    flags += ["--base-url=http://h/v1", "--serve-url=http://s/v1", "--revision=main", "--device-batch-size=1"]
    others = ["poll=0.01", "packing=false", "tier=developerTier", 'name="12"', "n=3", "warmup-ratio=1e-1", "a=b=[c]"]
    others += ["list=[1]", "none=null", "empty="]
    words = [word for other in others for word in ("--option", other)]
    assert command("train", "pairs", *flags, "--report-to=trackio", *words, "--dry-run").status == 0
    assert asked == [
        {
            "provider": "embedded",
            "base": None,
            "home": None,
            "epochs": 2,
            "batch_size": 8,
            "seed": 7,
            "rank": 4,
            "learning_rate": 1e-4,
            "suffix": "2024",
            "base_url": "http://h/v1",
            "serve_url": "http://s/v1",
            "revision": "main",
            "device_batch_size": 1,
            "report_to": "trackio",
            "poll": 0.01,
            "packing": False,
            "tier": "developerTier",
            "name": "12",
            "n": 3,
            "warmup_ratio": 0.1,
            "a": "b=[c]",
            "list": "[1]",
            "none": None,
            "empty": "",
        }
    ]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--option", "poll"], "'poll' is not NAME=VALUE"),
        (["--option", "learning-rate=2"], "give it as --learning-rate 2"),
        (["--option", "home=x"], "give it as --home x"),
        (["--option", "poll=1", "--option", "poll=2"], "it is given twice"),
    ],
)
def test_options_that_are_no_options(scripted, command, words, says):
    scripted(Scripted())
    done = command("train", "pairs", *words)
    assert (done.status, done.out) == (2, "")
    assert says in " ".join(done.err.replace("│", " ").split())


@pytest.mark.parametrize("provider", sorted(base.PROVIDERS.keys() - {"embedded"}))
@pytest.mark.usefixtures("made")
def test_unknown_options_list_those_of_the_provider(command, provider):
    done = command("train", "pairs", "--provider", provider, "--base", "b", "--option", "colour=red")
    assert done.status == 1
    assert f"error: unknown option 'colour': the provider '{provider}' has " in done.err
    assert re.search(r" has .*epochs, .*batch_size", done.err)


def test_help_says_which_providers_have_an_option():
    hosts = ["openai", "azure", "nebius", "together"]
    meant = {"hosts": hosts, "all but embedded": ["local", *hosts]}
    has = {
        provider: {
            field.name for field in dataclasses.fields(getattr(find_trainer(provider), "settings", LocalSettings))
        }
        for provider in ["local", *hosts]
    }
    helps = {each.name: each.help for each in get_command(app).commands["train"].params}
    flags = set(helps) & set.union(*has.values())
    assert {"epochs", "rank", "suffix", "serve_url", "revision"} <= flags
    for flag in flags:
        (said,) = re.findall(r": ([\w, ]+)\.$", helps[flag])
        assert meant.get(said, said.split(", ")) == [provider for provider in has if flag in has[provider]]


def test_help_tells_the_defaults_of_lora():
    helps = {each.name: each.help for each in get_command(app).commands["train"].params}
    providers = ["local", "nebius", "together"]
    kinds = [getattr(find_trainer(provider), "settings", LocalSettings) for provider in providers]
    settings = dict(zip(providers, [kind() for kind in kinds], strict=True))
    assert {each.rank for each in settings.values()} == {int(re.search(r"default (\d+)", helps["rank"])[1])}
    told = re.search(r"default ([\de-]+), together ([\de-]+)", helps["learning_rate"])
    usual, at_together = map(float, told.groups())
    rates = {provider: each.learning_rate for provider, each in settings.items()}
    assert rates == {"local": usual, "nebius": usual, "together": at_together}
    assert all(each.serve_url in helps["serve_url"] for each in settings.values())


def test_losses_are_told_and_drawn(scripted, command, home):
    news = [Progress("restyle", "queued"), Progress("restyle", "running", step=2, steps=4, loss=2.5)]
    training = Scripted(
        dataclasses.replace(PLAN, warnings=("it ends soon",)), [*news, Progress("restyle", "succeeded")]
    )
    scripted(training)
    done = command("train", "pairs", "--provider", "openai")
    assert done.status == 0
    assert training.calls == ["start", "wait"]
    assert done.err.splitlines() == [
        "warning: it ends soon",
        "restyle: queued",
        "restyle: succeeded, step 2 of 4, loss 2.500",
    ]
    assert re.search(r"^restyle +80 +2\.6 *$", done.out, re.MULTILINE)
    assert f"losses: {home / 'styles/author/training.html'}\n" in done.out
    assert "<svg" in (home / "styles/author/training.html").read_text("utf-8")
    assert done.out.endswith(
        "restyle: styler\ndestyle: neutraliser\ndestyle, before it answers: deploy it as x\n"
        "saved as 'author'; next: restyle rewrite FILE --style author\n"
    )


def test_of_several_processes_one_speaks(scripted, command):
    training = Scripted()
    training.result = style_of  # which was not saved here
    scripted(training)
    done = command("train", "pairs", "--provider", "local")
    assert (done.status, done.out, done.err) == (0, "", "")


def test_images_that_cannot_be_drawn_are_told_before_anything_is_trained(scripted, command, monkeypatch):
    training = Scripted()
    scripted(training)
    monkeypatch.setattr(train, "find_spec", lambda _: None)
    done = command("train", "pairs", "--png")
    assert done.status == 1
    assert "error: --png needs the package 'matplotlib': pip install 'restyle[plot]'" in done.err
    assert training.calls == []


def test_images_are_written_when_asked_for(scripted, command, home):
    pytest.importorskip("matplotlib")
    scripted(Scripted())
    command("train", "pairs")
    assert not list(home.rglob("*.png"))
    assert "losses-destyle.png" in command("train", "pairs", "--png").out
    assert (home / "styles/author/losses-restyle.png").is_file()


@pytest.mark.parametrize("where", ["start", "wait"])
def test_ctrl_c_leaves_a_host_s_training_alone(scripted, command, home, where):
    stop = KeyboardInterrupt()
    training = Scripted(start=stop) if where == "start" else Scripted(news=[Progress("restyle", "running"), stop])
    scripted(training)
    done = command("train", "pairs", "--provider", "openai")
    assert done.status == 130
    assert "cancel" not in training.calls
    assert "what has begun at openai goes on there; 'restyle jobs author-0123456789ab' or the same command" in done.err
    assert "'restyle jobs author-0123456789ab --cancel' ends it" in done.err
    assert Style.list() == []
    elsewhere = command("train", "pairs", "--provider", "openai", "--home", str(home / "my styles"))
    assert f"restyle jobs author-0123456789ab --home '{home / 'my styles'}' --cancel" in elsewhere.err


def test_ctrl_c_here_says_that_the_same_command_goes_on(scripted, command):
    scripted(Scripted(dataclasses.replace(PLAN, provider="local"), [KeyboardInterrupt()]))
    done = command("train", "pairs", "--provider", "local")
    assert (done.status, done.err) == (130, "stopped: the same command goes on where it was\n")


def test_a_training_that_failed(scripted, command):
    failed = Progress("restyle", "failed", "too few rows")
    scripted(Scripted(news=[Progress("restyle", "running", step=3), failed, TrainingError("job 1 has failed")]))
    done = command("train", "pairs", "--provider", "openai")
    assert (done.status, done.out) == (1, "")
    assert done.err == "restyle: failed, step 3, too few rows\nerror: job 1 has failed\n"


def lines(monkeypatch, capsys, heard, seconds=1.0):
    """What is told of ``heard``, where so many seconds pass before each."""
    times = iter(range(10_000))
    monkeypatch.setattr(training_progress.time, "monotonic", lambda: next(times) * seconds / 2)  # asked twice for each
    with training_progress.training_progress(PLAN) as hear:
        for now in heard:
            hear(now)
    return capsys.readouterr().err.splitlines()


def test_lines_are_few(monkeypatch, capsys):
    heard = [Progress("restyle", "running", f"step {n}", n, 100, loss=4 - n / 100) for n in range(1, 101)]
    told = lines(monkeypatch, capsys, heard, seconds=0.5)
    assert 5 <= len(told) <= 11
    assert told[-1] == "restyle: running, step 100 of 100, loss 3.000"
    assert all(line.startswith("restyle: running, step ") for line in told)


def test_a_status_is_told_at_once_and_of_either_direction(monkeypatch, capsys):
    heard = [
        Progress("restyle", "validating_files"),
        Progress("destyle", "queued"),
        Progress("restyle", "running", "started"),
        Progress("restyle", "running", "a figure", 1, 30, loss=3.25, held_out_loss=3.5, seconds_left=750),
        Progress("restyle", "succeeded", "old", 30, loss=2.0),
        Progress("restyle", "succeeded"),
        Progress("destyle", "failed", "no [rows]"),
    ]
    assert lines(monkeypatch, capsys, heard, seconds=0) == [
        "restyle: validating files",
        "destyle: queued",
        "restyle: running, started",
        "restyle: succeeded, step 30 of 30, loss 2.000, held-out loss 3.500",
        "destyle: failed, no [rows]",
    ]
    here = [
        Progress("restyle", "running", "", 30, 30, loss=2.5),
        Progress("restyle", "succeeded", "step 20 is kept", 30, 30, held_out_loss=2.25),
        Progress("destyle", "queued"),
    ]
    assert lines(monkeypatch, capsys, here, seconds=0) == [
        "restyle: succeeded, step 30 of 30, loss 2.500, held-out loss 2.250, step 20 is kept",
        "destyle: queued",
    ]
    figures = lines(monkeypatch, capsys, heard[3:4] * 2, seconds=5.0)
    assert figures == ["restyle: running, step 1 of 30, loss 3.250, held-out loss 3.500, 0:12:30 left"]


def test_the_loss_before_the_first_step_is_the_base_model_s(monkeypatch, capsys):
    before = Progress("restyle", "running", "base", 0, 30, held_out_loss=4.5)
    assert lines(monkeypatch, capsys, [before]) == [
        "restyle: running, step 0 of 30, held-out loss of the base model 4.500"
    ]
    told = lines(monkeypatch, capsys, [before, Progress("restyle", "running", "", 1, loss=4.0)])
    assert told == ["restyle: running, step 1 of 30, loss 4.000"]


def test_on_a_terminal_there_are_bars_that_go_away(monkeypatch):
    screen = io.StringIO()
    console = Console(file=screen, force_terminal=True, width=100, color_system=None)
    monkeypatch.setattr(training_progress, "errors", console)
    with training_progress.training_progress(PLAN) as hear:
        hear(Progress("restyle", "running", "", 90, 225, loss=1.5, seconds_left=60))
        hear(Progress("destyle", "queued", "waits [/b]" + " and waits" * 20))
    shown = re.sub(r"\x1b\[[^a-zA-Z]*[a-zA-Z]", "", screen.getvalue())
    assert re.search(r"restyle .*running, step 90 of 225, loss 1.500 +0:01:00", shown)
    assert re.search(r"destyle .*queued, waits \[/b\] and waits.*…", shown)
    assert screen.getvalue().endswith("\x1b[2K")


@pytest.mark.usefixtures("home")
def test_jobs_that_are_not_there(command):
    assert "no jobs" in command("jobs").err
    assert command("jobs", "--cancel").status == 2
    assert "no job 'nobody'" in command("jobs", "nobody").err


@pytest.fixture
def hosted(made, monkeypatch):
    """A host that trains with OpenAI's rules, and the command to train at it."""
    del made
    monkeypatch.setenv("RESTYLE_API_KEY", "sk-none")
    with Sandbox() as sandbox:
        sandbox.tuning.host = "openai"
        sandbox.tuning.losses = [Loss(n, 3 - n / 10, None, 2.9 if n == 6 else None) for n in range(1, 7)]
        words = ["train", "pairs", "--provider", "openai", "--base", "gpt-4.1-mini-2025-04-14"]
        yield sandbox, [*words, "--base-url", sandbox.base_url, "--option", "poll=0.01"]


def interrupted(hosted, command, monkeypatch):
    """The id of a job that is left while it runs."""
    sandbox, words = hosted
    sandbox.tuning.hold = True
    with monkeypatch.context() as patch:
        patch.setattr("restyle.training.hosts.training.time.sleep", _interrupt)
        done = command(*words)
    assert done.status == 130, done.err
    return re.search(r"'restyle jobs (author-[0-9a-f]{12})'", done.err)[1]


def _interrupt(_):
    raise KeyboardInterrupt


def test_a_dry_run_sends_nothing(hosted, command, monkeypatch):
    sandbox, words = hosted
    monkeypatch.delenv("RESTYLE_API_KEY")
    done = command(*words, "--dry-run")
    assert done.status == 0
    assert re.search(r"^restyle +\d+ +\d+ +[\d,]+ +-$", done.out, re.MULTILINE)
    assert "cost: unknown, no price of training 'gpt-4.1-mini-2025-04-14'" in done.out
    assert sandbox.tuning.uploads == []
    assert "no jobs" in command("jobs").err


def test_a_style_is_trained_at_a_host(hosted, command, home):
    sandbox, words = hosted
    done = command(*words)
    assert done.status == 0, done.err
    assert re.search(r"^restyle: succeeded, step 6.*loss 2.4.*held-out loss 2.9", done.err, re.MULTILINE)
    assert len(sandbox.tuning.asked) == 2
    assert f"losses: {home / 'styles/author/training.html'}" in done.out
    assert "restyle: ft:gpt-4.1-mini" in done.out
    assert re.search(r"^author-\w+ +author +openai .* succeeded ", command("jobs").out, re.MULTILINE)
    assert command(*words).status == 0
    assert len(sandbox.tuning.asked) == 2


def test_a_job_is_left_and_come_back_to(hosted, command, monkeypatch):
    sandbox, _ = hosted
    job = interrupted(hosted, command, monkeypatch)
    assert re.search(rf"^{job} .* running ", command("jobs").out, re.MULTILINE)
    assert Style.list() == []
    sandbox.tuning.hold = False
    done = command("jobs", job)
    assert done.status == 0, done.err
    assert re.search("^destyle: succeeded", done.err, re.MULTILINE)
    assert "saved as 'author'" in done.out
    assert Style.load("author").restyle.model.startswith("ft:")
    assert len(sandbox.tuning.asked) == 2


def test_a_job_is_cancelled(hosted, command, monkeypatch):
    job = interrupted(hosted, command, monkeypatch)
    done = command("jobs", job, "--cancel")
    assert done.status == 0, done.err
    assert re.search(rf"^{job} .* cancelled ", done.out, re.MULTILINE)
    done = command("jobs", job)
    assert done.status == 1
    assert "was cancelled" in done.err
    assert Style.list() == []
