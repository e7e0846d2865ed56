"""A decoded sentence written out in the white space, capitals and apostrophes of its source."""

from __future__ import annotations

from typing import TYPE_CHECKING

from restyle.embedded.casing import capitalise
from restyle.embedded.tokens import is_plain_gap, spaced

if TYPE_CHECKING:
    from collections.abc import Sequence

    from restyle.embedded.casing import Form
    from restyle.embedded.decode import Segment
    from restyle.embedded.tokens import Token

__all__ = ["fits", "render"]


def fits(tokens: Sequence[Token], forms: Sequence[Form], start: int, end: int, target: Sequence[str]) -> bool:
    """Whether tokens ``start`` to ``end`` may be said as ``target`` without harm to white space or capitals.

    Tokens and forms begin with the mark of a sentence's beginning.
    """
    if any(form.raised for form in forms[max(start + 1, 2) : end]):
        return False
    if [form.norm for form in forms[start:end]] == list(target):
        return True
    if spaced(tokens[start].text) != spaced(target[0]) and not is_plain_gap(tokens[start]):
        return False
    odd = [token.gap for token in tokens[start + 1 : end] if not is_plain_gap(token)]
    return len(odd) < len(target) and "" not in odd


def render(tokens: Sequence[Token], forms: Sequence[Form], segments: Sequence[Segment], apostrophe: str = "'") -> str:
    """The text of a decoded sentence; tokens and forms begin with the mark of its beginning."""
    first = next((token.text for token in tokens if token.kind in {"word", "number"}), "")
    pending = first != first.lower()  # the sentence's capital is still to be lent to a word
    parts: list[str] = []
    for segment in segments:
        source = tokens[segment.start : segment.end]
        norms = [form.norm for form in forms[segment.start : segment.end]]
        if norms == list(segment.target):
            parts.extend(token.gap + token.text for token in source)
            pending = pending and not any(token.kind in {"word", "number"} for token in source)
            continue
        pending = pending or forms[segment.start].raised
        waiting = list(range(len(source)))
        for norm, gap in zip(segment.target, _gaps(source, segment.target), strict=True):
            origin = next((index for index in waiting if norms[index] == norm), None)
            if origin is None:
                word = norm.replace("'", apostrophe)
            else:
                waiting.remove(origin)
                word = source[origin].text
                if forms[segment.start + origin].raised:
                    word = word.lower()
            if pending and (norm[0].isalpha() or norm[0] in "'<") and word:
                word, pending = capitalise(word), False
            parts.append(gap + word)
    return "".join(parts)


def _gaps(source: Sequence[Token], target: Sequence[str]) -> list[str]:
    """White space before each target word; line breaks inside the source keep their place, as near as may be."""
    same_class = spaced(source[0].text) == spaced(target[0])
    gaps = [source[0].gap if same_class else spaced(target[0]), *(spaced(word) for word in target[1:])]
    odd = [(index, token.gap) for index, token in enumerate(source) if index and not is_plain_gap(token)]
    place = 0
    for rest, (index, gap) in zip(range(len(odd) - 1, -1, -1), odd, strict=True):
        place = max(place + 1, min(round(index * len(target) / len(source)), len(target) - 1 - rest))
        gaps[place] = gap
    return gaps
