"""The statistical phrase model: learns from sentence pairs in seconds, rewrites sentence by sentence."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

from restyle.embedded.casing import BEGIN, Casing
from restyle.embedded.decode import Decoder, Segment
from restyle.embedded.files import ADVICE, SCHEMA, read_model, write_model
from restyle.embedded.lm import LanguageModel
from restyle.embedded.pairing import align_sentences
from restyle.embedded.phrases import Phrase, Weights, extract, phrase_table
from restyle.embedded.render import fits, render
from restyle.embedded.safety import without_losses
from restyle.embedded.tokens import Token, detokenise, spaced, split_sentences
from restyle.errors import ModelFileError, PairsError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

__all__ = ["FewPairsWarning", "PhraseModel"]

_FEW = 300
_LONGEST = 150  # tokens: alignment is quadratic, and longer "sentences" are lists or tables
_LANGUAGE = 0.35  # weight of the language model; found, like `Weights`, on held-out books of a training text
_COPY_BONUS = 0.2  # nats for every word kept, at the default strength
_SAFER, _BOLDER = 8.0, 2.0  # nats by which that changes towards strength 0 and towards strength 1, per unit
_COPY_COST = 1.0  # nats for keeping a word that was never kept in training
_DEFAULT_STRENGTH = 0.4
_BEGIN_TOKEN = Token("", "", "mark", 0)


class FewPairsWarning(UserWarning):
    """A phrase model was trained on so few sentence pairs that it may do worse than leaving the text alone."""


class PhraseModel:
    """A statistical phrase model of one style: word- and phrase-level, no more.

    Phrase-based translation within one language (Xu et al. 2012), with hard guards: names, numbers, protected spans
    and negations of the source survive, and content words are replaced, never dropped. Build it with `fit` or `load`.

    Attributes:
        pairs: sentence pairs that it learnt from.
    """

    def __init__(self, pairs: int, casing: Casing, table: dict[str, list[Phrase]], language: LanguageModel) -> None:
        self.pairs = pairs
        self._casing = casing
        self._table = table
        self._language = language
        self._decoder = Decoder(
            table, language, language_weight=_LANGUAGE, word_weight=Weights().word, copy_cost=_COPY_COST
        )

    @property
    def info(self) -> dict[str, Any]:
        """What this model is, for cards and reports."""
        return {
            "kind": "statistical phrase model; word- and phrase-level style",
            "schema": SCHEMA,
            "pairs": self.pairs,
            "phrases": sum(map(len, self._table.values())),
            "words": len(self._language.words),
        }

    @classmethod
    def fit(cls, sources: Sequence[str], targets: Sequence[str], *, monolingual: Iterable[str] = ()) -> PhraseModel:
        """Learn to say sources as targets.

        Args:
            sources: sentences or blocks; blocks are cut and aligned into sentences.
            targets: the same in the style to learn, one for each source.
            monolingual: more text in that style, for the language model alone.

        Raises:
            PairsError: no pairs, or not as many targets as sources.
        """
        if len(sources) != len(targets):
            raise PairsError(f"{len(sources)} sources but {len(targets)} targets; give one target for each source")
        pairs: list[tuple[list[Token], list[Token]]] = []
        for source, target in zip(sources, targets, strict=True):
            left, right = split_sentences(source), split_sentences(target)
            if left and right:
                pairs += align_sentences(left, right)
        if not pairs:
            raise PairsError("no sentence pairs to learn from; give at least one source and target that are not empty")
        if len(pairs) < _FEW:
            warnings.warn(
                f"{len(pairs)} sentence pairs: below {_FEW} a phrase model may do worse than leaving the text alone; "
                "add pairs or monolingual text",
                FewPairsWarning,
                stacklevel=2,
            )
        alone = [sentence for text in monolingual for sentence in split_sentences(text)]
        casing = Casing.learn([*(side for pair in pairs for side in pair), *alone])
        forms = [([BEGIN, *casing.forms(source)], [BEGIN, *casing.forms(target)]) for source, target in pairs]
        spoken = dict.fromkeys(
            tuple(form.norm for form in sentence)
            for sentence in [*(target[1:] for _, target in forms), *(casing.forms(sentence) for sentence in alone)]
        )
        language = LanguageModel.train(spoken)
        from restyle.embedded.align import align_words  # noqa: PLC0415 - numpy: needed to train, not to rewrite

        usable = [pair for pair in forms if max(map(len, pair)) <= _LONGEST]
        alignments = align_words([([f.key for f in source], [f.key for f in target]) for source, target in usable])
        table = phrase_table(extract(usable, alignments), Weights())
        return cls(len(pairs), casing, table, language)

    def rewrite(self, text: str, *, strength: float = _DEFAULT_STRENGTH) -> str:
        """``text`` in the style, sentence by sentence; white space and markup stay.

        Args:
            text: any text; what the model cannot say otherwise stays as it is.
            strength: from 0 (fewest changes, safest) to 1 (most changes, boldest).

        Raises:
            ValueError: ``strength`` is outside 0 to 1.
        """
        if not 0.0 <= strength <= 1.0:
            raise ValueError(f"strength={strength!r}; give a number from 0 (safest) to 1 (boldest)")
        less = _DEFAULT_STRENGTH - strength
        bonus = _COPY_BONUS + less * (_SAFER if less > 0 else _BOLDER)
        sentences = split_sentences(text)
        if not sentences:
            return text
        original = [detokenise(sentence) for sentence in sentences]
        apostrophe = "’" if "’" in text and "'" not in text else "'"
        rewritten = [self._sentence(sentence, bonus, apostrophe) for sentence in sentences]
        end = len("".join(original))  # what follows is white space
        return "".join(without_losses(text, rewritten, original, "".join)) + text[end:]

    def _sentence(self, tokens: list[Token], bonus: float, apostrophe: str) -> str:
        forms = [BEGIN, *self._casing.forms(tokens)]
        norms = [form.norm for form in forms]
        first = tokens[0]
        placed = [_BEGIN_TOKEN, first._replace(gap=spaced(first.text)), *tokens[1:]]

        def write(segments: Sequence[Segment]) -> str:
            return render(placed, forms, segments, apostrophe).removeprefix(" ")

        segments = self._decoder.decode(norms, bonus, lambda i, j, target: fits(placed, forms, i, j, target))
        original = [Segment(start, end, tuple(norms[start:end])) for start, end, _ in segments]
        return first.gap + write(without_losses(write(original), segments, original, write))

    def save(self, path: Path) -> None:
        """Write the model file; the same model gives the same bytes."""
        write_model(
            path,
            {
                "schema": SCHEMA,
                "pairs": self.pairs,
                "lower": sorted(self._casing.lower),
                "frequent": sorted(self._casing.frequent),
                "names": sorted(self._casing.names - self._casing.frequent),
                "words": self._language.words,
                "grams": self._language.rows(),
                "phrases": {
                    source: [(" ".join(phrase.target), phrase.score, phrase.kept) for phrase in phrases]
                    for source, phrases in self._table.items()
                },
            },
        )

    @classmethod
    def load(cls, path: Path) -> PhraseModel:
        """Read a model file.

        Raises:
            ModelFileError: the file is missing, damaged or of another schema.
        """
        file = read_model(path)
        table = {
            source: [Phrase(tuple(target.split(" ")), score, kept) for target, score, kept in options]
            for source, options in file.phrases.items()
        }
        try:
            language = LanguageModel.from_rows(file.words, file.grams)
        except (KeyError, ValueError) as error:
            raise ModelFileError(f"{path}: its language model has gaps ({error!r}); {ADVICE}") from error
        return cls(file.pairs, Casing(file.lower, file.frequent, file.names), table, language)
