"""Where sentences begin and end: nupunkt's Punkt model for English, kept to exact offsets."""

from __future__ import annotations

import re

__all__ = ["sentence_spans"]

_PARAGRAPH = re.compile(r"\S(?:.*\S)?(?:\r?\n[^\S\n]*\S(?:.*\S)?)*")  # lines up to a blank one, white space trimmed


def sentence_spans(text: str) -> list[tuple[int, int]]:
    """Offsets of every sentence, in order, without the white space around it.

    The spans cover every character that is not white space; a blank line always ends a sentence.
    """
    from nupunkt import sent_spans  # noqa: PLC0415 - 40 ms and a model: loaded by the first call, not by the import

    spans: list[tuple[int, int]] = []
    for paragraph in _PARAGRAPH.finditer(text):
        offset, body = paragraph.start(), paragraph.group()
        # Only the starts are taken from nupunkt: consecutive starts leave no gap, whatever its ends say.
        starts = [0, *(start for start, _ in sent_spans(body) if start > 0)]
        for start, end in zip(starts, [*starts[1:], len(body)], strict=True):
            sentence = body[start:end]
            if stripped := sentence.strip():
                begin = offset + start + (len(sentence) - len(sentence.lstrip()))
                spans.append((begin, begin + len(stripped)))
    return spans
