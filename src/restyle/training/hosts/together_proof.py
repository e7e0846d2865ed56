"""What Together shows of rows as it trains them: proof that the prompt is kept and that the loss is on the answer."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from typing import TYPE_CHECKING, Any
from unicodedata import normalize

from restyle.errors import PromptError, RowError
from restyle.training.rendering import Texts

if TYPE_CHECKING:
    from together.types.fine_tune_preview_row import FineTunePreviewRow

__all__ = ["Prompted", "prove"]

_IGNORED = -100  # the label of a token without loss
_EMPTY_THINK = re.compile(rb"<think>\s*</think>\s*")
_BYTE = re.compile(r"<0x([0-9A-F]{2})>")


@dataclass(frozen=True, slots=True)
class Prompted:
    """What stands before the answer.

    Attributes:
        text: As the chat template rendered it.
        ids: Its tokens.
        kwargs: What a server's template must be given so that it renders the same.
    """

    text: str
    ids: list[int]
    kwargs: dict[str, Any] = field(default_factory=dict)


def prove(row: FineTunePreviewRow, texts: Texts, *, base: str, place: str) -> Prompted | None:
    """The prompt of a row that is trained as it has to be; None where its tokens cannot be read.

    Args:
        row: As Together tokenizes it.
        texts: What it holds.
        base: The base model, for messages.
        place: ``path:line``, for messages.

    Raises:
        RowError: It is cut.
        PromptError: The chat template changes its texts, or the loss is on other tokens than those of the answer and
            of the end after it.
    """
    if row.truncated:
        raise RowError(
            f"{place}: cut to {row.num_tokens} tokens, the most that {base} takes at Together: take a base with a "
            "larger window, or make the pairs again with smaller blocks"
        )
    advice = f"take another base than {base}: an instruct model without thinking"
    pieces = _read(row.tokens, texts)
    if pieces is None:
        return None
    if (found := _place(b"".join(pieces), texts)) is None:
        changed = ", ".join(_missing(pieces, texts)) or "the order"
        raise PromptError(f"{place}: the chat template does not keep {changed} of the row: {advice}")
    trained = [label != _IGNORED for label in row.labels]
    starts = [0, *accumulate(map(len, pieces))]
    begin = max(index for index in range(len(pieces)) if starts[index] <= found[0])
    end = next((index for index in range(begin, len(pieces)) if starts[index] >= found[1]), len(pieces))
    before = pieces[begin][: found[0] - starts[begin]]
    if before.strip(b" "):  # SentencePiece and byte-level tokens may begin with a space, which the prompt has not
        raise PromptError(f"{place}: the answer begins within the token {pieces[begin]!r}: {advice}")
    extra = b"".join(pieces[index] for index in range(begin) if trained[index])
    if extra and not _EMPTY_THINK.fullmatch(extra):
        raise PromptError(
            f"{place}: {extra[:80]!r} before the answer is trained as well, but never asked for: {advice}"
        )
    stop = next((index for index in range(end, len(pieces)) if pieces[index].strip()), None)
    if not all(trained[begin:end]):
        raise PromptError(f"{place}: not all of the answer is trained: {advice}")
    if stop is None or not trained[stop]:
        raise PromptError(f"{place}: the end of the answer is not trained, so the model would not stop: {advice}")
    prompt = b"".join(pieces[:begin])
    # The empty thought stands in a server's prompt only where it is told that the model does not think.
    kwargs = {"enable_thinking": False} if prompt.rstrip().endswith(b"</think>") else {}
    return Prompted(prompt.decode(errors="replace"), list(row.input_ids[:begin]), kwargs)


def _read(tokens: Sequence[str], texts: Texts) -> list[bytes] | None:
    """The bytes of each token, by the kind of tokenizer in whose writing most of the texts are found; None: in none."""
    if any("\ufffd" in token for token in tokens):  # pieces of characters that were decoded one by one
        return None
    readings = [[decode(token) for token in tokens] for decode in _DECODERS]
    best = min(readings, key=lambda pieces: len(_missing(pieces, texts)))
    return best if len(_missing(best, texts)) < len(texts) else None


def _missing(pieces: Sequence[bytes], texts: Texts) -> list[str]:
    whole = b"".join(pieces)
    return [name for name, text in texts._asdict().items() if not any(form in whole for form in _forms(text))]


def _place(whole: bytes, texts: Texts) -> tuple[int, int] | None:
    """Where the answer stands, after the system message and the text; None where they do not follow each other."""
    start = end = 0
    for text in texts:
        found = [(whole.find(form, end), len(form)) for form in _forms(text)]
        if all(place < 0 for place, _ in found):
            return None
        start, length = min(each for each in found if each[0] >= 0)
        end = start + length
    return start, end


def _forms(text: str) -> set[bytes]:
    """Some tokenizers read a text in Unicode's normal form C."""
    return {text.encode(), normalize("NFC", text).encode()}


def _plain(token: str) -> bytes:
    return token.encode()


def _byte_level(token: str) -> bytes:
    known = all(character in _BYTES for character in token)
    return bytes(_BYTES[character] for character in token) if known else token.encode()


def _sentence_piece(token: str) -> bytes:
    byte = _BYTE.fullmatch(token)
    return bytes([int(byte[1], 16)]) if byte else token.replace("\u2581", " ").encode()


def _byte_table() -> dict[str, int]:
    """The characters that stand for bytes in byte-level tokenizers (Radford et al. 2019, GPT-2)."""
    shown = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    hidden = [byte for byte in range(0x100) if byte not in shown]
    return {chr(byte): byte for byte in shown} | {chr(0x100 + index): byte for index, byte in enumerate(hidden)}


_BYTES = _byte_table()
_DECODERS: tuple[Callable[[str], bytes], ...] = (_plain, _byte_level, _sentence_piece)
