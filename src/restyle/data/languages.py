"""Which language a block is in, so that what an author wrote in others stays out of a style."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import cast

from restyle.data.filters import Drop
from restyle.errors import MissingExtraError, PairsError

__all__ = ["check_language", "drop_of_language", "find_language"]

_TIMES = 100  # so much more probable another language has to be: a block may quote, and close relatives look alike


def find_language(text: str) -> str:
    """The ISO 639-1 code of the most probable language; 639-3 where there is none, "zxx" for what is no language.

    The model of py3langid knows 140. It is loaded by the first call: 1.0 s and 75 MiB on the machine where a block of
    120 words then took 0.4 ms. From 40 words on it erred in none of the blocks of five English books, nor in German,
    French, Spanish, Italian, Dutch and Latin paragraphs.

    Raises:
        MissingExtraError: py3langid is not installed.
    """
    return _rank()(text)[0][0]


def check_language(wanted: str) -> None:
    """Raise what `drop_of_language` would, before there is a text."""
    drop_of_language("", wanted)


def drop_of_language(text: str, wanted: str) -> Drop | None:
    """Why a block is not in the ``wanted`` language; one stays in which about half is.

    Raises:
        PairsError: The code is of no language that the model knows.
        MissingExtraError: py3langid is not installed.
    """
    ranking = _rank()(text)
    probabilities = dict(ranking)
    if wanted not in probabilities:
        raise PairsError(f"the language {wanted!r} is unknown: give one of {', '.join(sorted(probabilities))}")
    likeliest, probability = ranking[0]
    if _TIMES * probabilities[wanted] >= probability:
        return None
    return Drop("language", f"{likeliest!r} ({probability:.2f}), {wanted!r} is wanted")


@cache
def _rank() -> Callable[[str], list[tuple[str, float]]]:
    """What gives all languages with their probabilities, the likeliest first."""
    try:
        from py3langid import langid  # type: ignore[import-untyped]  # noqa: PLC0415 - an extra, and heavy
    except ImportError as error:
        raise MissingExtraError("py3langid", "language", "the language filter") from error
    identifier = langid.LanguageIdentifier.from_model_file(langid.MODEL_FILE, norm_probs=True)
    return cast("Callable[[str], list[tuple[str, float]]]", identifier.rank)
