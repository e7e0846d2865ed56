"""``training.html``: how both directions were trained, in one file that loads nothing, runs nothing and prints well."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterable, Iterator, Mapping
from html import escape
from pathlib import Path

from restyle.files import write_atomically
from restyle.golden import GoldenPrompt
from restyle.messages import Role
from restyle.pages import page_template
from restyle.style import Style
from restyle.training.loss_plot import loss_png, loss_svg
from restyle.training.losses import LossCurve, Point, judge

__all__ = ["REPORT", "write_pngs", "write_report"]

REPORT = "training.html"

_TITLES: Mapping[Role, str] = {"restyle": "The style model", "destyle": "The de-style model"}
_FIGURES = {
    "held_out": "Held-out pairs",
    "loss": "Held-out loss",
    "loss_of_base": "Held-out loss of the base model",
}

_PAGE = page_template(
    "Training of the style “$style”",
    """<p>Losses are means over tokens, in nats. They compare within a run and with its base model on the same held-out
rows, and with nothing else.</p>
$directions
<h2>Settings</h2>
$settings""",
)


def write_report(style: Style) -> Path | None:
    """Write ``training.html`` beside a style's card, from what the card says: equal cards give equal bytes.

    It shows both directions' losses with the base model's, what `restyle.training.losses.judge` says of them, the
    settings and the golden prompts. A training never fails for it: what is in the way is told in a warning.

    Returns:
        Its path; None where the card has no losses, was never saved, or the page could not be written.
    """
    try:
        curves = _curves(style)
        if style.directory is None or not curves:
            return None
        write_atomically(style.directory / REPORT, _page(style, curves).encode(errors="replace"))
    except Exception as error:  # noqa: BLE001 - the models are trained, and perhaps paid for: see above
        warnings.warn(f"no {REPORT} for the style {style.name!r}: {error}", UserWarning, stacklevel=2)
        return None
    return style.directory / REPORT


def write_pngs(style: Style) -> list[Path]:
    """Write ``losses-ROLE.png`` beside a style's card, for each direction whose losses the card has.

    Raises:
        MissingExtraError: matplotlib is not installed.
        ValueError: The card's losses are no lists of step and loss.
    """
    if style.directory is None:
        return []
    images = {
        f"losses-{role}.png": loss_png(curve, title=_title(style, role)) for role, curve in _curves(style).items()
    }
    for name, image in images.items():
        write_atomically(style.directory / name, image)
    return [style.directory / name for name in images]


def _curves(style: Style) -> dict[Role, LossCurve]:
    """The losses that a card has, with the base model's."""
    from pydantic import TypeAdapter  # noqa: PLC0415 - 60 ms, after training only

    series, found = TypeAdapter(dict[str, list[Point]]), dict[Role, LossCurve]()
    for role in _TITLES:
        losses = series.validate_python(_record(style, role).get("losses", {}))
        if any(losses.values()):
            train, full, single = (tuple(losses.get(name, ())) for name in ("train", "held_out", "single_batches"))
            found[role] = LossCurve(train, single, full, style.metrics.get(role, {}).get("loss_of_base"))
    return found


def _record(style: Style, role: Role) -> Mapping[str, object]:
    """What the card says of one direction's training."""
    record: Mapping[str, object] = style.training.get("adapters", {}).get(role, {})
    return record


def _title(style: Style, role: Role) -> str:
    return f"{style.name}: {role}"


def _page(style: Style, curves: Mapping[Role, LossCurve]) -> str:
    settings = {name: value for name, value in style.training.items() if name != "adapters"}
    return _PAGE.substitute(
        style=escape(style.name),
        directions="\n".join(_direction(style, role, curve) for role, curve in curves.items()),
        settings=_table([*_flat(settings), ("Digest of the pairs", style.dataset)]),
    )


def _direction(style: Style, role: Role, curve: LossCurve) -> str:
    stage, record, metrics = style.stage(role), _record(style, role), style.metrics.get(role, {})
    overlap, best_step = record.get("overlap"), record.get("best_step")
    # A rise behind the step whose model was kept did no harm.
    kept = curve.until(best_step if isinstance(best_step, int) else None)
    sentences = judge(kept, overlap if isinstance(overlap, bool) else None)
    figures = [(name, str(metrics[key])) for key, name in _FIGURES.items() if key in metrics]
    more = _flat({name: value for name, value in record.items() if name != "losses"})
    return (
        f"<section><h2>{_TITLES[role]}</h2><figure>{loss_svg(curve, title=_title(style, role))}</figure>"
        f"{''.join(f'<p><strong>Note:</strong> {escape(sentence)}.</p>' for sentence in sentences)}"
        f"{_table([*figures, *more, ('Model', stage.model), ('Prompt', stage.prompt)])}"
        f"{_golden(stage.golden)}<details><summary>Losses in numbers</summary>{_numbers(curve)}</details></section>"
    )


def _golden(golden: GoldenPrompt | None) -> str:
    if golden is None:
        return "<p>No golden prompt: training did not show how it rendered one.</p>"
    rows = [
        ("Tokens", str(len(golden.ids))),
        ("Base", golden.base),
        ("Revision", golden.revision or "-"),
        ("Chat template, SHA-256", golden.template_digest or "-"),
        ("Given to the template", json.dumps(golden.kwargs, ensure_ascii=False)),
    ]
    text = f'<pre class="text" dir="auto">{escape(golden.text)}</pre>'
    return f"<details><summary>Golden prompt</summary>{text}{_table(rows)}</details>"


def _numbers(curve: LossCurve) -> str:
    columns = [dict(curve.train), dict(curve.held_out), dict(curve.full_held_out)]
    rows = []
    for step in sorted(set().union(*columns)):
        cells = (str(step), *(f"{column[step]:.4f}" if step in column else "" for column in columns))
        rows.append("<tr>" + "".join(f'<td class="n">{cell}</td>' for cell in cells) + "</tr>")
    names = ("step", "train", "held out (batches)", "held out")
    head = "".join(f'<th scope="col">{name}</th>' for name in names)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table>"


def _flat(values: Mapping[str, object], before: str = "") -> Iterator[tuple[str, str]]:
    """Names and values, those inside others as ``outer.inner``."""
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{before}{name}.")
        else:
            text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
            yield f"{before}{name}", "-" if value is None else text


def _table(rows: Iterable[tuple[str, str]]) -> str:
    cells = ((escape(name), escape(value)) for name, value in rows)
    lines = (f'<tr><th scope="row">{name}</th><td class="text">{value}</td></tr>' for name, value in cells)
    return f"<table>{''.join(lines)}</table>"
