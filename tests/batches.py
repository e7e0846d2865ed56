"""Buying in batches from a sandbox, and what was bought there."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import fields

import openai

from restyle.data.batching import Pace, fill
from restyle.messages import Answer, Ask
from restyle.testing import BatchRules

QUICK = Pace(0.01, 0.05, 0.3)
_OLD: set[str] = set()  # batches of the tests before


def ask_of(number, **options):
    return Ask("Be plain.", f"Text {number}.", "destyle", **options)


ASKS = [ask_of(number) for number in range(10)]


def fresh(sandbox):
    """The sandbox as if nothing had happened in it."""
    for rule in fields(BatchRules):
        setattr(sandbox.batches, rule.name, getattr(BatchRules(), rule.name))
    _OLD.update(batch.id for batch in batches_of(sandbox))
    sandbox.requests.clear()
    return sandbox


def pending_of(ledger, teacher, asks=ASKS):
    return lambda: (ask for ask in asks if ledger.find(teacher.identity, ask) is None)


async def buy(teacher, ledger, asks=ASKS, **options):
    await asyncio.wait_for(fill(teacher, ledger, pending_of(ledger, teacher, asks), **{"pace": QUICK, **options}), 20)


def batches_of(sandbox):
    with openai.OpenAI(base_url=sandbox.base_url, api_key="unused") as client:
        return [batch for batch in client.batches.list(limit=100) if batch.id not in _OLD]


def texts(sandbox):
    """What was bought, and how often."""
    return Counter(body["messages"][1]["content"] for body in sandbox.batches.answered)


def assert_complete(sandbox, ledger, teacher, asks=ASKS):
    """Everything is answered, and was bought once."""
    assert texts(sandbox) == {ask.user: 1 for ask in asks}
    assert [ledger.find(teacher.identity, ask) for ask in asks] == [Answer(ask.user, "stop") for ask in asks]
    assert ledger.rows("SELECT * FROM batches") == ledger.rows("SELECT * FROM batch_requests") == []
