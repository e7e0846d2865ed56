"""What single English words tell: which are names, which say *no*."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

__all__ = ["BLANK", "Words", "read_words"]

BLANK = "\0"
"""Stands, in a text given to `read_words`, for each character that something else has read already."""


@dataclass(frozen=True, slots=True)
class Words:
    """Names, negations and all words of a text."""

    names: list[tuple[int, int, str]] = field(default_factory=list)  # start, end, small letters without 's
    negations: list[tuple[int, int, bool]] = field(default_factory=list)  # start, end, whether it is one for certain
    forms: set[str] = field(default_factory=set)  # every word in small letters, with and without 's


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


_NO = _set("not no never none nobody nothing nowhere neither nor cannot without naught nought nay ne'er nary aint")
# May stand for a negation in a paraphrase: "could not" is "was unable to".
_NEAR_NO = _set(
    "unable impossible unless lest hardly scarcely barely fail fails failed failing lack lacks lacked lacking "
    "refuse refuses refused refusing deny denies denied denying"
)
_DENIALS = _NO | _NEAR_NO
_IDLE = {  # a word that says no, and the next word with which it does not
    "no": _set("doubt matter sooner wonder"),
    "without": _set("doubt"),
    "not": _set("only merely"),
    **dict.fromkeys(("nothing", "naught", "nought"), _set("but")),
}

_HONORIFICS = _set("mr mrs ms miss dr st sir madam mme mlle prof rev capt lt col gen sgt hon messrs jr sr")
_RANKS = _set(  # before a name; alone, with a capital, they are names
    "captain master mister mistress lord lady king queen prince princess professor doctor saint father mother brother "
    "sister uncle aunt major colonel general president judge parson bishop pope reverend count baron duke"
)
_SAYING = _set("say says said saying saith answer answers answered answering cried crying asked asking replied")
_OATH_BEFORE = _set("thank by good my oh dear for before please under honest")
_OATH_AFTER = _set("willing knows sends bless forbid grant help save speed be")
# Words that a capital letter does not make a name: in titles, of He and Thou, after a beginning that was not seen.
_COMMON = _set(
    "about above across after again against ago all almost along already also although always am amid among an and "
    "another any anyone anything are around as at away be because been before behind belike being below beneath beside "
    "between beyond both but by can come could did do does done down during each either else enough even ever every "
    "everyone everything except few finally first for from go had has hast hath have he hence her here hers herself "
    "him himself his how however if in indeed instead into is it its itself just last later least less let like many "
    "may me might mine more moreover most much must my myself near nevertheless next now of off often oh on once one "
    "only onto or other our ours ourselves out over own perhaps please rather shall she should since so some someone "
    "something sometimes soon still such than that the thee their theirs them themselves then there therefore these "
    "they thine this those thou though through thus thy till tis to today together tomorrow too toward towards twas "
    "twere twill twould under until unto up upon us very was we well were what whatever when whence where wherefore "
    "thereupon whether which while whilst who whom whose why will with within would ye yea yes yesterday yet you your "
    "yours yourself i"
)

_WORD = re.compile(r"[^\W\d_]+(?:'[^\W\d_]+)*")
_OPENER = re.compile(
    r"[.!?…:\"“«(\[\n•]|\s'$"
)  # after these a capital letter may say no more than that something begins
_STOP = re.compile(r"[.!?…]|\n\s*\n")
_FIGURE = re.compile(rf"\.\s?{BLANK}")  # "No. 5", its number read already


def read_words(text: str) -> Words:
    """The names, negations and words of ``text``, its apostrophes straight.

    A name is a capitalised word within a sentence, or one with a capital letter inside (NASA, LangChain) anywhere; not
    a single letter, a title before a name, a common English word, or any word of a line all in capitals or in title
    case. *God* is one but for oaths. Of *neither ... nor* within a sentence only the first is certain, so that *not A
    or B* is as many.
    """
    found = Words()
    tokens = list(_WORD.finditer(text))
    words = [token[0] for token in tokens]
    smalls = list(map(str.lower, words))
    found.forms.update(smalls)
    if "'" in text:
        found.forms.update(small.removesuffix("'s") for small in smalls if "'" in small)
    # Most words tell nothing: those that may are picked first, in C where it can be.
    telling = {*_DENIALS.intersection(smalls), *(small for small in found.forms if small.endswith("n't"))}
    for index, (word, small) in enumerate(zip(words, smalls, strict=True)):
        if small in telling:
            _add_negation(found, text, tokens, index)
        elif word != small and len(word) > 1 and small.partition("'")[0] not in _COMMON:
            start, end = tokens[index].span()
            before = smalls[index - 1] if index else ""
            begins = not index or _begins(text[tokens[index - 1].end() : start], before)
            after = words[index + 1] if index + 1 < len(words) else ""
            if (not begins or word[1:] != small[1:]) and not _is_title(small, before, after):
                found.names.append((start, end, small.removesuffix("'s")))
    if found.names:
        found.names[:] = _without_headings(text, found.names)
    return found


def _begins(gap: str, before: str) -> bool:
    """Whether something may begin after the word ``before`` and the ``gap`` behind it."""
    if gap[0] == "." and (before in _HONORIFICS or (len(before) == 1 and before not in "ai")):
        return False  # Mr. Lidgate, J. S. Bach
    return _OPENER.search(gap) is not None or (gap[0] == "," and before in _SAYING)


def _add_negation(found: Words, text: str, tokens: list[re.Match[str]], index: int) -> None:
    token = tokens[index]
    start, end = token.span()
    small = token[0].lower()
    after = tokens[index + 1][0].lower() if index + 1 < len(tokens) else ""
    if after in _IDLE.get(small, ()) or (small == "no" and _FIGURE.match(text, end)):
        return
    if small == "not" and index and tokens[index - 1][0].lower() == "or":  # whether or not
        return
    firm = small not in _NEAR_NO
    if small in {"nor", "neither"} and found.negations:
        firm = _STOP.search(text, found.negations[-1][1], start) is not None
    found.negations.append((start, end, firm))


def _is_title(small: str, before: str, after: str) -> bool:
    if small == "god":
        return before in _OATH_BEFORE or after.lower() in _OATH_AFTER
    return small in _HONORIFICS or (small in _RANKS and after[:1].isupper())


def _without_headings(text: str, names: list[tuple[int, int, str]]) -> list[tuple[int, int, str]]:
    """``names`` without those of lines that are all in capitals or in title case."""
    kept: list[tuple[int, int, str]] = []
    stop, heading = -1, False
    for name in names:
        if name[0] > stop:
            start, stop = text.rfind("\n", 0, name[0]) + 1, text.find("\n", name[0])
            stop = stop if stop >= 0 else len(text)
            heading = _is_heading(text[start:stop])
        if not heading:
            kept.append(name)
    return kept


def _is_heading(line: str) -> bool:
    if line.isupper():
        return True
    if "," in line or _STOP.search(line):
        return False
    words = _WORD.findall(line)
    return len(words) > 2 and 3 * sum(word[0].isupper() for word in words) >= 2 * len(words)  # noqa: PLR2004 - a name
