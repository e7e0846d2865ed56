"""The facts of a text, and which of them a rewrite lost or invented.

A reading of English by regular expressions and word lists, not understanding. It knows numbers, dates and units in
their usual spellings (`restyle.numbers`), URLs, e-mail addresses, quoted speech of two words or more, code in
back-ticks, citation markers, capitalised names, and how often a text says *no*. It does not see who did what, what a
negation denies (nor two that cancel out), a name that stands only where a sentence begins, or paraphrase of any kind.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections import Counter
from dataclasses import dataclass, field, replace
from typing import Literal, cast, get_args

from restyle.citations import CODE, MARKER
from restyle.numbers import SUFFIXES, dates, numbers
from restyle.words import BLANK, read_words

__all__ = ["Fact", "FactKind", "Loss", "facts", "losses"]

FactKind = Literal["number", "date", "unit", "url", "email", "quote", "code", "citation", "name", "negation"]


@dataclass(frozen=True, slots=True)
class Fact:
    """Something that a rewrite has to keep; one not ``firm`` may answer for another, but is not missed itself."""

    kind: FactKind
    text: str
    key: str  # equal for all spellings of the fact
    start: int
    firm: bool = True


@dataclass(frozen=True, slots=True)
class Loss:
    """A fact of the source that the output lacks or, if ``added``, one of the output that the source lacks."""

    kind: FactKind
    text: str  # as it stands in the text that has it
    added: bool

    def __str__(self) -> str:
        return f"{'invented' if self.added else 'lost'} {self.kind} {self.text!r}"


@dataclass(slots=True)
class _Reading:
    facts: dict[FactKind, list[Fact]] = field(default_factory=dict)
    words: set[str] = field(default_factory=set)  # in small letters, wherever they stand

    def of(self, kind: FactKind) -> list[Fact]:
        return self.facts.get(kind, [])

    def add(self, fact: Fact) -> None:
        self.facts.setdefault(fact.kind, []).append(fact)

    def quote_around(self, fact: Fact) -> Fact | None:
        quotes = self.of("quote")  # in order, none within another
        place = bisect_right(quotes, fact.start, key=lambda quote: quote.start) - 1
        if place < 0 or fact.start >= quotes[place].start + len(quotes[place].text):
            return None
        return quotes[place]


def facts(text: str) -> list[Fact]:
    """The firm facts of ``text``, by kind; what stands within quoted speech belongs to the quote."""
    reading = _read(text)
    found = (fact for kind in _KINDS for fact in reading.of(kind) if fact.firm)
    return [fact for fact in found if fact.kind in _OWN_RIGHT or reading.quote_around(fact) is None]


def losses(source: str, output: str) -> list[Loss]:
    """What ``output`` lost of ``source`` or invented beside it; by kind, lost before invented, each as it appears.

    Every mention counts, except that a name is kept if it is mentioned at all. A fact within a quote, and a date's
    digits, are reported once: as the quote, as the date. A unit is lost only to another known unit.
    """
    if source == output:
        return []
    ours, theirs = _read(source), _read(output)
    if ours.of("quote") or theirs.of("quote"):
        unmatched = _unanswered("quote", ours, theirs), _unanswered("quote", theirs, ours)
        for reading, quotes in zip((ours, theirs), unmatched, strict=True):
            _settle_quotes(reading, set(quotes))
    if ours.of("date") or theirs.of("date"):
        unmatched = _unanswered("date", ours, theirs), _unanswered("date", theirs, ours)
        for reading, days in zip((ours, theirs), unmatched, strict=True):
            _open_dates(reading, days)
    found: list[Loss] = []
    for kind in _KINDS:
        if kind in ours.facts or kind in theirs.facts:
            found += [Loss(kind, fact.text, added=False) for fact in _missing(kind, ours, theirs)]
            found += [Loss(kind, fact.text, added=True) for fact in _missing(kind, theirs, ours)]
    return found


# --- comparing -------------------------------------------------------------------------------------------------------

_KINDS: tuple[FactKind, ...] = get_args(FactKind)
_OWN_RIGHT = frozenset({"quote", "citation"})  # never part of a quote
_MONTHS = (
    *("january", "february", "march", "april", "may", "june"),
    *("july", "august", "september", "october", "november", "december"),
)


def _missing(kind: FactKind, ours: _Reading, theirs: _Reading) -> list[Fact]:
    if kind == "name":
        return _missing_names(ours, theirs)
    if kind == "unit":
        return _changed_units(ours.of("unit"), theirs.of("unit"))
    lacking = _unanswered(kind, ours, theirs)
    if kind == "date":
        return [date for date in lacking if not _scattered(date, theirs)]
    return lacking


def _unanswered(kind: FactKind, ours: _Reading, theirs: _Reading) -> list[Fact]:
    """Our firm facts that none of theirs answers; facts that are not firm answer their like first."""
    mine, others = ours.of(kind), theirs.of(kind)
    firm = Counter(fact.key for fact in others if fact.firm)
    spare = Counter(fact.key for fact in others if not fact.firm)
    spare.subtract(fact.key for fact in mine if not fact.firm)
    if kind == "negation":  # of several, name the one whose word is gone
        mine = sorted(mine, key=lambda fact: fact.text.lower() not in theirs.words)
    lacking: list[Fact] = []
    for fact in mine:
        if fact.firm:
            answers = firm if firm[fact.key] > 0 else spare
            answers[fact.key] -= 1
            if answers[fact.key] < 0:
                lacking.append(fact)
    return sorted(lacking, key=lambda fact: fact.start)


def _settle_quotes(reading: _Reading, unmatched: set[Fact]) -> None:
    """Facts within a quote that stands in both texts are settled; within another they are reported with it."""
    for kind, members in reading.facts.items():
        if kind not in _OWN_RIGHT:
            around = [(fact, reading.quote_around(fact)) for fact in members]
            reading.facts[kind] = [
                fact if quote is None else replace(fact, firm=False)
                for fact, quote in around
                if quote is None or quote in unmatched
            ]


def _open_dates(reading: _Reading, unmatched: list[Fact]) -> None:
    """Let a date that the other text may have scattered answer for its day and its year."""
    for date in unmatched:
        year, _, day = date.key.split("-")
        for value in (year, day, f"{day}th"):
            reading.add(Fact("number", date.text, value, date.start, firm=False))


def _scattered(date: Fact, theirs: _Reading) -> bool:
    year, month, day = date.key.split("-")
    name = _MONTHS[int(month) - 1]
    values = {fact.key for fact in theirs.of("number")}
    return (
        (year == "0" or year in values)
        and (day == "0" or day in values or f"{day}th" in values)
        and (name in theirs.words or name[:3] in theirs.words)
    )


def _changed_units(ours: list[Fact], theirs: list[Fact]) -> list[Fact]:
    """Our units whose number stands in the other text with another unit."""
    changed: list[Fact] = []
    rest = [_parse_unit(fact) for fact in theirs if fact.firm]
    open_units: list[tuple[Fact, str]] = []
    for fact in (fact for fact in ours if fact.firm):
        value, units = _parse_unit(fact)
        same = next((other for other in rest if other[0] == value and other[1] & units), None)
        if same:
            rest.remove(same)
        else:
            open_units.append((fact, value))
    left = Counter(value for value, _ in rest)
    for fact, value in open_units:
        if left[value] > 0:
            left[value] -= 1
            changed.append(fact)
    return changed


def _parse_unit(fact: Fact) -> tuple[str, frozenset[str]]:
    value, _, units = fact.key.rpartition(" ")
    return value, frozenset(units.split("|"))


def _missing_names(ours: _Reading, theirs: _Reading) -> list[Fact]:
    words = theirs.words
    lacking: dict[str, Fact] = {}
    for fact in ours.of("name"):
        name = fact.key
        if fact.firm and not (name in words or f"{name}s" in words or (name[-1] == "s" and name[:-1] in words)):
            lacking.setdefault(name, fact)
    return list(lacking.values())


# --- reading ---------------------------------------------------------------------------------------------------------

# Curly apostrophes, no-break and thin spaces, no-break hyphen and minus: one character for one, so offsets stay.
_ALIKE = str.maketrans("\u2019\u2018\u02bc\u00a0\u202f\u2009\u2011\u2212", "'''   --")
_QUOTE = re.compile(r"“[^“”]+”|«[^«»]+»|(?<!\w)\"(?=\S)(?:[^\"\n]|\n(?![^\S\n]*\n))+(?<=\S)\"(?!\w)")
_MARKER = re.compile(MARKER)
_LITERAL_SIGN = re.compile(r"[`\[【@]|://|\.(?<=\w\.)[a-z]")  # begins with few characters: quick to search for
_DOMAIN = r"(?<![\w.-])(?:[\w-]{1,63}\.){1,8}(?:com|org|net|edu|gov|io|dev)\b"
_LITERAL = re.compile(
    rf"(?P<code>{CODE})|(?P<email>(?<![\w.+-])[\w.+-]{{1,64}}@[\w-]{{1,63}}(?:\.[\w-]{{1,63}}){{1,8}})"
    rf"|(?P<url>(?:\b(?:https?|ftp|file)://|\bwww\.|{_DOMAIN}(?=/))"
    rf"[^\s<>\"“”«»`]*[^\s<>\"“”«»`.,;:!?)\]}}'*_]|{_DOMAIN})"
    rf"|(?P<citation>{MARKER})",
    re.MULTILINE,
)
_LETTERS = re.compile(r"[^\W\d_]+")
# Begins with few characters, too; what follows would be tried at every letter of the text.
_DIGIT_IN_WORD = re.compile(r"[0-9](?:(?=[^\W\d_])|(?<=[^\W\d_].)|(?<=[^\W\d_]-.))")
# GPT-4o, H2O, COVID-19, 4x4: letters and digits in one word that is no number with its unit.
_CODE_NAME = re.compile(
    r"(?<![\w.£$€¥₹-])(?:[^\W\d_]+(?=[0-9])|[A-Z][^\W\d_]*-(?=[0-9])"
    rf"|[0-9]+(?:\.[0-9]+)?(?!(?i:{SUFFIXES})\b)(?=[^\W\d_]))\w+(?:[.-]\w+)*"
)


def _read(text: str) -> _Reading:
    """All facts of ``text``; what has been read as one kind is hidden from those that come after."""
    reading = _Reading()
    plain = text if text.isascii() else text.translate(_ALIKE)
    if '"' in plain or "“" in plain or "«" in plain:
        for match in _QUOTE.finditer(plain):
            said = _MARKER.sub("", match[0][1:-1]).split()
            if len(said) > 1:
                key = re.sub("[“”«»]", '"', " ".join(said)).rstrip(" .,;:!?…—-")
                reading.add(Fact("quote", text[match.start() : match.end()], key[:1].lower() + key[1:], match.start()))
    if _LITERAL_SIGN.search(plain):
        spans = []
        for match in _LITERAL.finditer(plain):
            reading.add(Fact(cast("FactKind", match.lastgroup), match[0], match[0], match.start()))
            spans.append(match.span())
        plain = _hide(plain, spans)
    if _DIGIT_IN_WORD.search(plain):
        spans = []
        for match in _CODE_NAME.finditer(plain):
            reading.add(Fact("name", match[0], match[0].lower(), match.start()))
            reading.words.add(match[0].lower())
            spans.append(match.span())
        plain = _hide(plain, spans)
    plain = _read_amounts(reading, text, plain)
    words = read_words(plain)
    reading.words |= words.forms
    for start, end, key in words.names:
        reading.add(Fact("name", text[start:end], key, start))
    for start, end, firm in words.negations:
        reading.add(Fact("negation", text[start:end], "not", start, firm))
    return reading


def _read_amounts(reading: _Reading, text: str, plain: str) -> str:
    """Read dates and numbers from ``plain``, and return it with them hidden. Their words stay known: March, Celsius."""
    spans = []
    for date in dates(plain):
        key = f"{date.year}-{date.month}-{date.day}"
        reading.add(Fact("date", text[date.start : date.end], key, date.start))
        spans.append((date.start, date.end))
    plain_before, plain = plain, _hide(plain, spans)
    for number in numbers(plain):
        written = text[number.start : number.end]
        reading.add(Fact("number", written, number.value, number.start, number.firm))
        if number.units:
            key = f"{number.value} {'|'.join(sorted(number.units))}"
            reading.add(Fact("unit", text[number.start : number.unit_end], key, number.start, number.firm))
        spans.append((number.start, number.unit_end))
    for start, end in spans:
        reading.words.update(_LETTERS.findall(plain_before[start:end].lower()))
    return _hide(plain_before, sorted(spans))


def _hide(text: str, spans: list[tuple[int, int]]) -> str:
    if not spans:
        return text
    pieces: list[str] = []
    done = 0
    for start, end in spans:
        pieces += [text[done:start], BLANK * (end - start)]
        done = end
    return "".join([*pieces, text[done:]])
