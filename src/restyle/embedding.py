"""Any embedding model as one function from texts to vectors, and how alike it finds the passages around each gap."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable, Iterable, Sequence
from itertools import accumulate
from typing import TYPE_CHECKING, TypeAlias, cast

from restyle.errors import EmbeddingError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = [
    "AsyncEmbed",
    "Embed",
    "as_async_embed",
    "as_embed",
    "checked_vectors",
    "vector_likenesses",
]

Embed: TypeAlias = Callable[[Sequence[str]], Iterable[Sequence[float]]]
"""Texts to vectors: one for each text, all of one length."""

AsyncEmbed: TypeAlias = Callable[[Sequence[str]], Awaitable[Iterable[Sequence[float]]]]
"""The same, awaited."""

# Tuned with MiniLM on joined passages of four authors (even documents; checked on the odd ones).
_PART = 128  # words embedded as one text: what small models read (256 tokens); sentences by themselves tell less
_WINDOW = 50  # words compared on either side of a gap, each by the vector of the part it stands in

_METHODS = ("embed_documents", "get_text_embedding_batch", "encode")  # LangChain, LlamaIndex, sentence-transformers
_ASYNC_METHODS = ("aembed_documents", "aget_text_embedding_batch")


def as_embed(model: object) -> Embed:
    """The function that `split_blocks` takes, of whatever embeds.

    Args:
        model: A LangChain ``Embeddings``, a LlamaIndex ``BaseEmbedding``, a ``SentenceTransformer``, anything else that
            has their method (``embed_documents``, ``get_text_embedding_batch`` or ``encode``), or such a function.

    Raises:
        EmbeddingError: It is none of these.
    """
    if not isinstance(model, str | type):  # both have methods of these names that embed nothing
        for method in (*(getattr(model, name, None) for name in _METHODS), model):
            if callable(method):
                return cast("Embed", method)
    kind = f"the class {model.__name__}, not an object of it" if isinstance(model, type) else type(model).__name__
    raise EmbeddingError(
        f"an embedding model was expected, but this is {kind}: give an object with a method {' or '.join(_METHODS)}, "
        "or a function from a list of texts to a list of vectors"
    )


def as_async_embed(model: object) -> AsyncEmbed:
    """The same to be awaited: the async method of LangChain or LlamaIndex, or else `as_embed` in a thread.

    Raises:
        EmbeddingError: It is no embedding model.
    """
    embed = as_embed(model)
    for method in (getattr(model, name, None) for name in _ASYNC_METHODS):
        if callable(method):
            return cast("AsyncEmbed", method)
    return lambda texts: asyncio.to_thread(embed, texts)


def checked_vectors(vectors: object, texts: Sequence[str]) -> NDArray[np.float64]:
    """An embedding model's answer as rows.

    Raises:
        EmbeddingError: It is not one vector of finite numbers for each text, all of one length.
    """
    import numpy as np  # noqa: PLC0415 - the core loads no numpy before somebody embeds

    try:
        rows = np.asarray(vectors, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise EmbeddingError(
            f"the embedding model was given {len(texts)} texts and returned {type(vectors).__name__}, which is no list "
            f"of vectors of one length: {error}"
        ) from error
    if rows.ndim != 2 or len(rows) != len(texts) or not rows.shape[1]:  # noqa: PLR2004 - rows and columns
        raise EmbeddingError(
            f"the embedding model was given {len(texts)} texts and returned numbers of shape {rows.shape}: it has to "
            "return one vector for each text, in their order"
        )
    if broken := [number for number, row in enumerate(rows) if not np.isfinite(row).all()]:
        raise EmbeddingError(
            f"the embedding model returned NaN or infinite numbers for {texts[broken[0]][:60]!r} "
            f"(text {broken[0] + 1} of {len(texts)}): try it on that text alone"
        )
    return rows


def vector_likenesses(texts: Sequence[str], embed: Embed) -> list[float]:
    """For each gap between two texts the cosine of what stands around it; NaN where a vector is zero.

    ``embed`` is called once, and not at all where there is no gap.

    Raises:
        EmbeddingError: The vectors cannot be compared.
    """
    if len(texts) < 2:  # noqa: PLR2004 - no gap
        return []
    import numpy as np  # noqa: PLC0415 - as above

    passages = [text.split() for text in texts]
    parts = [part for words in passages for part in _parts(words)]
    given = [" ".join(part) for part in parts]
    rows = checked_vectors(embed(given), given)
    with np.errstate(over="ignore"):
        norms = np.linalg.norm(rows, axis=1, keepdims=True)
    units = np.divide(rows, norms, out=np.zeros_like(rows), where=norms > 0)  # a part weighs what it has in words
    owner = np.repeat(np.arange(len(parts)), [len(part) for part in parts])  # of each word, its part
    alike: list[float] = []
    for gap in [*accumulate(map(len, passages))][:-1]:
        left = units[owner[max(0, gap - _WINDOW) : gap]].sum(axis=0)
        right = units[owner[gap : gap + _WINDOW]].sum(axis=0)
        norm = float(np.linalg.norm(left) * np.linalg.norm(right))
        alike.append(float(left @ right) / norm if norm else math.nan)
    return alike


def _parts(words: list[str]) -> list[list[str]]:
    """The words in as few runs as may be, all of about one length."""
    count = math.ceil(len(words) / _PART)
    return [words[len(words) * part // count : len(words) * (part + 1) // count] for part in range(count)]
