"""Loaders and documents in, the pair set that the core would make of the same texts out."""

from __future__ import annotations

import asyncio
import re
import weakref
from itertools import pairwise
from pathlib import Path

import pytest
from langchain_core.document_loaders import BaseLoader
from langchain_core.documents import Document
from langchain_core.documents.base import Blob

from langchain_restyle.pairs import abuild_pairs, aestimate_pairs, build_pairs, estimate_pairs
from langchain_restyle.teachers import ChatTeacher
from pairing import build, contents, lines
from restyle.data.documents import Document as AuthorDocument
from restyle.errors import DocumentError, DocumentNotFoundError, StyleNameError
from scripted import Scripted
from support import styled_passage
from teaching import plain


class FolderLoader(BaseLoader):
    """Reads a folder as a real loader does; never all of it at once."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def load(self):
        raise AssertionError("everything at once")

    def lazy_load(self):
        for path in sorted(self.folder.rglob("*.md")):
            yield Document(path.read_text("utf-8"), metadata={"source": path.relative_to(self.folder).as_posix()})


class AsyncLoader(BaseLoader):
    def __init__(self, documents) -> None:
        self.documents = documents

    def lazy_load(self):
        raise AssertionError("not in a task")

    async def alazy_load(self):
        for document in self.documents:
            await asyncio.sleep(0)
            yield document


def page(number, source=None, **fields):
    metadata = {} if source is None else {"source": source}
    return Document(styled_passage(number), metadata=metadata, **fields)


def pages(count):
    return [page(number, f"letter {number}") for number in range(count)]


@pytest.fixture
def options(tmp_path):
    return {"style": "author", "teacher": Scripted(reply=plain), "out": tmp_path / "pairs"}


def made_of(sources, options, **more):
    """The documents' names in the manifest and their rows."""
    made = build_pairs(sources, **options, **more)
    rows = lines(made.directory / "pairs.jsonl")
    assert made.manifest["dropped"] == {}
    return list(made.manifest["documents"]), rows


def test_a_loader_gives_what_the_core_makes_of_the_files(letters, tmp_path):
    folder, recorded = letters
    made = build_pairs(FolderLoader(folder), style="author", teacher=recorded, out=tmp_path / "loaded")
    assert made.asked == 10
    assert contents(made.directory) == contents(build(folder, recorded, tmp_path / "read").directory)


async def test_a_loader_is_awaited_in_tasks(letters, tmp_path):
    folder, recorded = letters
    documents = list(FolderLoader(folder).lazy_load())
    wanted = contents(build(folder, recorded, tmp_path / "read").directory)

    async def awaited():
        for document in documents:
            yield document

    for number, sources in enumerate([AsyncLoader(documents), FolderLoader(folder), awaited(), iter(documents)]):
        out = tmp_path / str(number)
        made = await abuild_pairs(sources, style="author", teacher=recorded, out=out)
        assert contents(made.directory) == wanted


async def test_an_estimate_asks_nobody_and_writes_nothing(tmp_path):
    model = Scripted(reply=plain)
    options = {"style": "author", "teacher": ChatTeacher(model, identity="plain"), "out": tmp_path / "pairs"}
    found = estimate_pairs(pages(5), **options)
    assert (found.blocks, found.requests, found.cost) == (5, 5, None)
    assert await aestimate_pairs(AsyncLoader(pages(5)), **options) == found
    assert not model.calls
    assert not (tmp_path / "pairs").exists()
    await abuild_pairs(pages(3), **options)
    assert estimate_pairs(pages(5), **options).requests == 2


def test_documents_are_forgotten_once_they_are_cut(options):
    alive = []

    class Loader(BaseLoader):
        def lazy_load(self):
            for number in range(5):
                document = page(number, f"letter {number}")
                alive.append(weakref.ref(document))
                yield document
                del document
                assert sum(each() is not None for each in alive) <= 1

    assert build_pairs(Loader(), **options).asked == 5


def test_a_generator_is_read_once(options):
    documents = iter(pages(4))
    assert build_pairs(documents, **options).asked == 4
    assert next(documents, None) is None


def test_a_loader_may_run_a_loop_of_its_own(options):
    class Fetching(BaseLoader):
        def lazy_load(self):
            async def fetch(number):
                return page(number, f"letter {number}")

            for number in range(3):
                yield asyncio.run(fetch(number))

    assert build_pairs(Fetching(), **options).asked == 3


async def test_it_works_inside_a_running_loop(options):
    asyncio.get_running_loop()
    assert build_pairs(pages(3), **options).asked == 3


def test_pages_of_one_source_are_one_document(options):
    texts = ["Page one ends in the middle", "of a sentence. " + styled_passage(1), styled_passage(2)]
    documents = [Document(text, metadata={"source": "a.pdf", "page": number}) for number, text in enumerate(texts)]
    names, rows = made_of(documents, options, minimum=10)
    assert names == ["a.pdf"]
    whole = "\n\n".join(texts)
    assert rows[0]["styled"].startswith("Page one ends in the middle\n\nof a sentence. ")
    for row in rows:
        assert whole[row["start"] : row["end"]] == row["styled"]
    for before, after in pairwise(rows):
        assert before["end"] <= after["start"]


def test_parts_of_one_source_stay_on_one_side_wherever_they_stand(options):
    order = [0, 1, 2, 3, 4, 5] * 4  # nothing stands next to its kin
    documents = [page(number, f"letter {source}") for number, source in enumerate(order)]
    made = build_pairs(documents, **options)
    assert list(made.manifest["documents"]) == [f"letter {source}" for source in range(6)]
    sides = {}
    for row in lines(made.directory / "pairs.jsonl"):
        sides.setdefault(row["document"], set()).add(row["split"])
    assert len(sides) == 6
    assert all(len(side) == 1 for side in sides.values())
    assert set.union(*sides.values()) == {"train", "valid", "test"}
    places = sorted((row["document"], row["start"]) for row in lines(made.directory / "pairs.jsonl"))
    assert len(set(places)) == 24


def test_a_document_is_named_after_its_source_its_id_or_its_text(options, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    documents = [
        page(1, "https://example.org//a.html", id="other"),
        page(2, id="two"),
        page(3),
        page(4, tmp_path / "letters" / "four.md"),
        page(5, str(tmp_path / "letters/five.md")),
        page(6, "letters/six.md"),
        page(7, "/elsewhere/seven.md"),
        page(8, 8),
        page(9, ""),
    ]
    names, _ = made_of(documents, options)
    hashed = [name for name in names if re.fullmatch(r"sha256:[0-9a-f]{16}", name)]
    assert len(set(hashed)) == 2
    assert [name for name in names if name not in hashed] == [
        "https://example.org//a.html",
        "two",
        "letters/four.md",
        "letters/five.md",
        "letters/six.md",
        "/elsewhere/seven.md",
        "8",
    ]
    again, _ = made_of(documents, options | {"out": tmp_path / "again"})
    assert again == names


@pytest.mark.parametrize(
    "key", ["row", lambda document: document.metadata["row"], lambda document: Path(document.metadata["row"])]
)
def test_what_belongs_together_can_be_said(options, key):
    documents = [page(number, "table.csv") for number in range(4)]
    for number, document in enumerate(documents):
        document.metadata["row"] = str(number // 2)
    names, _ = made_of(documents, options, source_id_key=key)
    assert names == ["0", "1"]


@pytest.mark.parametrize(
    ("key", "says"),
    [
        ("source", r"sources\[1\]: metadata\['source'\] is of type dict, which names no source: give a string"),
        (lambda document: document.metadata["source"], r"sources\[1\]: what source_id_key gave is of type dict"),
    ],
)
def test_a_source_that_is_no_name(options, key, says):
    with pytest.raises(DocumentError, match=says):
        build_pairs([page(1, "a"), page(2, {"file": "b"})], **options, source_id_key=key)


def test_empty_documents_are_skipped(options):
    empty = [Document(text, metadata={"source": "a.pdf"}) for text in ("", " \n", "\ufeff")]
    names, rows = made_of([empty[0], page(1, "a.pdf"), empty[1], empty[2], page(2, "a.pdf")], options)
    assert names == ["a.pdf"]
    assert "\n\n".join([styled_passage(1), styled_passage(2)]) == "\n\n".join(row["styled"] for row in rows)
    assert not any("\ufeff" in row["styled"] for row in rows)


def test_nothing_but_empty_documents(options):
    with pytest.raises(DocumentError, match="all 3 documents are empty: check what the loader reads"):
        build_pairs([Document(text) for text in ("", "\n", "\ufeff")], **options)


@pytest.mark.parametrize("sources", [[], iter(()), FolderLoader(Path("/nowhere"))])
def test_no_documents(options, sources):
    with pytest.raises(DocumentError, match="no documents were given: the loader or iterable is empty"):
        build_pairs(sources, **options)


async def test_no_documents_in_tasks(options):
    with pytest.raises(DocumentError, match="no documents were given"):
        await abuild_pairs(AsyncLoader([]), **options)


@pytest.mark.parametrize(
    ("sources", "says"),
    [
        ([page(1, "a"), "a.md"], r"sources\[1\] is of type str, those before it are LangChain documents"),
        ([page(1, "a"), {"messages": []}], r"sources\[1\] is of type dict, those before it are LangChain"),
        ([Blob.from_data("text")], r"sources\[0\] is of type Blob: give a loader, LangChain documents, chat sessions"),
        ([{"content": "text"}], r"sources\[0\] is of type dict: give .*'role' and 'content'"),
        ([AuthorDocument("a", "text"), page(1)], r"sources\[1\] is of type Document, those before it are paths"),
        (42, "sources is of type int: give a loader"),
        (None, "sources is of type NoneType: give a loader"),
    ],
)
def test_what_is_no_document(options, sources, says):
    with pytest.raises(DocumentError, match=says):
        build_pairs(sources, **options)
    assert options["teacher"].calls == []


def test_paths_and_the_core_s_documents_are_taken_as_the_core_takes_them(letters, options, tmp_path):
    folder, _ = letters
    wanted = contents(build_pairs(FolderLoader(folder), **options).directory)
    files = sorted(folder.glob("*.md"))
    documents = [AuthorDocument(path.name, path.read_text("utf-8")) for path in files]
    for number, sources in enumerate([folder, str(folder), files, documents, [*map(str, files[:2]), *documents[2:]]]):
        made = build_pairs(sources, **options | {"out": tmp_path / str(number)})
        assert contents(made.directory) == wanted
    with pytest.raises(DocumentNotFoundError, match="no such file or folder"):
        build_pairs("nowhere.md", **options)
    assert build_pairs(AuthorDocument("a", styled_passage(1)), **options).manifest["blocks"] == 1


def test_one_document_alone(options):
    assert build_pairs(page(1, "a"), **options).manifest["documents"] == {"a": "train"}


def test_the_core_s_options_are_passed_on(options):
    told = []
    made = build_pairs(pages(4), **options, restyle_prompt="As I would.", seed=3, on_progress=told.append)
    assert [(now.done, now.total) for now in told] == [(number, 4) for number in range(1, 5)]
    assert made.prompt("restyle") == "As I would."
    assert made.manifest["seed"] == 3


def test_options_are_checked_before_anything_is_read(options):
    def untouched():
        raise AssertionError("was read")
        yield

    with pytest.raises(StyleNameError):
        build_pairs(untouched(), **options | {"style": "A/B"})
    with pytest.raises(TypeError, match="on_progres"):
        build_pairs(untouched(), **options, on_progres=print)


def test_text_and_names_that_utf8_cannot_hold(options):
    names, rows = made_of([Document(f"Half \ud83d. {styled_passage(1)}", metadata={"source": "a\udcff"})], options)
    assert names == ["a?"]
    assert rows[0]["styled"].startswith("Half ?. ")


def test_what_a_loader_raises_is_raised(options):
    def failing():
        yield page(1, "a")
        raise ConnectionError("gone")

    with pytest.raises(ConnectionError, match="gone"):
        build_pairs(failing(), **options)
    assert options["teacher"].calls == []
