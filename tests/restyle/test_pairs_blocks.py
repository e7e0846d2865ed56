"""What a row keeps of its block, and what drops a block before anybody is asked about it."""

from __future__ import annotations

import pytest

from pairing import build, contents, lines
from restyle.data.documents import Document
from restyle.data.pairs import build_pairs
from restyle.errors import PairsError
from restyle.messages import Turn
from support import styled_passage, write_rows
from teaching import ScriptedTeacher

GERMAN = (
    "Es war einmal ein alter Müller, der hatte drei Söhne und eine Mühle, einen Esel und einen Kater; die Söhne "
    "mussten mahlen, der Esel Getreide holen und Mehl forttragen und die Katze die Mäuse wegfangen. Als der Müller "
    "starb, teilten sich die drei Söhne in die Erbschaft."
)


def test_the_turns_before_a_turn_stand_in_its_row_and_in_no_prompt(tmp_path):
    turns = [("user", "What of the mill?"), ("assistant", styled_passage(0)), ("user", "And then?")]
    messages = [{"role": role, "content": text} for role, text in [*turns, ("assistant", styled_passage(1))]]
    chats = write_rows(tmp_path / "chats.jsonl", [{"messages": messages}])
    teacher = ScriptedTeacher()
    made = build(chats, teacher, tmp_path / "pairs", context=2)
    first, second = lines(made.directory / "pairs.jsonl")
    assert (first["styled"], first["context"]) == (styled_passage(0), messages[:1])
    assert (second["styled"], second["context"]) == (styled_passage(1), messages[1:3])
    assert (first["document"], first["end"] + 2) == (second["document"], second["start"])
    asked = [ask.messages[1:] for ask in teacher.asks]
    assert asked == [[{"role": "user", "content": row["styled"]}] for row in (first, second)]
    assert all(row.ask.user in {first["neutral"], second["neutral"]} for row in made.rows("restyle", "train"))
    joined = build(chats, ScriptedTeacher(), tmp_path / "joined")
    (row,) = lines(joined.directory / "pairs.jsonl")
    assert (row["styled"], "context" in row) == (f"{styled_passage(0)}\n\n{styled_passage(1)}", False)


def test_another_context_asks_nothing_again(tmp_path):
    one, other = (Document("a", styled_passage(0), (Turn("user", text),)) for text in ("And?", "Well?"))
    build(one, ScriptedTeacher(), tmp_path / "pairs")
    made = build(other, ScriptedTeacher(), tmp_path / "pairs")
    (row,) = lines(made.directory / "pairs.jsonl")
    assert (made.asked, row["context"]) == (0, [{"role": "user", "content": "Well?"}])


def test_blocks_in_other_languages_are_dropped_where_one_is_wanted(tmp_path):
    pytest.importorskip("py3langid")
    documents = [Document("german.md", GERMAN), Document("english.md", styled_passage(0))]
    teacher = ScriptedTeacher()
    made = build(documents, teacher, tmp_path / "pairs", language="en")
    assert made.manifest["dropped"] == {"language": 1}
    assert [ask.user for ask in teacher.asks] == [styled_passage(0)]
    (dropped,) = lines(made.directory / "dropped.jsonl")
    assert (dropped["document"], dropped["detail"][:4]) == ("german.md", "'de'")
    with pytest.raises(PairsError, match="the language 'english' is unknown: give one of "):
        build(iter(()), teacher, tmp_path / "other", language="english")


def test_near_duplicates_are_dropped_unless_they_are_wanted(tmp_path):
    nearly = styled_passage(0).replace("ran merry", "ran gaily")
    documents = [Document("a", styled_passage(0)), Document("b", nearly)]
    made = build(documents, ScriptedTeacher(), tmp_path / "pairs")
    assert (made.asked, made.manifest["dropped"]) == (1, {"near_duplicate": 1})
    both = build(documents, ScriptedTeacher(), tmp_path / "pairs", near_duplicates=None)
    assert (both.asked, both.reused, both.manifest["dropped"]) == (1, 1, {})


def test_what_is_not_the_author_s_is_counted_by_document(tmp_path):
    folder = tmp_path / "books"
    folder.mkdir()
    (folder / "a.html").write_text(f"<nav>Home</nav><p>{styled_passage(0)}</p>", "utf-8")
    (folder / "b.html").write_text(f"<p>{styled_passage(1)}</p>", "utf-8")
    made = build_pairs(folder, style="author", teacher=ScriptedTeacher(), out=tmp_path / "pairs")
    assert made.manifest["stripped"] == {"a.html": len("Home")}
    again = build(folder, ScriptedTeacher(), tmp_path / "again")
    assert contents(again.directory) == contents(made.directory)
    by_style = build({"Poe": folder, "Doyle": [Document("c", styled_passage(2))]}, ScriptedTeacher(), tmp_path / "both")
    assert by_style.manifest["stripped"] == {"Poe/a.html": len("Home")}
