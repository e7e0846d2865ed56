from __future__ import annotations

import asyncio
import re

import pytest

from restyle.data.documents import Document, read_documents
from restyle.data.plain_teacher import PlainTeacher
from restyle.errors import DocumentError, PairsError
from restyle.messages import Answer, Ask
from support import plain_passage, styled_passage, write_rows

_PASSAGE = re.compile("^Methinks.*", re.MULTILINE)


def styled(*numbers):
    return "\n\n".join(map(styled_passage, numbers))


def plain(*numbers):
    return "\n\n".join(map(plain_passage, numbers))


def taught(plain_documents, *author):
    """A teacher that knows the plain documents, and of the author's all passages."""
    teacher = PlainTeacher(plain_documents)
    for document in author:
        teacher.add(document.id, document.text, [found.span() for found in _PASSAGE.finditer(document.text)])
    teacher.align()
    return teacher


def answers(teacher, *texts):
    async def ask():
        async with teacher:
            return [await teacher.answer(Ask(teacher.system, text, "destyle")) for text in texts]

    return asyncio.run(ask())


def answer(teacher, number):
    return answers(teacher, styled(number))[0]


UNALIGNED = Answer("", "unaligned")


def test_a_block_is_answered_with_its_counterpart():
    teacher = taught([Document("a", plain(1, 2, 3))], Document("a", styled(1, 2, 3)))
    assert [answer(teacher, number) for number in (1, 2, 3)] == [Answer(plain(n), "stop") for n in (1, 2, 3)]
    assert teacher.system == ""


def test_what_has_no_counterpart_is_unaligned():
    teacher = taught([Document("a", plain(1, 3))], Document("a", styled(1, 2, 3)))
    assert answer(teacher, 2) == UNALIGNED
    assert answers(teacher, "Never seen.") == [UNALIGNED]


def test_headings_are_no_part_of_blocks_and_help(tmp_path):
    (tmp_path / "a.md").write_text(f"# I\n\n{styled(1)}\n\n# II\n\n{styled(2)}", "utf-8")
    (tmp_path / "plain.html").write_text(f"<h1>I</h1><p>{plain(1)}</p><h1>II</h1><p>{plain(2)}</p>", "utf-8")
    teacher = taught(read_documents(tmp_path / "plain.html"), *read_documents(tmp_path / "a.md"))
    assert [answer(teacher, number).text for number in (1, 2)] == [plain(1), plain(2)]


def test_documents_belong_together_by_name_whatever_their_suffix_and_order():
    author = [Document("essays/a.txt", styled(1)), Document("essays/b.txt", styled(2)), Document("c", styled(3))]
    versions = [Document("essays/b.md", plain(2)), Document("c", plain(3)), Document("essays/a.epub", plain(1))]
    teacher = taught(versions, *author)
    assert [answer(teacher, number).text for number in (1, 2, 3)] == [plain(1), plain(2), plain(3)]


def test_the_same_name_goes_before_the_same_name_but_for_the_suffix():
    teacher = taught(
        [Document("a.md", plain(1)), Document("a.txt", plain(2))],
        Document("a.txt", styled(2)),
        Document("a.md", styled(1)),
    )
    assert [answer(teacher, number).text for number in (1, 2)] == [plain(1), plain(2)]


def test_rows_of_a_jsonl_file_belong_together_by_their_ids(tmp_path):
    (tmp_path / "plain").mkdir()
    author = write_rows(tmp_path / "a.jsonl", [{"id": n, "text": styled(n)} for n in (1, 2)])
    version = write_rows(tmp_path / "plain/a.jsonl", [{"id": n, "text": plain(n)} for n in (2, 1)])
    teacher = taught(read_documents(version), *read_documents(author))
    assert [answer(teacher, number).text for number in (1, 2)] == [plain(1), plain(2)]


def test_another_row_of_the_same_file_is_another_document():
    with pytest.raises(DocumentError, match=r"^a\.jsonl#3: plain"):
        taught([Document("a.jsonl#3", plain(1))], *(Document(f"a.jsonl#{n}", styled(n)) for n in (1, 2)))


def test_one_document_on_either_side_needs_no_common_name():
    assert answer(taught([Document("modern.md", plain(1))], Document("old.txt", styled(1))), 1).text == plain(1)


def test_a_document_without_a_plain_version_is_unaligned():
    teacher = taught([Document("a", plain(1))], Document("a", styled(1)), Document("b", styled(2)))
    assert answer(teacher, 1).text == plain(1)
    assert answer(teacher, 2) == UNALIGNED


def test_a_plain_document_that_is_nobodys_version_is_an_error():
    versions = [Document(name, plain(1)) for name in ("b.txt", "natrue.md", "frend.md")]
    with pytest.raises(
        DocumentError, match=r"^frend\.md, natrue\.md: plain, but .* \(the author's are a\.txt, b\.txt\)"
    ):
        taught(versions, Document("a.txt", styled(1)), Document("b.txt", styled(2)))
    with pytest.raises(DocumentError, match=r"^a, .*, j and 16 more: plain, but .* are none\)"):
        taught([Document(name, "Text.") for name in "abcdefghijklmnopqrstuvwxyz"])


def test_the_parts_of_a_document_are_one_text():
    versions = [Document("a", plain(1)), Document("b", plain(4)), Document("a", plain(2, 3))]
    author = [Document("a", styled(1, 2)), Document("b", styled(4)), Document("a", styled(3))]
    teacher = taught(versions, *author)
    assert [answer(teacher, number).text for number in (1, 2, 3, 4)] == [plain(1), plain(2), plain(3), plain(4)]


def test_of_a_block_in_two_documents_the_first_counterpart_counts():
    other = plain(1).replace("sad", "gloomy")
    author = [Document(name, styled(1)) for name in "abc"]
    teacher = taught([Document("b", plain(1)), Document("c", other)], *author)
    assert answer(teacher, 1).text == plain(1)
    assert answer(taught([Document("b", other), Document("c", plain(1))], *author), 1).text == other


def test_the_identity_is_that_of_the_counterparts():
    def identity(*numbers, name="a"):
        return taught([Document(name, plain(*numbers))], Document("a", styled(1, 2, 3))).identity

    assert identity(1, 2, 3).startswith("plain:")
    assert identity(1, 2, 3) == identity(1, 2, 3, name="b")
    assert len({identity(1, 2, 3), identity(1, 3), identity(1, 2)}) == 3


def test_a_document_may_have_no_blocks():
    teacher = PlainTeacher([Document("a", plain(1))])
    teacher.add("a", "# Heading", [])
    teacher.align()
    assert answer(teacher, 1) == UNALIGNED


def test_no_room_for_temporary_files_is_said():
    teacher = PlainTeacher([Document("a", plain(1))])
    teacher._connection.execute("PRAGMA max_page_count = 1")
    with pytest.raises(PairsError, match=r"plain versions do not fit .* set TMPDIR"):
        teacher.add("a", styled(1) * 1000, [])
