"""The page of a report: one file of HTML that loads nothing, runs nothing and prints well."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from difflib import SequenceMatcher
from html import escape
from typing import Any

from restyle.data.report_counts import Seen
from restyle.data.splits import SPLITS
from restyle.pages import page_template

__all__ = ["page"]

_DROP_LENGTH = 1500  # characters shown of each; one dropped as too long may be a book
_DOCUMENTS = 300  # rows of the table; a chat history has thousands
_BINS = 60  # at most in a histogram

_PIECE = re.compile(r"\S+\s*|\s+")

_MEANING = {
    "short": "fewer words than a block must have",
    "long": "more words than a block may have",
    "duplicate": "the text stands earlier",
    "near_duplicate": "nearly the same text stands earlier",
    "language": "it is written in another language",
    "unasked": "a limit was reached before its turn",
    "failed": "the teacher had no answer, and is asked again the next time",
    "unanswered": "the recording has no neutral version",
    "parameters": "the teacher named no allowed value of a parameter",
    "unaligned": "the plain version has no counterpart",
    "fault": "the teacher's answer is no rewriting",
    "facts": "the neutral version lost or invented facts",
    "length": "the neutral version is much shorter or longer",
    "overlap": "the neutral version has hardly changed the wording",
    "tokens": "a training row of it would be longer than allowed",
}

_STYLES = """\
:root { --bar: #3567a8; --new: #1a7f3726; --old: #cf222e26 }
@media (prefers-color-scheme: dark) { :root { --bar: #7aa7e0; --new: #3fb95040; --old: #f8514940 } }
rect { fill: var(--bar) } svg text { font-size: 11px; fill: currentColor }
.pair { display: grid; grid-template-columns: 1fr 1fr; gap: 0 2rem; border-top: 1px solid var(--line) }
.pair > p { grid-column: 1 / -1; opacity: .75; margin: .5rem 0 }
ins { background: var(--new) } del { background: var(--old) }
@media (max-width: 45rem) { .pair { grid-template-columns: 1fr } }
"""
_PAGE = page_template(
    "Pairs for the style “$style”",
    """$summary
$warnings
$parameters
$teachers
<h2>Sizes</h2>
$histograms
<h2>Dropped</h2>
$drops
<h2>Documents</h2>
$documents
<h2>Examples</h2>
<p>Chosen by hash. <del>Struck</del>: words of the neutral version that the author does not have there;
<ins>underlined</ins>: the author's own.</p>
$examples""",
    _STYLES,
)


def page(manifest: dict[str, Any], digest: str, seen: Seen) -> str:
    """The whole page; ``digest`` is the manifest's."""
    return _PAGE.substitute(
        style=escape(manifest["style"]),
        summary=_summary(manifest, digest),
        warnings="".join(f"<p><strong>Note:</strong> {escape(warning)}.</p>" for warning in manifest["warnings"]),
        parameters=_parameters(manifest["parameters"]),
        teachers=_tally("teacher", manifest["teachers"], seen.teachers) if len(manifest["teachers"]) > 1 else "",
        histograms="\n".join(
            [
                _histogram("Words in the author's block", seen.words, 20, 0),
                _histogram("Words of the neutral version for one of the author's", seen.ratios, 0.05, 2),
                _histogram("Share of the neutral words that stand in the author's block", seen.overlaps, 0.05, 2),
            ]
        ),
        drops=_drops(manifest["dropped"], seen),
        documents=_documents(manifest["documents"], manifest["stripped"], seen),
        examples="\n".join(_example(row) for row in seen.examples) or "<p>No pair is fit for training.</p>",
    )


def _summary(manifest: dict[str, Any], digest: str) -> str:
    pairs = manifest["pairs"]
    rows = [
        ("Blocks", f"{manifest['blocks']:,}"),
        ("Pairs", f"{sum(pairs.values()):,} ({', '.join(f'{pairs[split]:,} {split}' for split in SPLITS)})"),
        ("Of them kept although hardly changed", f"{manifest['as_is']:,}"),
        ("Dropped", f"{sum(manifest['dropped'].values()):,}"),
        ("Teacher", ", ".join(manifest["teachers"])),
        ("Prompt to style", manifest["prompts"]["restyle"]["text"]),
        ("Prompt to de-style", manifest["prompts"]["destyle"]["text"]),
        ("Seed of the splits", str(manifest["seed"])),
        ("Digest", digest),
    ]
    lines = [f'<tr><th scope="row">{name}</th><td class="text">{escape(value)}</td></tr>' for name, value in rows]
    return f"<table>{''.join(lines)}</table>"


def _histogram(title: str, counts: Counter[int], step: float, places: int) -> str:
    """Bars, and the same numbers as a table; a bin begins at its number times ``step``."""
    if not counts:
        return f"<p>{title}: nothing to count.</p>"
    while max(counts) - min(counts) > _BINS:
        halved: Counter[int] = Counter()
        for number, pairs in counts.items():
            halved[number // 2] += pairs
        counts, step = halved, 2 * step
    bins = range(min(counts), max(counts) + 1)
    most, width = max(counts.values()), 600 / len(bins)
    drawn, rows = [f'<text x="0" y="10">{most:,}</text>'], []
    for place, number in enumerate(bins):
        start, end = (f"{value:.{places}f}" for value in (number * step, (number + 1) * step - 10**-places))
        left, height = 30 + place * width, 150 * counts[number] / most
        size = f'width="{width * 0.9:.1f}" height="{height:.1f}"'
        drawn.append(f'<rect x="{left:.1f}" y="{160 - height:.1f}" {size}/>')
        if place % (len(bins) // 10 + 1) == 0:
            drawn.append(f'<text x="{left:.1f}" y="176">{start}</text>')
        rows.append(f'<tr><td>{start}–{end}</td><td class="n">{counts[number]:,}</td></tr>')
    return (
        f'<figure><figcaption>{title}</figcaption><svg viewBox="0 0 640 180" role="img" aria-label="{title}">'
        f"{''.join(drawn)}</svg>"
        f"<details><summary>Numbers</summary>{_table(('from–to', 'pairs'), rows)}</details></figure>"
    )


def _drops(dropped: dict[str, int], seen: Seen) -> str:
    if not dropped:
        return "<p>Nothing was dropped.</p>"
    rows = [
        f'<tr><td>{escape(reason)}</td><td class="n">{number:,}</td><td>{_MEANING.get(reason, "")}</td></tr>'
        for reason, number in dropped.items()
    ]
    parts = [_table(("reason", "blocks", "meaning"), rows)]
    for reason, sample in sorted(seen.drops.items()):
        shown = [
            f"<p>{_place(row)}: {escape(row['detail'])}</p>"
            f'<p class="text" dir="auto">{escape(row["text"][:_DROP_LENGTH])}</p>'
            for row in sample
        ]
        parts.append(f"<details><summary>Examples: {escape(reason)}</summary>{''.join(shown)}</details>")
    return "\n".join(parts)


def _parameters(counts: dict[str, dict[str, int]]) -> str:
    rows = [
        f'<tr><td>{escape(name)}</td><td>{escape(value)}</td><td class="n">{pairs:,}</td></tr>'
        for name, values in counts.items()
        for value, pairs in values.items()
    ]
    return f"<h2>Parameters</h2>{_table(('parameter', 'value', 'pairs for training'), rows)}" if rows else ""


def _tally(what: str, names: list[str], counts: Counter[tuple[str, str]]) -> str:
    """How many pairs each has, and drops by reason."""
    reasons = sorted({reason for _, reason in counts if reason != "pairs"})
    rows = []
    for name in names:
        numbers = [f'<td class="n">{counts[name, column]:,}</td>' for column in ("pairs", *reasons)]
        rows.append(f"<tr><td>{escape(name)}</td>{''.join(numbers)}</tr>")
    return _table((what, "pairs", *(f"dropped: {reason}" for reason in reasons)), rows)


def _documents(splits: dict[str, str], stripped: dict[str, int], seen: Seen) -> str:
    shown = {name: f"{name} ({split})" for name, split in list(splits.items())[:_DOCUMENTS]}
    counts = Counter({(shown[name], what): pairs for (name, what), pairs in seen.documents.items() if name in shown})
    more = f"<p>And {len(splits) - _DOCUMENTS:,} more.</p>" if len(splits) > _DOCUMENTS else ""
    rows = [f'<tr><td>{escape(name)}</td><td class="n">{left:,}</td></tr>' for name, left in stripped.items()]
    head = ("document", "characters that are not the author's, left out")
    left_out = f"<details><summary>Left out of documents</summary>{_table(head, rows)}</details>" if rows else ""
    return _tally("document (split)", list(shown.values()), counts) + more + left_out


def _example(row: dict[str, Any]) -> str:
    neutral, styled = _compared(row["neutral"], row["styled"])
    return (
        f'<section class="pair"><p>{_place(row)}, {escape(row["split"])}</p>'
        f'<p class="text" dir="auto">{neutral}</p><p class="text" dir="auto">{styled}</p></section>'
    )


def _compared(neutral: str, styled: str) -> tuple[str, str]:
    """Both texts as HTML, the words that only one of them has there marked."""
    ours, theirs = _PIECE.findall(neutral), _PIECE.findall(styled)
    old, new = ([piece.strip().lower() for piece in pieces] for pieces in (ours, theirs))
    left, right = [], []
    for tag, start, end, other_start, other_end in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        left.append(_marked("del", ours[start:end], marked=tag != "equal"))
        right.append(_marked("ins", theirs[other_start:other_end], marked=tag != "equal"))
    return "".join(left), "".join(right)


def _marked(tag: str, pieces: list[str], *, marked: bool) -> str:
    text = escape("".join(pieces))
    return f"<{tag}>{text}</{tag}>" if marked and text else text


def _place(row: dict[str, Any]) -> str:
    return f"{escape(row['document'])}, {escape(str(row.get('start')))}–{escape(str(row.get('end')))}"


def _table(names: Iterable[str], rows: Iterable[str]) -> str:
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in names)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table>"
