"""What a pair set holds, byte for byte, and how one that was changed is noticed."""

from __future__ import annotations

import json
import re
from collections import Counter

import pytest

from pairing import build, contents, lines
from restyle.citations import detach
from restyle.data.pairs import PairSet
from restyle.demo import CORPUS
from restyle.errors import (
    PairsError,
    RowError,
)
from restyle.prompts import DESTYLE_PROMPT, RESTYLE_PROMPT
from support import plain_passage, styled_passage, write_rows


def test_what_is_built(letters, tmp_path):
    sources, recorded = letters
    made = build(sources, recorded, tmp_path / "pairs")
    assert (made.asked, made.reused) == (10, 0)
    assert made.style == "author"
    assert made.manifest["blocks"] == 10
    assert sum(made.manifest["pairs"].values()) == 10
    assert made.manifest["dropped"] == {}
    assert (made.prompt("restyle"), made.prompt("destyle")) == (RESTYLE_PROMPT, DESTYLE_PROMPT)
    expected = {"ledger.db", "manifest.json", "pairs.jsonl", "dropped.jsonl", "author.jsonl", "report.html"} | {
        f"{role}/{split}{form}.jsonl"
        for role in ("restyle", "destyle")
        for split in ("train", "valid", "test")
        for form in ("", ".messages")
    }
    assert {path.relative_to(made.directory).as_posix() for path in made.directory.rglob("*.*")} == expected


def test_rows_hold_the_exact_prompts_and_are_each_others_mirror(letters, tmp_path):
    made = build(*letters, tmp_path / "pairs", restyle_prompt="In your style, please.", destyle_prompt="Plainly.")
    for split in ("train", "valid", "test"):
        forth, back = made.rows("restyle", split), made.rows("destyle", split)
        assert len(forth) == len(back) == made.manifest["pairs"][split]
        for styled, plain in zip(forth, back, strict=True):
            assert (styled.ask.system, plain.ask.system) == ("In your style, please.", "Plainly.")
            assert (styled.ask.user, styled.answer) == (plain.answer, plain.ask.user)
            number = int(re.search(r"number (\d+)", styled.answer)[1]) - 100
            assert (styled.ask.user, styled.answer) == (plain_passage(number), styled_passage(number))


def test_provenance_points_into_the_documents(letters, tmp_path):
    made = build(*letters, tmp_path / "pairs")
    rows = lines(made.directory / "pairs.jsonl")
    assert len(rows) == 10
    for row in rows:
        text = (letters[0] / row["document"]).read_text("utf-8")
        assert text[row["start"] : row["end"]] == row["styled"]
        assert row["split"] == made.manifest["documents"][row["document"]]


def test_the_second_run_asks_nobody_and_writes_the_same_bytes(letters, tmp_path):
    first = build(*letters, tmp_path / "pairs")
    before = contents(first.directory)
    second = build(*letters, tmp_path / "pairs")
    assert (second.asked, second.reused) == (0, 10)
    assert contents(second.directory) == before
    elsewhere = build(*letters, tmp_path / "elsewhere")
    assert contents(elsewhere.directory) == before
    assert elsewhere.digest == first.digest


def test_held_out_documents_are_nowhere_in_training(demo_pairs):
    documents = demo_pairs.manifest["documents"]
    held_out = [name for name, split in documents.items() if split != "train"]
    assert len(held_out) >= 2
    texts = {name: detach((CORPUS / name).read_text("utf-8"))[0] for name in documents}
    training = [row.answer for row in demo_pairs.rows("restyle", "train")]
    training += [row.ask.user for row in demo_pairs.rows("destyle", "train")]
    author = demo_pairs.author_texts()
    assert len(training) > 100
    assert len(author) > len(training) / 2
    for text in training + author:
        assert not any(text in texts[name] for name in held_out)
    assert all(any(text in texts[name] for name in documents) for text in author)
    for split in ("valid", "test"):
        for row in demo_pairs.rows("restyle", split):
            assert any(row.answer in texts[name] for name in held_out)


def test_a_passage_that_stands_in_a_held_out_document_too_is_not_learnt_from(letters, tmp_path):
    sources, recorded = letters
    # A collection that repeats them all: nothing but duplicates, so it is for training.
    (sources / "zz.md").write_text("\n\n## Next\n\n".join(map(styled_passage, range(10))), "utf-8")
    made = build(sources, recorded, tmp_path / "pairs")
    assert made.manifest["documents"]["zz.md"] == "train"
    assert made.manifest["dropped"] == {"duplicate": 10}
    held_out = {row.answer for split in ("valid", "test") for row in made.rows("restyle", split)}
    assert len(held_out) == 4
    assert held_out.isdisjoint(made.author_texts())
    assert set(made.author_texts()) == {styled_passage(number) for number in range(10)} - held_out


def test_drops_are_written_down_with_their_reasons(demo_pairs):
    dropped = lines(demo_pairs.directory / "dropped.jsonl")
    assert Counter(row["reason"] for row in dropped) == demo_pairs.manifest["dropped"]
    assert {"facts", "fault", "overlap"} <= demo_pairs.manifest["dropped"].keys()
    assert all(row["detail"] and row["text"] and row["document"] for row in dropped)
    kept = {row["styled"] for row in lines(demo_pairs.directory / "pairs.jsonl")}
    assert kept.isdisjoint(row["text"] for row in dropped)
    assert len(kept) + len(dropped) == demo_pairs.manifest["blocks"]


def test_a_pair_set_is_loaded_as_it_was_built(letters, tmp_path):
    made = build(*letters, tmp_path / "pairs")
    loaded = PairSet.load(tmp_path / "pairs")
    assert (loaded.manifest, loaded.digest, loaded.asked) == (made.manifest, made.digest, 0)
    assert loaded.rows("destyle", "valid") == made.rows("destyle", "valid")
    assert loaded.author_texts() == made.author_texts()


def test_no_pair_set_is_there(tmp_path):
    with pytest.raises(PairsError, match=r"manifest\.json: no pair set here: make one with 'restyle pairs"):
        PairSet.load(tmp_path)


@pytest.mark.parametrize(
    "content",
    ["", "{", "[]", "{}", '{"schema": 2}', '{"schema": 1}', '{"schema": 1, "style": 3}', "[" * 100_000],
    ids=range(8),
)
def test_a_manifest_that_cannot_be_read(tmp_path, content):
    (tmp_path / "manifest.json").write_text(content, "utf-8")
    with pytest.raises(PairsError, match=r"manifest\.json: .*make the pairs again"):
        PairSet.load(tmp_path)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("style", "../../elsewhere"),
        ("prompts", {}),
        ("prompts", {"restyle": {"text": 1}, "destyle": {"text": "x"}}),
        ("files", None),
        ("teachers", 7),
    ],
)
def test_a_manifest_that_was_edited_into_nonsense(letters, tmp_path, key, value):
    made = build(*letters, tmp_path / "pairs")
    path = made.directory / "manifest.json"
    path.write_text(json.dumps(made.manifest | {key: value}), "utf-8")
    with pytest.raises(PairsError) as caught:
        PairSet.load(made.directory)
    assert str(caught.value).startswith(f"{path}: ")
    assert "make the pairs again" in str(caught.value)


def test_files_that_were_changed_are_noticed(letters, tmp_path):
    made = build(*letters, tmp_path / "pairs")
    path = made.directory / "restyle/train.jsonl"
    good = path.read_text("utf-8")
    path.write_text(good.replace("Methinks", "Methought"), "utf-8")
    with pytest.raises(PairsError, match=r"train\.jsonl: changed since the manifest was written"):
        made.rows("restyle", "train")
    path.write_text(good + "{}\n", "utf-8")
    with pytest.raises(RowError, match=rf"train\.jsonl:{good.count(chr(10)) + 1}: expected exactly"):
        made.rows("restyle", "train")
    path.unlink()
    with pytest.raises(PairsError, match=r"train\.jsonl: no such file"):
        made.rows("restyle", "train")
    (made.directory / "author.jsonl").unlink()
    with pytest.raises(PairsError, match=r"author\.jsonl: missing from the pair set"):
        made.author_texts()


def test_rows_hold_no_citation_markers_because_no_model_sees_one_at_run_time(letters, tmp_path):
    from restyle.flows import Policy, rewrite_block
    from restyle.stage import Stage
    from restyle.style import Style
    from support import prose

    sources, recorded = letters
    marked = [{"text": f"{row['text']} [1]", "neutral": f"{row['neutral']} [1]"} for row in lines(recorded)]
    for path in sources.iterdir():
        text = path.read_text("utf-8")
        for row in lines(recorded):
            text = text.replace(row["text"], f"{row['text']} [1]")
        path.write_text(text, "utf-8")
    made = build(sources, write_rows(tmp_path / "marked.jsonl", marked), tmp_path / "pairs")
    rows = made.rows("destyle", "train")
    assert rows
    assert all("[1]" in row["styled"] for row in lines(made.directory / "pairs.jsonl"))
    style = Style("author", Stage(RESTYLE_PROMPT, "styler"), Stage(DESTYLE_PROMPT, "neutraliser"))
    asked = {
        next(rewrite_block(prose(row["styled"]), style, Policy())) for row in lines(made.directory / "pairs.jsonl")
    }
    assert {row.ask for row in rows} <= asked
