"""A pair set to look at: `restyle.data.report`."""

from __future__ import annotations

import json
import re
from collections import Counter
from html.parser import HTMLParser

import pytest

from pairing import build, lines
from restyle.data import report_counts, report_page
from restyle.data.filters import WordCounts, judge_answer
from restyle.data.report import write_report
from restyle.errors import PairsError, RowError
from restyle.messages import Answer
from support import plain_passage, styled_passage, write_rows

_VOID = {"meta", "rect"}


class Page(HTMLParser):
    """What a browser would see: elements, each closed, and their text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: Counter[str] = Counter()
        self.links: list[str] = []
        self.texts: list[tuple[str, str]] = []  # of the paragraphs and cells; a name for those with texts of the set
        self.feed(html)
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attributes):
        self.tags[tag] += 1
        self.links += [f"{name}={value}" for name, value in attributes if name in {"src", "href", "style", "srcset"}]
        self.links += [name for name, _ in attributes if name.startswith("on")]
        if tag not in _VOID:
            self.open.append(tag)
        if tag in {"p", "td"}:
            self.texts.append((tag if dict(attributes).get("class") == "text" else "", ""))

    def handle_endtag(self, tag):
        if tag not in _VOID:
            assert self.open.pop() == tag

    def handle_data(self, data):
        if self.texts and self.open and self.open[-1] in {"p", "td", "ins", "del"}:
            tag, text = self.texts[-1]
            self.texts[-1] = (tag, text + data)


def page_of(directory) -> tuple[str, Page]:
    html = write_report(directory).read_text("utf-8")
    return html, Page(html)


def rewrite(path, change):
    write_rows(path, [change(row) for row in lines(path)])


@pytest.fixture
def made(letters, tmp_path):
    """A set of 8 pairs, and two drops."""
    sources, recorded = letters
    rows = lines(recorded)
    rows[0]["neutral"] = rows[0]["neutral"].replace("100", "many")
    write_rows(recorded, rows[:-1])
    return build(sources, recorded, tmp_path / "pairs").directory


def test_what_it_says(made):
    html, page = page_of(made)
    assert html.startswith("<!DOCTYPE html>")
    assert "<h1>Pairs for the style “author”</h1>" in html
    assert '<td>facts</td><td class="n">1</td><td>the neutral version lost or invented facts</td>' in html
    assert '<td>unanswered</td><td class="n">1</td>' in html
    assert "lost number &#x27;100&#x27;" in html
    assert "8 (" in html
    assert page.tags["svg"] == 3
    assert page.tags["section"] == 8
    assert page.tags["h1"] == 1
    for document, split in json.loads((made / "manifest.json").read_bytes())["documents"].items():
        assert f"<td>{document} ({split})</td>" in html


def test_both_sides_of_an_example_are_whole_and_only_differences_are_marked(made):
    html, page = page_of(made)
    shown = [text for tag, text in page.texts if tag == "p"]
    for row in lines(made / "pairs.jsonl"):
        place = shown.index(row["neutral"])
        assert shown[place + 1] == row["styled"]
    assert "<del>I think the </del>" not in html
    assert "<del>I think </del>" in html
    assert "<ins>Methinks </ins>" in html


def test_text_is_only_text(made):
    evil = '</p></style><script>alert(1)</script><img src=x onerror="alert(2)"> & $style ${drops} &lt; \u0001'
    rewrite(made / "pairs.jsonl", lambda row: row | {"neutral": evil, "styled": f"{evil} more", "split": evil})
    rewrite(made / "dropped.jsonl", lambda row: row | {"text": evil, "detail": evil, "reason": evil, "document": evil})
    manifest = json.loads((made / "manifest.json").read_bytes())
    manifest["documents"] = {evil: "train"}
    manifest["teachers"] = [evil]
    manifest["parameters"] = {evil: {evil: 1}}
    manifest["stripped"] = {evil: 1}
    manifest["warnings"] = [evil]
    manifest["dropped"] = {evil: 2}
    (made / "manifest.json").write_text(json.dumps(manifest), "utf-8")
    _, page = page_of(made)
    assert page.tags["script"] == page.tags["img"] == 0
    assert page.tags["style"] == 1
    assert page.links == []
    assert ("td", evil) in page.texts
    assert ("p", evil) in page.texts
    assert ("p", f"{evil} more") in page.texts


def test_it_loads_nothing_and_runs_nothing(made):
    html, page = page_of(made)
    assert page.tags["script"] == page.tags["link"] == page.tags["iframe"] == page.tags["img"] == 0
    assert page.links == []
    assert not re.search(r"url\(|@import|https?:|//", html)
    assert "default-src 'none'" in html


def test_equal_sets_give_equal_bytes_in_whatever_order_the_rows_are_read(made):
    first = write_report(made).read_bytes()
    assert write_report(made).read_bytes() == first
    for name in ("pairs.jsonl", "dropped.jsonl"):
        write_rows(made / name, lines(made / name)[::-1])
    assert write_report(made).read_bytes() == first
    assert not [path for path in made.iterdir() if path.name.endswith(".tmp")]


def test_of_many_pairs_a_few_are_shown_always_the_same(made):
    (row,) = lines(made / "pairs.jsonl")[:1]
    rows = [row | {"start": number, "styled": styled_passage(number)} for number in range(400)]
    write_rows(made / "pairs.jsonl", rows)
    html, page = page_of(made)
    assert page.tags["section"] == report_counts._EXAMPLES
    assert '<td class="n">400</td>' in html
    write_rows(made / "pairs.jsonl", rows[:399])
    shown, fewer = (set(re.findall(r"<section.*?</section>", each, re.DOTALL)) for each in (html, page_of(made)[0]))
    assert len(shown & fewer) >= report_counts._EXAMPLES - 1


def counted(neutral, styled):
    """A row of ``pairs.jsonl`` as the report sees it."""
    seen = report_counts.Seen()
    words = WordCounts.of(neutral, styled)._asdict()
    seen.add_pair(
        {"document": "d", "teacher": "t", "split": "train", "words": words, "neutral": neutral, "styled": styled}
    )
    return seen


def test_ratio_and_overlap_are_those_of_the_filters():
    styled = styled_passage(1)
    same = counted(styled, styled)
    assert list(same.overlaps) == list(same.ratios) == [20]
    close = styled.replace("Methinks", "Perhaps").replace("naught", "nothing").replace("merry", "glad")
    detail = judge_answer(styled, Answer(close)).drop.detail
    (number,) = counted(close, styled).overlaps
    assert 0 <= float(detail.split()[0]) - number / 20 < 0.055
    half = " ".join(plain_passage(1).split()[:15]).replace("101", "")
    detail = judge_answer("word " * 60, Answer(half)).drop.detail
    (number,) = counted(half, "word " * 60).ratios
    assert 0 <= float(detail.split()[0]) - number / 20 < 0.055


def test_the_words_of_a_pair_are_counted_once_and_kept_with_it(made):
    rows = [json.loads(line) for line in (made / "pairs.jsonl").read_text("utf-8").splitlines()]
    assert rows
    for row in rows:
        neutral, styled = (
            Counter(re.findall(r"\w+(?:['’-]\w+)*", row[side].lower())) for side in ("neutral", "styled")
        )
        shared = (neutral & styled).total()
        assert row["words"] == {"neutral": neutral.total(), "styled": styled.total(), "shared": shared}


def test_a_histogram_counts_everything_in_few_bars():
    html = report_page._histogram("T", Counter({2: 1, 7: 5, 5000: 2}), 20, 0)
    numbers = [
        (int(start), int(end), int(count)) for start, end, count in re.findall(r"(\d+)–(\d+)</td>.*?>(\d+)<", html)
    ]
    assert len(numbers) <= report_page._BINS + 1
    assert sum(count for *_, count in numbers) == 8
    for words in (2 * 20, 7 * 20, 5000 * 20):
        assert sum(start <= words <= end and count > 0 for start, end, count in numbers) == 1
    assert report_page._histogram("T", Counter(), 20, 0) == "<p>T: nothing to count.</p>"


def test_a_set_without_pairs_or_drops(made):
    for name in ("pairs.jsonl", "dropped.jsonl"):
        (made / name).write_bytes(b"")
    manifest = json.loads((made / "manifest.json").read_bytes())
    manifest["dropped"] = {}
    (made / "manifest.json").write_text(json.dumps(manifest), "utf-8")
    html, _ = page_of(made)
    assert "No pair is fit for training." in html
    assert "Nothing was dropped." in html


def test_a_dropped_book_is_not_shown_whole_nor_a_thousand_documents(made):
    rewrite(made / "dropped.jsonl", lambda row: row | {"text": "word " * 10**5})
    manifest = json.loads((made / "manifest.json").read_bytes())
    manifest["documents"] = {f"chat {number}": "train" for number in range(1000)}
    (made / "manifest.json").write_text(json.dumps(manifest), "utf-8")
    html, _ = page_of(made)
    assert "And 700 more." in html
    assert len(html) < 100_000


def test_what_is_missing_or_broken_is_told_with_its_place(made, tmp_path):
    (made / "report.html").unlink(missing_ok=True)
    with pytest.raises(PairsError, match="no pair set here"):
        write_report(tmp_path / "nowhere")
    (made / "pairs.jsonl").write_text('{"document": "a"}\n', "utf-8")
    with pytest.raises(RowError, match=r"pairs\.jsonl:1: expected an object with the texts document, split"):
        write_report(made)
    (made / "pairs.jsonl").write_text("{", "utf-8")
    with pytest.raises(RowError, match=r"pairs\.jsonl:1: not JSON"):
        write_report(made)
    (made / "pairs.jsonl").unlink()
    with pytest.raises(PairsError, match=r"pairs\.jsonl: missing from the pair set"):
        write_report(made)
    assert not (made / "report.html").exists()
