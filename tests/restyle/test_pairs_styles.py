"""Several styles in one set, each from sources of its own, with ``$style`` in the prompt."""

from __future__ import annotations

import warnings
from collections import Counter
from itertools import groupby

import pytest

from pairing import build, contents, lines
from restyle.data.documents import Document
from restyle.data.pairs import abuild_pairs, estimate_pairs
from restyle.embedded.model import FewPairsWarning
from restyle.errors import DocumentError, DocumentNotFoundError, ParameterError
from restyle.prompts import DESTYLE_PROMPT, RESTYLE_PROMPT_STYLE, Prompt
from restyle.training import train
from support import styled_passage
from teaching import ScriptedTeacher, describing

BY_STYLE = {
    "Poe": [Document(f"{number}.md", styled_passage(number)) for number in range(20)],
    "Doyle": [Document(f"{number}.md", styled_passage(number)) for number in range(20, 60)],
}


def rows_of(made):
    return lines(made.directory / "pairs.jsonl")


def test_each_row_says_its_style_and_each_document_too(tmp_path):
    made = build(BY_STYLE, ScriptedTeacher(), tmp_path / "pairs")
    assert (made.asked, made.prompt("restyle"), made.prompt("destyle")) == (60, RESTYLE_PROMPT_STYLE, DESTYLE_PROMPT)
    rows = rows_of(made)
    assert Counter(row["parameters"]["style"] for row in rows) == {"Poe": 20, "Doyle": 40}
    for row in rows:
        assert row["document"].startswith(f"{row['parameters']['style']}/")
        assert row["split"] == made.manifest["documents"][row["document"]]
    assert len(made.manifest["documents"]) == 60
    systems = {row["styled"]: Prompt(RESTYLE_PROMPT_STYLE).render(row["parameters"]) for row in rows}
    for split in ("train", "valid", "test"):
        for forth, back in zip(made.rows("restyle", split), made.rows("destyle", split), strict=True):
            assert (forth.ask.system, back.ask.system) == (systems[forth.answer], DESTYLE_PROMPT)


def test_the_styles_are_mixed_the_same_way_for_a_seed(tmp_path):
    first, again, other = (
        build(BY_STYLE, ScriptedTeacher(), tmp_path / str(number), seed=seed) for number, seed in enumerate([3, 3, 4])
    )
    assert contents(first.directory) == contents(again.directory)
    orders = [[row["styled"] for row in rows_of(made)] for made in (first, other)]
    assert orders[0] != orders[1]
    assert sorted(orders[0]) == sorted(orders[1])
    styles = [row.ask.system for row in first.rows("restyle", "train")]
    assert len(list(groupby(styles))) > len(styles) / 4  # in turn it would be 2 runs, by chance 4 of 9 rows begin one
    assert [row["neutral"] for row in rows_of(first) if row["split"] == "train"] == [
        row.ask.user for row in first.rows("restyle", "train")
    ]


def test_each_style_s_documents_are_dealt_by_themselves(tmp_path):
    """A style of few documents is neither held out altogether nor learnt without a check."""
    few = [Document(f"{number}.md", styled_passage(number)) for number in range(60, 64)]
    made = build({**BY_STYLE, "Lamb": few}, ScriptedTeacher(), tmp_path / "pairs")
    dealt = Counter((name.split("/")[0], split) for name, split in made.manifest["documents"].items())
    sizes = {"Poe": (16, 2, 2), "Doyle": (32, 4, 4), "Lamb": (2, 1, 1)}
    assert dealt == {
        (style, split): number
        for style, numbers in sizes.items()
        for split, number in zip(("train", "valid", "test"), numbers, strict=True)
    }
    books = {style: documents[0] for style, documents in BY_STYLE.items()} | {"Lamb": few[0]}
    made = build(books, ScriptedTeacher(), tmp_path / "books")
    assert made.parameters == {"style": ["Doyle", "Lamb", "Poe"]}  # a book each: all are learnt


def test_documents_of_one_name_in_two_styles_are_two(tmp_path):
    texts = {style: "\n\n".join(document.text for document in documents[:3]) for style, documents in BY_STYLE.items()}
    given = {style: Document("a.md", text) for style, text in texts.items()}
    made = build(given, ScriptedTeacher(), tmp_path / "pairs")
    assert list(made.manifest["documents"]) == ["Poe/a.md", "Doyle/a.md"]
    for row in rows_of(made):
        assert texts[row["parameters"]["style"]][row["start"] : row["end"]] == row["styled"]


def test_styles_are_counted_and_thin_ones_warned_of(tmp_path):
    made = build(BY_STYLE, ScriptedTeacher(), tmp_path / "pairs")
    seen = Counter(row["parameters"]["style"] for row in rows_of(made) if row["split"] == "train")
    assert made.manifest["parameters"] == {"style": {"Doyle": seen["Doyle"], "Poe": seen["Poe"]}}
    assert [warning.split(", ")[0] for warning in made.warnings] == [
        f"style {style!r} has {seen[style]} pairs" for style in ("Doyle", "Poe")
    ]
    assert all("under 2,000" in warning for warning in made.warnings)


@pytest.mark.usefixtures("home")
def test_a_model_of_several_styles_is_trained_and_asked_by_name(tmp_path):
    made = build(BY_STYLE, ScriptedTeacher(), tmp_path / "pairs")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FewPairsWarning)
        with pytest.warns(UserWarning, match=r"whatever the value of \$style"):
            style = train(made)
    assert style.parameters == {"style": ["Doyle", "Poe"]}
    learnt = {row.ask for row in made.rows("restyle", "train")}
    for row in rows_of(made):
        ask = style.ask("restyle", row["neutral"], row["parameters"])
        assert (ask in learnt) == (row["split"] == "train")


def test_a_style_may_have_a_tone(tmp_path):
    teacher = ScriptedTeacher(reply=describing(tone=lambda number: "dry" if number % 2 else "warm"))
    prompt = "Write as $style would, in a $tone tone."
    options = {"parameters": {"tone": ["dry", "warm"]}}
    with pytest.raises(ParameterError, match=r"no prompt has \$tone"):
        build(BY_STYLE, teacher, tmp_path / "pairs", **options)
    made = build(BY_STYLE, teacher, tmp_path / "pairs", **options, restyle_prompt=prompt)
    systems = {row.ask.system for row in made.rows("restyle", "train")}
    assert systems == {f"Write as {style} would, in a {tone} tone." for style in BY_STYLE for tone in ("dry", "warm")}
    assert made.manifest["parameters"].keys() == {"style", "tone"}


async def test_each_style_may_be_awaited(tmp_path):
    async def awaited(documents):
        for document in documents:
            yield document

    given = {"Poe": BY_STYLE["Poe"], "Doyle": awaited(BY_STYLE["Doyle"])}
    made = await abuild_pairs(given, style="author", teacher=ScriptedTeacher(), out=tmp_path / "awaited")
    assert contents(made.directory) == contents(build(BY_STYLE, ScriptedTeacher(), tmp_path / "given").directory)
    given = {style: awaited(documents) for style, documents in BY_STYLE.items()}
    again = await abuild_pairs(given, style="author", teacher=ScriptedTeacher(), out=tmp_path / "awaited")
    assert (again.digest, again.reused) == (made.digest, 60)
    given = {"Poe": BY_STYLE["Poe"], "Doyle": awaited([])}
    with pytest.raises(DocumentError, match="in the sources of 'Doyle': no documents were given"):
        await abuild_pairs(given, style="author", teacher=ScriptedTeacher(), out=tmp_path / "none")


def test_an_estimate_of_several(tmp_path):
    found = estimate_pairs(BY_STYLE, style="author", teacher=ScriptedTeacher(), out=tmp_path / "pairs")
    assert (found.blocks, found.requests) == (60, 60)


def test_prompts_and_names_that_cannot_be(tmp_path):
    teacher = ScriptedTeacher()
    with pytest.raises(ParameterError, match=r"leave 'style' out of parameters"):
        build(BY_STYLE, teacher, tmp_path / "pairs", parameters={"style": ["Poe", "Doyle"]})
    with pytest.raises(ParameterError, match=r"no prompt has \$style: write it into restyle_prompt"):
        build(BY_STYLE, teacher, tmp_path / "pairs", restyle_prompt="As you would.")
    for name in ("", " Poe", "Poe\nDoyle"):
        with pytest.raises(ParameterError, match=r"parameter 'style' is .*give one line without white space around it"):
            build({name: BY_STYLE["Poe"]}, teacher, tmp_path / "pairs")
    with pytest.raises(ParameterError, match=r"the style 'Poe/1845' has a slash, which ends styles .*: rename it"):
        build({"Poe/1845": BY_STYLE["Poe"]}, teacher, tmp_path / "pairs")
    with pytest.raises(DocumentNotFoundError, match="no documents were given: map the name of each style"):
        build({}, teacher, tmp_path / "pairs")
    with pytest.raises(DocumentNotFoundError, match="in the sources of 'Dickens': no documents were given"):
        build({**BY_STYLE, "Dickens": []}, teacher, tmp_path / "pairs")
    with pytest.raises(DocumentError, match=r"in the sources of 'Dickens': .*\.pdf: not a kind of file that is read"):
        build({**BY_STYLE, "Dickens": "a.pdf"}, teacher, tmp_path / "pairs")
    assert teacher.asks == []
    assert not (tmp_path / "pairs").exists()
