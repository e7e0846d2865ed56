"""What the models of the adapters have in common over an embedded style."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from restyle.answering import phrase_model
from restyle.messages import Role
from restyle.sentences import sentence_spans
from restyle.style import Style

__all__ = ["by_sentence", "phrase_answer"]


def phrase_answer(card: Style, role: Role, text: str, strength: float, stop: Sequence[str] | None = None) -> str:
    """What one of the style's two phrase models makes of ``text``, up to the first of the ``stop`` words in it.

    Raises:
        CardError, ModelFileError: The style has no such model.
    """
    answer = phrase_model(card.model_path(role)).rewrite(text, strength=strength)
    ends = [answer.find(word) for word in stop or () if word in answer]
    return answer[: min(ends)] if ends else answer


def by_sentence(text: str) -> Iterator[str]:
    """Pieces that concatenate to ``text``: each sentence with the white space before it."""
    start = 0
    for _, end in sentence_spans(text):
        yield text[start:end]
        start = end
    if start < len(text):
        yield text[start:]
