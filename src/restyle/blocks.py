"""Text cut into blocks of one idea each, as it arrives: nothing lost, nothing revised, markup left alone."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice, pairwise
from typing import TypeAlias

from restyle.cohesion import cut_offsets
from restyle.embedding import Embed
from restyle.markup import LONG_LINE, BlockKind, MarkupReader

__all__ = ["Block", "BlockKind", "Splitter", "split_blocks"]

_Cut: TypeAlias = Callable[[str, Sequence[int]], list[int]]
_WORD = re.compile(r"\S+")
_HORIZON = 10  # maximum blocks of prose without any markup after which training mode decides on what it holds


@dataclass(frozen=True, slots=True)
class Block:
    """A stretch of the input: ``text`` stands at ``[start:end]``, in characters.

    ``kind`` is ``prose`` for what may be rewritten, ``gap`` for white space between blocks, and else a verbatim kind.
    Prose neither begins nor ends with white space; a verbatim block does not end with it.
    """

    text: str
    start: int
    end: int
    kind: BlockKind

    @property
    def verbatim(self) -> bool:
        """Whether the text must pass as it is, never through a model."""
        return self.kind != "prose"


class Splitter:
    """Cuts text that arrives in chunks; the pieces do not depend on where the chunks end.

    The pieces of all ``feed`` calls and the ``flush`` after them concatenate to the input exactly. Sizes are words
    (what ``str.split`` yields): ``aim`` the size wished for, ``minimum`` and ``maximum`` the budget.

    As it is, for run time, a paragraph of at least ``minimum`` words comes out as soon as its end is seen, shorter ones
    are joined with the next until they have as many, and one longer than ``maximum`` is cut at sentence ends, even
    before it is complete. With ``training`` the prose between two verbatim blocks is cut as a whole, where one idea
    ends, to blocks near ``aim``; there ``embed`` (see `split_blocks`) has a say. Either way no block reaches across a
    verbatim one, a sentence longer than ``maximum`` stays whole, and what stands alone between verbatim blocks may be
    shorter than ``minimum``.

    Raises:
        ValueError: unless ``1 <= minimum <= aim <= maximum``, and for ``embed`` without ``training``.
    """

    def __init__(
        self,
        *,
        aim: int = 180,
        minimum: int = 40,
        maximum: int = 400,
        training: bool = False,
        embed: Embed | None = None,
    ) -> None:
        if not 1 <= minimum <= aim <= maximum:
            raise ValueError(
                f"block sizes must satisfy 1 <= minimum <= aim <= maximum, but minimum={minimum}, aim={aim}, "
                f"maximum={maximum}: change the one that is out of order"
            )
        if embed is not None and not training:
            raise ValueError("embed has no say in how text is cut at run time: give training=True, or leave it out")
        cut = partial(cut_offsets, aim=aim, minimum=minimum, maximum=maximum, embed=embed)
        section = _TrainingSection if training else _Section
        self._new_section = partial(section, minimum=minimum, maximum=maximum, cut=cut)
        self._restart()

    def _restart(self) -> None:
        self._reader = MarkupReader()
        self._writer = _Writer()
        self._section = self._new_section(self._writer)
        self._partial: list[str] = []  # the last line, not yet complete
        self._partial_length = 0
        self._judged = False  # whether that line was found too long to wait for, and not prose
        self._streaming = False  # whether that line is prose whose beginning was handed on already

    def feed(self, text: str) -> list[Block]:
        """Take the next chunk and return the pieces that have become certain."""
        if self._streaming:
            line, newline, text = text.partition("\n")
            self._section.prose(line + newline)
            self._streaming = not newline
        if "\n" in text:
            complete = text.rfind("\n") + 1
            lines = "".join([*self._partial, text[:complete]])
            self._hold("")
            for line in io.StringIO(lines, newline="\n"):
                self._sort(self._reader.line(line))
            text = text[complete:]
        if text:
            self._partial.append(text)
            self._partial_length += len(text)
        if self._partial_length >= LONG_LINE and not self._judged:
            line = "".join(self._partial)
            self._streaming = self._reader.is_prose(line[:LONG_LINE])
            if self._streaming:
                self._sort(self._reader.line(line))
            self._hold("" if self._streaming else line)
            self._judged = not self._streaming
        return self._writer.take()

    def flush(self) -> list[Block]:
        """Return the rest; the splitter then begins anew at offset 0."""
        if self._partial:
            self._sort(self._reader.line("".join(self._partial)))
        self._sort(self._reader.end())
        self._section.close()
        pieces = self._writer.finish()
        self._restart()
        return pieces

    def _hold(self, line: str) -> None:
        self._partial, self._partial_length, self._judged = ([line] if line else []), len(line), False

    def _sort(self, stretches: list[tuple[BlockKind, str]]) -> None:
        for kind, text in stretches:
            if kind == "prose":
                self._section.prose(text)
            elif kind == "gap":
                self._section.pause(text)
            else:
                self._section.close()
                self._writer.add(kind, text)


def split_blocks(
    text: str, *, aim: int = 180, minimum: int = 40, maximum: int = 400, embed: Embed | None = None
) -> list[Block]:
    """Blocks of a whole text as training wants them, verbatim ones included; what lies between is white space.

    Args:
        text: The text.
        aim: The size wished for, in words.
        minimum: Smaller blocks come about only between verbatim ones.
        maximum: Only a sentence that is longer itself exceeds it.
        embed: A function from texts to vectors, which `as_embed` makes of any embedding model; with it fewer blocks
            reach across the end of an idea. It is called once for each stretch of prose, with passages of up to 128
            words. None compares words alone.

    Raises:
        ValueError: unless ``1 <= minimum <= aim <= maximum``.
        EmbeddingError: The vectors cannot be compared.
    """
    splitter = Splitter(aim=aim, minimum=minimum, maximum=maximum, training=True, embed=embed)
    return [block for block in [*splitter.feed(text), *splitter.flush()] if block.kind != "gap"]


class _Writer:
    """Turns consecutive stretches into pieces with offsets, the white space around blocks into gaps."""

    def __init__(self) -> None:
        self._pieces: list[Block] = []
        self._gap: list[str] = []
        self._offset = 0

    def add(self, kind: BlockKind, text: str) -> None:
        body = text.rstrip()
        tail = text[len(body) :]
        if kind == "prose" or not body:  # a verbatim block keeps the indentation of its first line
            body = body.lstrip()
        self._gap.append(text[: len(text) - len(tail) - len(body)])
        if body:
            self._write("gap", "".join(self._gap))
            self._write(kind, body)
            self._gap = []
        self._gap.append(tail)

    def take(self) -> list[Block]:
        pieces, self._pieces = self._pieces, []
        return pieces

    def finish(self) -> list[Block]:
        self._write("gap", "".join(self._gap))
        return self.take()

    def _write(self, kind: BlockKind, text: str) -> None:
        if text:
            start, self._offset = self._offset, self._offset + len(text)
            self._pieces.append(Block(text, start, self._offset, kind))


class _Section:
    """The prose since the last verbatim block that has not been handed out yet, as run time wants it."""

    def __init__(self, writer: _Writer, *, minimum: int, maximum: int, cut: _Cut) -> None:
        self._writer, self._cut = writer, cut
        self._minimum, self._maximum = minimum, maximum
        self._single = maximum  # up to so many words are one block
        self._limit = maximum  # beyond so many words it is cut without waiting for its end
        self._start("", [])

    def _start(self, text: str, paragraphs: list[int]) -> None:
        self._parts = [text]
        self._length = len(text)
        self._words = len(text.split())
        self._paragraphs = paragraphs  # where each begins
        self._in_paragraph = self._in_word = False

    def prose(self, text: str) -> None:
        """Go on with the paragraph, or begin one."""
        if not text:
            return
        if not self._in_paragraph:
            self._paragraphs.append(self._length)
        begun = self._in_word and not text[0].isspace()
        self._append(text)
        self._words += len(text.split()) - begun
        self._in_paragraph, self._in_word = True, not text[-1].isspace()
        self._overflow()

    def pause(self, gap: str) -> None:
        """End the paragraph, if there is one."""
        if self._words >= self._minimum:
            self.close()
        self._append(gap)
        self._in_paragraph = self._in_word = False

    def close(self) -> None:
        """Hand everything out."""
        text = "".join(self._parts)
        cuts = self._cut(text, self._paragraphs) if self._words > self._single else []
        self._hand_out(text, [0, *cuts, len(text)])
        self._start("", [])
        self._limit = self._maximum

    def _append(self, text: str) -> None:
        self._parts.append(text)
        self._length += len(text)

    def _hand_out(self, text: str, bounds: list[int]) -> None:
        for start, end in pairwise(bounds):
            self._writer.add("prose", text[start:end])

    def _overflow(self) -> None:
        """Cut what exceeds the limit, looking no further than the word that exceeds it.

        So the cuts are the same whether that word was the last to arrive or a megabyte came with it.
        """
        if self._words <= self._limit:
            return
        text, paragraphs, base, in_word = "".join(self._parts), self._paragraphs, 0, self._in_word
        while word := next(islice(_WORD.finditer(text, base), self._limit, None), None):
            cuts = self._cut(text[base : word.start() + 1], paragraphs)
            if cuts:
                self._hand_out(text, [base + bound for bound in (0, *cuts)])
                base, paragraphs, self._limit = base + cuts[-1], [0], self._maximum
            else:
                self._limit *= 2  # one long sentence; doubling keeps the search for its end linear
        self._start(text[base:], paragraphs)
        self._in_paragraph, self._in_word = True, in_word


class _TrainingSection(_Section):
    """The same, cut as a whole once it is complete, or very long."""

    def __init__(self, writer: _Writer, *, minimum: int, maximum: int, cut: _Cut) -> None:
        super().__init__(writer, minimum=minimum, maximum=maximum, cut=cut)
        self._single = 2 * minimum - 1

    def pause(self, gap: str) -> None:
        """End the paragraph; decide on all but the last block if too much has gathered."""
        ended = self._in_paragraph
        self._append(gap)
        self._in_paragraph = self._in_word = False
        if ended and self._words >= _HORIZON * self._maximum:
            text = "".join(self._parts)
            if cuts := self._cut(text, self._paragraphs):
                self._hand_out(text, [0, *cuts])
                last = cuts[-1]
                self._start(text[last:], [0, *(start - last for start in self._paragraphs if start > last)])

    def _overflow(self) -> None:
        """Wait for the end of the paragraph."""
