"""Numerals, number words, units and dates of English text as canonical values, so that spellings compare equal.

``1,000`` is ``1000``, ``twelve`` and ``a dozen`` are ``12``, ``threescore and ten`` is ``70``, ``£5`` is ``5 pounds``,
``3rd of March 1868`` is ``1868-03-03``. Roman numerals, vague amounts (*hundreds*) and fractions in words
(*two thirds*) are left alone.
"""
# ruff: noqa: PLR2004 - in the grammar of number words the literals 10, 20 and 100 are what they say

from __future__ import annotations

import re
from dataclasses import dataclass

__all__ = ["SUFFIXES", "Date", "Number", "dates", "numbers"]


@dataclass(frozen=True, slots=True)
class Number:
    """A number, with the unit that follows or the currency sign that precedes it.

    ``firm`` is false for words that say a number only perhaps (*one*, *first*, *both*, *an* hour, *half*): they may
    answer for that number elsewhere, but nobody should miss them.
    """

    start: int
    end: int
    value: str  # canonical: "1500000", "3.5", "10:30", "1/2"; an ordinal ends in "th"
    firm: bool
    units: frozenset[str] = frozenset()  # every unit that it may mean (pounds: money, weight); empty: none is known
    unit_end: int = 0  # where the unit ends, or `end`


@dataclass(frozen=True, slots=True)
class Date:
    """A calendar date; what the text leaves open is 0."""

    start: int
    end: int
    year: int
    month: int
    day: int


def _table(rows: str) -> dict[str, int]:
    return {word: int(value) for word, value in (row.split("=") for row in rows.split())}


_ONES = _table("one=1 two=2 three=3 four=4 five=5 six=6 seven=7 eight=8 nine=9")
_TEENS = _table("ten=10 eleven=11 twelve=12 thirteen=13 fourteen=14 fifteen=15 sixteen=16 seventeen=17 eighteen=18")
_TEENS |= {"nineteen": 19}
_TENS = _table("twenty=20 thirty=30 forty=40 fifty=50 sixty=60 seventy=70 eighty=80 ninety=90")
_SCORES = _table("threescore=60 fourscore=80")
_TIMES = _table("hundred=100 dozen=12 score=20")
_SCALES = _table("thousand=1000 million=1000000 billion=1000000000 trillion=1000000000000")
_CARDINALS = _ONES | _TEENS | _TENS | _SCORES | _TIMES | _SCALES
_ORDINALS = _table("first=1 second=2 third=3 fifth=5 eighth=8 ninth=9 twelfth=12 hundredth=100 thousandth=1000")
_ORDINALS |= {f"{word}th": value for word, value in (_ONES | _TEENS).items() if value not in {1, 2, 3, 5, 8, 9, 12}}
_ORDINALS |= {f"{word[:-1]}ieth": value for word, value in _TENS.items()}
# A pronoun, a noun or an adverb as often as a number.
_VAGUE = {
    "both": "2",
    "twain": "2",
    "pair": "2",
    "couple": "2",
    "twice": "2",
    "once": "1",
    "single": "1",
    "half": "1/2",
}
_ARTICLES = frozenset({"a", "an"})
_WORDS = frozenset({*_CARDINALS, *_ORDINALS, *_VAGUE, *_ARTICLES})
# As texts have them: most of a text's words are none of these, and to find that out takes most of the time.
_WRITTEN = frozenset({"and", *(form for word in _WORDS for form in (word, word.capitalize(), word.upper()))})

_SPELLED = """
mm=millimetre,millimeter cm=centimetre,centimeter m=metre,meter km=kilometre,kilometer inch=inch,inche
foot=ft,foot,feet yard=yd,yard mile=mile league=league furlong=furlong fathom=fathom cubit=cubit acre=acre
hectare=hectare mg=milligram g=gram,gramme kg=kilo,kilogram,kilogramme tonne=tonne ton=ton oz=oz,ounce
lb=lb,pound stone=stone ml=millilitre,milliliter cl=centilitre,centiliter l=litre,liter pint=pint quart=quart
gallon=gal,gallon barrel=barrel bushel=bushel ms=millisecond second=sec,second minute=min,minute hour=hr,hour
day=day week=week month=month year=yr,year decade=decade century=century,centurie am=am pm=pm
GBP=gbp,pound,quid USD=usd,dollar EUR=eur,euro JPY=jpy,yen cent=cent penny=penny,pence,pennie shilling=shilling
guinea=guinea franc=franc rupee=rupee percent=percent C=celsius,centigrade,degree F=fahrenheit,degree
degree=degree knot=knot mph=mph km/h=km/h,kph,kmh kB=kilobyte MB=megabyte GB=gigabyte TB=terabyte Hz=hertz
W=watt kW=kilowatt V=volt
"""
# Too short to be trusted behind a number word: "five a" is no unit, "5 m" is.
_SYMBOLS = """
mm=mm cm=cm m=m km=km mile=mi hectare=ha mg=mg g=g kg=kg tonne=t ml=ml cl=cl l=l ms=ms second=s shilling=s
minute=m hour=h day=d penny=d,p kB=kb MB=mb GB=gb TB=tb Hz=hz W=w kW=kw V=v percent=% C=°c,° F=°f,° degree=°
"""
_CURRENCIES = {"£": "GBP", "$": "USD", "€": "EUR", "¥": "JPY", "₹": "rupee"}
_MONEY_SCALES = {"k": 10**3, "m": 10**6, "bn": 10**9}


def _meanings(rows: str, *endings: str) -> dict[str, frozenset[str]]:
    units: dict[str, frozenset[str]] = {}
    for unit, spellings in (row.split("=") for row in rows.split()):
        for form in (spelling + ending for spelling in spellings.split(",") for ending in endings):
            units[form] = units.get(form, frozenset()) | {unit}
    return units


_WORD_UNITS = _meanings(_SPELLED, "", "s")
_DIGIT_UNITS = _WORD_UNITS | _meanings(_SYMBOLS, "")
SUFFIXES = "|".join(["st", "nd", "rd", "th", *(unit for unit in _DIGIT_UNITS if unit.isalpha())])
"""Pattern of the letters that may touch a number's digits and leave it a number: ``10kg``, ``3rd``, ``1990s``."""

_TOKEN = re.compile(
    r"(?<![^\W_])(?:[A-Za-z]+|(?P<fraction>[½¼¾])"
    r"|(?P<digits>(?:(?<!\S)-)?(?:[0-9]{1,3}(?:,[0-9]{3})+(?![0-9])|[0-9]+)(?:[.:/][0-9]+)*|\.[0-9]+)(?P<part>[½¼¾]?))"
)
_JOINT = re.compile(r"-|\s{1,2}")
_UNIT = re.compile(
    r"[\s-]?(?:(?P<cent>per\scent)\b|degrees?\s(?P<scale>celsius|centigrade|fahrenheit)\b"
    r"|(?P<noon>[ap])\.\s?m\b(?:\.(?!\s*(?:$|(?-i:[A-Z]))))?|(?P<unit>km/h|°\s?[cf]?|%|[a-z]+)(?![\w²³]))",
    re.IGNORECASE,
)
_MONEY_SCALE = re.compile(r"(k|m|bn)(?!\w)", re.IGNORECASE)
_ORDINAL_ENDING = re.compile(r"(?:st|nd|rd|th)(?!\w)")
_FRACTIONS = {"½": "1/2", "¼": "1/4", "¾": "3/4", "": ""}
_LONGEST = 300  # digits of a numeral that is still worth arithmetic
_LONGEST_RUN = 40  # words of a number in words

_MONTHS = {name: i for i, name in enumerate(re.findall("...", "JanFebMarAprMayJunJulAugSepOctNovDec"), 1)}
_HAS_MONTH = re.compile("|".join(_MONTHS))
_MONTH = (
    r"(Jan(?:uary)?|Feb(?:ruary)?|Mar(?:ch)?|Apr(?:il)?|May|June?|July?|Aug(?:ust)?|Sept?(?:ember)?|Oct(?:ober)?"
    r"|Nov(?:ember)?|Dec(?:ember)?)\b(?:\.(?=,?\s[0-9]))?"
)
_DAY = rf"([0-3]?[0-9](?:st|nd|rd|th)?|(?:(?:twenty|thirty)[\s-])?(?:{'|'.join(_ORDINALS)}))"
_YEAR = r"([12][0-9]{3})(?![\w,]*[0-9])"
_DATE = re.compile(
    rf"(?<![\w.,/:-])(?:([0-9]{{4}})-([01][0-9])-([0-3][0-9])(?![0-9-])"
    rf"|{_DAY}(?:\sday)?\s(?:of\s)?{_MONTH}(?:,?\s(?:of\s|in\s)?{_YEAR})?"
    rf"|{_MONTH}(?:\s(?:the\s)?{_DAY}(?!\w|,\w)(?:,?\s{_YEAR})?|,?\s(?:of\s)?{_YEAR}))"
)


def dates(text: str) -> list[Date]:
    """ISO 8601 dates, and a month's name with a day, a year or both; in order."""
    if "-" not in text and _HAS_MONTH.search(text) is None:
        return []
    found: list[Date] = []
    for match in _DATE.finditer(text):
        year, month, day, day1, month1, year1, month2, day2, year2, year3 = match.groups()
        named = month1 or month2
        number = _MONTHS[named[:3]] if named else int(month)
        place = _day_of_month(day or day1 or day2)
        if 1 <= number <= 12 and place <= 31 and (place or year2 is None):
            found.append(Date(match.start(), match.end(), int(year or year1 or year2 or year3 or 0), number, place))
    return found


def _day_of_month(written: str | None) -> int:
    if written is None:
        return 0
    if digits := re.match(r"[0-9]+", written):
        return int(digits[0])
    return sum({**_ORDINALS, **_TENS}[word] for word in re.split(r"[\s-]", written))


def numbers(text: str) -> list[Number]:
    """The numbers of ``text`` in order, dates not told apart (see `dates`)."""
    found: list[Number] = []
    tokens = [token for token in _TOKEN.finditer(text) if token[0] in _WRITTEN or token.lastgroup is not None]
    at = 0
    while at < len(tokens):
        reader = _spelled if tokens[at].lastgroup is None else _numeral
        taken, number = reader(text, tokens, at)
        at += taken
        if number is not None:
            found.append(number)
    return found


def _numeral(text: str, tokens: list[re.Match[str]], at: int) -> tuple[int, Number | None]:
    token = tokens[at]
    start, end, taken, scale = token.start(), token.end(), 1, 1
    currency = _CURRENCIES.get(text[start - 1]) if start else None
    if currency and (short := _MONEY_SCALE.match(text, end)):
        scale, end = _MONEY_SCALES[short[1].lower()], short.end()
    for word in _run(text, tokens, at)[1:]:
        if (factor := _TIMES.get(word) or _SCALES.get(word)) is None:
            break
        scale, end, taken = scale * factor, tokens[at + taken].end(), taken + 1
    value = _canonical(token["digits"], scale) if token["digits"] else ""
    value = f"{value} {_FRACTIONS[token['part'] or token['fraction'] or '']}".strip()
    if ordinal := _ORDINAL_ENDING.match(text, end):
        return taken, Number(start, ordinal.end(), f"{value}th", firm=True, unit_end=ordinal.end())
    units, unit_end = (frozenset({currency}), end) if currency else _unit_after(text, end, _DIGIT_UNITS)
    return taken, Number(start - bool(currency), end, value, firm=True, units=units, unit_end=unit_end)


def _spelled(text: str, tokens: list[re.Match[str]], at: int) -> tuple[int, Number | None]:
    words = _run(text, tokens, at)
    start, end = tokens[at].span()
    taken, value, firm = _read(words)
    if taken:
        end = tokens[at + taken - 1].end()
        units, unit_end = _unit_after(text, end, _WORD_UNITS)
        firm = firm or (value == "1" and bool(units - {"day"}))  # "one day" is "once" as often as not
        return taken, Number(start, end, value, firm, units, unit_end)
    if words[0] in _VAGUE:
        return 1, Number(start, end, _VAGUE[words[0]], firm=False, unit_end=end)
    units, unit_end = _unit_after(text, end, _WORD_UNITS)
    article = words[0] in _ARTICLES and bool(units)
    return 1, Number(start, end, "1", firm=False, units=units, unit_end=unit_end) if article else None


def _run(text: str, tokens: list[re.Match[str]], at: int) -> list[str]:
    """The token at ``at`` and the number words behind it with no more than white space or a hyphen between."""
    words = [tokens[at][0].lower()]
    for index in range(at + 1, len(tokens)):
        begin, end = tokens[index - 1].end(), tokens[index].start()
        if end - begin > 2:  # far from each other, as most are
            break
        joint = text[begin:end]
        hundreds = words[-1] in _SCALES and index + 1 < len(tokens) and tokens[index + 1][0] == "hundred"
        joined = _JOINT.fullmatch(joint) or (joint == ", " and hundreds)  # a million, two hundred thousand
        if tokens[index].lastgroup is not None or not joined or len(words) == _LONGEST_RUN:
            break
        words.append(tokens[index][0].lower())
    return words


def _read(words: list[str]) -> tuple[int, str, bool]:
    """The number at the head of ``words``: how many of them it takes (0: there is none), its value, whether firm.

    *Five and twenty* is 25, *threescore and ten* 70, *nineteen eighty-four* a year. Not firm are *one*, *first* and
    *second* alone, and *hundred*, *thousand*, ... without a count.
    """
    if words[0] == "half":
        dozen = words.index("dozen") + 1 if words[1:2] == ["dozen"] or words[1:3] == ["a", "dozen"] else 0
        return dozen, "6", True
    total = group = taken = 0
    ceiling, joined, counted, score = 10**15, False, False, False
    for index, word in enumerate(words):
        if word in _ARTICLES and not index and words[1:2] and (words[1] in _TIMES or words[1] in _SCALES):
            counted = True
            continue
        if word == "and" and taken and not joined:
            joined = True
            continue
        value = _CARDINALS.get(word) or _ORDINALS.get(word, 0)
        if value >= 100 or word in _TIMES:
            if joined or value >= ceiling or (value < 1000 and group >= 100):
                break
            if value < 1000:
                group = (group or 1) * value
            else:
                total, group, ceiling = total + (group or 1) * value, 0, value
        else:
            added = _add(group, value, joined=joined, score=score) if value else 0
            if not added:
                break
            group, counted = added, True
        joined, taken, score = False, index + 1, word in _SCORES or word == "score"
        if word in _ORDINALS:
            return taken, f"{total + group}th", taken > 1 or value > 2
    return taken, str(total + group), counted and (taken > 1 or words[0] != "one")


def _add(group: int, value: int, *, joined: bool, score: bool) -> int:
    """``group`` with the number word ``value`` (below 100) behind it, or 0 where the two are two numbers."""
    low = group % 100
    if low == 0 or (low >= 20 and low % 10 == 0 and value < 10) or (score and value < 20):
        return group + value
    if joined and low < 10 and value >= 20:  # five and twenty
        return group + value
    if not joined and 11 <= group <= 20 and value >= 10:  # nineteen eighty
        return group * 100 + value
    return 0


def _canonical(digits: str, scale: int) -> str:
    """``digits`` without group commas and idle zeros, times ``scale``; times, ratios and versions only as they are."""
    if ":" in digits or "/" in digits or digits.count(".") > 1 or len(digits) > _LONGEST:
        return digits.lstrip("0")
    sign = "-" if digits.startswith("-") else ""
    whole, _, part = digits.removeprefix("-").replace(",", "").partition(".")
    product = str(int(whole + part) * scale).zfill(len(part) + 1)
    whole, part = product[: len(product) - len(part)], product[len(product) - len(part) :].rstrip("0")
    return f"{sign}{whole}.{part}" if part else f"{sign}{whole}"


def _unit_after(text: str, end: int, table: dict[str, frozenset[str]]) -> tuple[frozenset[str], int]:
    if (match := _UNIT.match(text, end)) is None:
        return frozenset(), end
    if match["cent"]:
        name = "percent"
    elif match["noon"]:
        name = f"{match['noon']}m"
    else:
        name = match["scale"] or match["unit"].replace(" ", "")
    units = table.get(name.lower(), frozenset())
    return units, match.end() if units else end
