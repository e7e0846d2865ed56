"""A host of fine-tuning with OpenAI's interface, over its SDK: OpenAI, Azure, Nebius."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from functools import partial
from itertools import count, islice
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar

from restyle.answering import TIMEOUT
from restyle.data.gate import retry_after
from restyle.errors import ModelError, RowError
from restyle.host_errors import host_error, mends, transport_error
from restyle.messages import Role
from restyle.training.hosts.host import FINAL, Event, Files, Served, State
from restyle.training.hosts.openai_jobs import event_of, state_of, status_of
from restyle.training.hosts.upload_rules import HOSTS, Hosted
from restyle.training.hosts.uploads import with_bom
from restyle.training.losses import LossCurve, from_checkpoints, from_events, from_result_file

if TYPE_CHECKING:
    from openai import OpenAI
    from openai.types import FileObject
    from openai.types.fine_tuning import FineTuningJob, FineTuningJobEvent

__all__ = ["OpenAIHost", "client_for", "model_suffix", "supervised"]

_ATTEMPTS = 8  # four minutes at the default pause
_LONGEST = 12  # times the first pause
_ASKED = 600.0  # seconds: a host that asks to wait longer is not waited for
_TRANSFER = 3600.0  # seconds without a byte of a file before the connection counts as dead
_PROCESSING = 1800.0  # seconds for a file to be taken, as the SDK's own wait_for_processing
_PAGE = 100  # jobs, events or checkpoints at once, the host's most
_TAG = "restyle"  # the key of our tag in a job's metadata
_REFUSED, _GONE, _BUSY = frozenset({400, 409}), 404, 429  # HTTP statuses

_WAITING = frozenset(
    {"uploaded", "pending", "running", "notRunning", "importing"}
)  # a file's statuses at OpenAI, Azure
_UNUSABLE = frozenset({"error", "failed", "deleting", "deleted"})
T = TypeVar("T")


class OpenAIHost:
    """See `restyle.training.hosts.host.Host`; a subclass overrides what its host does otherwise, mostly `serve`.

    Args:
        provider: Whose rules it has.
        where: What to call it in errors.
        variable: The environment variable that holds its key, which no message shows.
        options: Arguments of the client, see `client_for` and `restyle.answering.client_options`.
        body: Arguments of ``fine_tuning.jobs.create`` for these files and this direction, but ``metadata``.
        pause: Seconds before the second attempt, and between two looks at a file; the next are longer and longer.
        tagged: Whether the host keeps metadata; where it does not, jobs are known by their files.
        newest_first: Whether it lists the newest events first, as OpenAI does, so that only those need to be read; else
            all are, and put in order.

    Attributes:
        client: The SDK's, which never asks again by itself; see `ask`.
        base_url: As given to the client; None is OpenAI's own.
        body: As given.
    """

    def __init__(
        self,
        provider: Hosted,
        *,
        where: str,
        variable: str,
        options: Mapping[str, Any],
        body: Callable[[Files, Role], dict[str, Any]],
        pause: float = 5.0,
        tagged: bool = True,
        newest_first: bool = False,
    ) -> None:
        from openai import OpenAI  # noqa: PLC0415 - half a second that only hosts pay

        # The SDK's own retries would begin a job twice where only the answer to the first request was lost.
        self.client: OpenAI = OpenAI(**options, max_retries=0)
        self.base_url: str | None = options.get("base_url")
        self.where, self._variable = where, variable
        self.body, self._rules, self._tagged, self._pause = body, HOSTS[provider], tagged, pause
        self._newest_first = newest_first
        self._told: dict[str, list[FineTuningJobEvent]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self.client.close()

    def upload(self, path: Path) -> str:
        """See `Host.upload`."""

        def send() -> FileObject:
            with with_bom(path) if self._rules.mark else path.open("rb") as file:
                return self.client.files.create(file=(path.name, file), purpose="fine-tune", timeout=_TRANSFER)

        file, deadline, pauses = self.ask(send), time.monotonic() + _PROCESSING, self._pauses()
        while (status := getattr(file, "status", None)) in _WAITING:
            if time.monotonic() > deadline:
                raise ModelError(f"{self.where} has not processed {path}, file {file.id} there: try again later")
            time.sleep(next(pauses))
            file = self.ask(partial(self.client.files.retrieve, file.id), missing=f"no file {file.id} any more")
        if status in _UNUSABLE:
            said = getattr(file, "status_details", None) or "it does not say why"
            raise ModelError(f"{self.where} cannot use {path}, file {file.id} there ({status}): {said}")
        return file.id

    def create(self, files: Files, *, role: Role, tag: str) -> str:
        """See `Host.create`."""
        body = self.body(files, role) | ({"metadata": {_TAG: tag}} if self._tagged else {})
        return self.ask(lambda: self.client.fine_tuning.jobs.create(**body), again=_is_refused_for_now).id

    def find(self, files: Files, *, tag: str) -> str | None:
        """See `Host.find`; jobs with those files that have failed or were cancelled are not meant."""
        for job in self._listed(lambda: self.client.fine_tuning.jobs.list(limit=_PAGE)):
            found = (getattr(job, "metadata", None) or {}).get(_TAG)
            same = (job.training_file, job.validation_file or None) == files
            if found == tag or (found is None and same and status_of(job) not in {"failed", "cancelled"}):
                return str(job.id)
        return None

    def state(self, job: str) -> State:
        """See `Host.state`."""
        return state_of(self._job(job))

    def events(self, job: str) -> list[Event]:
        """See `Host.events`."""
        return [event_of(each) for each in self._events(job)]

    def curve(self, job: str) -> LossCurve:
        """See `Host.curve`; where sources differ, result files are right, then checkpoints."""
        curve = from_events(self._events(job)).merged(from_checkpoints(self.checkpoints(job)))
        for name in getattr(self._job(job), "result_files", None) or ():
            # What a job has cost is not to be lost for a file that is gone, or no table.
            with suppress(RowError):
                if (content := self._content(name)) is not None:
                    curve = curve.merged(from_result_file(content, name))
        return curve

    def checkpoints(self, job: str) -> list[Any]:
        """The checkpoints of a job, as the SDK gives them; none where the host has no such thing."""
        try:
            return [*self._listed(lambda: self.client.fine_tuning.jobs.checkpoints.list(job, limit=_PAGE))]
        except ModelError as error:
            if error.status == _GONE:
                return []
            raise

    def cancel(self, job: str) -> None:
        """See `Host.cancel`."""
        try:
            self.ask(lambda: self.client.fine_tuning.jobs.cancel(job), missing=f"no job {job}")
        except ModelError as error:
            if error.status not in _REFUSED or status_of(self._job(job)) not in FINAL:
                raise

    def serve(self, job: str, *, role: Role, model: str, folder: Path) -> Served:  # noqa: ARG002 - see `Host`
        """See `Host.serve`; the host serves what it has trained, under that name."""
        return Served(model, self.base_url)

    def ask(self, call: Callable[[], T], *, missing: str = "", again: Callable[[Exception], bool] = mends) -> T:
        """What ``call`` returns; it is tried up to eight times.

        Args:
            call: One request through `client`.
            missing: What is not there, where the host answers HTTP 404.
            again: After which errors it is tried again.

        Raises:
            ModelError: The host refuses, or stays silent, or asks to wait for more than ten minutes.
        """
        from openai import OpenAIError  # noqa: PLC0415 - as above

        pauses = islice(self._pauses(), _ATTEMPTS - 1)
        while True:
            try:
                answer = call()
            except (OpenAIError, transport_error()) as error:
                pause = next(pauses, None)
                wait = retry_after(getattr(getattr(error, "response", None), "headers", {})) or 0.0
                if pause is None or wait > _ASKED or not again(error):
                    key = os.environ.get(self._variable, "")
                    raise host_error(error, self.where, self._variable, key, missing) from None
            else:
                if isinstance(answer, str):  # the SDK hands on what is no JSON
                    raise ModelError(f"{self.where} answers with no JSON: is the base_url complete, with its /v1?")
                return answer
            time.sleep(max(pause, wait))

    def _pauses(self) -> Iterator[float]:
        for number in count():
            yield self._pause * min(_LONGEST, 2.0 ** min(number, 10))

    def _job(self, job: str) -> FineTuningJob:
        return self.ask(
            lambda: self.client.fine_tuning.jobs.retrieve(job),
            missing=f"no job {job}: use the key of the project that began it",
        )

    def _events(self, job: str) -> list[FineTuningJobEvent]:
        """All events, the oldest first; where the newest are listed first, the list is read up to those known."""
        listed = self._listed(lambda: self.client.fine_tuning.jobs.list_events(job, limit=_PAGE))
        if not self._newest_first:
            return sorted(listed, key=lambda event: getattr(event, "created_at", None) or 0)
        told = self._told.setdefault(job, [])
        known, new = {each.id for each in told}, []
        for event in listed:
            if event.id in known:
                break
            new.append(event)
        told += reversed(new)
        return told

    def _content(self, name: str) -> bytes | None:
        try:
            return self.ask(lambda: self.client.files.content(name, timeout=_TRANSFER)).content
        except ModelError as error:
            if error.status == _GONE:
                return None
            raise

    def _listed(self, call: Callable[[], Any]) -> Iterator[Any]:
        """What stands on all pages of a list, also of a host that knows no pages and sends the same again."""
        page, seen = self.ask(call), set[str]()
        while True:
            new = [each for each in getattr(page, "data", None) or () if each.id not in seen]
            yield from new
            seen.update(each.id for each in new)
            if not new or not page.has_next_page():
                return
            page = self.ask(page.get_next_page)


def client_for(base_url: str, variable: str) -> dict[str, Any]:
    """The arguments of a client for a host that has a key of its own.

    Raises:
        ModelError: The key is not in the environment.
    """
    key = os.environ.get(variable)
    if not key:
        raise ModelError(f"no {variable} in the environment: set it to the host's key")
    return {"base_url": base_url, "api_key": key, "timeout": TIMEOUT}


def model_suffix(provider: Hosted, name: str, role: Role) -> str:
    """``NAME-ROLE``, the name without what the host refuses, and cut to what it takes."""
    rules = HOSTS[provider]
    allowed = name if rules.dots else name.replace(".", "-")
    return f"{allowed[: rules.suffix - len(role) - 1].rstrip('._-')}-{role}"


def supervised(base: str, files: Files, hyperparameters: Mapping[str, float | None], **options: Any) -> dict[str, Any]:  # noqa: ANN401 - as the SDK has them
    """The arguments of ``fine_tuning.jobs.create`` for supervised fine-tuning; what is None is left to the host."""
    given = {name: value for name, value in hyperparameters.items() if value is not None}
    body = {"model": base, "training_file": files.train, "validation_file": files.valid, **options}
    method = {"type": "supervised", "supervised": {"hyperparameters": given}}
    return {name: value for name, value in body.items() if value is not None} | {"method": method}


def _is_refused_for_now(error: Exception) -> bool:
    """Whether the host has refused a request, and not begun it, but may take it later."""
    return getattr(error, "status_code", None) == _BUSY and mends(error)
