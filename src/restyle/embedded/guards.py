"""What no phrase may change: names, numbers, protected spans, negation; and no content may just be dropped."""

from __future__ import annotations

from typing import TYPE_CHECKING

from restyle.embedded.casing import BEGIN, NUMBER, PROTECTED, word_set

if TYPE_CHECKING:
    from restyle.embedded.casing import Form

__all__ = ["is_barrier", "is_content", "is_negation", "pinned"]


_NEGATIONS = word_set("not no never none nobody nothing nowhere neither nor cannot without naught nought nay")
# Words that may come and go with the phrasing: articles, auxiliaries, particles, pronouns, prepositions, conjunctions.
_FUNCTION = word_set(
    "a an the this that these those which who whom whose what i me my mine you your yours thou thee thy thine ye he "
    "him his she her hers it its we us our ours they them their theirs there here and or but for so yet if as than "
    "then of to in on at by with from up upon unto into out over off down away about do does did done doing doth dost "
    "didst be am is are was were been being art wast wert have has had having hath hast hadst will would shall should "
    "can could may might must wilt shalt let now also even just all any such some one own self"
)
_PINNED = frozenset({BEGIN.norm, NUMBER, PROTECTED})
# Marks that end a sentence must not move or change.
_STOPS = frozenset(".!?")


def is_negation(word: str) -> bool:
    """Whether a lower-case word negates."""
    return word in _NEGATIONS or word.endswith("n't")


def is_content(norm: str) -> bool:
    """Whether a norm means something by itself, so that it must not disappear or appear."""
    return norm not in _FUNCTION and norm[0].isalpha()


def pinned(form: Form) -> str | None:
    """What of a token has to survive: a name, a number, a protected span, a sentence's ends; None for the rest."""
    return form.key if form.is_name or form.norm in _PINNED or form.key in _STOPS else None


def is_barrier(norm: str) -> bool:
    """Whether no phrase may reach across: protected spans, and all marks but the common ones."""
    return norm in {PROTECTED, "<"} or not (norm[0].isalnum() or norm[0] in "'<,;:.!?")
