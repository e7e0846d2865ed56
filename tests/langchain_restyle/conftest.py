"""One server for all tests of the adapter, and the keeper's style behind it."""

from __future__ import annotations

import openai
import pytest
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_openai import ChatOpenAI

from langchain_restyle import Restyle
from restyle import rewrite
from restyle.prompts import DESTYLE_PROMPT, RESTYLE_PROMPT
from restyle.stage import Stage
from restyle.style import Style
from restyle.testing import Sandbox
from scripted import ANSWER


@pytest.fixture(scope="session")
def _server(trained_keeper):
    with Sandbox(home=trained_keeper) as server:
        yield server


@pytest.fixture
def sandbox(_server):
    """The server with an empty record; faults that a test injects must all have happened at its end."""
    _server.requests.clear()
    yield _server
    assert not _server._faults


@pytest.fixture
async def model(sandbox):
    """The application's model: it repeats what it is told."""
    # A client of its own: the one that all of langchain-openai shares outlives the event loop of a test.
    async with openai.DefaultAsyncHttpxClient() as client:
        yield ChatOpenAI(base_url=sandbox.base_url, model="echo", api_key="none", http_async_client=client)


@pytest.fixture
def upstream(model):
    """The application's chain as it was before restyling."""
    return ChatPromptTemplate.from_messages([("system", "Answer."), ("user", "{answer}")]) | model | StrOutputParser()


@pytest.fixture
def chain(upstream):
    """The same with the keeper at its end."""
    return upstream | Restyle(style="keeper")


@pytest.fixture
def styled():
    """What the keeper makes of `ANSWER`."""
    text = rewrite(ANSWER, "keeper").text
    assert "uncommon strong yesternight" in text
    assert "6:30" in text
    return text


@pytest.fixture
def card(sandbox):
    """The keeper's style with both models behind the endpoint."""
    return Style(
        "keeper",
        Stage(RESTYLE_PROMPT, "keeper:restyle", sandbox.base_url),
        Stage(DESTYLE_PROMPT, "keeper:destyle", sandbox.base_url),
    )
