"""Where an idea ends: cohesion across every gap, and the cuts that it and the word budget agree on.

Two neighbouring passages about the same thing share words. As in TextTiling (Hearst 1997) the words on either side of
a gap are compared, and a gap counts the more, the deeper the valley in which it lies. As in Utiyama and Isahara (2001)
a dynamic programme then finds the cheapest segmentation as a whole, instead of cutting valley by valley. Where there is
an embedding model, it sees what the words do not: that two passages are about the same thing in other words.
"""

from __future__ import annotations

import math
import re
from functools import lru_cache
from itertools import pairwise
from statistics import fmean, pstdev
from typing import TYPE_CHECKING, NamedTuple

from restyle.embedding import Embed, vector_likenesses
from restyle.sentences import sentence_spans

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["cut_offsets"]

# Tuned on joined passages of four authors (even documents; checked on the odd ones). The size of a block costs
# log(words / aim) squared, so 1.0 is the price of a block 2.7 times too long or too short.
_WINDOW = 100  # words compared on either side of a gap: 60 cut at noise, 200 smear over two ideas
_STEM = 5  # letters that tell words apart: a stemmer for the price of a slice
_FUNCTION_WEIGHT = 0.16  # a shared "she" is evidence too, but little
_DEPTH = 0.3
_FREE = 0.142  # likeness at which a cut costs nothing: it sets the mean size of the blocks
_COHESION = 25.0
_VECTORS = 0.8  # what the vectors of an embedding model weigh, of 1
_LEVEL, _SPREAD = 0.11, 0.06  # mean and standard deviation that their likenesses get, near those of words in prose
_SAME = 1e-6  # a standard deviation of cosines that is none
_DIALOGUE_TOLL = 0.5
_SENTENCE_TOLL = 1.0
_WHOLE_PARAGRAPH_TOLL = 8.0
_OUT_OF_BUDGET = 100.0  # dearer than any cut, so it is paid only where no cut can help
_ATOMS_PER_BLOCK = 64  # shorter paragraphs ride with the next: it bounds the work for texts of one-word lines
_QUOTATION_MARKS = ('"', "“", "„", "«", "‘", "'")

_WORD = re.compile(r"[^\W\d_]+")
_FUNCTION_WORD_LIST = (
    "a about again all am an and any are as at be been being but by can could did do does doing done down for from "
    "had has have having he her here hers him his how i if in into is it its just may me might mine more most must "
    "my no nor not now of on only or other our ours out over own s same shall she should so some such t than that "
    "the their theirs them then there these they this those to too under up upon us very was we were what when "
    "where which who whom whose why will with would you your yours"
)
_FUNCTION_WORDS = frozenset(word[:_STEM] for word in _FUNCTION_WORD_LIST.split())


class _Atom(NamedTuple):
    """A stretch of text that is never cut."""

    start: int
    words: int
    toll: float  # what a cut in front of it costs, besides what cohesion says


def cut_offsets(
    text: str, paragraphs: Sequence[int], *, aim: int, minimum: int, maximum: int, embed: Embed | None = None
) -> list[int]:
    """Offsets at which prose is best cut into blocks, ascending, without 0 and the end.

    ``paragraphs`` are the offsets at which paragraphs begin. Blocks come near ``aim`` words and lie within ``minimum``
    and ``maximum`` wherever sentences allow it; a paragraph that fits is cut only to keep a neighbour within the
    budget, a sentence never. Time is linear in the text. ``embed`` is called once, with all passages.

    Raises:
        EmbeddingError: The vectors cannot be compared.
    """
    atoms = _atoms(text, paragraphs, minimum, maximum)
    bounds = [*(atom.start for atom in atoms), len(text)]
    texts = [text[start:end] for start, end in pairwise(bounds)]
    alike = _likenesses(texts)
    likeness = _gap_costs(_agreed(alike, vector_likenesses(texts, embed)) if embed is not None else alike)
    tolls = [atom.toll + _COHESION * (cost - _FREE) for atom, cost in zip(atoms[1:], likeness, strict=True)]
    return [atoms[cut].start for cut in _cheapest([atom.words for atom in atoms], tolls, aim, minimum, maximum)]


def _atoms(text: str, paragraphs: Sequence[int], minimum: int, maximum: int) -> list[_Atom]:
    # Short neighbours on both sides of a paragraph up to this size still fit into one block with it.
    fits = max(minimum, maximum - 2 * minimum)
    found: list[_Atom] = []
    speech = False
    for start, end in pairwise([*paragraphs, len(text)]):
        paragraph = text[start:end]
        words = len(paragraph.split())
        speech, before = paragraph.lstrip().startswith(_QUOTATION_MARKS), speech
        found.append(_Atom(start, words, _DIALOGUE_TOLL if speech and before else 0.0))
        if words > fits:
            toll = _SENTENCE_TOLL if words > maximum else _WHOLE_PARAGRAPH_TOLL
            begins = [start, *(start + begin for begin, _ in sentence_spans(paragraph)[1:])]
            sizes = [len(text[begin:stop].split()) for begin, stop in pairwise([*begins, end])]
            found[-1] = found[-1]._replace(words=sizes[0])
            found += [_Atom(begin, size, toll) for begin, size in zip(begins[1:], sizes[1:], strict=True)]
    atoms: list[_Atom] = []
    for atom in found:
        if atoms and atoms[-1].words * _ATOMS_PER_BLOCK < maximum >= atoms[-1].words + atom.words:
            atoms[-1] = atoms[-1]._replace(words=atoms[-1].words + atom.words)
        else:
            atoms.append(atom)
    return atoms


def _cheapest(sizes: list[int], tolls: list[float], aim: int, minimum: int, maximum: int) -> list[int]:
    """Indexes of the atoms, except the first, that begin a block in the cheapest segmentation."""
    prices = _size_costs(aim, minimum, maximum)
    best = [0.0]  # the cheapest way to cut the first n atoms, the toll of a cut behind them included
    previous = [0]
    for end, toll in enumerate([*tolls, 0.0], 1):
        words, cheapest, begin = 0, math.inf, end - 1
        for start in range(end - 1, -1, -1):
            words += sizes[start]
            if words > maximum and start < end - 1:
                break
            cost = best[start] + prices[min(words, maximum + 1)]
            if cost < cheapest:
                cheapest, begin = cost, start
        best.append(cheapest + toll)
        previous.append(begin)
    chosen: list[int] = []
    cut = previous[-1]
    while cut:
        chosen.append(cut)
        cut = previous[cut]
    return chosen[::-1]


@lru_cache(maxsize=8)
def _size_costs(aim: int, minimum: int, maximum: int) -> tuple[float, ...]:
    """What a block of so many words costs, from 0 to ``maximum + 1``, which stands for all above."""
    return tuple(
        math.log(max(words, 1) / aim) ** 2 + (0.0 if minimum <= words <= maximum else _OUT_OF_BUDGET)
        for words in range(maximum + 2)
    )


def _gap_costs(alike: list[float]) -> list[float]:
    """For each gap, given how alike its sides are: that, less the depth of the valley it lies in."""
    left, right = list(alike), list(alike)  # the peak that is reached by climbing from the gap, either way
    for gap in range(1, len(alike)):
        if alike[gap - 1] >= alike[gap]:
            left[gap] = left[gap - 1]
    for gap in range(len(alike) - 2, -1, -1):
        if alike[gap + 1] >= alike[gap]:
            right[gap] = right[gap + 1]
    return [here - _DEPTH * (before + after - 2 * here) for here, before, after in zip(alike, left, right, strict=True)]


def _agreed(words: list[float], vectors: list[float]) -> list[float]:
    """The likenesses of words and of vectors as one.

    What is a large cosine differs from embedding model to embedding model, and with the language what is a large
    likeness of words: so vectors tell which gaps are deeper than others, on a scale that is always the same. Where they
    say nothing, the words decide.
    """
    known = [cosine for cosine in vectors if not math.isnan(cosine)]
    spread = pstdev(known) if known else 0.0
    if spread < _SAME:
        return words
    mean = fmean(known)
    return [
        word if math.isnan(cosine) else word + _VECTORS * (_LEVEL + _SPREAD * (cosine - mean) / spread - word)
        for word, cosine in zip(words, vectors, strict=True)
    ]


def _likenesses(texts: list[str]) -> list[float]:
    stems: list[str] = []
    gaps: list[int] = []
    for text in texts:
        stems.extend([word[:_STEM] for word in _WORD.findall(text.lower())])
        gaps.append(len(stems))
    return [_cosine(set(stems[max(0, gap - _WINDOW) : gap]), set(stems[gap : gap + _WINDOW])) for gap in gaps[:-1]]


def _cosine(left: set[str], right: set[str]) -> float:
    """Cosine of two sets of words; which words occur tells more here than how often."""
    norm = math.sqrt(_weight(left) * _weight(right))
    return _weight(left & right) / norm if norm else 0.0


def _weight(stems: set[str]) -> float:
    function_words = len(stems & _FUNCTION_WORDS)
    return len(stems) - function_words + _FUNCTION_WEIGHT * function_words
