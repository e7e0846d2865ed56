"""Where in two versions of a text to look for what belongs together: along the rare words that both have.

As in Melamed (1999, Bitext Maps and Alignment via Pattern Recognition) such places give a chain that ascends in both
texts, and the search stays near it. What is rare is found anew between any two of them, so their number grows with the
texts.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Mapping, Sequence
from operator import itemgetter
from typing import NamedTuple, TypeAlias

__all__ = ["Point", "corridor", "landmarks"]

_RARE = 4  # a word counts up to so many pairs of its places in the two texts
_SHARED = 2  # rare words that two sentences share at least; one alone comes by chance
_NEAR = 40  # sentences; between landmarks that are nearer everything is tried anyway
_MARGIN = 8  # sentences that may be strayed from the chain
_LOST = 400  # sentences on both sides without a landmark: there is nothing alike, and only a bridge is needed

_Words: TypeAlias = Sequence[frozenset[str]]


class Point(NamedTuple):
    """A place in both texts, in sentences."""

    author: int
    plain: int


class _Chain(NamedTuple):
    weight: int
    last: Point | None


_weight = itemgetter(0)


def landmarks(author: _Words, plain: _Words) -> list[Point]:
    """Pairs of sentences that share rare words, ascending in both texts.

    Args:
        author: The words of each sentence.
        plain: The same of the other version.
    """
    found: list[Point] = []
    stretches = [(Point(0, 0), Point(len(author), len(plain)))]
    while stretches:
        start, end = stretches.pop()
        if min(end.author - start.author, end.plain - start.plain) < _NEAR:
            continue
        shared = _shared(author[start.author : end.author], plain[start.plain : end.plain])
        chain = _heaviest_chain(shared, end.plain - start.plain)
        if chain:
            chain = [Point(start.author + point.author, start.plain + point.plain) for point in chain]
            found += chain
            behind = [Point(point.author + 1, point.plain + 1) for point in chain]
            stretches += zip([start, *behind], [*chain, end], strict=True)
    return sorted(found)


def corridor(chain: Sequence[Point], author: int, plain: int) -> list[tuple[int, int]]:
    """How far the plain text may have come, at least and at most, after 0, 1, ... ``author`` of the author's sentences.

    Every step can be reached from the one before, and the last ends at ``plain``.
    """
    points = [Point(0, 0), *chain, Point(author, plain)]
    places = [point.author for point in points]
    steps: list[tuple[int, int]] = []
    reached = 0
    for place in range(author + 1):
        before = points[max(0, bisect_left(places, place - _MARGIN) - 1)]
        after = points[min(len(points) - 1, bisect_left(places, place + _MARGIN))]
        least, most = before.plain, after.plain
        if after.author - before.author > _LOST and after.plain - before.plain > _LOST:
            least = most = least + (most - least) * (place - before.author) // (after.author - before.author)
        least, reached = min(max(0, least - _MARGIN), reached), max(min(plain, most + _MARGIN), reached)
        steps.append((least, reached))
    return steps


def _shared(author: _Words, plain: _Words) -> dict[Point, int]:
    """The rare words that two sentences share: how many."""
    here, there = _places(author), _places(plain)
    counts: Counter[Point] = Counter()
    for word, places in here.items():
        others = there.get(word, ())
        if len(places) * len(others) <= _RARE:
            counts.update(Point(place, other) for place in places for other in others)
    return {point: count for point, count in counts.items() if count >= _SHARED}


def _places(sentences: _Words) -> dict[str, list[int]]:
    places: dict[str, list[int]] = {}
    for number, words in enumerate(sentences):
        for word in words:
            places.setdefault(word, []).append(number)
    return places


def _heaviest_chain(weights: Mapping[Point, int], plain: int) -> list[Point]:
    """The points that ascend in both texts and weigh most together."""
    tree = [_Chain(0, None)] * (plain + 1)  # a Fenwick tree: the heaviest chain that ends before a plain sentence
    before: dict[Point, Point | None] = {}
    for point in sorted(weights, key=lambda point: (point.author, -point.plain)):
        weight, before[point] = _heaviest(tree, point.plain)
        chain, place = _Chain(weight + weights[point], point), point.plain + 1
        while place <= plain:
            tree[place] = max(tree[place], chain, key=_weight)
            place += place & -place
    points: list[Point] = []
    last = _heaviest(tree, plain).last
    while last is not None:
        points.append(last)
        last = before[last]
    return points[::-1]


def _heaviest(tree: Sequence[_Chain], place: int) -> _Chain:
    best = tree[0]
    while place:
        best = max(best, tree[place], key=_weight)
        place &= place - 1
    return best
