"""Nebius Token Factory as a host of fine-tuning: OpenAI's interface, but that a job makes checkpoints and no model."""

from __future__ import annotations

import hashlib
import math
import os
import time
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from restyle.answering import KEY_VARIABLE
from restyle.errors import ModelError, TrainingError
from restyle.host_errors import mends
from restyle.messages import Role
from restyle.training.hosts.host import Event, Files, Served, State
from restyle.training.hosts.nebius_adapter import TEMPLATE, fetch_adapter, thinking_off
from restyle.training.hosts.nebius_settings import NebiusSettings
from restyle.training.hosts.openai_host import OpenAIHost, client_for, model_suffix
from restyle.training.hosts.upload_rules import HOSTS
from restyle.training.losses import LossCurve, from_checkpoints

if TYPE_CHECKING:
    from openai.types.fine_tuning import FineTuningJobEvent

__all__ = ["SERVED", "NebiusHost"]

SERVED: Mapping[str, str] = {
    "meta-llama/Llama-3.1-8B-Instruct": "meta-llama/Meta-Llama-3.1-8B-Instruct",
    "meta-llama/Llama-3.1-70B-Instruct": "meta-llama/Meta-Llama-3.1-70B-Instruct",
    "unsloth/gpt-oss-20b-BF16": "openai/gpt-oss-20b",
    "unsloth/gpt-oss-120b-BF16": "openai/gpt-oss-120b",
}
"""Bases that have another name where they are served than where they are trained."""

_HOST, _KEY = "https://api.tokenfactory.nebius.com/v1/", "NEBIUS_API_KEY"
_WARMUP = 0.03  # of all steps, as the provider ``local``
_DIGITS = 12
_PAGE = 100  # events at once
_PATIENCE = 360  # times the first pause between two looks, half an hour: until a model is active
_TRANSFER = 3600.0  # seconds without a byte of a file before the connection counts as dead
_CHUNK = 1 << 20  # bytes
_BUSY = 429
_REFUSED = frozenset(range(400, 500)) - {401, 408, _BUSY}  # it is not the key, nor the moment


class NebiusHost(OpenAIHost):
    """See `restyle.training.hosts.host.Host`.

    Args:
        base: What is trained.
        settings: How.
        style: Its name.
    """

    def __init__(self, base: str, settings: NebiusSettings, style: str) -> None:
        base_url = settings.base_url or _HOST
        super().__init__(
            "nebius",
            where=settings.base_url or "Nebius",
            variable=_KEY,
            options=client_for(base_url, _KEY),
            body=self._body,
            pause=settings.poll,
            tagged=False,
        )
        self._base, self._settings, self._style = base, settings, style
        self._models = f"{base_url.rstrip('/').removesuffix('/v1')}/v0/models"

    def state(self, job: str) -> State:
        """See `Host.state`; of a model nothing is told, so that the job stands for it."""
        state = super().state(job)
        return replace(state, model=state.model or job) if state.status == "succeeded" else state

    def events(self, job: str) -> list[Event]:
        """See `Host.events`; losses are told by checkpoints only, of which there is one an epoch."""
        return [*super().events(job), *map(_event_of, self.checkpoints(job))]

    def curve(self, job: str) -> LossCurve:
        """See `Host.curve`."""
        return from_checkpoints(self.checkpoints(job), whole_file=True)

    def serve(self, job: str, *, role: Role, model: str, folder: Path) -> Served:  # noqa: ARG002 - see `Host`
        """See `Host.serve`: the best checkpoint as a model of the host's, or else as an adapter in ``folder``.

        Raises:
            TrainingError: The job has no checkpoint, or its adapter cannot be written.
        """
        best = self._best(job)
        files = self._files(best)
        name = f"{role}-{hashlib.sha256(f'{job}:{best.id}'.encode()).hexdigest()[:_DIGITS]}"
        active, why = self._activate(name, f"{job}:{best.id}", f"{self._style}, {role}, step {best.step_number}")
        record = {"checkpoint": best.id, "best_step": best.step_number}
        record |= {each: _loss(best, each) for each in ("train_loss", "valid_loss")}
        if self._settings.download or not active:
            try:
                fetch_adapter(files, folder / name, self._fetch)
            except TrainingError as error:
                raise TrainingError(f"{error}; the host does not serve it: {why}" if why else str(error)) from error
            record["folder"] = name
        template = self._content(files[TEMPLATE]) if TEMPLATE in files else None
        request = thinking_off((template or b"").decode(errors="replace"))
        if active:
            ready = os.environ.get(KEY_VARIABLE) == os.environ.get(_KEY)
            step = "" if ready else f"requests to it are sent with the key in {KEY_VARIABLE}: put Nebius's there, too"
            return Served(active, self.base_url, request, record=record, next_step=step)
        step = f"Nebius does not serve it ({why}): 'restyle serve {self._style} --print vllm' prints how to"
        return Served(f"{self._style}-{role}", self._settings.serve_url, request, record=record, next_step=step)

    def _body(self, files: Files, role: Role) -> dict[str, Any]:
        settings = self._settings
        body = {
            "model": self._base,
            "training_file": files.train,
            "validation_file": files.valid,
            "seed": settings.seed,
            "suffix": model_suffix("nebius", settings.suffix or self._style, role),
        }
        hyperparameters = {
            "n_epochs": settings.passes,
            "batch_size": settings.rows_per_step,
            "learning_rate": settings.learning_rate,
            "warmup_ratio": _WARMUP,
            "lora": True,  # or all weights are trained, and nobody serves those beside others
            "lora_r": settings.rank,
            "lora_alpha": settings.alpha,
            "lora_dropout": settings.dropout,
            "context_length": HOSTS["nebius"].most_tokens,  # for which the files were checked; longer rows are errors
            # Packed, a batch counts full contexts and not rows: 120 rows of 440 tokens were one step. And this way no
            # row stands in one context with another.
            "packing": False,
        }
        return {name: value for name, value in body.items() if value is not None} | {"hyperparameters": hyperparameters}

    def _events(self, job: str) -> list[FineTuningJobEvent]:
        """All of them, the oldest first, as this host lists them itself."""
        listed = self._listed(lambda: self.client.fine_tuning.jobs.list_events(job, limit=_PAGE))
        return sorted(listed, key=lambda event: int(event.created_at))

    def _best(self, job: str) -> Any:  # noqa: ANN401 - the SDK's checkpoint, with fields of Nebius's
        """The checkpoint with the lowest loss of the held-out file; the last where none is told."""
        checkpoints = sorted(self.checkpoints(job), key=lambda each: int(each.step_number))
        if not checkpoints:
            raise TrainingError(f"job {job} has succeeded without a checkpoint: ask {self.where}")
        told = [(loss, each) for each in checkpoints if (loss := _loss(each, "valid_loss")) is not None]
        return min(told, key=lambda pair: pair[0])[1] if told else checkpoints[-1]

    def _files(self, checkpoint: Any) -> dict[str, str]:  # noqa: ANN401 - as above
        """The ids of a checkpoint's files, by the last part of their names: ``ftckpt_.../adapter_config.json``."""
        ids = getattr(checkpoint, "result_files", None) or ()
        found = [
            self.ask(partial(self.client.files.retrieve, each), missing=f"no file {each} any more") for each in ids
        ]
        return {PurePosixPath(each.filename).name: each.id for each in found}

    def _activate(self, name: str, source: str, description: str) -> tuple[str, str]:
        """What a checkpoint's model is called once it answers; or nothing, and why.

        The host adds letters to a name, and makes another model of every request: what is there is looked for first.
        """
        base = SERVED.get(self._base, self._base)
        body = {"name": name, "base_model": base, "source": source, "description": description}
        try:
            model = self._find_model(name) or self._make_model(body)
        except ModelError as error:
            if error.status not in _REFUSED:
                raise
            return "", str(error)
        deadline = time.monotonic() + _PATIENCE * self._pause
        for pause in self._pauses():
            if model["status"] == "active":
                return str(model["name"]), ""
            if model["status"] != "validating":
                return "", f"{model['status']}: {model.get('status_reason') or 'it does not say why'}"
            if time.monotonic() > deadline:
                raise ModelError(f"{self.where} still validates {model['name']}: train again, which goes on from there")
            time.sleep(pause)
            model = self._find_model(name) or model
        raise AssertionError("pauses have no end")

    def _make_model(self, body: dict[str, str]) -> dict[str, Any]:
        def make() -> dict[str, Any]:
            return self.client.post(self._models, body=body, cast_to=dict[str, Any])

        try:
            return self.ask(make, again=_is_busy)
        except ModelError:
            # It has made models while it spoke of an error.
            if (made := self._find_model(body["name"])) is not None:
                return made
            raise

    def _find_model(self, name: str) -> dict[str, Any] | None:
        """The account's model with that in its name; of several the one that is of most use."""
        listed: Any = self.ask(partial(self.client.get, self._models, cast_to=object))
        models = listed.get("data", []) if isinstance(listed, dict) else listed
        found = [each for each in models if name in each["name"] and each["status"] != "deleted"]
        order = {"active": 0, "validating": 1}
        return min(found, key=lambda each: order.get(each["status"], len(order)), default=None)

    def _fetch(self, file: str, path: Path) -> None:
        def write() -> int:
            content = self.client.files.with_streaming_response.content(file, timeout=_TRANSFER)
            with content as response, path.open("wb") as target:
                return sum(map(target.write, response.iter_bytes(_CHUNK)))

        self.ask(write, missing=f"no file {file} any more")


def _event_of(checkpoint: Any) -> Event:  # noqa: ANN401 - see `NebiusHost._best`
    return Event(
        checkpoint.id,
        f"checkpoint at step {checkpoint.step_number}",
        step=checkpoint.step_number,
        loss=_loss(checkpoint, "train_loss"),
        held_out_loss=_loss(checkpoint, "valid_loss"),
    )


def _loss(checkpoint: Any, name: str) -> float | None:  # noqa: ANN401 - as above
    loss = getattr(checkpoint.metrics, name, None)
    return loss if isinstance(loss, float | int) and math.isfinite(loss) else None


def _is_busy(error: Exception) -> bool:
    """Whether a request was refused, and nothing made, but may do better later."""
    return getattr(error, "status_code", None) == _BUSY and mends(error)
