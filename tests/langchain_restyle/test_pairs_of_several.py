"""Several teachers, several styles, and parameters, with LangChain's loaders, sessions and models."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest
from langchain_core.chat_loaders import BaseChatLoader
from langchain_core.document_loaders import BaseLoader
from langchain_core.documents import Document
from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.runnables import RunnableLambda

from langchain_restyle.pairs import abuild_pairs, build_pairs
from langchain_restyle.teachers import ChatTeacher
from pairing import build, contents, lines
from restyle.data.documents import Document as AuthorDocument
from restyle.errors import DocumentError, DocumentNotFoundError, TeacherMissingError
from restyle.messages import Ask
from scripted import Scripted, aiterated
from support import styled_passage, write_rows
from teaching import ScriptedTeacher, describing, plain

STYLES = {"Poe": range(4), "Doyle": range(4, 10)}
AUTHORS = {style: [AuthorDocument(f"{n}.md", styled_passage(n)) for n in numbers] for style, numbers in STYLES.items()}


def documents(numbers):
    return [Document(styled_passage(number), metadata={"source": f"{number}.md"}) for number in numbers]


class Loader(BaseLoader):
    def __init__(self, numbers) -> None:
        self.documents = documents(numbers)

    def lazy_load(self):
        yield from self.documents


class AsyncLoader(Loader):
    def lazy_load(self):
        raise AssertionError("not in a task")

    async def alazy_load(self):
        for document in self.documents:
            await asyncio.sleep(0)
            yield document


class Sessions(BaseChatLoader):
    def lazy_load(self):
        yield {"messages": [HumanMessage("And then?"), AIMessage(styled_passage(1)), AIMessage(styled_passage(2))]}


@pytest.fixture
def options(tmp_path):
    return {"style": "author", "teacher": Scripted(reply=plain), "out": tmp_path / "pairs"}


def rows_of(made):
    return lines(made.directory / "pairs.jsonl")


def teachers(recorded):
    """One of each kind."""
    named = ChatTeacher(Scripted(reply=plain), identity="named")
    return [Scripted(reply=plain), named, recorded, ScriptedTeacher("core")]


def test_models_and_what_the_core_takes_are_asked_together(letters, options):
    folder, recorded = letters
    several = teachers(recorded)
    made = build_pairs(folder, **options | {"teacher": several})
    model, *others = made.manifest["teachers"]
    assert model.startswith("langchain:")
    assert (others[0], others[1][:9], others[2]) == ("named", "recorded:", "core")
    assert Counter(row["teacher"] for row in rows_of(made)) == dict.fromkeys(made.manifest["teachers"], 10)
    assert [len(several[0].calls), len(several[1].model.calls), len(several[3].asks)] == [10, 10, 10]
    assert build_pairs(folder, **options | {"teacher": tuple(teachers(recorded)[:2])}).asked == 0


async def test_in_tasks_all_are_awaited(letters, options):
    class Awaited(Scripted):
        def _generate(self, *_, **__):
            raise AssertionError("not in a task")

    folder, recorded = letters
    several = [Awaited(reply=plain), *teachers(recorded)[1:]]
    made = await abuild_pairs(folder, **options | {"teacher": several})
    assert (made.asked, sum(made.manifest["pairs"].values())) == (40, 40)


def test_two_that_are_the_same_and_nobody(letters, options):
    same = [Scripted(reply=plain), Scripted(reply=plain)]
    with pytest.raises(TeacherMissingError, match="is named twice"):
        build_pairs(letters[0], **options | {"teacher": same})
    for nobody in (None, [], [None]):
        with pytest.raises(TeacherMissingError, match="no teacher"):
            build_pairs(letters[0], **options | {"teacher": nobody})


@pytest.mark.parametrize("given", [Loader, documents, lambda numbers: iter(documents(numbers))])
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
    kinds = [AsyncLoader, Loader, documents, lambda numbers: aiterated(documents(numbers))]
    for number, (first, second) in enumerate(zip(kinds, kinds[::-1], strict=True)):
        sources = {"Poe": first(STYLES["Poe"]), "Doyle": second(STYLES["Doyle"])}
        made = await abuild_pairs(sources, **options | {"out": tmp_path / str(number)})
        assert contents(made.directory) == wanted


def test_chats_are_no_styles_but_may_be_of_some(options, tmp_path):
    said = {"role": "assistant", "content": styled_passage(1)}
    for number, chat in enumerate([said, {"messages": [said]}, [said], Sessions()]):
        made = build_pairs(chat, **options | {"out": tmp_path / str(number)})
        assert (made.manifest["parameters"], made.manifest["blocks"]) == ({}, 1)
    other = {"role": "assistant", "content": styled_passage(5)}
    sources = {"Poe": {"messages": [said]}, "Doyle": [{"id": "a", "messages": [other]}], "Lamb": Sessions()}
    rows = rows_of(build_pairs(sources, **options))
    assert {(row["parameters"]["style"], row["styled"]) for row in rows} == {
        ("Poe", styled_passage(1)),
        ("Doyle", styled_passage(5)),
        ("Lamb", f"{styled_passage(1)}\n\n{styled_passage(2)}"),
    }
    assert "Doyle/a" in {row["document"] for row in rows}


@pytest.mark.parametrize(
    ("sources", "error", "says"),
    [
        ({}, DocumentNotFoundError, "no documents were given: map the name of each style"),
        (
            {"Poe": documents(range(2)), "Doyle": []},
            DocumentError,
            "in the sources of 'Doyle': .*the loader or iterable is empty",
        ),
        ({"Poe": documents(range(2)), "Doyle": 42}, DocumentError, "sources is of type int: give a loader"),
        ({"content": "Methinks."}, DocumentError, "not a kind of file that is read"),
    ],
)
def test_styles_without_sources(options, sources, error, says):
    with pytest.raises(error, match=says):
        build_pairs(sources, **options)
    assert options["teacher"].calls == []


def test_turns_are_kept_with_what_was_said_before(options, tmp_path):
    made = build_pairs(Sessions(), **options, context=1)
    assert [(row["styled"], row["context"]) for row in rows_of(made)] == [
        (styled_passage(1), [{"role": "user", "content": "And then?"}]),
        (styled_passage(2), [{"role": "assistant", "content": styled_passage(1)}]),
    ]
    assert len({row["document"] for row in rows_of(made)}) == 1
    single = Sessions().load()[0]["messages"]
    made = build_pairs(single, **options | {"out": tmp_path / "single"}, context=1)
    assert len(rows_of(made)) == 2


def test_who_speaks_in_files_of_chats_can_be_said_too(options, tmp_path):
    turns = [{"role": "user", "name": "Ada", "content": styled_passage(1)}, {"role": "user", "content": "Indeed."}]
    path = write_rows(tmp_path / "chats.jsonl", [{"messages": [*turns[::-1], turns[0]]}])
    (row,) = rows_of(build_pairs(path, **options, sender="Ada", context=4, near_duplicates=None))
    assert (row["styled"], row["context"]) == (styled_passage(1), [{"role": "user", "content": "Indeed."}])


async def test_a_model_finds_parameters(options):
    reply = describing(tone=lambda number: "dry" if number % 2 else "warm")

    def answer(messages):
        return reply(Ask("", messages[1].content, "destyle", schema="JSON" if "JSON" in messages[0].content else ""))

    options |= {"parameters": {"tone": ["dry", "warm"]}, "restyle_prompt": "In a $tone tone."}
    options["teacher"] = [ChatTeacher(RunnableLambda(answer), identity="luna"), Scripted(reply=plain)]
    made = build_pairs(documents(range(6)), **options)
    assert made.asked == 18
    again = await abuild_pairs(documents(range(6)), **options)
    assert (again.asked, contents(again.directory)) == (0, contents(made.directory))
    assert {row.ask.system for row in made.rows("restyle", "train")} <= {"In a dry tone.", "In a warm tone."}
    assert Counter(row["parameters"]["tone"] for row in rows_of(made)) == {"dry": 6, "warm": 6}
