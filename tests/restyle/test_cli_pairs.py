"""What `restyle pairs` can be told."""

from __future__ import annotations

import json
import re

import pytest

from batches import QUICK
from pairing import lines
from restyle.data import buying
from restyle.testing import Sandbox
from support import plain_passage, styled_passage
from teaching import plain


def answer(messages):
    """As a teacher: the plain version, or a tone where one is asked for."""
    number = int(re.search(r"number (\d+)", messages[1]["content"])[1]) - 100
    wants_json = "JSON object" in messages[0]["content"]
    return json.dumps({"tone": "dry" if number % 2 else "warm"}) if wants_json else plain(messages[1]["content"])


@pytest.fixture
def host():
    with Sandbox(replies={"luna": answer, "sol": answer}) as sandbox:
        yield sandbox


def pairs(host, *arguments, source="letters"):
    return ("pairs", source, "--style", "author", "--out", "pairs", "--base-url", host.base_url, *arguments)


def rows(workplace):
    return lines(workplace / "pairs" / "pairs.jsonl")


def test_teachers_and_parameters(command, workplace, host):
    told = ("--teacher", "luna", "--teacher", "sol", "--parameter", "tone=warm, dry", "--parameter", "tone=plain")
    done = command(*pairs(host, *told, "--restyle-prompt", "In a $tone tone, please."))
    assert done.status == 0, done.err
    assert {row["teacher"].rpartition(":")[2] for row in rows(workplace)} == {"luna", "sol"}
    assert {row["parameters"]["tone"] for row in rows(workplace)} == {"warm", "dry"}
    systems = {row["prompt"][0]["content"] for row in lines(workplace / "pairs/restyle/train.jsonl")}
    assert systems == {"In a warm tone, please.", "In a dry tone, please."}
    assert "warning: tone 'plain' has no pair" in done.err
    assert "warning: tone 'dry' has" in done.err
    trained = command("train", "pairs")
    assert "whatever the value of $tone" in trained.err
    assert '"tone"' in command("show", "author").out
    assert command("pairs", *pairs(host)[1:], "--teacher", "luna", "--parameter", "tone").status == 2


def test_sources_of_several_styles(command, workplace, host):
    (workplace / "others").mkdir()
    for number in range(100, 103):
        (workplace / f"others/{number}.md").write_text(styled_passage(number), "utf-8")
    arguments = pairs(host, "others=others", "--teacher", "luna", source="mine=letters")
    done = command(*arguments)
    assert done.status == 0, done.err
    assert {row["parameters"]["style"] for row in rows(workplace)} == {"mine", "others"}
    assert "warning: style 'mine' has" in done.err
    named = workplace / "a=b.md"
    named.write_text(styled_passage(7), "utf-8")
    assert command(*pairs(host, "--teacher", "luna", source="a=b.md")).err.count("style") <= 1
    assert rows(workplace)[0]["document"] == "a=b.md"


def test_a_plain_version(command, workplace, host):
    for folder, passage in (("author", styled_passage), ("plain", plain_passage)):
        (workplace / folder).mkdir()
        for document in range(3):
            text = "\n\n".join(passage(number) for number in range(6 * document, 6 * document + 6))
            (workplace / folder / f"{document}.txt").write_text(text, "utf-8")
    done = command("pairs", "author", "--plain", "plain", "--style", "author", "--out", "pairs")
    assert (done.status, host.requests) == (0, []), done.err
    assert rows(workplace)


def test_a_batch(command, workplace, host, monkeypatch):
    monkeypatch.setattr(buying, "_PACE", QUICK)
    assert command(*pairs(host, "--teacher", "luna", "--batch")).status == 0
    assert (len(rows(workplace)), len(host.batches.answered), len(host.requests)) == (10, 10, 0)


def test_blocks_that_stay_out(command, workplace, host):
    (workplace / "letters/09.md").write_text("Der alte Mann sah hinaus auf das graue Meer und schwieg. " * 6, "utf-8")
    (workplace / "letters/10.md").write_text(styled_passage(3).replace("Old Barnaby", "Young Barnaby"), "utf-8")
    told = ("--teacher", "luna", "--identity-share", "0")
    dropped = []
    pytest.importorskip("py3langid")
    for options in (["--language", "en"], ["--language", "en", "--near-duplicates", "0"]):
        assert command(*pairs(host, *told, *options)).status == 0
        dropped.append(json.loads((workplace / "pairs/manifest.json").read_bytes())["dropped"])
    assert dropped[0] == {"language": 1, "near_duplicate": 1}
    assert "near_duplicate" not in dropped[1]
    assert "max_tokens is 500, but of which model" in command(*pairs(host, *told, "--max-tokens", "500")).err


@pytest.mark.usefixtures("workplace")
def test_what_cannot_be_had(command, host):
    told = ("--teacher", "luna")
    assert "pip install 'restyle[embed]'" in command(*pairs(host, *told, "--embed", "some-model")).err
    assert "a plain version takes the teacher's place" in command(*pairs(host, *told, "--plain", "letters")).err
    assert command(*pairs(host, *told, "--engine", "spark")).status == 2
    told_to_a_cluster = command(*pairs(host, *told, "--engine", "ray", "--batch")).err
    assert "spreads requests over a cluster" in told_to_a_cluster


def test_rows_of_other_fields(command, workplace, host):
    told = [{"body": styled_passage(number), "letter": number // 2} for number in range(8)]
    (workplace / "letters.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in told), "utf-8")
    keys = ("--text-key", "body", "--source-id-key", "letter")
    done = command(*pairs(host, "--teacher", "luna", *keys, source="letters.jsonl"))
    assert done.status == 0, done.err
    assert {row["document"] for row in rows(workplace)} == {f"letters.jsonl#{number}" for number in range(4)}
