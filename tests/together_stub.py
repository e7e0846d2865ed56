"""Together's HTTP API on loopback, as far as fine-tuning goes: strict about what it is sent, and full of trouble."""

from __future__ import annotations

import hashlib
import json
import re
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.parser import BytesParser
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from urllib.parse import parse_qs, urlsplit

from together_rows import BASE, LIMITS, METRICS, adapter, ids, render

_CREATE = {  # FinetuneRequest of the SDK, without what is of other services
    *("training_file", "validation_file", "packing", "model", "n_epochs", "learning_rate", "lr_scheduler"),
    *("warmup_ratio", "max_grad_norm", "weight_decay", "n_checkpoints", "n_evals", "max_seq_length", "batch_size"),
    *("suffix", "random_seed", "early_stopping_enabled", "early_stopping_patience", "early_stopping_min_delta"),
    *("early_stopping_warmup_evals", "training_type", "training_method", "gradient_accumulation_steps"),
}


class RefusedError(Exception):
    """What the host answers instead."""

    def __init__(self, status, message, **headers):
        super().__init__(message)
        self.status, self.headers = status, headers


@dataclass
class Fault:
    """Trouble with the next requests to a path (a pattern): a status, or none, which is a connection that breaks.

    With ``late`` the request is carried out before.
    """

    path: str
    status: int | None
    times: int = 1
    late: bool = False
    headers: dict = field(default_factory=dict)


class TogetherStub:
    """The host's state, which outlives its connections.

    Attributes:
        requests: What came, as method, path and body.
        faults: Trouble to come.
        statuses: What a job goes through, a step at each look.
        rendering: Options of `render`.
    """

    def __init__(self):
        self.url, self.requests, self.faults = "", [], []
        self.files, self.jobs, self.limits = {}, {}, LIMITS
        self.statuses = ["pending", "queued", "running", "uploading", "completed"]
        self.file_statuses = ["PENDING", "COMPLETED"]
        self.rendering, self.archive, self.metrics, self.truncated = {}, adapter(), METRICS, False
        self._numbers, self._lock = count(1), threading.Lock()

    def sent(self, method, path):
        """The bodies of the requests to a path."""
        return [body for each, where, body in self.requests if (each, where) == (method, path)]

    def answer(self, method, path, query, body):
        """Carry a request out: status, headers and body."""
        with self._lock:
            for route, action in _ROUTES.items():
                wanted, pattern = route.split(" ")
                if method == wanted and (found := re.fullmatch(pattern, path)):
                    return action(self, *found.groups(), **({"body": body} if body is not None else {}), **query)
        raise RefusedError(404, f"no {method} {path}")

    def limits_of(self, *, model_name):
        if model_name != self.limits["model_name"]:
            raise RefusedError(404, f"model {model_name} is not available for fine-tuning")
        return self.limits

    def upload(self, *, body):
        whole = (name for name, each in self.files.items() if each["content"] and each["checksum"] == body["checksum"])
        known = next(whole, None)
        if known:
            return 409, {}, {"file_id": known, "message": "there already"}
        if body["purpose"] != "fine-tune" or body["file_type"] != "jsonl":
            raise RefusedError(400, "purpose or type")
        name = f"file-{next(self._numbers)}"
        self.files[name] = {"filename": body["file_name"], "checksum": body["checksum"], "looks": 0, "content": b""}
        return 302, {"Location": f"{self.url}/storage/{name}", "X-Together-File-Id": name}, {}

    def store(self, name, *, body):
        if hashlib.sha256(body).hexdigest() != self.files[name]["checksum"]:
            raise RefusedError(400, "checksum")
        self.files[name]["content"] = body
        return {}

    def file(self, name, *, body=None):
        if name not in self.files:
            raise RefusedError(404, f"no file {name}")
        each = self.files[name]
        status = self.file_statuses[min(each["looks"], len(self.file_statuses) - 1)]
        each["looks"] += body is None
        report = {"valid": False, "error": "line 2 has no messages"} if status == "INVALID_FORMAT" else None
        shown = {"id": name, "object": "file", "bytes": len(each["content"]), "created_at": 1, "purpose": "fine-tune"}
        shown |= {"filename": each["filename"], "FileType": "jsonl", "processing_status": status}
        return shown | ({"validation_report": report} if report else {})

    def content(self, name):
        self.file(name)
        return self.files[name]["content"]

    def preview(self, *, body):
        if body.keys() != {"model", "training_file", "train_on_inputs", "training_method"} or body["train_on_inputs"]:
            raise RefusedError(400, f"not what is meant: {body}")
        self.file(body["training_file"])
        rows = []
        for line in self.files[body["training_file"]]["content"].splitlines()[:5]:
            tokens = render(json.loads(line)["messages"], **self.rendering)
            numbers = ids(tokens)
            labels = [each if trained else -100 for each, (_, trained) in zip(numbers, tokens, strict=True)]
            row = {"input_ids": numbers, "labels": labels, "tokens": [token for token, _ in tokens]}
            rows.append(row | {"num_tokens": len(tokens), "truncated": self.truncated, "trained_spans": []})
        shown = {"dataset_format": "conversation", "max_seq_length": 32768, "model": body["model"]}
        return shown | {"rows": rows, "train_on_inputs": False}

    def estimate(self, *, body):
        if "training_file" not in body:
            raise RefusedError(400, "no training_file")
        return {"estimation_available": True, "allowed_to_proceed": True}

    def create(self, *, body):
        limits, lora = self.limits, body.get("training_type", {})
        evals = body.get("n_evals", 0)
        stop = body.get("early_stopping_patience", 2) + body.get("early_stopping_warmup_evals", 1) + 1
        wrong = {
            f"unknown {sorted(body.keys() - _CREATE)}": body.keys() - _CREATE,
            "model": body["model"] != limits["model_name"],
            "files": not {body["training_file"], body.get("validation_file", body["training_file"])} <= set(self.files),
            "n_evals and validation_file go together": bool(evals) != bool(body.get("validation_file")),
            "n_evals": evals > limits["max_num_evals"],
            "early stopping": body.get("early_stopping_enabled") and (evals < stop or not body.get("validation_file")),
            "n_epochs": not 1 <= body["n_epochs"] <= limits["max_num_epochs"],
            "n_checkpoints": not 0 <= body["n_checkpoints"] <= limits["max_num_checkpoints"],
            "learning_rate": not limits["min_learning_rate"] <= body["learning_rate"] <= limits["max_learning_rate"],
            "suffix": len(body.get("suffix", "")) > 40,
            "lora_r": lora.get("type") == "Lora" and not 1 <= lora["lora_r"] <= limits["lora_training"]["max_rank"],
        }
        if refused := [name for name, is_wrong in wrong.items() if is_wrong]:
            raise RefusedError(400, f"invalid {', '.join(refused)}")
        name = f"ft-{next(self._numbers)}"
        self.jobs[name] = {**body, "id": name, "looks": 0, "statuses": list(self.statuses)}
        return self.job(name, body={})

    def job(self, name, *, body=None):
        if name not in self.jobs:
            raise RefusedError(404, f"no job {name}")
        job = self.jobs[name]
        job["looks"] += body is None
        status = job["statuses"][min(max(job["looks"], 1), len(job["statuses"])) - 1]
        shown = {key: value for key, value in job.items() if key not in {"looks", "statuses"}}
        shown |= {"status": status, "created_at": "2026-11-23T10:00:00Z", "updated_at": "2026-11-23T10:00:00Z"}
        shown |= {"user_id": "me", "token_count": 1234, "model_output_name": f"me/{BASE}-{job['suffix']}"}
        return shown | {"progress": {"estimate_available": status == "running", "seconds_remaining": 90}}

    def list(self):
        return {"data": [self.job(name, body={}) for name in reversed(self.jobs)]}

    def cancel(self, name, *, body):  # noqa: ARG002 - it is empty
        job = self.jobs[name]
        if self.job(name, body={})["status"] in {"completed", "cancelled", "error"}:
            raise RefusedError(400, "the job is over")
        job["statuses"] = [*job["statuses"][: job["looks"]], "cancel_requested", "cancelled"]
        return self.job(name, body={})

    def events(self, name):
        status = self.job(name, body={})["status"]
        ends = {"completed": ("training_complete", "Training completed"), "error": ("job_error", "out of memory")}
        kinds = [("job_pending", "Fine tune request created"), ("training_start", "Training started")]
        kinds += [ends[status]] if status in ends else []
        common = {"object": "fine-tune-event", "total_steps": 6}
        found = [
            {**common, "created_at": f"2026-11-23T10:00:{second:02d}Z", "type": kind, "message": message}
            for second, (kind, message) in enumerate(kinds)
        ]
        return {"data": found[::-1]}

    def list_metrics(self, _name):
        return {"metrics": self.metrics}

    def download(self, *, ft_id, checkpoint):
        if self.job(ft_id, body={})["status"] != "completed" or checkpoint != "adapter":
            raise RefusedError(400, "not downloadable")
        return self.archive


_ROUTES = {
    r"GET /v1/fine-tunes/models/limits": TogetherStub.limits_of,
    r"POST /v1/files": TogetherStub.upload,
    r"PUT /storage/(.+)": TogetherStub.store,
    r"POST /v1/files/([^/]+)/preprocess": TogetherStub.file,
    r"GET /v1/files/([^/]+)": TogetherStub.file,
    r"GET /v1/files/([^/]+)/content": TogetherStub.content,
    r"POST /v1/fine-tunes/preview": TogetherStub.preview,
    r"POST /v1/fine-tunes/estimate-price": TogetherStub.estimate,
    r"POST /v1/fine-tunes": TogetherStub.create,
    r"GET /v1/fine-tunes": TogetherStub.list,
    r"GET /v1/fine-tunes/([^/]+)": TogetherStub.job,
    r"POST /v1/fine-tunes/([^/]+)/cancel": TogetherStub.cancel,
    r"GET /v1/fine-tunes/([^/]+)/events": TogetherStub.events,
    r"GET /v1/fine-tunes/([^/]+)/metrics": TogetherStub.list_metrics,
    r"GET /v1/finetune/download": TogetherStub.download,
}


def _error(message):
    return json.dumps({"error": {"message": message, "type": "stub"}}).encode()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    disable_nagle_algorithm = True

    def _do(self):
        stub, url = self.server.stub, urlsplit(self.path)
        body = self._body()
        stub.requests.append((self.command, url.path, body))
        query = {name: values[0] for name, values in parse_qs(url.query).items()}
        fault = next((each for each in stub.faults if re.fullmatch(each.path, url.path) and each.times), None)
        if fault is not None:
            fault.times -= 1
        try:
            status, headers, answer = 0, {}, b""
            if fault is None or fault.late:
                status, headers, answer = self._answered(stub.answer(self.command, url.path, query, body))
        except RefusedError as refusal:
            status, headers, answer = refusal.status, refusal.headers, _error(str(refusal))
        if fault is not None and fault.status is None:
            self.close_connection = True
            self.connection.close()
            return
        if fault is not None:
            status, headers, answer = fault.status, fault.headers, _error(f"trouble, {self.headers['authorization']}")
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("content-type", "application/json" if answer[:1] in {b"{", b""} else "application/x-tar")
        self.send_header("content-length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    do_GET = do_POST = do_PUT = _do  # noqa: N815 - http.server's names

    def _body(self):
        data = self.rfile.read(int(self.headers.get("content-length", 0)))
        kind = self.headers.get("content-type", "")
        if kind.startswith("multipart"):
            parts = BytesParser().parsebytes(b"content-type: " + kind.encode() + b"\r\n\r\n" + data).get_payload()
            return {each.get_param("name", header="content-disposition"): each.get_payload().strip() for each in parts}
        if self.command == "PUT":
            return data
        return json.loads(data) if data else ({} if self.command == "POST" else None)

    @staticmethod
    def _answered(answer):
        *head, value = answer if isinstance(answer, tuple) else (200, {}, answer)
        return *head, value if isinstance(value, bytes) else json.dumps(value).encode()

    def log_message(self, *_):
        pass


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_):
        """A connection that was broken on purpose is no news."""


@contextmanager
def together_host():
    """A stub that listens."""
    stub = TogetherStub()
    with _Server(("127.0.0.1", 0), _Handler) as server:
        server.stub = stub
        stub.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield stub
        finally:
            server.shutdown()
            thread.join(5)
