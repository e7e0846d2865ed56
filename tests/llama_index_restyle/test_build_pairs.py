"""Readers, documents and nodes in, the pair set that the core would make of the same texts out."""

from __future__ import annotations

import asyncio
import random
import re
import uuid
import weakref
from base64 import b64encode
from itertools import count, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from llama_index.core import SimpleDirectoryReader
from llama_index.core.node_parser import HierarchicalNodeParser, SentenceSplitter
from llama_index.core.readers.base import BaseReader
from llama_index.core.schema import (
    Document,
    ImageDocument,
    MediaResource,
    Node,
    NodeRelationship,
    NodeWithScore,
    RelatedNodeInfo,
    TextNode,
)

from llama import ScriptedLLM
from llama_index_restyle.node_parser import SingleIdeaNodeParser
from llama_index_restyle.pairs import abuild_pairs, aestimate_pairs, build_pairs, estimate_pairs
from llama_index_restyle.stretches import Piece, stretches
from llama_index_restyle.teachers import LLMTeacher
from pairing import build, contents, lines
from restyle.data.documents import Document as AuthorDocument
from restyle.errors import DocumentError, DocumentNotFoundError, StyleNameError
from scripted import paragraph
from support import styled_passage
from teaching import plain

PICTURE = b64encode(b"\x89PNG\r\n\x1a\n")
SENTENCE = re.compile(r"[^.]*\.\s*|[^.]+$").findall


def words(text: str) -> list[str]:
    return text.split()


def splitter(size=60, overlap=0):
    """Of LlamaIndex's, but without a tokenizer that would have to be fetched."""
    return SentenceSplitter(
        chunk_size=size, chunk_overlap=overlap, tokenizer=words, chunking_tokenizer_fn=SENTENCE, include_metadata=False
    )


def page(number, file=None, **fields):
    return Document(text=styled_passage(number), metadata={"file_path": file} if file else {}, **fields)


def pages(count):
    return [page(number, f"letter {number}") for number in range(count)]


def whole(count, start=0):
    return "\n\n".join(styled_passage(number) for number in range(start, start + count))


@pytest.fixture
def options(tmp_path):
    teacher = LLMTeacher(ScriptedLLM(reply=plain), identity="plain")
    return {"style": "author", "teacher": teacher, "out": tmp_path / "pairs"}


async def test_an_estimate_asks_nobody_and_writes_nothing(tmp_path):
    llm = ScriptedLLM(reply=plain)
    options = {"style": "author", "teacher": LLMTeacher(llm, identity="plain"), "out": tmp_path / "pairs"}
    found = estimate_pairs(pages(5), **options)
    assert (found.blocks, found.requests, found.cost) == (5, 5, None)
    assert await aestimate_pairs(pages(5), **options) == found
    assert not llm.calls
    assert not (tmp_path / "pairs").exists()
    await abuild_pairs(pages(3), **options)
    assert estimate_pairs(pages(5), **options).requests == 2


def made_of(sources, options, **more):
    """The documents' names in the manifest and their rows."""
    made = build_pairs(sources, **options, **more)
    rows = lines(made.directory / "pairs.jsonl")
    assert made.manifest["dropped"] == {}
    return list(made.manifest["documents"]), rows


class Lazy(BaseReader):
    def __init__(self, documents) -> None:
        self.documents = documents

    def lazy_load_data(self):
        yield from self.documents

    def load_data(self):
        raise AssertionError("everything at once")


class Eager(BaseReader):
    def __init__(self, documents) -> None:
        self.documents = documents

    def load_data(self):
        return self.documents


class LazilyRefusing(Eager):
    def lazy_load_data(self):
        raise NotImplementedError
        yield


class Duck:
    """Of no class of LlamaIndex's."""

    def __init__(self, documents) -> None:
        self._documents = documents

    def load_data(self):
        return iter(self._documents)


class Listing(Duck):
    def iter_data(self):
        for document in self._documents:
            yield [document]

    def load_data(self):
        raise AssertionError("everything at once")


class Awaited(BaseReader):
    def __init__(self, documents) -> None:
        self.documents = documents

    async def aload_data(self):
        await asyncio.sleep(0)
        return self.documents

    def load_data(self):
        raise AssertionError("not in a task")


READERS = [Lazy, Eager, LazilyRefusing, Duck, Listing, iter, lambda documents: [Eager(documents[:2]), documents[2:]]]


@pytest.fixture
def directory(letters, monkeypatch):
    """The letters, read as LlamaIndex users read them, and their recording."""
    monkeypatch.chdir(letters[0])
    return SimpleDirectoryReader(letters[0]), letters[1]


def test_a_directory_gives_what_the_core_makes_of_its_files(directory, letters, tmp_path, monkeypatch):
    reader, recorded = directory
    with pytest.raises(NotImplementedError):
        list(reader.lazy_load_data())
    monkeypatch.setattr(SimpleDirectoryReader, "load_data", lambda _: pytest.fail("everything at once"))
    made = build_pairs(reader, style="author", teacher=recorded, out=tmp_path / "loaded")
    assert made.asked == 10
    assert contents(made.directory) == contents(build(*letters, tmp_path / "read").directory)


async def test_a_directory_is_awaited_in_tasks(directory, letters, tmp_path):
    reader, recorded = directory
    wanted = contents(build(*letters, tmp_path / "read").directory)
    documents = reader.load_data()

    async def awaited():
        for document in documents:
            yield [document]

    for number, sources in enumerate([reader, awaited(), Awaited(documents), *(kind(documents) for kind in READERS)]):
        if isinstance(sources, Lazy):
            continue  # BaseReader.aload_data calls load_data
        made = await abuild_pairs(sources, style="author", teacher=recorded, out=tmp_path / str(number))
        assert contents(made.directory) == wanted


def test_every_kind_of_reader(options, tmp_path):
    wanted = contents(build_pairs(pages(4), **options).directory)
    for number, kind in enumerate(READERS):
        made = build_pairs(kind(pages(4)), **options | {"out": tmp_path / str(number)})
        assert contents(made.directory) == wanted


def test_readers_that_want_arguments_or_give_nothing(options):
    class Pdf(BaseReader):
        def load_data(self, file):
            return [page(1, file)]

    with pytest.raises(DocumentError, match=r"Pdf.load_data\(\) cannot be called .*'file'\): give what it returns"):
        build_pairs(Pdf(), **options)
    for nothing in (Eager([]), Listing([]), [], iter(())):
        with pytest.raises(DocumentError, match="no documents were given: the reader or iterable is empty"):
            build_pairs(nothing, **options)


def test_documents_are_forgotten_once_they_are_cut(options):
    alive = []

    def load():
        for number in range(5):
            document = page(number, f"letter {number}")
            alive.append(weakref.ref(document))
            yield document
            del document
            assert sum(each() is not None for each in alive) <= 1

    class Loader(BaseReader):
        def lazy_load_data(self):
            return load()

    assert build_pairs(Loader(), **options).asked == 5


def test_a_reader_may_run_a_loop_of_its_own(options):
    class Fetching(BaseReader):
        def lazy_load_data(self):
            async def fetch(number):
                return page(number, f"letter {number}")

            for number in range(3):
                yield asyncio.run(fetch(number))

    assert build_pairs(Fetching(), **options).asked == 3


def test_pages_of_one_file_are_one_document(options):
    texts = ["Page one ends in the middle", "of a sentence. " + styled_passage(1), styled_passage(2)]
    documents = [
        Document(text=text, metadata={"file_name": "a.pdf", "page_label": str(number)})
        for number, text in enumerate(texts)
    ]
    names, rows = made_of(documents, options, minimum=10)
    assert names == ["a.pdf"]
    joined = "\n\n".join(texts)
    assert rows[0]["styled"].startswith("Page one ends in the middle\n\nof a sentence. ")
    for row in rows:
        assert joined[row["start"] : row["end"]] == row["styled"]


@pytest.mark.parametrize("kind", ["documents", "nodes", "loose nodes"])
def test_parts_of_one_source_stay_on_one_side_wherever_they_stand(options, kind):
    order = [0, 1, 2, 3, 4, 5] * 4  # nothing stands next to its kin
    sources = [page(number, f"letter {source}") for number, source in enumerate(order)]
    if kind != "documents":
        sources = [TextNode(text=each.text, metadata=each.metadata) for each in sources]
    if kind == "nodes":
        for node, source in zip(sources, order, strict=True):
            node.metadata = {}
            node.relationships[NodeRelationship.SOURCE] = RelatedNodeInfo(node_id=f"letter {source}")
    made = build_pairs(sources, **options)
    assert list(made.manifest["documents"]) == [f"letter {source}" for source in range(6)]
    sides = {}
    for row in lines(made.directory / "pairs.jsonl"):
        sides.setdefault(row["document"], set()).add(row["split"])
    assert all(len(side) == 1 for side in sides.values())
    assert set.union(*sides.values()) == {"train", "valid", "test"}


def test_a_document_is_named_after_its_file_its_id_or_its_text(options, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def documents():
        return [
            page(1, str(tmp_path / "letters/one.md"), id_="other"),
            page(2, id_="two"),
            page(3),
            page(4, id_=f"{tmp_path}/four.md_part_0"),
            TextNode(text=styled_passage(5), id_="five"),
            TextNode(text=styled_passage(6)),
            TextNode(text=styled_passage(7), metadata={"file_path": "/elsewhere/seven.md"}),
            page(8, id_=uuid.uuid5(uuid.NAMESPACE_URL, "eight").hex),
        ]

    names, _ = made_of(documents(), options)
    hashed = [name for name in names if re.fullmatch(r"sha256:[0-9a-f]{16}", name)]
    assert len(set(hashed)) == 2  # what has no name but a random one
    assert [name for name in names if name not in hashed] == [
        "letters/one.md",
        "two",
        "four.md_part_0",
        documents()[-1].id_,
        "five",
        "/elsewhere/seven.md",
    ]
    again, _ = made_of(documents(), options | {"out": tmp_path / "again"})
    assert again == names


def test_random_ids_still_hold_together(options):
    shared = str(uuid.uuid4())
    parts = [page(1, id_=shared), page(2, "b"), page(3, id_=shared)]
    names, _ = made_of(parts, options)
    assert len(names) == 2


@pytest.mark.parametrize("key", ["row", lambda document: document.metadata["row"]])
def test_what_belongs_together_can_be_said(options, key):
    documents = [page(number, "table.csv") for number in range(4)]
    for number, document in enumerate(documents):
        document.metadata["row"] = str(number // 2)
    assert made_of(documents, options, source_id_key=key)[0] == ["0", "1"]
    nodes = [TextNode(text=each.text, metadata=each.metadata) for each in documents]
    assert made_of(nodes, options, source_id_key=key)[0] == ["0", "1"]


def test_a_source_that_is_no_name(options):
    with pytest.raises(DocumentError, match=r"sources\[1\]: metadata\['file_path'\] is of type dict, which names no"):
        build_pairs([page(1, "a"), page(2, {"file": "b"})], **options)
    with pytest.raises(DocumentError, match=r"sources\[0\]: what source_id_key gave is of type list"):
        build_pairs([page(1, "a")], **options, source_id_key=lambda _: [])


@pytest.mark.parametrize("overlap", [0, 25])
@pytest.mark.parametrize("shuffled", [False, True])
def test_chunks_are_put_together_without_repetition(options, tmp_path, overlap, shuffled):
    # No sentence stands twice: the oldest core looks for each from the beginning.
    numbers = count()
    texts = [re.sub("grievous", lambda _: "right " * next(numbers) + "sad", whole(4, 4 * n)) for n in range(3)]
    documents = [Document(text=text, id_=f"letter {number}") for number, text in enumerate(texts)]
    options |= {"aim": 60, "maximum": 100}
    wanted = build_pairs(documents, **options)
    assert wanted.manifest["blocks"] >= 9
    nodes = splitter(50, overlap).get_nodes_from_documents(documents)
    assert len(nodes) > 12
    if overlap:
        assert sum(len(node.text) for node in nodes) > 1.2 * sum(len(each.text) for each in documents)
    if shuffled:
        random.Random(3).shuffle(nodes)
        nodes.sort(key=lambda node: node.ref_doc_id)
    nodes = [NodeWithScore(node=node, score=0.5) for node in nodes]
    made = build_pairs(nodes, **options | {"out": tmp_path / "chunks"})
    assert contents(made.directory) == contents(wanted.directory)


def test_chunks_behind_another_parser_have_places_in_their_chunk_and_are_not_trusted(options):
    document = Document(text=whole(4), id_="letter")
    chunks = splitter(120).get_nodes_from_documents([document])
    nodes = splitter(60).get_nodes_from_documents(chunks)
    assert {node.ref_doc_id for node in nodes} == {"letter"}
    places = [(node.start_char_idx, node.end_char_idx) for node in nodes]
    assert any(document.text[start:end] != node.text for (start, end), node in zip(places, nodes, strict=True))
    made = build_pairs(nodes, **options, minimum=10)
    said = " ".join(row["styled"] for row in lines(made.directory / "pairs.jsonl"))
    assert said.split() == document.text.split()


def test_children_of_what_was_given_are_left_out(options):
    document = Document(text=whole(4), id_="letter")
    parsers = {"wide": splitter(140), "narrow": splitter(60)}
    parser = HierarchicalNodeParser.from_defaults(node_parser_ids=["wide", "narrow"], node_parser_map=parsers)
    nodes = parser.get_nodes_from_documents([document])
    assert len([node for node in nodes if node.parent_node]) > 2
    _, rows = made_of(nodes, options)
    assert " ".join(row["styled"] for row in rows).split() == document.text.split()


@pytest.mark.parametrize("with_metadata", [False, True])
def test_single_ideas_give_what_their_documents_give(options, tmp_path, with_metadata):
    text = f"# Heading\n{styled_passage(0)}\n\n\n   \n{whole(3, 1)}\n- item\n- item\n\n    code\n\n{styled_passage(9)} "
    metadata = {"file_path": "a.md"} if with_metadata else {}
    documents = [Document(text=text, metadata=metadata, id_="a.md"), page(20, "b.md"), page(21, "c.md")]
    wanted = build_pairs(documents, **options)
    nodes = SingleIdeaNodeParser(aim=60).get_nodes_from_documents(documents)
    assert sum(node.metadata["verbatim"] for node in nodes) == 2
    random.Random(1).shuffle(nodes)
    nodes.sort(key=lambda node: node.metadata.get("file_path", "a.md"))
    made = build_pairs(nodes, **options | {"out": tmp_path / "nodes"})
    assert contents(made.directory) == contents(wanted.directory)


PARTS = st.sampled_from(
    [paragraph(1), "Short.", "    code", "# H", "- item", " ", "\t", "> said", "```\nx\n```", "Beta."]
)


@given(st.lists(st.tuples(PARTS, st.sampled_from([" ", "\n", "\n\n", "\n \n\n", "\r\n"]))), st.randoms())
def test_single_ideas_are_put_together_to_the_text_that_they_came_from(parts, chance):
    text = "".join(part + gap for part, gap in parts)
    nodes = SingleIdeaNodeParser(aim=30, minimum=20, maximum=60).get_nodes_from_documents([Document(text=text)])
    chance.shuffle(nodes)
    found = stretches([Piece.of(node, node.text) for node in nodes])
    assert [each.strip() for each in found] == ([text.strip()] if text.strip() else [])


def pieces(text, *places):
    return [Piece(text[start:end], (start, end)) for start, end in places]


def test_white_space_between_chunks_and_text_that_is_missing():
    text = "One two. Three four.\n\nFive six. # Seven\neight nine ten.\n\n\n\nEleven"
    assert stretches(pieces(text, (9, 20), (0, 8))) == ["One two. Three four."]
    assert stretches(pieces(text, (0, 20), (22, 31))) == ["One two. Three four.\n\nFive six."]
    assert stretches(pieces(text, (22, 31), (32, 39), (40, 55))) == ["Five six.\n# Seven\neight nine ten."]
    assert stretches(pieces(text, (0, 8), (22, 31), (59, 65))) == ["One two.", "Five six.", "Eleven"]
    assert stretches(pieces(text, (0, 14), (9, 31))) == [text[:31]]
    assert stretches([]) == []


def test_places_that_cannot_be_are_not_believed():
    text = "The lamp burned all night long and in the morning it was out."
    overlapping = [text[:45], text[22:]]
    for places in [((0, 45), None), ((0, 45), (0, 39)), ((0, 44), (22, 61)), ((0, 45), (20, 59)), ((5, 50), (3, 42))]:
        joined = stretches([Piece(each, place) for each, place in zip(overlapping, places, strict=True)])
        assert joined == [text]
    assert stretches([Piece("A lamp.", None), Piece("A lamp.", None)]) == ["A lamp.\n\nA lamp."]
    # A text that stands twice, and was looked for from the beginning both times.
    refrain = [
        Piece("All was well.", (0, 13)),
        Piece("Then came the storm.", (15, 35)),
        Piece("All was well.", (0, 13)),
    ]
    assert stretches(refrain) == ["All was well.\n\nThen came the storm.\n\nAll was well."]
    twice = "Beta is a letter. " * 3
    assert stretches([Piece(twice, None), Piece(twice[18:] + "End.", None)]) == [twice + "End."]


def test_no_block_bridges_missing_text(options):
    document = Document(
        text="\n\n".join(f"Sentence {n} of the letter is here. It is short." for n in range(30)), id_="a"
    )
    nodes = SingleIdeaNodeParser(aim=20, minimum=10, maximum=40).get_nodes_from_documents([document])
    made = build_pairs(nodes[:3] + nodes[6:9], **options, minimum=10, aim=400)
    blocks = [*lines(made.directory / "pairs.jsonl"), *lines(made.directory / "dropped.jsonl")]
    texts = [row.get("styled") or row["text"] for row in blocks]
    assert len(texts) == 2
    assert not any("Sentence 0" in text and "Sentence 20" in text for text in texts)


def test_a_node_that_was_found_twice_counts_once(options):
    node = TextNode(text=styled_passage(1), id_="a")
    made = build_pairs([NodeWithScore(node=node), node, node.model_copy()], **options)
    assert (made.manifest["blocks"], made.manifest["documents"]) == (1, {"a": "train"})


def test_what_has_no_text_is_skipped(options):
    def empty():
        return [
            Document(text=""),
            Document(text=" \n"),
            TextNode(text=""),
            ImageDocument(image=PICTURE),
            Node(image_resource=MediaResource(data=PICTURE)),
        ]

    seen = ImageDocument(text=styled_passage(1), image=PICTURE, id_="b")
    mixed = Node(text_resource=MediaResource(text=styled_passage(2)), id_="c")
    names, rows = made_of([*empty(), seen, mixed, *empty()], options)
    assert names == ["b", "c"]
    assert [row["styled"] for row in rows] == [styled_passage(1), styled_passage(2)]
    with pytest.raises(DocumentError, match=r"all 5 documents are empty: .*\(of images, only text is used\)"):
        build_pairs(empty(), **options)


def test_metadata_stays_out_of_the_text(options):
    document = Document(text=styled_passage(1), id_="a", metadata={"title": "A letter"})
    nodes = SingleIdeaNodeParser().get_nodes_from_documents([document])
    for sources in (document, nodes):
        (row,) = made_of(sources, options)[1]
        assert row["styled"] == styled_passage(1)


@pytest.mark.parametrize(
    ("sources", "says"),
    [
        (42, "a source is of type int: give a reader, LlamaIndex documents or nodes, paths"),
        (None, "of type NoneType"),
        ([page(1, "a"), {"text": "b"}], "of type dict"),
        ([page(1, "a"), ScriptedLLM()], "of type ScriptedLLM"),
        ([b"text"], "of type bytes"),
    ],
)
def test_what_is_no_document(options, sources, says):
    with pytest.raises(DocumentError, match=says):
        build_pairs(sources, **options)
    assert options["teacher"].llm.calls == []


def test_paths_and_the_core_s_documents_are_taken_as_the_core_takes_them(letters, options, tmp_path):
    folder, _ = letters
    files = sorted(folder.glob("*.md"))
    wanted = contents(build_pairs(folder, **options).directory)
    documents = [AuthorDocument(path.name, path.read_text("utf-8")) for path in files]
    mixed = [files[0], Document(text=documents[1].text, id_="01.md"), *documents[2:]]
    for number, sources in enumerate([str(folder), files, documents, mixed]):
        made = build_pairs(sources, **options | {"out": tmp_path / str(number)})
        assert contents(made.directory) == wanted
    with pytest.raises(DocumentNotFoundError, match="no such file or folder"):
        build_pairs("nowhere.md", **options)


def test_options_are_the_core_s_and_checked_before_anything_is_read(options):
    def untouched():
        raise AssertionError("was read")
        yield

    with pytest.raises(StyleNameError):
        build_pairs(untouched(), **options | {"style": "A/B"})
    with pytest.raises(TypeError, match="on_progres"):
        build_pairs(Lazy(untouched()), **options, on_progres=print)
    told = []
    made = build_pairs(pages(4), **options, seed=3, on_progress=told.append)
    assert [(now.done, now.total) for now in told] == [(number, 4) for number in range(1, 5)]
    assert made.manifest["seed"] == 3


def test_text_and_names_that_utf8_cannot_hold(options):
    names, rows = made_of([TextNode(text=f"Half \ud83d. {styled_passage(1)}", id_="a\udcff")], options)
    assert names == ["a?"]
    assert rows[0]["styled"].startswith("Half ?. ")


def test_what_a_reader_raises_is_raised(options):
    def failing():
        yield page(1, "a")
        raise ConnectionError("gone")

    with pytest.raises(ConnectionError, match="gone"):
        build_pairs(Lazy(failing()), **options)
    assert options["teacher"].llm.calls == []


def test_rows_of_a_document_follow_each_other(options):
    _, rows = made_of(
        splitter(60, 20).get_nodes_from_documents([Document(text=whole(6), id_="a")]), options, minimum=10
    )
    for before, after in pairwise(rows):
        assert before["end"] <= after["start"]
