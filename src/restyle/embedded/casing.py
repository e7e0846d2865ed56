"""Which capitals mean something: names keep theirs, a sentence's first word lends its own to what replaces it."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from restyle.embedded.tokens import Token

__all__ = ["BEGIN", "NAME", "NUMBER", "PROTECTED", "Casing", "Form", "capitalise", "plain_word", "word_set"]


def word_set(words: str) -> frozenset[str]:
    """The words of a list written as one text."""
    return frozenset(words.split())


NAME, NUMBER, PROTECTED = "<name>", "<number>", "<fixed>"
_WORDLIKE = frozenset({"word", "number"})
_REMEMBERED = 50_000  # forms kept in memory
_FREQUENT = 5  # a name seen in that many places is a word of its own; rarer ones share NAME
# Words that always say a number; "one", "first", "once" and their like often do not.
_NUMBER_WORDS = word_set(
    "two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen "
    "nineteen twenty thirty forty fifty sixty seventy eighty ninety hundred thousand million billion dozen threescore "
    "fourscore third fourth fifth sixth seventh eighth ninth tenth"
)


class Form(NamedTuple):
    """A token as the model sees it.

    Attributes:
        norm: what phrases and language model are keyed by: a lower-case word, a frequent name, or a class.
        key: what words are aligned by.
        raised: whether the capital is due to the place and passes to whatever stands there.
        is_name: whether the token is a name, whose text has to survive.
    """

    norm: str
    key: str
    raised: bool
    is_name: bool


BEGIN = Form("<s>", "<s>", raised=False, is_name=False)  # stands before a sentence's first token


def plain_word(text: str) -> str:
    """Lower case, straight apostrophes."""
    return text.lower().replace("’", "'")


def capitalise(text: str) -> str:
    """``text`` with its first letter in upper case, past any apostrophe: ``'twas`` becomes ``'Twas``."""
    for index, character in enumerate(text):
        if character.isalpha():
            return text[:index] + character.upper() + text[index + 1 :]
    return text


def _is_capital(text: str) -> bool:
    return text[0].isupper() or (text[0] in "'’" and text[1:2].isupper())


def _is_pronoun(text: str) -> bool:
    return text == "I" or (text[0] == "I" and len(text) > 1 and text[1] in "'’")


class Casing:
    """What the training text says about capitals.

    Args:
        lower: words that are written in lower case, more often than not, where no sentence begins.
        frequent: names, in lower case, that are frequent enough to be words of their own.
        names: other words, in lower case, that are mostly capitalised where no sentence begins.
    """

    def __init__(self, lower: Iterable[str], frequent: Iterable[str], names: Iterable[str]) -> None:
        self.lower = frozenset(lower)
        self.frequent = frozenset(frequent)
        self.names = frozenset(names) | self.frequent
        self._known: dict[tuple[str, bool], Form] = {}

    @classmethod
    def learn(cls, sentences: Iterable[Sequence[Token]]) -> Casing:
        """Count capitals where no sentence begins."""
        small: Counter[str] = Counter()
        capital: Counter[str] = Counter()
        for sentence in sentences:
            inside = False
            for token in sentence:
                if token.kind == "word" and not _is_pronoun(token.text):
                    if not _is_capital(token.text):
                        small[plain_word(token.text)] += 1
                    elif inside:
                        capital[plain_word(token.text)] += 1
                inside = token.kind in _WORDLIKE or token.text == "," or (inside and token.text == ";")
        names = {word: count for word, count in capital.items() if count > small[word]}
        return cls(
            (word for word in small if word not in names),
            (word for word, count in names.items() if count >= _FREQUENT),
            names,
        )

    def forms(self, sentence: Sequence[Token]) -> list[Form]:
        """The forms of a sentence's tokens."""
        forms: list[Form] = []
        started = inside = False
        for token in sentence:
            initial = not started or (not inside and plain_word(token.text) in self.lower)
            form = self._known.get((token.text, initial))
            if form is None:
                form = self._form(token, initial=initial)
                if len(self._known) >= _REMEMBERED:
                    self._known.clear()
                self._known[token.text, initial] = form
            forms.append(form)
            started = started or token.kind in _WORDLIKE
            inside = token.kind in _WORDLIKE or token.text in {",", ";"}
        return forms

    def _form(self, token: Token, *, initial: bool) -> Form:
        text = token.text
        if token.kind != "word":
            norm = {"number": NUMBER, "fixed": PROTECTED}.get(token.kind, text)
            return Form(norm, text, raised=False, is_name=False)
        word = plain_word(text)
        if _is_pronoun(text):
            return Form(capitalise(word), word, raised=False, is_name=False)
        raised = _is_capital(text)
        if raised and not (initial and word not in self.names):
            norm = capitalise(word) if word in self.frequent else NAME
            return Form(norm, word, raised=False, is_name=True)
        return Form(NUMBER if word in _NUMBER_WORDS else word, word, raised=raised, is_name=False)
