"""Pair sets of texts that have a plain version: no teacher is asked."""

from __future__ import annotations

import pytest

from pairing import build, lines
from restyle.data.pairs import abuild_pairs, estimate_pairs
from restyle.errors import DocumentError, PairsError, ParameterError
from support import plain_passage, styled_passage


def write(folder, passage, documents=4):
    folder.mkdir()
    for document in range(documents):
        texts = [passage(number) for number in range(document * 6, document * 6 + 6)]
        (folder / f"{document}.txt").write_text("\n\n".join(texts), "utf-8")
    return folder


@pytest.fixture
def versions(tmp_path):
    return write(tmp_path / "author", styled_passage), write(tmp_path / "plain", plain_passage)


def test_both_versions_make_pairs(versions, tmp_path):
    author, plain = versions
    made = build(author, None, tmp_path / "pairs", plain=plain)
    pairs = lines(made.directory / "pairs.jsonl")
    assert len(pairs) >= 3
    for row in pairs:
        numbers = [number for number in range(24) if f"number {100 + number} " in row["styled"]]
        assert row["neutral"] == "\n\n".join(map(plain_passage, numbers))
        assert row["teacher"].startswith("plain:")
    again = build(author, None, tmp_path / "pairs", plain=plain)
    assert again.digest == made.digest


async def test_it_works_in_tasks_and_is_estimated_as_free_of_requests(versions, tmp_path):
    author, plain = versions
    made = await abuild_pairs(author, style="author", teacher=None, plain=plain, out=tmp_path / "pairs")
    assert made.manifest["teachers"][0].startswith("plain:")
    estimate = estimate_pairs(author, style="author", teacher=None, plain=plain, out=tmp_path / "none")
    assert estimate.blocks == made.manifest["blocks"]


def test_another_text_is_no_plain_version(versions, tmp_path):
    author, plain = versions
    for path in plain.iterdir():
        path.write_text("The harbour was closed. Nobody came. " * 60, "utf-8")
    with pytest.raises(PairsError, match="has a counterpart in the plain version"):
        build(author, None, tmp_path / "pairs", plain=plain)
    (plain / "0.txt").rename(plain / "zero.txt")
    with pytest.raises(DocumentError, match=r"zero\.txt"):
        build(author, None, tmp_path / "pairs", plain=plain)


def test_of_several_styles_each_has_its_own(versions, tmp_path):
    author, plain = versions
    styles = {"mill": author, "again": author}
    made = build(styles, None, tmp_path / "pairs", plain={"mill": plain, "again": plain})
    assert {row["parameters"]["style"] for row in lines(made.directory / "pairs.jsonl")} == {"mill"}  # others repeat it


def test_it_takes_the_teacher_s_place(versions, tmp_path):
    author, plain = versions
    with pytest.raises(PairsError, match="takes the teacher's place"):
        build(author, "openai:gpt-6-luna", tmp_path / "pairs", plain=plain)
    with pytest.raises(ParameterError, match="only repeats answers"):
        build(
            author, None, tmp_path / "pairs", plain=plain, parameters={"tone": ["warm", "dry"]}, restyle_prompt="$tone"
        )
