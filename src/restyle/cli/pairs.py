"""``restyle pairs``: documents in, training files out."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Literal, cast

import typer
from rich.table import Table

from restyle.cli.options import StyleName, console, errors, warnings_told
from restyle.cli.progress import progress_bar
from restyle.data.near_duplicates import THRESHOLD
from restyle.data.pairs import PairOptions, PairSet, StyledSources, build_pairs, estimate_pairs
from restyle.data.report import REPORT
from restyle.errors import MissingExtraError
from restyle.prompts import DESTYLE_PROMPT

__all__ = ["counts", "pairs"]

Engine = Literal["local", "ray"]


def pairs(
    sources: Annotated[
        list[str],
        typer.Argument(
            help="The author's files (text, Markdown, HTML, EPUB, JSONL), folders of them, or patterns; for a set of "
            "several styles NAME=PATH each."
        ),
    ],
    style: StyleName,
    out: Annotated[Path, typer.Option(help="Folder of the pair set; run again to go on where it stopped.")],
    teacher: Annotated[
        list[str] | None,
        typer.Option(
            help="Who writes the neutral side: openai:MODEL, MODEL with --base-url, or a recorded .jsonl. Several are "
            "each asked about every block."
        ),
    ] = None,
    plain: Annotated[
        list[str] | None,
        typer.Option(
            help="A plain version of SOURCE, under the same file names (any suffix), as SOURCE is given: no teacher is "
            "asked. Blocks without a certain counterpart are dropped."
        ),
    ] = None,
    base_url: Annotated[
        str | None, typer.Option(help="OpenAI-compatible endpoint; its key is RESTYLE_API_KEY.")
    ] = None,
    restyle_prompt: Annotated[str | None, typer.Option(help="System prompt of the style model.")] = None,
    destyle_prompt: Annotated[str, typer.Option(help="System prompt of the de-style model.")] = DESTYLE_PROMPT,
    parameter: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=VALUE,VALUE,...",
            help="What $NAME in a prompt can be; the (first) teacher finds each block's value. Declare one such as "
            "'plain' for texts that have none.",
        ),
    ] = None,
    text_key: Annotated[str | None, typer.Option(help="Field of a JSONL row's text; default: text.")] = None,
    source_id_key: Annotated[
        str | None, typer.Option(help="Field that says which document a JSONL row is a part of; default: id.")
    ] = None,
    sender: Annotated[
        str | None, typer.Option(help="Whose turns to learn from in conversations; default: the assistant's.")
    ] = None,
    context: Annotated[
        int, typer.Option(min=0, help="Turns before each turn of the author's to keep in pairs.jsonl.")
    ] = 0,
    seed: Annotated[int, typer.Option(help="Deals documents to train, valid and test.")] = 0,
    language: Annotated[
        str | None, typer.Option(help="ISO 639-1 code, such as en: blocks in other languages are dropped.")
    ] = None,
    near_duplicates: Annotated[
        float, typer.Option(help="Similarity (0.5 to 1) from which a block repeats another; 0: only equal ones do.")
    ] = THRESHOLD,
    identity_share: Annotated[
        float | None,
        typer.Option(help="Pairs to keep (0 to 0.5 of all) whose sides are nearly the same; default: 0.02."),
    ] = None,
    max_tokens: Annotated[
        int | None, typer.Option(help="Drop pairs whose training rows would be longer; needs --tokenizer.")
    ] = None,
    tokenizer: Annotated[
        str | None, typer.Option(help="tokenizer.json of the model to be trained, or a model that tiktoken knows.")
    ] = None,
    limit: Annotated[
        int | None, typer.Option(min=0, help="Blocks to ask the teacher about now, at most; the others stay out.")
    ] = None,
    max_cost: Annotated[
        float | None, typer.Option(help="Dollars after which nothing more is asked; needs the model in prices.toml.")
    ] = None,
    max_concurrency: Annotated[
        int | None, typer.Option(min=1, help="Requests in flight; default: as many as bring more.")
    ] = None,
    requests_per_minute: Annotated[
        float | None, typer.Option(help="Requests at most; default: as the host's headers say.")
    ] = None,
    tokens_per_minute: Annotated[float | None, typer.Option(help="The same for tokens, read and written.")] = None,
    embed: Annotated[
        str | None, typer.Option(help="A sentence-transformers model that tells where an idea ends; default: words.")
    ] = None,
    engine: Annotated[
        Engine, typer.Option(help="Who asks: this process, or a Ray cluster (its address in RAY_ADDRESS).")
    ] = "local",
    *,
    batch: Annotated[
        bool,
        typer.Option(
            "--batch",
            help="Ask through the host's Batch API: about half the price, within a day; run it again to go on.",
        ),
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be asked for, and what it would cost; ask nothing.")
    ] = False,
) -> None:
    """Cut texts into blocks, have a teacher rewrite them neutrally, filter, and write training files.

    \b
    Example: restyle pairs letters --style author --teacher recorded.jsonl --out pairs
    """  # noqa: D301 - click's sign not to break the lines of a paragraph: examples are meant to be copied
    options = PairOptions(
        style=style,
        teacher=list(teacher) if teacher else None,
        out=out,
        base_url=base_url,
        destyle_prompt=destyle_prompt,
        plain=_styled(plain) if plain else None,
        parameters=_vocabulary(parameter or []),
        sender=sender,
        context=context,
        seed=seed,
        language=language,
        near_duplicates=near_duplicates or None,
        max_tokens=max_tokens,
        tokenizer=tokenizer,
        embed=None if embed is None else _embedding(embed),
        batch=batch,
        engine=engine,
        limit=limit,
        max_cost=max_cost,
        max_concurrency=max_concurrency,
        requests_per_minute=requests_per_minute,
        tokens_per_minute=tokens_per_minute,
    )
    # Those whose default is not this command's to know.
    others = {
        "restyle_prompt": restyle_prompt,
        "identity_share": identity_share,
        "text_key": text_key,
        "source_id_key": source_id_key,
    }
    options |= cast("PairOptions", {name: value for name, value in others.items() if value is not None})
    if dry_run:
        with warnings_told():
            wanted = estimate_pairs(_styled(sources), **options)
        console.print(str(wanted), highlight=False, soft_wrap=True)
        return
    with warnings_told(), progress_bar("neutral texts") as options["on_progress"], _interruptible(out):
        made = build_pairs(_styled(sources), **options)
    console.print(counts(made))
    _judge(made, out)
    console.print(f"to look through: {out / REPORT}\nnext: restyle train {out}", soft_wrap=True)


def _judge(made: PairSet, out: Path) -> None:
    """Say what is thin, and fail where something is missing."""
    for warning in made.warnings:
        errors.print(f"warning: {warning}", soft_wrap=True)
    if not made.manifest["pairs"]["valid"]:
        errors.print("nothing is held out: give at least 3 documents (one per chapter or letter) to see honest scores")
    if not made.manifest["pairs"]["train"]:
        raise ValueError(f"no pair is fit for training: see {out / 'dropped.jsonl'} for the reasons")
    if failed := made.manifest["dropped"].get("failed"):
        raise ValueError(
            f"the teacher could not answer {failed} of the blocks: see 'failed' in {out / 'dropped.jsonl'}; the pairs "
            "of the others are written, and the same command asks about these again"
        )


def _styled(sources: list[str]) -> StyledSources:
    """The sources by style, where all are NAME=PATH."""
    named = [source.partition("=") for source in sources]
    if not all(path for _, _, path in named) or any(Path(source).exists() for source in sources):
        return [Path(source) for source in sources]
    styles: dict[str, list[Path]] = {}
    for name, _, path in named:
        styles.setdefault(name, []).append(Path(path))
    return cast("StyledSources", styles)


def _embedding(model: str) -> object:
    try:
        from sentence_transformers import SentenceTransformer  # noqa: PLC0415 - the extra 'embed'
    except ImportError as error:
        raise MissingExtraError("sentence-transformers", "embed", "--embed") from error
    return SentenceTransformer(model)


def _vocabulary(parameters: list[str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for parameter in parameters:
        name, equals, values = parameter.partition("=")
        if not equals:
            raise typer.BadParameter(f"{parameter!r} is not NAME=VALUE,VALUE,...", param_hint="'--parameter'")
        found.setdefault(name, []).extend(value.strip() for value in values.split(","))
    return found


@contextmanager
def _interruptible(out: Path) -> Iterator[None]:
    """Ctrl-C says what it leaves."""
    try:
        yield
    except KeyboardInterrupt:
        errors.print(
            f"stopped: what was answered is in {out / 'ledger.db'}; the same command goes on there, and fetches what a "
            "batch at a host still brings",
            soft_wrap=True,
        )
        raise typer.Exit(130) from None  # as shells call what was ended by SIGINT


def counts(made: PairSet) -> Table:
    """What became of the blocks, filter by filter."""
    table = Table("", "blocks", box=None, pad_edge=False)
    table.columns[1].justify = "right"
    table.add_row("cut from the documents", str(made.manifest["blocks"]))
    table.add_row("answered by the teacher now", str(made.asked))
    table.add_row("answers found in the ledger, not asked again", str(made.reused))
    if as_is := made.manifest["as_is"]:
        table.add_row("kept although hardly changed", str(as_is))
    for reason, number in made.manifest["dropped"].items():
        table.add_row(f"dropped: {reason}", str(number))
    for split, number in made.manifest["pairs"].items():
        table.add_row(f"pairs for {split}", str(number))
    return table
