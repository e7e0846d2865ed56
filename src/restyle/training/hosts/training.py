"""One training at a host, that outlives the process: sent and begun once, watched, cancelled, made into a card."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from restyle.data.pair_set import PairSet
from restyle.data.splits import Split
from restyle.errors import ModelError, TrainingError
from restyle.messages import Role
from restyle.style import Style, styles_directory
from restyle.training.hosts.card import make_card
from restyle.training.hosts.host import Event, Host, State, Status
from restyle.training.hosts.records import Direction, Record, locked
from restyle.training.hosts.settings import HostedSettings
from restyle.training.plans import OnProgress, Plan, Progress

__all__ = ["HostedTraining"]

_LONGEST = 12  # times the first pause between two looks
_SLOWER = 1.5
_ATTEMPTS = 5  # to begin a job at a host that does not answer
_SERVER = 500  # HTTP statuses from here on, and those without an answer, leave open what has happened
_TIMEOUT, _GONE = 408, 404


class HostedTraining:
    """See `restyle.training.base.Training`.

    Whatever the host has accepted is written down at once; what it was asked for and may have accepted is looked for
    there before it is asked again. So a job is paid for once, whenever this process or the host is stopped.
    """

    def __init__(
        self, record: Record, settings: HostedSettings, open_host: Callable[[], Host], home: Path | None
    ) -> None:
        self._record, self._settings, self._open, self._home = record, settings, open_host, home

    @property
    def id(self) -> str:
        """See `restyle.training.base.Training`."""
        return self._record.id

    @property
    def plan(self) -> Plan:
        """What would be done, and what it would cost."""
        return self._record.plan

    def start(self) -> None:
        """Upload the files and begin both jobs; what was begun goes on, what has failed or was cancelled begins anew.

        Raises:
            ModelError: The host refuses, or does not answer.
            PairsError: The pair set is gone before all of it was sent.
            TrainingError: It is another one, or another process is at it.
        """
        with locked(self.id, self._home), closing(self._open()) as host:
            self._read_again()
            for direction in self._record.directions.values():
                if direction.status in {"failed", "cancelled"}:
                    direction.begin_anew()
            self._save()
            for role, direction in self._record.directions.items():
                if direction.job is None:
                    self._begin(host, role, direction)

    def wait(self, on_progress: OnProgress | None = None) -> None:
        """Look at both jobs until they are over.

        Raises:
            TrainingError: One has failed or was cancelled, or was never begun.
            ModelError: The host refuses, or does not answer any more; the jobs go on there.
        """
        self._read_again()
        with closing(self._open()) as host:
            seen, pause = set[str](), self._settings.poll
            while True:
                news = [each for role in self._record.directions for each in self._look(host, role, seen)]
                for progress in news:
                    if on_progress is not None:
                        on_progress(progress)
                if all(direction.is_over for direction in self._record.directions.values()):
                    break
                pause = self._settings.poll if news else min(pause * _SLOWER, self._settings.poll * _LONGEST)
                time.sleep(pause)
        self._check_succeeded()

    def status(self) -> str:
        """What the host says of both jobs now, in one of OpenAI's words, or ``prepared``; nothing is waited for.

        Raises:
            ModelError: The host refuses, or does not answer.
        """
        self._read_again()
        unfinished = [each for each in self._record.directions.values() if each.job is not None and not each.is_over]
        if unfinished:
            with closing(self._open()) as host:
                for direction in unfinished:
                    direction.status = host.state(str(direction.job)).status
        return self._record.status

    def cancel(self) -> None:
        """Cancel at the host what is not over.

        Raises:
            ModelError: The host refuses, or does not answer.
        """
        with locked(self.id, self._home), closing(self._open()) as host:
            self._read_again()
            for role, direction in self._record.directions.items():
                if direction.job is None and direction.asked is not None:
                    direction.job = host.find(direction.uploaded, tag=self._tag(role))
                if direction.job is None:
                    direction.asked, direction.status = None, "cancelled"
                elif not direction.is_over:
                    host.cancel(direction.job)
                    direction.status = host.state(direction.job).status
            self._save()

    def result(self) -> Style:
        """Make both models ready for use, as far as the host lets us, and save the card.

        Raises:
            TrainingError: One of the jobs has not succeeded.
            ModelError: The host refuses, or does not answer.
        """
        self._read_again()
        self._check_succeeded()
        with closing(self._open()) as host:
            style = make_card(self._record, self._settings, host, styles_directory(self._home).absolute())
        style.save(self._home)
        return style

    def _begin(self, host: Host, role: Role, direction: Direction) -> None:
        """Send the files and begin the job of one direction, each once."""
        for split, path in self._files(role, direction).items():
            direction.files[split] = host.upload(path)
            self._save()
        if direction.asked is not None:
            direction.job = self._found(host, role, direction)
        for attempt in range(1, _ATTEMPTS + 1):
            if direction.job is not None:
                break
            direction.asked = time.time()
            self._save()
            try:
                direction.job = host.create(direction.uploaded, role=role, tag=self._tag(role))
            except ModelError as error:
                if error.status is not None and error.status != _TIMEOUT and error.status < _SERVER:
                    direction.asked = None
                    if error.status == _GONE:
                        direction.files = {}  # hosts delete files; the next try sends them again
                    self._save()
                    raise
                direction.job = self._found(host, role, direction)
                if direction.job is None and attempt == _ATTEMPTS:
                    raise
        direction.status = "validating_files"
        self._save()

    def _files(self, role: Role, direction: Direction) -> dict[Split, Path]:
        """What of a direction is still to be sent."""
        splits: list[Split] = ["train", "valid"] if self.plan.parts[role].held_out else ["train"]
        missing = [split for split in splits if split not in direction.files]
        if not missing:
            return {}
        pairs = PairSet.load(self._record.pairs)
        if pairs.digest != self._record.card["dataset"]:
            raise TrainingError(
                f"{pairs.directory}: other pairs than those of job {self.id}, and not all of its files were sent: "
                "train again"
            )
        return {split: pairs.messages_file(role, split) for split in missing}

    def _found(self, host: Host, role: Role, direction: Direction) -> str | None:
        """The job that the host may have begun; it is not in lists at once, so the host gets a while."""
        settled = (direction.asked or 0.0) + _LONGEST * self._settings.poll
        while True:
            job = host.find(direction.uploaded, tag=self._tag(role))
            left = settled - time.time()
            if job is not None or left <= 0:
                return job
            time.sleep(min(self._settings.poll, left))

    def _look(self, host: Host, role: Role, seen: set[str]) -> list[Progress]:
        """What is new of a direction; a new status comes last, after all that led to it."""
        direction = self._record.directions[role]
        if direction.job is None:
            raise TrainingError(f"job {self.id}: {role} was not begun: train again, and what was sent is used")
        if direction.is_over:
            return []
        before, state = direction.status, host.state(direction.job)
        events = [event for event in host.events(direction.job) if f"{role} {event.id}" not in seen]
        seen.update(f"{role} {event.id}" for event in events)
        news = [_progress(role, state, event, before) for event in events]
        if state.status != before:
            self._keep(role, direction.job, state)
            news.append(Progress(role, state.status, state.error, seconds_left=state.seconds_left))
        return news

    def _keep(self, role: Role, job: str, state: State) -> None:
        """Write down a status and nothing else: another process may have begun something since."""
        self._read_again()
        direction = self._record.directions[role]
        if direction.job == job:
            direction.status, direction.error = state.status, state.error
            self._save()

    def _check_succeeded(self) -> None:
        said = {"failed": "has failed", "cancelled": "was cancelled"}
        for role, direction in self._record.directions.items():
            if direction.status == "succeeded":
                continue
            how, advice = f"is {direction.status or 'not begun'}", f"'restyle jobs {self.id}' waits for it"
            if direction.status in said:
                how, advice = said[direction.status], "the same 'restyle train' begins it anew"
            why = f": {direction.error}" if direction.error else ""
            raise TrainingError(
                f"job {self.id}: {role}, {direction.job} at {self._record.provider}, {how}{why}; {advice}"
            )

    def _tag(self, role: Role) -> str:
        return f"{self.id}-{role}-{self._record.directions[role].attempt}"

    def _read_again(self) -> None:
        """What another process has done meanwhile."""
        found = Record.load(self.id, self._home)
        if found is not None:
            self._record.directions, self._record.created = found.directions, found.created

    def _save(self) -> None:
        self._record.save(self._home)


def _progress(role: Role, state: State, event: Event, before: Status | None) -> Progress:
    return Progress(
        role,
        before or state.status,
        event.message,
        step=event.step,
        steps=event.steps,
        loss=event.loss,
        held_out_loss=event.held_out_loss,
        seconds_left=state.seconds_left,
    )
