"""What the application says and finds, and what of it must survive."""

from __future__ import annotations

import re

from llama_index.core.schema import NodeWithScore, TextNode

__all__ = ["ANSWER", "CONTEXT", "QUESTION", "SOURCES", "TWICE", "marked_sentences", "prose", "verbatim"]

QUESTION = "Was it very cold?"

ANSWER = """\
The ferry from Falmouth was almost 40 minutes late, because the wind was very strong last night [1]. Captain Anna \
Reyes told me that the sea was very quiet at dawn [2][3].

## What is there

It is often very cold in the tower, and there is nothing to buy there [2]. Perhaps the lamp is very beautiful, because \
it was repaired carefully in 1998 and has 3 wicks.

> “It was VERY cold,” wrote Anna.

I think the boat was very slow, because I remember that 12 windows were not repaired [1]. It is difficult work."""
"""Three blocks with all kinds of facts, citations, and a heading and a quotation that stay as they are."""

TWICE = f"Response 1: {ANSWER}\n---------------------\nResponse 2: {ANSWER}"
"""The same as the ``accumulate`` mode says it."""

_PASSAGES = (
    "I think the harbour was very quiet in 1811, because 7 boats lay under the snow.",
    "It was very cold, and the keeper was often tired, but he did not want to leave before 6:30.",
)

SOURCES = [
    NodeWithScore(node=TextNode(text=text, id_=f"node-{at}", metadata={"file_name": f"{at}.md"}), score=0.75 - at / 4)
    for at, text in enumerate(_PASSAGES)
]

CONTEXT = "\n\n".join(f"file_name: {at}.md\n\n{text}" for at, text in enumerate(_PASSAGES))
"""What the ``context_only`` mode says."""

_AS_IT_IS = re.compile(r"#|>|---|Response \d+:$|\w+: \d+\.md$")


def verbatim(text: str) -> list[str]:
    """The lines that no model may see."""
    lines = re.sub(r"^(Response \d+:) ", r"\1\n", text, flags=re.MULTILINE).splitlines()
    return [line for line in lines if _AS_IT_IS.match(line)]


def prose(text: str) -> list[str]:
    """The other lines, without those that are empty."""
    lines = re.sub(r"^(Response \d+:) ", r"\1\n", text, flags=re.MULTILINE).splitlines()
    return [line for line in lines if line and not _AS_IT_IS.match(line)]


def marked_sentences(text: str) -> list[list[list[str]]]:
    """The citation markers of every sentence of every line of prose."""
    return [[re.findall(r"\[\d+\]", sentence) for sentence in re.split(r"(?<=\.)\s", line)] for line in prose(text)]
