"""What really goes over the wire: the prompt of training, byte for byte, and the text alone."""

from __future__ import annotations

import json

import pytest
from langchain_core.messages import AIMessage

from langchain_restyle import Restyle
from restyle import Stage, Style, arewrite, build_pairs, rewrite
from restyle.demo import ANSWERS
from scripted import collected
from support import write_letters

TEXT = "\n\n".join(ANSWERS.values())
PROMPTS = [
    None,
    ("Bitte schreibe  den Text\nin „deinem“ Stil um – für $$5, {not} %s \\n.", "Neutral\u00a0text,\tplease…"),
]


@pytest.fixture(params=PROMPTS, ids=["default", "odd"])
def pairs(request, tmp_path, demo_pairs):
    """A pair set with default prompts, and one with prompts that formatting or trimming would change."""
    if request.param is None:
        return demo_pairs
    letters, recorded = write_letters(tmp_path)
    restyle_prompt, destyle_prompt = request.param
    options = {"restyle_prompt": restyle_prompt, "destyle_prompt": destyle_prompt, "minimum": 20}
    return build_pairs(letters, style="keeper", teacher=recorded, out=tmp_path / "pairs", **options)


async def test_the_prompt_of_every_exported_row_is_the_prompt_that_is_sent(pairs, sandbox):
    trained = {
        role: {
            json.loads(line)["prompt"][0]["content"].encode()
            for split in ("train", "valid", "test")
            for line in (pairs.directory / role / f"{split}.jsonl").read_text("utf-8").split("\n")
            if line
        }
        for role in ("restyle", "destyle")
    }
    card = Style(
        "keeper",
        Stage(pairs.prompt("restyle"), "echo", sandbox.base_url),
        Stage(pairs.prompt("destyle"), "echo", sandbox.base_url),
    )
    text = "I have ${tone} and $mood, {braces} and %s.\n\n# A heading\n\nIt was  very\tcold\u00a0– “so” cold."
    blocks = ["I have ${tone} and $mood, {braces} and %s.", "It was  very\tcold\u00a0– “so” cold."]
    runnable = Restyle(card, max_concurrency=1)
    assert rewrite(text, card, max_concurrency=1).text == text
    assert (await arewrite(text, card, max_concurrency=1)).text == text
    assert runnable.invoke(text) == await runnable.ainvoke(text) == text
    assert runnable.batch([AIMessage(text)])[0].content == text
    assert "".join(runnable.stream(text)) == "".join(await collected(runnable.astream(text))) == text
    sent = [json.loads(request.raw)["messages"] for request in sandbox.requests]
    assert len(sent) == 7 * 2 * len(blocks)
    for system, user in sent:
        assert system["role"] == "system"
        assert user["role"] == "user"
        assert user["content"] in blocks
    destyling, restyling = sent[0::2], sent[1::2]
    assert {messages[0]["content"].encode() for messages in destyling} == trained["destyle"]
    assert {messages[0]["content"].encode() for messages in restyling} == trained["restyle"]


async def test_an_endpoint_gives_the_same_text_as_the_embedded_models(card, sandbox, keeper_home):
    embedded = Style.load("keeper", keeper_home)
    expected = rewrite(TEXT, embedded).text
    assert expected != TEXT
    assert rewrite(TEXT, card).text == expected
    assert (await arewrite(TEXT, card)).text == expected
    runnable = Restyle(card)
    assert runnable.invoke(TEXT) == await runnable.ainvoke(TEXT) == expected
    assert runnable.batch([TEXT]) == await runnable.abatch([TEXT]) == [expected]
    assert "".join(runnable.stream(TEXT)) == "".join(await collected(runnable.astream(TEXT))) == expected
    assert Restyle(embedded).invoke(TEXT) == expected
    assert {request.body["model"] for request in sandbox.requests} == {"keeper:destyle", "keeper:restyle"}


def test_core_and_adapter_send_the_same_bytes_of_messages(card, sandbox):
    rewrite(TEXT, card, max_concurrency=1)
    core = [request.body for request in sandbox.requests]
    sandbox.requests.clear()
    Restyle(card, max_concurrency=1).invoke(TEXT)
    adapter = [request.body for request in sandbox.requests]
    assert [(body["model"], body["messages"]) for body in core] == [
        (body["model"], body["messages"]) for body in adapter
    ]


def test_verbatim_blocks_are_never_sent(card, sandbox):
    text = "# Very\n\n```\nvery\n```\n\n| very |\n| --- |\n\n> very\n\n---\n"
    assert Restyle(card).invoke(text) == text
    assert not sandbox.requests
