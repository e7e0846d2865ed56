"""Several teachers, several styles, and parameters, with LlamaIndex's readers, nodes and LLMs."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest
from llama_index.core.readers.base import BaseReader
from llama_index.core.schema import Document, NodeWithScore, TextNode

from llama import ScriptedLLM
from llama_index_restyle.pairs import abuild_pairs, build_pairs
from llama_index_restyle.teachers import LLMTeacher
from pairing import build, contents, lines
from restyle.data.documents import Document as AuthorDocument
from restyle.errors import ChatModelError, DocumentError, DocumentNotFoundError, TeacherMissingError
from scripted import aiterated
from support import styled_passage
from teaching import ScriptedTeacher, plain

STYLES = {"Poe": range(4), "Doyle": range(4, 10)}
AUTHORS = {style: [AuthorDocument(f"{n}.md", styled_passage(n)) for n in numbers] for style, numbers in STYLES.items()}


def documents(numbers):
    return [Document(text=styled_passage(number), metadata={"file_path": f"{number}.md"}) for number in numbers]


def nodes(numbers):
    made = [TextNode(text=each.text, metadata=each.metadata) for each in documents(numbers)]
    return [NodeWithScore(node=node) for node in made]


class Reader(BaseReader):
    def __init__(self, numbers) -> None:
        self.documents = documents(numbers)

    def load_data(self):
        return self.documents


class AsyncReader(Reader):
    def load_data(self):
        raise AssertionError("not in a task")

    async def aload_data(self):
        await asyncio.sleep(0)
        return self.documents


@pytest.fixture
def options(tmp_path):
    return {"style": "author", "teacher": ScriptedLLM(reply=plain), "out": tmp_path / "pairs"}


def rows_of(made):
    return lines(made.directory / "pairs.jsonl")


def teachers(recorded):
    """One of each kind."""
    named = LLMTeacher(ScriptedLLM(reply=plain), identity="named")
    return [ScriptedLLM(reply=plain), named, recorded, ScriptedTeacher("core")]


def test_llms_and_what_the_core_takes_are_asked_together(letters, options):
    folder, recorded = letters
    several = teachers(recorded)
    made = build_pairs(folder, **options | {"teacher": several})
    model, *others = made.manifest["teachers"]
    assert model.startswith("llama_index:")
    assert (others[0], others[1][:9], others[2]) == ("named", "recorded:", "core")
    assert Counter(row["teacher"] for row in rows_of(made)) == dict.fromkeys(made.manifest["teachers"], 10)
    assert [len(several[0].calls), len(several[1].llm.calls), len(several[3].asks)] == [10, 10, 10]
    assert build_pairs(folder, **options | {"teacher": tuple(teachers(recorded)[:2])}).asked == 0


async def test_in_tasks_all_are_awaited(letters, options):
    class Awaited(ScriptedLLM):
        def chat(self, *_, **__):
            raise AssertionError("not in a task")

    folder, recorded = letters
    several = [Awaited(reply=plain), *teachers(recorded)[1:]]
    made = await abuild_pairs(folder, **options | {"teacher": several})
    assert (made.asked, sum(made.manifest["pairs"].values())) == (40, 40)


def test_two_that_are_the_same_nobody_and_one_that_completes_text(letters, options):
    with pytest.raises(TeacherMissingError, match="is named twice"):
        build_pairs(letters[0], **options | {"teacher": [ScriptedLLM(reply=plain), ScriptedLLM(reply=plain)]})
    for nobody in (None, [], [None]):
        with pytest.raises(TeacherMissingError, match="no teacher"):
            build_pairs(letters[0], **options | {"teacher": nobody})
    with pytest.raises(ChatModelError):
        build_pairs(letters[0], **options | {"teacher": [ScriptedLLM(reply=plain), ScriptedLLM(chat_model=False)]})


@pytest.mark.parametrize("given", [Reader, documents, nodes, lambda numbers: iter([Reader(numbers)])])
def test_styles_are_read_each_from_its_own(options, tmp_path, given):
    wanted = build(AUTHORS, ScriptedTeacher(), tmp_path / "core")
    made = build_pairs({style: given(numbers) for style, numbers in STYLES.items()}, **options)
    assert made.manifest["documents"] == wanted.manifest["documents"]
    for split in ("train", "valid", "test"):
        assert made.rows("restyle", split) == wanted.rows("restyle", split)
    assert {row["parameters"]["style"] for row in rows_of(made)} == {"Poe", "Doyle"}


async def test_styles_are_awaited_each_as_it_can_be(options, tmp_path):
    options |= {"teacher": ScriptedTeacher()}
    wanted = contents(build(AUTHORS, ScriptedTeacher(), tmp_path / "core").directory)
    kinds = [AsyncReader, Reader, documents, lambda numbers: aiterated(nodes(numbers))]
    for number, (first, second) in enumerate(zip(kinds, kinds[::-1], strict=True)):
        sources = {"Poe": first(STYLES["Poe"]), "Doyle": second(STYLES["Doyle"])}
        made = await abuild_pairs(sources, **options | {"out": tmp_path / str(number)})
        assert contents(made.directory) == wanted


@pytest.mark.parametrize(
    ("sources", "error", "says"),
    [
        ({}, DocumentNotFoundError, "no documents were given: map the name of each style"),
        (
            {"Poe": documents(range(2)), "Doyle": []},
            DocumentError,
            "in the sources of 'Doyle': .*the reader or iterable is empty",
        ),
        ({"Poe": documents(range(2)), "Doyle": 42}, DocumentError, "a source is of type int: give a reader"),
        ([{"Poe": documents(range(2))}], DocumentError, "a source is of type dict: give a reader"),
    ],
)
def test_styles_without_sources(options, sources, error, says):
    with pytest.raises(error, match=says):
        build_pairs(sources, **options)
    assert options["teacher"].calls == []
