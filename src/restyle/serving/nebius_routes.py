"""``/v0/models``, where ``nebius`` makes a checkpoint ready for chat, and how it words errors of requests."""

from __future__ import annotations

import json
import secrets
import time
from concurrent.futures import Executor
from typing import Any, Self

from restyle.serving.errors import ApiError, invalid_type, missing_parameter
from restyle.serving.job_records import Activation, JobRecords
from restyle.serving.tuning_hosts import HOSTS
from restyle.serving.tuning_rules import TuningRules
from restyle.serving.web import HTTPException, Request, Response, Route, in_thread, json_response, read_object

__all__ = ["InvalidError", "NebiusRoutes"]

_INVALID = 422
_MODELS = HOSTS["nebius"].models
_NO_ADAPTER = "The checkpoint is of a full fine-tuning and has no LoRA adapter."


class InvalidError(ApiError):
    """A request whose fields are not what they must be: HTTP 422 with ``detail``, as in Nebius's reference."""

    @classmethod
    def of(cls, error: ApiError) -> Self | ApiError:
        """The error as Nebius words it; the same where it is not of the request's form."""
        if error.param is None or error.code == "model_not_available":
            return error
        return cls(_INVALID, error.message, param=error.param, code=error.code)

    def body(self) -> dict[str, Any]:
        """The JSON body of the answer."""
        place = ["body", *(self.param or "").split(".")]
        return {"detail": [{"type": self.code, "loc": place, "msg": self.message}]}


class NebiusRoutes:
    """The endpoints over the jobs of ``records``; there are none at other hosts."""

    def __init__(self, records: JobRecords, pool: Executor, rules: TuningRules) -> None:
        self._records, self._pool, self._rules = records, pool, rules

    def routes(self) -> list[Route]:
        """What to add to the application."""
        return [
            Route("/v0/models", self._list),
            Route("/v0/models", self._create, methods=["POST"]),
            Route("/v0/models/{name:path}", self._show),
        ]

    async def _create(self, request: Request) -> Response:
        self._check_host()
        body = await read_object(request)
        try:
            activation = await in_thread(self._pool, self._activate, body)
        except ApiError as error:
            raise InvalidError.of(error) from None
        return json_response(
            {
                "name": activation.name,
                "base_model": activation.base_model,
                "source": activation.source,
                "description": activation.description,
                "created_at": activation.created_at,
                "status": "validating",
            }
        )

    async def _list(self, _: Request) -> Response:
        self._check_host()
        found = [_shown(each) for each in self._records.activations()]
        return Response(json.dumps(found), media_type="application/json")

    async def _show(self, request: Request) -> Response:
        self._check_host()
        name = request.path_params["name"]
        for each in self._records.activations():
            if each.name == name:
                return json_response(_shown(each))
        raise ApiError(404, f"Model {name} not found")

    def _check_host(self) -> None:
        if self._rules.host != "nebius":
            raise HTTPException(404)

    def _activate(self, body: dict[str, Any]) -> Activation:
        for name in ("name", "base_model", "source"):
            if name not in body:
                raise missing_parameter(name)
            if not isinstance(body[name], str):
                raise invalid_type(name, "a string", body[name])
        job, _, checkpoint = body["source"].partition(":")
        found = self._records.job(job)
        if checkpoint not in {each["id"] for each in self._records.checkpoints(job)}:
            raise ApiError(404, f"Checkpoint {checkpoint} of {job} not found")
        base = body["base_model"]
        if base != _MODELS.get(found["model"], found["model"]):
            raise ApiError(400, f"{base} is no model that serves adapters of {found['model']}")
        now = time.time()
        activation = Activation(
            name=f"{base}-LoRa:{body['name']}-{secrets.token_hex(2)}",
            base_model=base,
            source=body["source"],
            description=body.get("description"),
            created_at=int(now),
            ready_at=now + self._rules.activation_seconds,
            error=self._rules.activation_fails if found["hyperparameters"].get("lora") else _NO_ADAPTER,
        )
        self._records.activate(job, activation)
        return activation


def _shown(activation: Activation) -> dict[str, Any]:
    """A model as the reference has it, without what is always the same."""
    job, _, checkpoint = activation.source.partition(":")
    status = activation.status
    return {
        "type": "text2text",
        "name": activation.name,
        "status": status,
        "status_reason": activation.error if status == "error" else None,
        "checkpoint_id": checkpoint,
        "job_id": job,
        "file_id": None,
        "url": None,
        "created_at": activation.created_at,
        "description": activation.description,
        "tags": ["lora"],
        "use_cases": ["lora"],
    }
