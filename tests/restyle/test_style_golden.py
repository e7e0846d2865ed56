from __future__ import annotations

import json

import pytest

from restyle.errors import CardError
from restyle.golden import GoldenPrompt
from restyle.stage import Stage
from restyle.style import Style


@pytest.mark.usefixtures("home")
def test_a_card_keeps_its_golden_prompt():
    golden = GoldenPrompt(
        "Rewrite.", "[1,\n 2]", "Rewrite. [1,\n 2]", list(range(300)), "ab", "acme/b", None, {"x": [1, 2]}
    )
    style = Style("author", Stage("Rewrite.", "m", golden=golden), Stage("Neutralise.", "n"))
    path = style.save()
    assert Style.load("author") == style
    assert json.loads(path.read_text("utf-8"))["restyle"]["golden"]["ids"] == golden.ids
    assert len(path.read_text("utf-8").splitlines()) < 60  # hundreds of numbers, on one line
    for place, value in [("ids", "1"), ("ids", ["a"]), ("text", None), ("colour", "red")]:
        path.write_text(style.to_json(), "utf-8")
        card = json.loads(path.read_text("utf-8"))
        card["restyle"]["golden"][place] = value
        path.write_text(json.dumps(card), "utf-8")
        with pytest.raises(CardError, match=rf"restyle\.golden\.{place}"):
            Style.load("author")


@pytest.mark.usefixtures("home")
def test_a_card_without_golden_prompt_is_written_as_it_always_was():
    card = Style("author", Stage("Rewrite.", "m", request={"a": [1, 2]}), parameters={}).to_json()
    assert card == (
        '{\n  "schema": 1,\n  "name": "author",\n  "restyle": {\n    "prompt": "Rewrite.",\n    "model": "m",\n'
        '    "base_url": null,\n    "provider": "openai",\n    "request": {\n      "a": [\n        1,\n        2\n'
        '      ]\n    },\n    "digest": "'
        + Stage("Rewrite.", "m").digest
        + '"\n  },\n  "destyle": null,\n  "parameters": {},\n  "dataset": "",\n  "training": {},\n  "metrics": {}\n}\n'
    )
