"""Text cut into blocks of one idea each by an embedding model that is awaited."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import partial

from restyle.blocks import Block, split_blocks
from restyle.embedding import AsyncEmbed, checked_vectors

__all__ = ["asplit_blocks"]


async def asplit_blocks(
    text: str, *, aim: int = 180, minimum: int = 40, maximum: int = 400, embed: AsyncEmbed
) -> list[Block]:
    """The blocks of `split_blocks`, with the vectors of a function that is awaited (see `as_async_embed`).

    It is called once for the whole text; again only where very long prose is cut elsewhere than foreseen, for the
    passages that come about. The text is cut in a thread.

    Raises:
        ValueError: unless ``1 <= minimum <= aim <= maximum``.
        EmbeddingError: The vectors cannot be compared.
    """
    known: dict[str, Sequence[float]] = {}
    while True:
        recalled = _Recalled(known)
        blocks = await asyncio.to_thread(
            partial(split_blocks, text, aim=aim, minimum=minimum, maximum=maximum, embed=recalled)
        )
        if not recalled.missing:
            return blocks
        texts = list(recalled.missing)
        known.update(zip(texts, checked_vectors(await embed(texts), texts).tolist(), strict=True))


class _Recalled:
    """The vectors that are known; where one is missing it is noted, and for now the words decide."""

    def __init__(self, known: dict[str, Sequence[float]]) -> None:
        self._known = known
        self.missing: dict[str, None] = {}  # as a set in order

    def __call__(self, texts: Sequence[str]) -> Sequence[Sequence[float]]:
        missing = [text for text in texts if text not in self._known]
        self.missing.update(dict.fromkeys(missing))
        return [[0.0]] * len(texts) if missing else [self._known[text] for text in texts]
