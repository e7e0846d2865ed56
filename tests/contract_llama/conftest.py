"""A style in three places, and nobody in ``Settings.llm``."""

from __future__ import annotations

import asyncio
from inspect import iscoroutinefunction

import pytest
from llama_index.core import Settings

from contract_llama.engines import KINDS
from contract_llama.models import Embedded, Http, Nobody, Scripts
from restyle import Stage, Style
from restyle.prompts import DESTYLE_PROMPT, RESTYLE_PROMPT
from restyle.testing import Sandbox


@pytest.fixture(autouse=True)
def _nobody(monkeypatch):
    monkeypatch.setattr(Settings, "_llm", Nobody())


@pytest.fixture(autouse=True)
def _no_loop(request):
    if not iscoroutinefunction(request.function):
        asyncio.set_event_loop(None)  # LlamaIndex would make one to count tokens with, and never close it


@pytest.fixture(scope="session")
def _server(trained_keeper):
    with Sandbox(home=trained_keeper) as server:
        yield server


@pytest.fixture
def scripts():
    return Scripts()


@pytest.fixture
def embedded(keeper_home):  # noqa: ARG001 - the keeper is at home there
    return Embedded()


@pytest.fixture
def http(_server, keeper_home):  # noqa: ARG001 - to say what is expected
    _server.requests.clear()
    stages = [
        Stage(prompt, f"keeper:{role}", _server.base_url)
        for role, prompt in (("restyle", RESTYLE_PROMPT), ("destyle", DESTYLE_PROMPT))
    ]
    return Http(_server, Style("keeper", *stages))


@pytest.fixture(params=["scripts", "embedded", "http"])
def models(request):
    return request.getfixturevalue(request.param)


@pytest.fixture
def kinds():
    return {kind.name: kind for kind in KINDS}
