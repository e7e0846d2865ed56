"""Citation markers: taken out of a text before a model rewrites it, put back to their sentences afterwards.

A marker is ``[1]``, ``[1, 2]``, ``[1-3]``, ``[^2]``, ``[^name]`` or ``【1†source】``. A Markdown link ``[1](url)``,
a definition ``[1]: ...`` at the head of a line, a checkbox and whatever stands in back-ticks are not. ``array[1]``
without back-ticks cannot be told from ``claim[1]``: it is taken for a marker, and comes back where it was.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from dataclasses import dataclass
from typing import TYPE_CHECKING

from restyle.sentences import sentence_spans

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["CODE", "DEFINITION", "MARKER", "Marker", "attach", "detach"]

CODE = (
    r"^[ ]{0,3}(?P<fence>```+)(?!`)(?s:.*?)\n[ ]{0,3}(?P=fence)"
    r"|(?<!`)(?P<ticks>`+)(?!`)(?s:(?:(?!\n[^\S\n]*\n).)+?)(?<!`)(?P=ticks)(?!`)"
)
"""Pattern of a code span or of a fenced block; with `re.MULTILINE`."""
DEFINITION = r"^[ ]{0,3}\[\^?[\w-]+\]:"
"""Pattern of the head of a link's or a footnote's definition; with `re.MULTILINE`."""
MARKER = r"(?:\[(?:[0-9]{1,3}(?:\s?[,;–-]\s?[0-9]{1,3})*|\^[\w-]{1,32})\](?!\()|【[^】\n]{1,40}】)"
"""Pattern of one citation marker."""

_FIND = re.compile(rf"{CODE}|{DEFINITION}|(?P<run>{MARKER}(?:[,;]?[ ]?{MARKER})*)", re.MULTILINE)
_STOP = re.compile(r"[.!?…]*[\"'”’»)\]*_]*$")
_CLOSERS = re.compile(r"[\"'”’»)\]*_]*$")
_LAST_WORD = re.compile(r"(\w+)(\W*)$")


@dataclass(frozen=True, slots=True)
class Marker:
    """One marker, or a run of them, and where it stood."""

    text: str  # with the white space that went with it
    sentence: int  # counted from 0
    sentences: int  # how many there were
    before: str  # that sentence, up to the marker
    after: str  # and from it on


def detach(text: str) -> tuple[str, tuple[Marker, ...]]:
    """``text`` without its citation markers and the white space they leave behind; and the markers, in order."""
    if "[" not in text and "【" not in text:
        return text, ()
    kept: list[str] = []
    cuts: list[tuple[str, int, bool]] = []  # marker, its place in the remaining text, whether what follows owns it
    end = length = 0
    for match in _FIND.finditer(text):
        if match["run"]:
            start, stop, leads = _extent(text, *match.span())
            start = max(start, end)
            kept.append(text[end:start])
            length += start - end
            cuts.append((text[start:stop], length, leads))
            end = stop
    kept.append(text[end:])
    remaining = "".join(kept)
    spans = sentence_spans(remaining)
    starts = [start for start, _ in spans]
    markers: list[Marker] = []
    for marker, place, leads in cuts:
        index = max(bisect_left(starts, place + leads) - 1, 0)
        start, stop = spans[index] if spans else (0, 0)
        middle = min(max(place, start), stop)
        markers.append(Marker(marker, index, len(spans), remaining[start:middle], remaining[middle:stop]))
    return remaining, tuple(markers)


def _extent(text: str, start: int, stop: int) -> tuple[int, int, bool]:
    """What goes with the marker at ``start:stop``, and whether the marker belongs to what follows it."""
    left, right = start, stop
    while left and text[left - 1].isspace() and text[left - 1] not in "\r\n":
        left -= 1
    while right < len(text) and text[right].isspace() and text[right] not in "\r\n":
        right += 1
    heads = not left or text[left - 1] in "\r\n"
    tails = right == len(text) or text[right] in "\r\n"
    if heads and not tails:
        return start, right, True
    if heads:  # alone on its line: the line goes, too
        lines = len(text[:left].rstrip())
        return (lines, stop, False) if lines else (0, len(text) - len(text[stop:].lstrip()), True)
    if text[stop : stop + 1].isalnum():  # the space before it keeps two words apart
        return start, stop, left < start
    return left, stop, False


def attach(text: str, markers: Sequence[Marker]) -> str:
    """``text`` with every marker, in order, in the sentence that it belonged to.

    With another number of sentences, in the one that is proportionally nearest. A marker goes back before or after the
    end punctuation as it stood, or behind the same word. Unchanged text gives back exactly what `detach` was given.
    """
    if not markers:
        return text
    spans = sentence_spans(text)
    if not spans:
        return text + "".join(marker.text for marker in markers)
    pieces: list[str] = []
    done = 0
    for marker in markers:
        start, stop = spans[_sentence_for(marker, len(spans))]
        place, piece = _place(marker, text[start:stop])
        place = max(start + place, done)
        pieces += [text[done:place], piece]
        done = place
    return "".join([*pieces, text[done:]])


def _sentence_for(marker: Marker, count: int) -> int:
    if not marker.sentences:
        return 0
    if marker.before:  # the last sentence stays the last
        return -(-(marker.sentence + 1) * count // marker.sentences) - 1
    return marker.sentence * count // marker.sentences


def _place(marker: Marker, sentence: str) -> tuple[int, str]:
    """The offset at which the marker enters ``sentence``, and how it is written there."""
    before, after = marker.before, marker.after
    if sentence == before + after or not before:
        return len(before), marker.text
    if not after:
        return len(sentence), marker.text
    if _CLOSERS.match(after):
        return _end(_CLOSERS, sentence), marker.text
    if _STOP.match(after):
        return _end(_STOP, sentence), marker.text
    core = marker.text.strip()
    piece = core if core == marker.text else f" {core}"
    if last := _LAST_WORD.search(before):
        aim = len(before) / (len(before) + len(after)) * len(sentence)
        same = re.finditer(rf"(?i)(?<!\w){re.escape(last[1])}(?!\w)", sentence)
        if ends := [match.end() for match in same]:
            nearest = min(ends, key=lambda end: abs(end - aim))
            tail = last[2].rstrip()
            return nearest + (len(tail) if sentence.startswith(tail, nearest) else 0), piece
    return _end(_STOP, sentence), piece


def _end(pattern: re.Pattern[str], sentence: str) -> int:
    match = pattern.search(sentence)
    return match.start() if match else len(sentence)
