"""A server that shows what it renders, as vLLM, llama-server and Ollama do, over real HTTP on loopback."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from restyle.golden import GoldenPrompt
from restyle.prompts import DESTYLE_PROMPT, RESTYLE_PROMPT
from restyle.stage import Stage
from restyle.style import Style

BASE = "acme/small-instruct"
BOS = "<|bos|>"
SPECIAL = {BOS: 256, "<|im_start|>": 257, "<|im_end|>": 258}
KWARGS = {"enable_thinking": False}
OWNERS = {"vllm": "vllm", "llama-server": "llamacpp", "ollama": "library", "silent": "acme"}


def render(messages, *, enable_thinking=True):
    """ChatML with a BOS and, unless thinking is off, an open think block."""
    turns = "".join(f"<|im_start|>{each['role']}\n{each['content']}<|im_end|>\n" for each in messages)
    return f"{BOS}{turns}<|im_start|>assistant\n" + ("<think>\n" if enable_thinking else "")


def encode(text):
    parts = re.split("(" + "|".join(map(re.escape, SPECIAL)) + ")", text)
    return [each for part in parts for each in ([SPECIAL[part]] if part in SPECIAL else part.encode())]


def decode(ids):
    names = {number: name for name, number in SPECIAL.items()}
    return b"".join(names[each].encode() if each in names else bytes([each]) for each in ids).decode()


def golden_of(system, user="The boat was late — très."):
    messages = [{"role": "system", "content": system}, {"role": "user", "content": user}]
    text = render(messages, **KWARGS)
    return GoldenPrompt(system, user, text, encode(text), "0" * 64, BASE, "abc123", dict(KWARGS))


def served_style(base_url, *, name="author", destyle=True, request=None):
    """A style that was trained on `render`."""

    def stage(prompt, role):
        options = {"temperature": 0.7, "chat_template_kwargs": KWARGS} if request is None else request
        return Stage(prompt, f"{name}-{role}", base_url, request=options, golden=golden_of(prompt))

    return Style(name, stage(RESTYLE_PROMPT, "restyle"), stage(DESTYLE_PROMPT, "destyle") if destyle else None)


class Server:
    """The stub.

    Attributes:
        kind: ``vllm``, ``llama-server``, ``ollama`` or ``silent`` (which shows nothing).
        alter: What becomes of a rendered prompt before it is tokenized.
        models: What ``/v1/models`` lists; None means that there is no such path.
        adapters: What llama-server's ``/lora-adapters`` lists.
        names: The models that it answers as.
        status: What every POST is answered with, where it is not 200.
        seen: Every request: its path, body and authorization.
    """

    def __init__(self, kind, models=None):
        self.kind = kind
        self.alter = lambda text: text
        self.models = models
        self.adapters = [{"id": 0, "path": "restyle.gguf", "scale": 1.0}]
        self.names = {"author-restyle", "author-destyle"}
        self.status = 200
        self.seen = []
        self.base_url = ""

    def answer(self, path, body):
        """The JSON for a request, or None: 404."""
        if path == "/v1/models":
            return None if self.models is None else {"object": "list", "data": self.models}
        if path == "/v1/chat/completions":
            return {"choices": []} if body["model"] in self.names else None
        own = {
            ("vllm", "/tokenize"): self._vllm_tokenize,
            ("vllm", "/detokenize"): lambda body: {"prompt": decode(body["tokens"])},
            ("llama-server", "/apply-template"): lambda body: {"prompt": self._render(body).removeprefix(BOS)},
            ("llama-server", "/tokenize"): self._llama_tokenize,
            ("llama-server", "/lora-adapters"): lambda _: self.adapters,
            ("ollama", "/api/chat"): self._ollama_chat,
        }.get((self.kind, path))
        return own and own(body)

    def _render(self, body):
        return self.alter(render(body["messages"], **(body.get("chat_template_kwargs") or {})))

    def _vllm_tokenize(self, body):
        ids = encode(self._render(body))
        return {"count": len(ids), "max_model_len": 4096, "tokens": ids, "token_strs": None}

    def _llama_tokenize(self, body):
        # Without content it answers with no tokens; the BOS is the tokenizer's, where it is asked for.
        text = body.get("content", "")
        return {"tokens": encode(BOS * bool(body.get("add_special")) + text) if text else []}

    def _ollama_chat(self, body):
        assert body["_debug_render_only"] is True
        assert body["stream"] is False
        text = self.alter(render(body["messages"], enable_thinking=body.get("think", True)))
        return {"model": body["model"], "response": "", "_debug_info": {"rendered_template": text}}


@contextmanager
def serving(kind, models=None) -> Iterator[Server]:
    """The stub on a free port."""
    stub = Server(kind, models)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self._reply(None)

        def do_POST(self):
            self._reply(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))

        def _reply(self, body):
            stub.seen.append((self.path, body, self.headers.get("Authorization")))
            answer = stub.answer(self.path, body)
            status = 404 if answer is None else 200 if body is None else stub.status
            error = {"error": {"message": f"cannot render for {self.headers.get('Authorization')}"}}
            data = json.dumps(answer if status == 200 else error).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            stub.base_url = f"http://127.0.0.1:{server.server_address[1]}/v1"
            yield stub
        finally:
            server.shutdown()
            thread.join(5)


def listed(kind):
    """What a server of that kind lists when both models of `served_style` are loaded."""
    names = ["author-restyle", "author-destyle"]
    if kind == "vllm":
        adapters = [{"id": name, "owned_by": "vllm", "root": f"/{name}", "parent": "base"} for name in names]
        return [{"id": "base", "owned_by": "vllm", "root": BASE, "parent": None}, *adapters]
    return [{"id": f"{name}:latest" if kind == "ollama" else name, "owned_by": OWNERS[kind]} for name in names]


def style_on(stub, **options):
    """`served_style` at the stub, with the requests that its kind needs."""
    ollama = {"reasoning_effort": "none", "chat_template_kwargs": KWARGS}
    return served_style(stub.base_url, request=ollama if stub.kind == "ollama" else None, **options)


def found(checks, name, role="restyle"):
    """The one check of that name."""
    (check,) = (check for check in checks if (check.name, check.role) == (name, role))
    return check
