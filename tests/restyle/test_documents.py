from __future__ import annotations

from pathlib import Path

import pytest

from restyle.data.documents import Document, aread_documents
from restyle.data.documents import read_documents as read_lazily
from restyle.errors import DocumentError, DocumentNotFoundError
from restyle.messages import Turn


def read_documents(sources):
    return list(read_lazily(sources))


def test_a_file_is_named_after_itself(tmp_path):
    path = tmp_path / "letter.txt"
    path.write_text("Dear Ruth,", "utf-8")
    assert read_documents(path) == read_documents(str(path)) == [Document("letter.txt", "Dear Ruth,")]


def test_a_folder_is_searched_in_name_order(tmp_path):
    for name in ("b.md", "a.txt", "deep/er/c.MARKDOWN", "deep/.keep", "d.pdf"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name, "utf-8")
    assert [document.id for document in read_documents(tmp_path)] == ["a.txt", "b.md", "deep/er/c.MARKDOWN"]


def test_names_do_not_depend_on_where_the_folder_is(tmp_path):
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "a.md").write_text("Same.", "utf-8")
    assert read_documents(tmp_path / "one") == read_documents(tmp_path / "two")


def test_text_is_normalised_once_here(tmp_path):
    path = tmp_path / "a.txt"
    path.write_bytes(b"\xef\xbb\xbfcafe\xcc\x81\r\nnext\rlast\n")
    assert read_documents(path)[0].text == "caf\u00e9\nnext\nlast\n"
    assert read_documents(Document("a", "\ufeffcafe\u0301\r\nnext\rlast\n"))[0].text == "caf\u00e9\nnext\nlast\n"


def test_what_utf8_cannot_hold_is_marked():
    assert read_documents(Document("a\udcff", "half \ud83d a pair")) == [Document("a?", "half ? a pair")]


def test_what_a_document_says_about_itself_stays_and_its_context_is_normalised():
    given = Document("a", "Now.", (Turn("user", "cafe\u0301\r\nnoir \ud83d"), Turn("assistant", "\ufeffNo.")), 7)
    context = (Turn("user", "caf\u00e9\nnoir ?"), Turn("assistant", "No."))
    assert read_documents(given) == [Document("a", "Now.", context, 7)]


def test_documents_and_paths_mix(tmp_path):
    (tmp_path / "a.txt").write_text("A", "utf-8")
    assert read_documents([Document("b", "B"), tmp_path]) == [Document("b", "B"), Document("a.txt", "A")]


def test_documents_of_one_name_are_parts(tmp_path):
    parts = [Document("a", "One."), Document("b", "Two."), Document("a", "Three.")]
    assert read_documents(parts) == parts
    (tmp_path / "a").mkdir()
    (tmp_path / "a.md").write_text("A file.", "utf-8")
    for mixed in ([Document("a.md", "A part."), tmp_path / "a.md"], [tmp_path / "a.md", Document("a.md", "A part.")]):
        with pytest.raises(DocumentError, match=r"a\.md: two documents have this name"):
            read_documents(mixed)


def test_reading_is_lazy():
    taken = []

    def sources():
        for number in range(3):
            taken.append(number)
            yield Document(str(number), "Text.")

    documents = read_lazily(sources())
    assert taken == []
    assert next(documents).id == "0"
    assert taken == [0]


async def test_sources_may_be_awaited(tmp_path):
    (tmp_path / "a.txt").write_text("A", "utf-8")

    async def sources():
        yield tmp_path
        yield Document("b", "B")

    async def nothing():
        return
        yield

    assert [document async for document in aread_documents(sources())] == [Document("a.txt", "A"), Document("b", "B")]
    with pytest.raises(DocumentNotFoundError, match="no documents were given"):
        [document async for document in aread_documents(nothing())]


@pytest.mark.parametrize("name", ["missing.txt", "missing/folder.md"])
def test_what_is_not_there(tmp_path, name):
    with pytest.raises(DocumentNotFoundError, match="no such file or folder: check the path") as caught:
        read_documents(tmp_path / name)
    assert str(tmp_path / name) in str(caught.value)
    with pytest.raises(FileNotFoundError):  # the standard exception, too
        read_documents(tmp_path / name)


def test_nothing_at_all():
    with pytest.raises(DocumentNotFoundError, match="name a text file or a folder"):
        read_documents([])


def test_a_folder_without_texts(tmp_path):
    (tmp_path / "a.pdf").write_bytes(b"%PDF")
    with pytest.raises(DocumentNotFoundError, match=r"no file that can be read is here; the kinds are \.epub, \.htm,"):
        read_documents(tmp_path)


def test_another_kind_of_file(tmp_path):
    path = tmp_path / "a.pdf"
    path.write_bytes(b"%PDF")
    with pytest.raises(DocumentError, match=r"a\.pdf: not a kind of file that is read: convert it to \.epub, \.htm,"):
        read_documents(path)


@pytest.mark.parametrize("content", [b"", b"\n \t\r\n", b"\xef\xbb\xbf"])
def test_an_empty_document(tmp_path, content):
    path = tmp_path / "a.txt"
    path.write_bytes(content)
    with pytest.raises(DocumentError, match=r"a\.txt: the document is empty: remove it from the sources"):
        read_documents(path)


def test_an_empty_document_that_was_no_file():
    with pytest.raises(DocumentError, match="chapter 1: the document is empty"):
        read_documents(Document("chapter 1", " \n"))


def test_not_utf8_is_named_with_line_and_byte(tmp_path):
    path = tmp_path / "a.txt"
    path.write_bytes("first\nzweite Zeile: Stra\u00dfe".encode("latin-1"))
    with pytest.raises(DocumentError, match=r"a\.txt:2: byte 0xdf is not UTF-8: save the file as UTF-8"):
        read_documents(path)


def test_two_documents_of_one_name(tmp_path):
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "a.md").write_text(folder, "utf-8")
    with pytest.raises(DocumentError, match=r"a\.md: two documents have this name: rename one, or give their common"):
        read_documents([tmp_path / "one", tmp_path / "two"])
    assert [document.id for document in read_documents(tmp_path)] == ["one/a.md", "two/a.md"]


@pytest.fixture
def letters(tmp_path, monkeypatch):
    for name in ("a.txt", "b.md", "deep/c.md", "deep/er/d.md", "e.pdf"):
        (tmp_path / "letters" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "letters" / name).write_text(name, "utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path / "letters"


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        ("*.md", ["b.md"]),
        ("**/*.md", ["b.md", "deep/c.md", "deep/er/d.md"]),
        ("**", ["a.txt", "b.md", "deep/c.md", "deep/er/d.md"]),
        ("[ab].*", ["a.txt", "b.md"]),
        ("deep/?.md", ["c.md"]),
        ("*/c.md", ["deep/c.md"]),
    ],
)
def test_a_pattern_names_files_as_their_folder_does(letters, pattern, names):
    for source in (f"letters/{pattern}", Path("letters", pattern), letters / pattern, str(letters / pattern)):
        assert [document.id for document in read_documents(source)] == names


@pytest.mark.usefixtures("letters")
def test_a_pattern_alone():
    assert [document.id for document in read_documents("**/d.md")] == ["letters/deep/er/d.md"]
    assert [document.id for document in read_documents(["letters/*.txt", "letters/*.md"])] == ["a.txt", "b.md"]


@pytest.mark.usefixtures("letters")
@pytest.mark.parametrize("pattern", ["letters/*.html", "letters/*.pdf", "nowhere/**/*.md", "letters/no[pe].md"])
def test_a_pattern_that_matches_nothing(pattern):
    with pytest.raises(DocumentNotFoundError) as caught:
        read_documents(pattern)
    assert str(caught.value).startswith(f"{pattern}: no file that can be read is here; the kinds are .epub, ")


def test_a_name_with_a_pattern_s_signs_is_a_name(letters):
    (letters / "notes[1].md").write_text("Notes.", "utf-8")
    assert read_documents("letters/notes[1].md") == [Document("notes[1].md", "Notes.")]


def test_a_file_that_cannot_be_read(tmp_path):
    (tmp_path / "a.md").mkdir()
    (tmp_path / "folder.txt").mkdir()
    with pytest.raises(DocumentNotFoundError, match="no file that can be read is here"):
        read_documents(tmp_path)
    (tmp_path / "folder.txt" / "b.md").symlink_to("b.md")  # to itself
    for source in (tmp_path, tmp_path / "folder.txt" / "b.md"):
        with pytest.raises(DocumentError, match=r"b\.md: cannot be read \(.+\): check its kind and permissions"):
            read_documents(source)


def test_a_bad_file_of_a_folder_is_not_passed_over(tmp_path):
    for name, content in {"a.md": b"Good.", "b.epub": b"PK", "c.md": b"Good."}.items():
        (tmp_path / name).write_bytes(content)
    documents = read_lazily(tmp_path)
    assert next(documents).id == "a.md"
    with pytest.raises(DocumentError, match=r"b\.epub: no EPUB"):
        next(documents)


def test_two_files_of_one_name_and_many_rows(tmp_path):
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "a.jsonl").write_text('{"text": "A."}\n{"text": "B."}\n', "utf-8")
    assert len(read_documents(tmp_path)) == 4
    with pytest.raises(DocumentError, match=r"a\.jsonl: two documents have this name"):
        read_documents([tmp_path / "one", tmp_path / "two"])


@pytest.mark.parametrize("source", ["Methinks the old mill " * 60, "a\0b.md"])
def test_a_text_is_no_path(source):
    with pytest.raises(DocumentError, match="not a kind of file"):
        list(read_documents(source))
