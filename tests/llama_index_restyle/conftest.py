"""A server of this package's tests, and the ways to ask it."""

from __future__ import annotations

import pytest

from llama_endpoints import WAYS, Watched
from llama_index_restyle.endpoint_llm import EndpointLLM


@pytest.fixture(scope="session")
def _watched():
    with Watched() as server:
        yield server


@pytest.fixture
def watched(_watched):
    """The server with an empty record; faults that a test injects must all have happened at its end."""
    _watched.requests.clear()
    yield _watched
    assert not _watched._faults


@pytest.fixture
def echo(watched):
    """The LLM that repeats what it is told."""
    return EndpointLLM(model="echo", base_url=watched.base_url)


@pytest.fixture(params=WAYS)
def way(request):
    """One of the four ways to chat."""
    return WAYS[request.param]
