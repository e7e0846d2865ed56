"""Texts of which only a model of their topics knows where an idea ends, and such a model."""

from __future__ import annotations

import asyncio
import random

_WORDS = """
sea ship sail wave harbour mast tide keel anchor deck hull rope gale reef crew cargo oar
bread flour yeast dough oven crust loaf knead bake salt baker sieve butter crumb rise grain mill
law judge court plea verdict jury trial oath clerk appeal statute robe bench brief witness bail fine
"""
TOPICS = {topic: words for topic, *words in map(str.split, _WORDS.strip().splitlines())}


def topic_vectors(texts):
    """How often each text has a word of each topic."""
    return [[float(sum(word in words for word in text.split())) for words in TOPICS.values()] for text in texts]


def about(topics):
    """A paragraph of 60 words on each of the topics, of whose words no two paragraphs have one in common."""
    draw = random.Random(0)
    left = {topic: list(words) for topic, words in TOPICS.items()}
    paragraphs = []
    for topic in topics.split():
        words = [left[topic].pop(), left[topic].pop()]
        paragraphs.append(" ".join(f"{word} {_nonsense(draw)}" for word in words * 15) + ".")
    return "\n\n".join(paragraphs)


def topics_of(blocks):
    """The topics of each block, joined by ``+``."""
    return [
        "+".join(topic for topic in TOPICS if any(word in block.text.split() for word in TOPICS[topic]))
        for block in blocks
    ]


def chatter(paragraphs, seed=0):
    """Paragraphs of 5 to 150 words without a meaning."""
    draw = random.Random(seed)
    return "\n\n".join(
        " ".join(_nonsense(draw) for _ in range(draw.randint(4, 149))) + f" {number}." for number in range(paragraphs)
    )


def _nonsense(draw):
    return "".join(draw.choice("bdfgklmnprstvz") + draw.choice("aeiou") for _ in range(3))


class Recorded:
    """A model that remembers what it was asked, in calls."""

    def __init__(self, embed):
        self.calls = []
        self._embed = embed

    def __call__(self, texts):
        self.calls.append(list(texts))
        return self._embed(texts)

    async def awaited(self, texts):
        await asyncio.sleep(0)
        return self(texts)
