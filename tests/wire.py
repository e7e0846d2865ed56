"""Requests without any client library."""

from __future__ import annotations

import http.client
import json
from urllib.parse import urlsplit


def user(text):
    return [{"role": "system", "content": "Please rewrite."}, {"role": "user", "content": text}]


def call(sandbox, method, path, body=None, headers=None):
    """A request without any client library: status and parsed JSON."""
    connection = http.client.HTTPConnection(urlsplit(sandbox.base_url).netloc, timeout=20)
    try:
        connection.request(method, path, body, headers or {})
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())
    finally:
        connection.close()


def chat(sandbox, **body):
    return call(sandbox, "POST", "/v1/chat/completions", json.dumps(body))
