"""One engine for many at once: every answer is whole, its own, and in its place."""

from __future__ import annotations

import asyncio
import re
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from contract_llama.engines import retrieving
from contract_llama.models import application
from llama import adrained, drained
from llama_index_restyle import RestyleQueryEngine
from restyle.serving.models import last_user_text
from restyle.testing import Sandbox
from scripted import uncommon
from support import style_of

MANY = 200


def said(prompt: str) -> str:
    """Two blocks that name the number of the question, and it alone."""
    number = re.findall(r"ship (\d+)", prompt)[-1]
    return (
        f"The keeper said that ship {number} was very old, and that the wind was very strong [1].\n\n"
        f"## Ship {number}\n\nI think ship {number} came back in the evening, because the sea was very quiet [2]."
    )


@pytest.fixture(scope="module")
def _endpoint():
    """It has the models of a style, and answers as scripts do."""
    replies = {"neutraliser": last_user_text, "styler": lambda messages: uncommon(last_user_text(messages))}
    with Sandbox(replies=replies) as server:
        yield server


@pytest.fixture(params=["scripts", "http"])
def options(request):
    """The models of the one engine."""
    if request.param == "scripts":
        return request.getfixturevalue("scripts").options
    return {"style": style_of(request.getfixturevalue("_endpoint").base_url)}


def engine_over(options, streaming):
    return RestyleQueryEngine(retrieving(application(said), streaming=streaming), **options)


def check(texts):
    assert texts == [uncommon(said(f"ship {number}")) for number in range(1000, 1000 + MANY)]
    for number, text in enumerate(texts, 1000):
        assert re.findall(r"\d{4}", text) == [str(number)] * 3
        assert "very" not in text


def threads():
    """But for those of the server that plays the endpoint."""
    return {thread for thread in threading.enumerate() if not thread.name.startswith("restyle-s")}


async def settled(before):
    """Until the loop has had its turns."""
    async with asyncio.timeout(5):
        while asyncio.all_tasks() != before:  # noqa: ASYNC110 - nothing tells when
            await asyncio.sleep(0.001)


@pytest.mark.parametrize("streaming", [False, True], ids=["whole", "streaming"])
async def test_two_hundred_at_once(options, streaming):
    engine = engine_over(options, streaming)

    async def ask(number):
        return await adrained(await engine.aquery(f"How is ship {number}?"))

    await ask(1)  # whatever is made once, is made
    before = asyncio.all_tasks(), threads()
    texts = await asyncio.gather(*[ask(number) for number in range(1000, 1000 + MANY)])
    await settled(before[0])
    assert threads() == before[1]
    check(texts)


@pytest.mark.parametrize("streaming", [False, True], ids=["whole", "streaming"])
def test_two_hundred_from_threads(scripts, streaming):
    engine = engine_over(scripts.options, streaming)
    before = threads()
    with ThreadPoolExecutor(16) as pool:
        numbers = range(1000, 1000 + MANY)
        texts = list(pool.map(lambda number: drained(engine.query(f"How is ship {number}?")), numbers))
    check(texts)
    assert threads() == before
