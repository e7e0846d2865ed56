from __future__ import annotations

import asyncio
import re
from contextvars import ContextVar

import pytest

from pairing import build, contents, lines
from restyle.blocks import split_blocks
from restyle.data.documents import Document
from restyle.data.pairs import PairSet, abuild_pairs, build_pairs
from restyle.data.teachers import NEUTRALISE
from restyle.demo import RECORDED
from restyle.errors import (
    DocumentError,
    ModelError,
    ParameterError,
    StyleNameError,
    TeacherMissingError,
)
from restyle.messages import Answer
from restyle.testing import Fault, Sandbox
from support import plain_passage, styled_passage, write_letters, write_rows


class Scripted:
    """A teacher that answers with the plain passage, and fails once it has answered ``limit`` times."""

    def __init__(self, limit: int = 10**9, identity: str = "scripted") -> None:
        self.limit, self.identity, self.system = limit, identity, "Neutralise."
        self.asked: list[str] = []

    async def answer(self, ask):
        if len(self.asked) >= self.limit:
            raise ModelError("the teacher is out of credit")
        self.asked.append(ask.user)
        await asyncio.sleep(0)
        return Answer(plain_passage(int(re.search(r"number (\d+)", ask.user)[1]) - 100), "stop")

    async def __aenter__(self):
        return self

    async def __aexit__(self, *_):
        pass


def test_another_recording_is_asked_again(letters, tmp_path):
    build(*letters, tmp_path / "pairs")
    sources, recorded = letters
    recorded.write_text(recorded.read_text("utf-8").replace("a terrible sight", "an awful sight"), "utf-8")
    again = build(sources, recorded, tmp_path / "pairs")
    assert (again.asked, again.reused) == (10, 0)
    assert "an awful sight" in (again.directory / "pairs.jsonl").read_text("utf-8")
    assert build(sources, recorded, tmp_path / "pairs").asked == 0


def test_only_what_is_new_is_asked(letters, tmp_path):
    sources, _ = letters
    build(sources, Scripted(), tmp_path / "pairs")
    (sources / "zz.md").write_text(styled_passage(50), "utf-8")
    teacher = Scripted()
    made = build(sources, teacher, tmp_path / "pairs")
    assert teacher.asked == [styled_passage(50)]
    assert (made.asked, made.reused) == (1, 10)
    assert build(sources, Scripted(identity="another"), tmp_path / "pairs").asked == 11


def test_what_a_failing_teacher_answered_is_kept_and_only_the_rest_is_asked(letters, tmp_path):
    sources, _ = letters
    failing = Scripted(limit=4)
    with pytest.raises(ModelError, match="out of credit"):
        build(sources, failing, tmp_path / "pairs", max_concurrency=1)
    assert not (tmp_path / "pairs/manifest.json").exists()  # written last
    teacher = Scripted()
    made = build(sources, teacher, tmp_path / "pairs")
    assert (made.asked, made.reused) == (6, 4)
    assert set(teacher.asked).isdisjoint(failing.asked)
    assert contents(made.directory) == contents(build(sources, Scripted(), tmp_path / "at-once").directory)


def test_a_good_pair_set_survives_a_later_failure(letters, tmp_path):
    sources, _ = letters
    made = build(sources, Scripted(), tmp_path / "pairs")
    before = contents(made.directory)
    (sources / "zz.md").write_text(styled_passage(50), "utf-8")
    with pytest.raises(ModelError):
        build(sources, Scripted(limit=0), tmp_path / "pairs")
    assert contents(made.directory) == before
    assert len(PairSet.load(made.directory).rows("restyle", "train")) == made.manifest["pairs"]["train"]


def test_a_recorded_demo_needs_no_teacher(demo_pairs):
    assert demo_pairs.manifest["dropped"].get("unanswered") is None
    assert demo_pairs.asked == demo_pairs.manifest["blocks"] - sum(
        demo_pairs.manifest["dropped"].get(reason, 0) for reason in ("short", "long", "duplicate")
    )


def test_a_recording_of_another_text_is_no_teacher(tmp_path):
    sources, _ = write_letters(tmp_path)
    other = write_rows(tmp_path / "other.jsonl", [{"text": "Something.", "neutral": "Else."}])
    with pytest.raises(TeacherMissingError, match="none of the 10 blocks has a recorded answer"):
        build(sources, other, tmp_path / "pairs")
    assert not (tmp_path / "pairs/manifest.json").exists()


def test_without_a_teacher_nothing_is_invented(letters, tmp_path):
    with pytest.raises(TeacherMissingError, match="somebody must write the neutral side"):
        build(letters[0], None, tmp_path / "pairs")
    assert not (tmp_path / "pairs").exists()


def test_what_is_missing_from_a_recording_is_dropped_by_name(letters, tmp_path):
    sources, recorded = letters
    recorded.write_text("".join(recorded.read_text("utf-8").splitlines(keepends=True)[:-1]), "utf-8")
    made = build(sources, recorded, tmp_path / "pairs")
    assert made.manifest["dropped"] == {"unanswered": 1}


def test_misspelt_and_missing_options(letters, tmp_path):
    options = {"style": "author", "teacher": letters[1], "out": tmp_path / "pairs"}
    with pytest.raises(TypeError, match="no keyword argument 'max_concurency'"):
        build_pairs(letters[0], **options, max_concurency=1)
    for name in options:
        with pytest.raises(TypeError, match=f"needs the keyword argument '{name}'"):
            build_pairs(letters[0], **{key: value for key, value in options.items() if key != name})


@pytest.mark.parametrize(
    ("options", "error", "says"),
    [
        ({"style": "a/b"}, StyleNameError, "'a/b' is not a style's name"),
        ({"restyle_prompt": "Use $tone."}, ParameterError, r"\$tone"),
        ({"destyle_prompt": "Use $tone."}, ParameterError, r"\$tone"),
        ({"restyle_prompt": "Rewrite. "}, ValueError, "white space"),
        ({"minimum": 50, "aim": 40}, ValueError, "minimum=50, aim=40"),
        ({"max_concurrency": 0}, ValueError, "concurrency is 0"),
    ],
)
def test_options_that_cannot_be(letters, tmp_path, options, error, says):
    sources, recorded = letters
    with pytest.raises(error, match=says):
        build_pairs(sources, **{"style": "author", "teacher": recorded, "out": tmp_path / "pairs"} | options)
    assert not (tmp_path / "pairs/manifest.json").exists()


def test_parts_of_a_document_are_dealt_together_and_have_places_in_the_whole(tmp_path):
    texts = [f"{styled_passage(number)}\n" for number in range(12)]
    parts = [Document(f"letter {number % 4}", text) for number, text in enumerate(texts)]
    made = build(parts, Scripted(), tmp_path / "pairs")
    assert set(made.manifest["documents"]) == {f"letter {number}" for number in range(4)}
    wholes = {f"letter {number}": "\n\n".join(texts[number::4]) for number in range(4)}
    rows = lines(made.directory / "pairs.jsonl")
    assert len(rows) == 12
    for row in rows:
        assert wholes[row["document"]][row["start"] : row["end"]] == row["styled"]
        assert row["split"] == made.manifest["documents"][row["document"]]


def test_a_document_is_cut_before_the_next_is_read(tmp_path, monkeypatch):
    done = []

    def sources():
        for number in range(3):
            done.append(f"read {number}")
            yield Document(str(number), styled_passage(number))

    def split_and_tell(text, **budget):
        done.append(f"cut {int(re.search(r'number (.+?) ', text)[1]) - 100}")
        return split_blocks(text, **budget)

    monkeypatch.setattr("restyle.data.cutting.split_blocks", split_and_tell)
    build(sources(), Scripted(), tmp_path / "pairs")
    assert done == ["read 0", "cut 0", "read 1", "cut 1", "read 2", "cut 2"]


def test_a_source_may_run_a_loop_of_its_own(tmp_path):
    async def fetched(number):
        return Document(str(number), styled_passage(number))

    def sources():
        for number in range(3):
            yield asyncio.run(fetched(number))

    assert build(sources(), Scripted(), tmp_path / "pairs").asked == 3


async def test_sources_may_be_awaited(tmp_path):
    async def sources():
        for number in range(3):
            await asyncio.sleep(0)
            yield Document(str(number), styled_passage(number))

    made = await abuild_pairs(sources(), style="author", teacher=Scripted(), out=tmp_path / "awaited")
    documents = [Document(str(number), styled_passage(number)) for number in range(3)]
    assert contents(made.directory) == contents(build(documents, Scripted(), tmp_path / "given").directory)


async def test_the_teacher_sees_the_caller_s_context_from_inside_a_loop(letters, tmp_path):
    caller = ContextVar("caller", default="nobody")
    seen = []

    class Observing(Scripted):
        async def answer(self, ask):
            seen.append(caller.get())
            return await super().answer(ask)

    caller.set("a notebook")
    build(letters[0], Observing(), tmp_path / "pairs")
    assert seen == ["a notebook"] * 10


def test_documents_without_prose_are_refused_before_anything_is_asked(tmp_path):
    teacher = Scripted()
    with pytest.raises(DocumentError, match="no prose to learn from"):
        build(Document("code", "```\nx = 1\n```\n"), teacher, tmp_path / "pairs")
    assert teacher.asked == []


def test_progress_is_told(letters, tmp_path):
    told = []
    build(*letters, tmp_path / "pairs", on_progress=told.append)
    assert [(now.done, now.total) for now in told] == [(number, 10) for number in range(1, 11)]
    assert (told[-1].asked, told[-1].reused, told[-1].in_flight, told[-1].cost) == (10, 0, 0, None)


async def test_it_works_inside_a_running_loop(letters, tmp_path):
    asyncio.get_running_loop()
    inside = build(*letters, tmp_path / "inside")
    awaited = await abuild_pairs(letters[0], style="author", teacher=letters[1], out=tmp_path / "awaited")
    assert inside.digest == awaited.digest


async def test_a_failure_inside_a_running_loop_is_the_same(letters, tmp_path):
    with pytest.raises(ModelError):
        build(letters[0], Scripted(limit=0), tmp_path / "pairs")


def test_a_teacher_behind_an_endpoint(letters, tmp_path, monkeypatch):
    monkeypatch.setenv("RESTYLE_API_KEY", "rs-secret")

    def reply(messages):
        assert messages[0] == {"role": "system", "content": NEUTRALISE}
        return plain_passage(int(re.search(r"number (\d+)", messages[1]["content"])[1]) - 100)

    with Sandbox(replies={"luna": reply}) as sandbox:
        sandbox.inject(Fault("refusal"))
        options = {"style": "author", "teacher": "luna", "base_url": sandbox.base_url, "out": tmp_path / "pairs"}
        made = build_pairs(letters[0], **options)
        again = build_pairs(letters[0], **options)
        assert len(sandbox.requests) == 11  # the refused one is asked once more
    assert (made.asked, made.reused, again.asked, again.reused) == (11, 0, 0, 11)
    assert made.manifest["dropped"] == {}
    assert contents(made.directory) == contents(again.directory)
    assert b"rs-secret" not in b"".join(path.read_bytes() for path in made.directory.rglob("*.*"))


def test_an_endpoint_that_dies_midway(letters, tmp_path):
    def reply(messages):
        return plain_passage(int(re.search(r"number (\d+)", messages[1]["content"])[1]) - 100)

    with Sandbox(replies={"luna": reply}) as sandbox:
        options = {
            "style": "author",
            "teacher": "luna",
            "base_url": sandbox.base_url,
            "out": tmp_path / "pairs",
            "max_concurrency": 1,
        }
        for _ in range(3):
            sandbox.inject(Fault("slow", delay=0.0))
        sandbox.inject(Fault("status", status=401))
        with pytest.raises(ModelError, match=r"refused the key \(HTTP 401\)"):
            build_pairs(letters[0], **options)
        sent = len(sandbox.requests)
        assert sent <= 5  # the place of the one that failed may have been taken before all were cancelled
        made = build_pairs(letters[0], **options)
        assert (made.asked, made.reused, len(sandbox.requests)) == (7, 3, sent + 7)


def test_the_recording_of_the_demo_covers_the_corpus_exactly():
    rows = lines(RECORDED)
    assert len({row["text"] for row in rows}) == len(rows)
