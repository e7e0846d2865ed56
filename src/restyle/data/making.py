"""One call of `build_pairs`: its options are checked before anything is read, and all is read before it asks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from restyle.data.asking import Asking
from restyle.data.buying import Buying, check_no_batch
from restyle.data.cutting import Cutter, Filter
from restyle.data.endpoint_teacher import EndpointTeacher
from restyle.data.export import Prompts, Recipe, export
from restyle.data.filters import Drop
from restyle.data.languages import check_language, drop_of_language
from restyle.data.ledger import SHARDS, Ledger
from restyle.data.lengths import RowLimit
from restyle.data.near_duplicates import THRESHOLD, NearDuplicates
from restyle.data.options import PairOptions, check_names, row_options
from restyle.data.pair_set import PairSet
from restyle.data.parameters import check_vocabulary
from restyle.data.plain_teacher import PlainTeacher
from restyle.data.prices import Estimate, Meter, Price, Prices, estimate
from restyle.data.report import write_report
from restyle.data.staging import Staging
from restyle.data.styled_sources import STYLE, documents_of
from restyle.data.teachers import Teacher, find_teachers
from restyle.embedding import as_embed
from restyle.errors import DocumentError, DocumentNotFoundError, PairsError, ParameterError, TeacherMissingError
from restyle.prompts import (
    DESTYLE_PROMPT,
    RESTYLE_PROMPT,
    RESTYLE_PROMPT_STYLE,
    RESTYLE_PROMPT_TONE_MOOD,
    Prompt,
)
from restyle.style import check_name

if TYPE_CHECKING:
    from restyle.data.ray_actor import Crew

__all__ = ["Making"]

_IDENTITIES, _MOST_IDENTITIES = 0.02, 0.5  # shares of the pairs
_IN_FLIGHT = 32  # requests, where neither the user nor the teacher says how many
_BEFORE_ASKING = frozenset({"short", "long", "duplicate", "near_duplicate", "language"})  # reasons to drop a block


class Making:
    """What `build_pairs` does, step by step: documents are cut, then blocks are finished or estimated."""

    def __init__(self, options: PairOptions, styles: Iterable[str] | None = None) -> None:
        check_names(options)
        check_name(options["style"])
        self._options = options
        self._styles = sorted(styles or ())
        if styles is not None and not self._styles:
            raise DocumentNotFoundError("no documents were given: map the name of each style to its sources")
        self._asked_for = check_vocabulary(options.get("parameters", {}))
        self._prompts = self._checked_prompts()
        _check_numbers(options)
        if (model := options.get("embed")) is not None:
            as_embed(model)  # so that what is no model is told before anything is read
        self._plain = _plain(options)
        self._teachers = _teachers(options) if self._plain is None else [self._plain]
        if self._asked_for and not self._teachers[0].system:
            raise ParameterError(
                f"a teacher is to find the values of ${next(iter(self._asked_for))}, and "
                f"{self._teachers[0].identity} only repeats answers: name a model as the (first) teacher"
            )
        tokens = options.get("max_tokens")
        self._row_limit = None if tokens is None else RowLimit.of(tokens, options.get("tokenizer"))
        self._prices = Prices.load()
        prices = [self._prices.find(_model_of(teacher)) for teacher in self._teachers]
        self._meter = Meter(*prices, max_cost=options.get("max_cost"), batch=options.get("batch", False))
        self._filters = _filters(options)
        self._crew = _crew(options, self._asked_for, prices)

    def _checked_prompts(self) -> Prompts:
        """The prompts, which must take every parameter that there is, and no other."""
        default = RESTYLE_PROMPT
        if self._styles:
            default = RESTYLE_PROMPT_STYLE
        elif self._asked_for.keys() == set(Prompt(RESTYLE_PROMPT_TONE_MOOD).parameters):
            default = RESTYLE_PROMPT_TONE_MOOD
        options = self._options
        prompts = Prompts(options.get("restyle_prompt", default), options.get("destyle_prompt", DESTYLE_PROMPT))
        for style in self._styles:
            Prompt(f"${STYLE}").render({STYLE: style})  # which raises what a prompt cannot take
            if "/" in style:
                raise ParameterError(f"the style {style!r} has a slash, which ends styles in documents' ids: rename it")
        if self._styles and STYLE in self._asked_for:
            raise ParameterError(f"the sources say which {STYLE} is meant: leave {STYLE!r} out of parameters")
        known = {*self._asked_for, *([STYLE] if self._styles else [])}
        if missing := [name for name in prompts.parameters if name not in known]:
            raise ParameterError(
                f"a prompt has ${missing[0]} ({prompts.restyle!r}, {prompts.destyle!r}), but nothing supplies its "
                f"value for each pair: declare its values, parameters={{{missing[0]!r}: [...]}}"
            )
        if unused := known - set(prompts.parameters):
            raise ParameterError(f"no prompt has ${min(unused)}: write it into restyle_prompt, or leave it out")
        return prompts

    def cutter(self, blocks: Staging) -> Cutter:
        """What cuts the documents."""
        options = self._options
        sizes = options.get("aim", 180), options.get("minimum", 40), options.get("maximum", 400)
        return Cutter(blocks, *sizes, model=options.get("embed"), plain=self._plain, filters=self._filters)

    async def finish(self, cutter: Cutter, blocks: Staging) -> PairSet:
        """Have the blocks rewritten, and write the pair set."""
        if not len(blocks):
            names = ", ".join(cutter.documents[:3])
            raise DocumentError(
                f"{names}: no prose to learn from, only headings, code and such: give the author's text"
            )
        self._align()
        options, out = self._options, Path(self._options["out"])
        with Ledger(out / "ledger.db") as ledger:
            asked, reused = await self._settle(ledger, blocks)
        _check_counterparts(blocks)
        seed = options.get("seed", 0)
        blocks.keep_as_is(options.get("identity_share", _IDENTITIES), seed)
        if self._row_limit is not None:
            self._drop_long_rows(self._row_limit, blocks)
        vocabulary = {**({STYLE: self._styles} if self._styles else {}), **self._asked_for}
        identities = [teacher.identity for teacher in self._teachers]
        recipe = Recipe(options["style"], self._prompts, identities, seed, vocabulary, self._styles, cutter.stripped)
        export(out, recipe, blocks)
        write_report(out)
        return replace(PairSet.load(out), asked=asked, reused=reused)

    def estimate(self, blocks: Staging) -> Estimate:
        """What the run would take; nothing is asked, and nothing written."""
        self._align()
        path = Path(self._options["out"]) / "ledger.db"
        with Ledger(path) if path.exists() else Ledger(Path(":memory:")) as ledger:
            run = Asking(self._teachers, ledger, self._asked_for)
            estimates = [
                estimate(
                    len(blocks),
                    (ask for _, block in blocks.blocks() for asked, ask in run.pending(block) if asked is teacher),
                    model=_model_of(teacher),
                    price=self._prices.find(_model_of(teacher)),
                    batch=self._options.get("batch", False),
                )
                for teacher in self._teachers
            ]
        return sum(estimates[1:], estimates[0])

    def _align(self) -> None:
        """All documents are known now, and with them what stands for what."""
        if self._plain is not None:
            self._plain.align()

    async def _settle(self, ledger: Ledger, blocks: Staging) -> tuple[int, int]:
        """Find out what becomes of the blocks; returns the numbers of answers that are new and that are not."""
        options = self._options
        run = Asking(self._teachers, ledger, self._asked_for, options.get("limit"), self._meter)
        bought, on_progress = 0, options.get("on_progress")
        if self._crew is not None or (ledger.path.parent / SHARDS).exists():
            from restyle.data.ray_engine import absorb_shards, ask_on_ray  # noqa: PLC0415 - few runs are on a cluster

            await absorb_shards(ledger)
        if self._crew is not None:
            bought = await ask_on_ray(run, blocks.blocks(), self._crew, total=len(blocks), report=on_progress)
        elif options.get("batch"):
            buying = Buying(self._teachers, blocks, options.get("limit"), self._meter, on_progress)
            await buying.settle(run)
            bought = buying.bought
        else:
            check_no_batch(ledger, self._teachers)
        flows = options.get("max_concurrency") or max(
            getattr(teacher, "concurrency", _IN_FLIGHT) for teacher in self._teachers
        )
        if options.get("max_cost") is None and all(isinstance(teacher, EndpointTeacher) for teacher in self._teachers):
            flows *= 2  # their gates let no more through, and always have the next request at hand
        done, total = 0, len(blocks)
        async for number, block in run.settled(blocks.blocks(), concurrency=flows):
            blocks.settle(number, block)
            done += 1
            if on_progress is not None:
                on_progress(run.progress(done, total))
        return run.asked + bought, run.reused - bought

    def _drop_long_rows(self, limit: RowLimit, blocks: Staging) -> None:
        for number, block in blocks.blocks():
            for place, variant in enumerate(block.variants):
                if variant.drop is None and (drop := limit.drop(self._prompts.rows(block, variant))):
                    blocks.drop(number, place, drop)


def _plain(options: PairOptions) -> PlainTeacher | None:
    plain = options.get("plain")
    if plain is None:
        return None
    if options.get("teacher") is not None:
        raise PairsError("a plain version takes the teacher's place: leave one of them out")
    return PlainTeacher(document for document, _ in documents_of(plain, row_options(options)))


def _teachers(options: PairOptions) -> list[Teacher]:
    return find_teachers(
        options["teacher"],
        options.get("base_url"),
        concurrency=options.get("max_concurrency"),
        requests_per_minute=options.get("requests_per_minute"),
        tokens_per_minute=options.get("tokens_per_minute"),
    )


def _check_numbers(options: PairOptions) -> None:
    limit, concurrency = options.get("limit"), options.get("max_concurrency")
    if limit is not None and limit < 0:
        raise ValueError(f"limit is {limit}: give the number of blocks to ask about, or None for all")
    if concurrency is not None and concurrency < 1:
        raise ValueError(f"max_concurrency is {concurrency}: at least one request must be in flight")
    if not 0 <= (share := options.get("identity_share", _IDENTITIES)) <= _MOST_IDENTITIES:
        raise ValueError(f"identity_share is {share}: give a share of the pairs from 0 to {_MOST_IDENTITIES}")


def _crew(options: PairOptions, vocabulary: Mapping[str, list[str]], prices: list[Price | None]) -> Crew | None:
    """What actors on a cluster share; None where this process asks."""
    engine = options.get("engine", "local")
    if engine == "local":
        return None
    if engine != "ray":
        raise PairsError(f"engine is {engine!r}: it is 'local', this process, or 'ray', a cluster")
    if options.get("batch") or options.get("plain") is not None:
        raise PairsError("engine='ray' spreads requests over a cluster, and batch and plain send none: leave one out")
    from restyle.data.ray_actor import Crew  # noqa: PLC0415 - few runs are on a cluster

    return Crew.of(options, vocabulary, prices)


def _check_counterparts(blocks: Staging) -> None:
    """Nothing that was recorded or written plainly fits any block: then it is of another text."""
    reasons = blocks.dropped().keys()
    if blocks.pairs() or not reasons - _BEFORE_ASKING:
        return
    if reasons <= {"unanswered", *_BEFORE_ASKING}:
        raise TeacherMissingError(
            f"none of the {len(blocks)} blocks has a recorded answer: the recording is of another text. Give it "
            "the text that it was made from, or a teacher='openai:MODEL'"
        )
    if reasons <= {"unaligned", *_BEFORE_ASKING}:
        raise PairsError(
            f"none of the {len(blocks)} blocks has a counterpart in the plain version: it must be of the same text, in "
            "the same order, sentence by sentence"
        )


def _filters(options: PairOptions) -> list[Filter]:
    """What drops blocks besides their size, cheapest first."""
    filters: list[Filter] = []
    if (language := options.get("language")) is not None:
        check_language(language)
        filters.append(partial(drop_of_language, wanted=language))
    if (threshold := options.get("near_duplicates", THRESHOLD)) is not None:
        near = NearDuplicates(threshold)
        nearly = Drop("near_duplicate", "nearly the same text stands earlier")
        filters.append(lambda text: None if near.add(text) is None else nearly)
    return filters


def _model_of(teacher: Teacher) -> str:
    """What prices and tokenizers know the teacher's model by."""
    model = getattr(teacher, "model", None)  # of an endpoint its name; frameworks' models are objects
    return model if isinstance(model, str) else teacher.identity
