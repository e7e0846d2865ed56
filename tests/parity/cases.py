"""One table of texts that every way into restyle must rewrite alike."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import accumulate, pairwise
from random import Random

__all__ = ["CASES", "Case", "chunkings"]


@dataclass(frozen=True)
class Case:
    """A text, and what must stand in it still when it is rewritten.

    ``changes`` says whether the keeper has anything to say in it at all: where he has not, the text stays as it is.
    """

    name: str
    text: str
    keeps: tuple[str, ...] = ()
    changes: bool = True


_PLAIN = (
    "I think the boat will come back in the evening, because the wind was very strong last night. "
    "Captain Anna Reyes did not want to leave before 6:30."
)
_COLD = "It is often very cold in the tower, and there is nothing to buy there."

CASES = [
    Case("empty", "", changes=False),
    Case("space", " ", changes=False),
    Case("white space only", " \n\n\t\n  ", changes=False),
    Case("one word", "Yes", changes=False),
    Case("one sentence", "It was very cold and nothing was lost."),
    Case("trailing newline", f"{_PLAIN}\n", keeps=("6:30.\n",)),
    Case("white space around", f"\n\n  {_PLAIN}  \n\n", keeps=("\n\n  ", "  \n\n")),
    Case("paragraphs", f"{_PLAIN}\n\n{_COLD}\n\n\n{_PLAIN}", keeps=("\n\n\n",)),
    Case("short paragraphs", f"{_COLD}\n\nYes.\n\nIt was very cold.\n\nNo."),
    Case("CRLF", f"{_PLAIN}\r\n\r\n{_COLD}\r\nIt was very quiet.\r\n", keeps=("\r\n\r\n",)),
    Case("lone carriage returns", f"{_COLD}\r\r{_PLAIN}"),
    Case(
        "headings",
        f"# Very cold\n\n{_COLD}\n\n## What I think\n{_PLAIN}\n",
        keeps=("# Very cold\n", "## What I think\n"),
    ),
    Case("underlined heading", f"Very cold\n=========\n\n{_COLD}", keeps=("Very cold\n=========",)),
    Case(
        "fenced code",
        f'{_COLD}\n\n```python\nprint("It was very cold.")\n```\n\n{_PLAIN}',
        keeps=('```python\nprint("It was very cold.")\n```',),
    ),
    Case("only code", "```\nIt was very cold.\n```\n", changes=False),
    Case("unclosed fence", f"{_COLD}\n\n```\nIt was very cold.\n", keeps=("```\nIt was very cold.\n",)),
    Case("indented code", f"{_COLD}\n\n    it = very.cold()\n\n{_PLAIN}", keeps=("    it = very.cold()",)),
    Case("inline code", "I think `very.cold()` was very slow last night.", keeps=("`very.cold()`",)),
    Case(
        "list", f"{_COLD}\n\n- {_COLD}\n- It was very quiet.\n\n{_PLAIN}\n", keeps=(f"- {_COLD}\n- It was very quiet.",)
    ),
    Case("list of paragraphs", f"1. {_PLAIN} {_COLD}\n\n2. {_COLD} {_PLAIN}\n", keeps=("1. ", "\n\n2. ")),
    Case("numbered list", "1. lamp\n2. oil\n3. wick\n", changes=False),
    Case(
        "table",
        f"{_COLD}\n\n| very | cold |\n| --- | --- |\n| 1 | 2 |\n\n{_PLAIN}",
        keeps=("| very | cold |\n| --- | --- |",),
    ),
    Case("block quote", f"{_COLD}\n\n> It was very cold.\n\n{_PLAIN}", keeps=("> It was very cold.",)),
    Case("ruler", f"{_COLD}\n\n---\n\n{_PLAIN}", keeps=("\n\n---\n\n",)),
    Case("front matter", f"---\ntitle: very cold\n---\n\n{_COLD}", keeps=("---\ntitle: very cold\n---",)),
    Case(
        "citations",
        "It was very cold [1]. I think the boat was very old [2][3]. Nothing was lost.[^4]\n\n[^4]: The book.",
        keeps=("[1]", "[2][3]", "[^4]"),
    ),
    Case(
        "dialogue",
        "“It is very cold,” said Anna, and she was very quiet for a while.\n\n“I think the boat will come back,” said "
        "her father, because he was often afraid.\n\n“Perhaps,” she answered.",
        keeps=("“It is very cold,”", "Anna", "“I think the boat will come back,”", "“Perhaps,”"),
    ),
    Case(
        "facts",
        "The 3 boats cost £1,250.50 in 1998; see https://example.org/boats?id=7 or write to anna@example.org. "
        "It was very cold at 4.5 °C, and Ingrid Holm was not there.",
        keeps=("3", "1,250.50", "1998", "https://example.org/boats?id=7", "anna@example.org", "4.5 °C", "Ingrid Holm"),
    ),
    Case("long paragraph", " ".join([_PLAIN, _COLD] * 9)),
    Case("one long line without a sentence end", "very cold and " * 140),
    Case(
        "other scripts", f"Ночью было холодно. {_COLD} 夜は寒かった。", keeps=("Ночью было холодно.", "夜は寒かった。")
    ),
    Case("combining and joined", f"Cafe\u0301 👩‍🚀 {_COLD}", keeps=("Cafe\u0301 👩‍🚀",)),
    Case("odd line ends", f"{_COLD}\u2028{_PLAIN}\x0b\x0c{_COLD}\x85"),
    Case(
        "template marks",
        "It was very cold: $mood, ${tone}, {answer}, {{x}}, %s.",
        keeps=("$mood", "${tone}", "{answer}", "%s"),
    ),
    Case("html", f"<p>{_COLD}</p>\n\n<!-- very cold -->\n", changes=False),
]


def chunkings(text: str) -> dict[str, list[str]]:
    """Ways in which a text may arrive; every one concatenates to it."""
    random = Random(len(text))
    bounds = [0, *accumulate(random.randint(0, 9) for _ in range(len(text) // 4)), len(text)]
    ragged = [text[start:end] for start, end in pairwise(sorted(min(bound, len(text)) for bound in bounds))]
    return {
        "whole": [text],
        "characters": list(text) or [""],
        "sevens": [text[at : at + 7] for at in range(0, len(text), 7)] or [""],
        "lines": text.splitlines(keepends=True) or [""],
        "ragged": ["", *ragged, ""],
    }
