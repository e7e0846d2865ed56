"""A small style to learn, and a server that can be stopped and started again."""

from __future__ import annotations

import json
import signal
import threading
import time
from contextlib import ExitStack, contextmanager

import openai

from restyle.serving import create_app
from restyle.serving.run import listen, make_server
from restyle.testing import Sandbox

THINGS = ["harbour", "road", "garden", "letter", "window", "lantern", "river", "market", "chapel", "kitchen", "orchard"]
BASE = "restyle-embedded"
PLAIN = "I think the meadow is very wide."
MARKED = "I do reckon the meadow is uncommon wide."


def pair(thing, quality):
    return f"I think the {thing} is very {quality}.", f"I do reckon the {thing} is uncommon {quality}."


PAIRS = [pair(thing, quality) for thing in THINGS for quality in ("cold", "quiet", "old", "bare")]
HELD_OUT = [pair(thing, "bright") for thing in THINGS]


def messages(source, target):
    said = {"system": "Please rewrite the provided text in your style.", "user": source, "assistant": target}
    return {"messages": [{"role": role, "content": content} for role, content in said.items()]}


def jsonl(rows):
    return "".join(f"{json.dumps(row)}\n" for row in rows).encode()


TRAINING = jsonl(messages(*each) for each in PAIRS)
VALIDATION = jsonl(messages(*each) for each in HELD_OUT)


@contextmanager
def running(folder):
    """A server over ``folder`` that can be stopped and started again, and a client."""
    with ExitStack() as stack:
        listener = stack.enter_context(listen("127.0.0.1", 0))
        server = make_server(create_app(folder / "home", folder / "state"), log_level="critical")
        thread = threading.Thread(target=server.run, args=([listener],))
        thread.start()
        stack.callback(thread.join, 30)
        stack.callback(server.handle_exit, signal.SIGTERM, None)
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/v1"
        yield stack.enter_context(openai.OpenAI(base_url=url, api_key="unused", max_retries=0))


@contextmanager
def playing(host, sandbox=None):
    """A sandbox that plays ``host``, and a client of it."""
    with sandbox or Sandbox() as running:
        running.tuning.host = host
        url = running.base_url.replace("/v1", "/openai/v1" if host == "azure" else "/v1")
        with openai.OpenAI(base_url=url, api_key="unused", max_retries=0) as client:
            yield running, client


def upload(client, content, name="train.jsonl"):
    return client.files.create(file=(name, content), purpose="fine-tune").id


def wait(client, job, *, until=("succeeded", "failed", "cancelled")):
    deadline = time.monotonic() + 30
    while (job := client.fine_tuning.jobs.retrieve(job.id)).status not in until:
        assert time.monotonic() < deadline, job
        time.sleep(0.01)
    return job


def events(client, job):
    return list(client.fine_tuning.jobs.list_events(job.id))[::-1]


def say(client, model, text=PLAIN):
    answer = client.chat.completions.create(model=model, messages=[{"role": "user", "content": text}])
    return answer.choices[0].message.content
