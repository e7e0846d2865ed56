from __future__ import annotations

import sys
import xml.etree.ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from restyle.errors import MissingExtraError
from restyle.training.loss_plot import loss_png, loss_svg
from restyle.training.losses import LossCurve, Point

SVG = "{http://www.w3.org/2000/svg}"
CURVE = LossCurve(
    train=tuple(Point(step, 3 - step / 100) for step in range(1, 101)),
    held_out=(Point(50, 2.2), Point(100, 2.6)),
    full_held_out=(Point(50, 2.5), Point(100, 2.0)),
    base=2.75,
)


def parsed(curve, **options):
    root = ET.fromstring(loss_svg(curve, **options))
    return root, [text.text for text in root.iter(f"{SVG}text")]


def spots(line):
    return [tuple(map(float, point.split(","))) for point in line.get("points").split()]


def test_every_series_and_the_base_model_are_drawn_and_named():
    root, texts = parsed(CURVE)
    train, batches, full = map(spots, root.iter(f"{SVG}polyline"))
    assert (len(train), len(batches), len(full)) == (100, 2, 2)
    assert {"train", "held out (batches)", "held out", "base model", "step", "nats per token"} <= set(texts)
    # Falling losses fall; equal steps stand above each other; a lower loss stands lower.
    assert train[0][1] < train[-1][1]
    assert full[-1][0] == batches[-1][0] == train[-1][0]
    assert full[-1][1] > batches[-1][1]


def test_the_base_models_line_stands_where_its_loss_does():
    beside = LossCurve(train=(Point(1, 1.0), Point(2, 3.0)), full_held_out=(Point(1, 2.0),), base=2.0)
    root, _ = parsed(beside)
    [(_, height)] = spots(list(root.iter(f"{SVG}polyline"))[1])
    base = [line for line in root.iter(f"{SVG}line") if line.get("stroke-dasharray") == "6 4"]
    assert height in {float(line.get("y1")) for line in base}
    assert "base model" not in parsed(LossCurve(train=CURVE.train))[1]


def test_numbers_at_the_axes_enclose_the_losses():
    _, texts = parsed(CURVE)
    assert [text for text in texts if text.replace(".", "").isdigit()] == [
        *("2", "2.2", "2.4", "2.6", "2.8", "3"),
        *("20", "40", "60", "80", "100"),
    ]


def test_nothing_is_drawn_where_nothing_is_known():
    root, texts = parsed(LossCurve())
    assert texts == ["no losses to draw"]
    assert not list(root.iter(f"{SVG}polyline"))


def test_long_runs_make_no_long_files():
    long = LossCurve(train=tuple(Point(step, 2.0) for step in range(100_000)))
    assert len(loss_svg(long)) < 10_000


def test_titles_are_text():
    root, _ = parsed(CURVE, title='<script>&"')
    assert root.find(f"{SVG}title").text == root.get("aria-label") == '<script>&"'


POINTS = st.dictionaries(st.integers(0, 10**7), st.floats(0, 1e6), max_size=5).map(
    lambda losses: tuple(Point(*item) for item in sorted(losses.items()))
)


@given(st.builds(LossCurve, POINTS, POINTS, POINTS, st.none() | st.floats(0, 1e6)))
def test_any_curve_stays_within_the_picture(curve):
    root, _ = parsed(curve)
    for line in root.iter(f"{SVG}polyline"):
        assert all(0 <= left <= 640 and 0 <= top <= 320 for left, top in spots(line))


def test_a_png_without_matplotlib_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(MissingExtraError, match=r"restyle\[plot\]"):
        loss_png(CURVE)


@pytest.mark.parametrize("curve", [CURVE, LossCurve(base=2.0), LossCurve()])
def test_a_png_has_its_size(curve):
    pytest.importorskip("matplotlib")
    content = loss_png(curve)
    assert content.startswith(b"\x89PNG\r\n\x1a\n")
    assert tuple(int.from_bytes(content[start : start + 4]) for start in (16, 20)) == (1280, 640)
