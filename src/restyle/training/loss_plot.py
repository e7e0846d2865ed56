"""Losses drawn: as SVG that stands by itself in a page, and as PNG."""

from __future__ import annotations

import io
import math
from collections.abc import Iterable, Sequence
from html import escape
from typing import NamedTuple

from restyle.errors import MissingExtraError
from restyle.training.losses import LossCurve, Point, averaged

__all__ = ["loss_png", "loss_svg"]

_WIDTH, _HEIGHT = 640, 320
_LEFT, _RIGHT, _TOP, _BOTTOM = 56, 16, 44, 44  # margins; the legend stands above, the axes' names outside
_MOST = 400  # points drawn of a series: a longer one is evened out
_DOTTED = 40  # points that are few enough to be marked
_STEPS = (1, 2, 2.5, 5, 10)
_TICKS = 5


class _Series(NamedTuple):
    name: str
    points: Sequence[Point]
    colour: str  # readable on white and on black; and each has its own strokes, for who sees no colours
    width: float
    dashes: str


def loss_svg(curve: LossCurve, *, title: str = "Loss") -> str:
    """The curve as an ``<svg>`` element that needs no style sheet, font or script; text has the page's colour."""
    shown = _series(curve)
    points = [point for series in shown for point in series.points]
    if not points:
        return _element(title, [_text(_WIDTH / 2, _HEIGHT / 2, "no losses to draw", "middle")])
    first, last = (edge(point.step for point in points) for edge in (min, max))
    losses = [point.loss for point in points] + ([] if curve.base is None else [curve.base])
    up = _ticks(min(losses), max(losses))
    low, high = up[0], up[-1]
    across = [step for step in _ticks(first, last, least=1) if first <= step <= last]

    def x(step: float) -> float:
        return _LEFT + (_WIDTH - _LEFT - _RIGHT) * ((step - first) / (last - first) if last > first else 0.5)

    def y(loss: float) -> float:
        return _HEIGHT - _BOTTOM - (_HEIGHT - _TOP - _BOTTOM) * ((loss - low) / (high - low) if high > low else 0.5)

    drawn = []
    for loss in up:
        drawn.append(_line(_LEFT, y(loss), _WIDTH - _RIGHT, y(loss), "currentColor", 0.5, opacity=0.25))
        drawn.append(_text(_LEFT - 6, y(loss) + 4, f"{loss:g}", "end"))
    drawn += [_text(x(step), _HEIGHT - _BOTTOM + 16, f"{step:g}", "middle") for step in across]
    drawn.append(_line(_LEFT, _HEIGHT - _BOTTOM, _WIDTH - _RIGHT, _HEIGHT - _BOTTOM, "currentColor", 1))
    drawn.append(_text((_LEFT + _WIDTH - _RIGHT) / 2, _HEIGHT - 8, "step", "middle"))
    drawn.append(_text(4, _TOP - 10, "nats per token", "start"))
    if curve.base is not None:
        drawn.append(
            _line(_LEFT, y(curve.base), _WIDTH - _RIGHT, y(curve.base), _BASE.colour, _BASE.width, _BASE.dashes)
        )
    for series in shown:
        path = " ".join(f"{x(point.step):.1f},{y(point.loss):.1f}" for point in series.points)
        drawn.append(f'<polyline points="{path}" fill="none" {_stroke(series.colour, series.width, series.dashes)}/>')
        if len(series.points) <= _DOTTED:
            spots = ((x(point.step), y(point.loss)) for point in series.points)
            drawn += [f'<circle cx="{left:.1f}" cy="{top:.1f}" r="2.5" fill="{series.colour}"/>' for left, top in spots]
    return _element(title, [*drawn, *_legend([*shown, *([] if curve.base is None else [_BASE])])])


def loss_png(curve: LossCurve, *, title: str = "Loss") -> bytes:
    """The curve as a PNG file of 1280 x 640 pixels.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure  # noqa: PLC0415 - the extra 'plot'
    except ImportError as error:
        raise MissingExtraError("matplotlib", "plot", "a PNG of the losses") from error
    figure = Figure(figsize=(8, 4), dpi=160, layout="constrained")  # without pyplot there is no state to clean up
    axes = figure.subplots()
    for series in _series(curve):
        marker = "o" if len(series.points) <= _DOTTED else ""
        steps, losses = zip(*series.points, strict=True)
        style = {"color": series.colour, "linewidth": series.width, "linestyle": _matplotlib(series.dashes)}
        axes.plot(steps, losses, label=series.name, marker=marker, markersize=3, **style)
    if curve.base is not None:
        axes.axhline(
            curve.base, label=_BASE.name, color=_BASE.colour, linewidth=1.5, linestyle=_matplotlib(_BASE.dashes)
        )
    axes.set(title=title, xlabel="step", ylabel="nats per token")
    if axes.lines:
        figure.legend(loc="outside upper left", ncols=4, frameon=False)
    axes.grid(axis="y", alpha=0.25)
    file = io.BytesIO()
    figure.savefig(file, format="png")
    return file.getvalue()


_BASE = _Series("base model", (), "#7f7f7f", 1.5, "6 4")


def _series(curve: LossCurve) -> list[_Series]:
    found = [
        _Series("train", curve.train, "#4c8dd6", 1.5, ""),
        _Series("held out (batches)", curve.held_out, "#b58900", 1, "2 3"),
        _Series("held out", curve.full_held_out, "#d9541e", 2.5, ""),
    ]
    return [
        series._replace(points=series.points if len(series.points) <= _MOST else averaged(series.points, _MOST))
        for series in found
        if series.points
    ]


def _ticks(low: float, high: float, *, least: float = 0) -> list[float]:
    """About five round numbers around ``low`` and ``high``, at least ``least`` apart."""
    if high <= low:
        return [low]
    rough = (high - low) / _TICKS
    power = 10.0 ** math.floor(math.log10(rough))
    gap = max(least, next(step * power for step in _STEPS if step * power >= rough * 0.999))
    gap = round(gap) if least else gap
    return [round(number * gap, 10) for number in range(math.floor(low / gap), math.ceil(high / gap) + 1)]


def _legend(shown: Iterable[_Series]) -> list[str]:
    drawn, left = [], float(_LEFT)
    for series in shown:
        drawn.append(_line(left, 16, left + 24, 16, series.colour, series.width, series.dashes))
        drawn.append(_text(left + 30, 20, series.name, "start"))
        left += 54 + 6.5 * len(series.name)
    return drawn


def _element(title: str, drawn: Iterable[str]) -> str:
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img"'
    font = 'font-family="system-ui, sans-serif" font-size="12" fill="currentColor"'
    return f'{head} aria-label="{escape(title)}" {font}><title>{escape(title)}</title>{"".join(drawn)}</svg>'


def _line(
    left: float,
    top: float,
    right: float,
    bottom: float,
    colour: str,
    width: float,
    dashes: str = "",
    opacity: float = 1,
) -> str:
    ends = f'x1="{left:.1f}" y1="{top:.1f}" x2="{right:.1f}" y2="{bottom:.1f}"'
    return f'<line {ends} {_stroke(colour, width, dashes)} stroke-opacity="{opacity}"/>'


def _stroke(colour: str, width: float, dashes: str) -> str:
    dashed = f' stroke-dasharray="{dashes}"' if dashes else ""
    return f'stroke="{colour}" stroke-width="{width}" stroke-linejoin="round"{dashed}'


def _text(left: float, top: float, text: str, anchor: str) -> str:
    return f'<text x="{left:.1f}" y="{top:.1f}" text-anchor="{anchor}">{escape(text)}</text>'


def _matplotlib(dashes: str) -> str | tuple[int, tuple[float, ...]]:
    return (0, tuple(map(float, dashes.split()))) if dashes else "solid"
