"""How a style was trained, as a page and as images: `restyle.training.report`."""

from __future__ import annotations

import dataclasses
import re
from html.parser import HTMLParser

import pytest

from restyle.errors import MissingExtraError
from restyle.golden import GoldenPrompt
from restyle.stage import Stage
from restyle.style import Style
from restyle.training.report import write_pngs, write_report
from support import style_of

_VOID = {"meta"}
TRAIN, HELD_OUT = [[1, 3.0], [2, 2.5], [3, 2.25]], [[1, 3.1234], [3, 2.5]]
GOLDEN = GoldenPrompt("S.", "T <b>&", "<|user|>T <b>&", [1, 2, 3], "d1", "qwen", "c0ffee", {"enable_thinking": False})


class Page(HTMLParser):
    """What a browser would see: elements, each closed, and whatever would be loaded or run."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.links: list[str] = []
        self.feed(html)
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.links += [name for name, _ in attributes if name in {"src", "href", "srcset"} or name.startswith("on")]
        if tag not in _VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, _):
        self.tags.append(tag)

    def handle_endtag(self, tag):
        if tag not in _VOID:
            assert self.open.pop() == tag


def trained(home, *, record=None, metrics=None, losses=None, **changes):
    """A saved style of which both directions have losses."""
    losses = {"train": TRAIN, "held_out": HELD_OUT} if losses is None else losses
    one = {"folder": "restyle-0123", "losses": losses, **(record or {})}
    training = {"provider": "local", "base": "qwen", "settings": {"epochs": 3, "seed": None}}
    training["adapters"] = {"restyle": one, "destyle": one}
    scores = {"held_out": 7, "loss": 2.5, "loss_of_base": 4.0} if metrics is None else metrics
    style = dataclasses.replace(
        style_of(), training=training, metrics={"restyle": scores, "destyle": scores}, dataset="ab12", **changes
    )
    style.save(home)
    return Style.load("author", home)  # as from a file: lists, not tuples


def html_of(style):
    html = write_report(style).read_text("utf-8")
    return html, Page(html)


def test_both_directions_are_drawn_with_what_the_card_says(home):
    style = trained(home, restyle=dataclasses.replace(style_of().restyle, golden=GOLDEN))
    assert write_report(style) == home / "styles/author/training.html"
    html, page = html_of(style)
    assert page.tags.count("svg") == page.tags.count("section") == 2
    assert "base model" in html[html.index("<svg") : html.index("</svg>")]
    for name, value in [
        ("Held-out pairs", "7"),
        ("Held-out loss", "2.5"),
        ("Held-out loss of the base model", "4.0"),
        ("folder", "restyle-0123"),
        ("settings.epochs", "3"),
        ("settings.seed", "-"),
        ("Digest of the pairs", "ab12"),
        ("Revision", "c0ffee"),
        ("Given to the template", "{&quot;enable_thinking&quot;: false}"),
    ]:
        assert f'<tr><th scope="row">{name}</th><td class="text">{value}</td></tr>' in html
    assert '<td class="n">1</td><td class="n">3.0000</td><td class="n"></td><td class="n">3.1234</td>' in html
    assert "&lt;|user|&gt;T &lt;b&gt;&amp;</pre>" in html
    assert html.count("No golden prompt") == 1
    assert "<strong>Note:" not in html
    assert not page.links


def test_what_the_losses_say_is_said(home):
    rising = {"train": [[1, 3.0], [2, 2.0], [3, 1.0]], "held_out": [[1, 3.0], [2, 2.0], [3, 2.6]]}
    html, _ = html_of(trained(home, losses=rising))
    assert html.count("the held-out loss rose from 2.000 at step 2 to 2.600 at step 3") == 2
    # After the step that was kept it did no harm.
    html, _ = html_of(trained(home, losses=rising, record={"best_step": 2}))
    assert "rose" not in html
    low = {"train": [[1, 0.01]], "held_out": [[1, 0.01]]}
    html, _ = html_of(trained(home, losses=low, record={"overlap": True}))
    assert "the check of the files found texts for training among those held out" in html
    html, _ = html_of(trained(home, losses=low))
    assert "the held-out texts may have been seen in training" in html
    html, _ = html_of(trained(home, metrics={"loss_of_base": 2.0}))
    assert "not under the base model&#x27;s 2.000" in html


def test_single_batches_are_drawn_where_a_host_has_nothing_better(home):
    html, _ = html_of(trained(home, losses={"train": TRAIN, "held_out": [], "single_batches": HELD_OUT}, metrics={}))
    assert "held out (batches)" in html[html.index("<svg") : html.index("</svg>")]
    assert '<td class="n">3.1234</td><td class="n"></td>' in html


def test_nothing_in_a_card_becomes_markup(home):
    nasty = "</td><script>alert(1)</script>"
    html, page = html_of(trained(home, record={nasty: {nasty: nasty}}, destyle=Stage(nasty, "m")))
    assert "script" not in page.tags
    assert html.count("&lt;script&gt;") == 2 * 3 + 1


def test_equal_cards_give_equal_bytes(home):
    style = trained(home)
    assert html_of(style)[0] == html_of(style)[0]
    assert not list(style.directory.glob(".*"))


def test_without_losses_there_is_no_page(home):
    embedded = dataclasses.replace(style_of(), training={"provider": "embedded"}, metrics={"restyle": {"bleu": 9.5}})
    embedded.save(home)
    never_saved = dataclasses.replace(trained(home), directory=None)
    for style in (embedded, trained(home, losses={"train": [], "held_out": []}), never_saved):
        assert write_report(style) is None
        assert write_pngs(style) == []
    assert [path.name for path in embedded.directory.iterdir()] == ["style.json"]


@pytest.mark.parametrize(
    "broken",
    [
        {"losses": {"train": [["one", 2]]}},
        {"losses": [1]},
        {"losses": {"train": [[1, float("nan")]]}},
        {"best_step": "2"},
    ],
)
def test_no_training_fails_for_its_page(home, broken):
    style = trained(home, record=broken)
    if "losses" not in broken:
        assert write_report(style)
        return
    with pytest.warns(UserWarning, match=re.escape("no training.html for the style 'author': ")):
        assert write_report(style) is None


def test_a_page_that_cannot_be_written_is_told(home):
    style = trained(home)
    (style.directory / "training.html").mkdir()
    with pytest.warns(UserWarning, match=r"no training.html .*directory"):
        assert write_report(style) is None


def test_images_need_matplotlib(home, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "matplotlib.figure", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'restyle\[plot\]'"):
        write_pngs(trained(home))


def test_images_of_both_directions(home):
    pytest.importorskip("matplotlib")
    written = write_pngs(trained(home))
    assert [path.name for path in written] == ["losses-restyle.png", "losses-destyle.png"]
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in written)
