"""``restyle demo``: the whole job on the demonstration corpus, with no key, no GPU and no download."""

from __future__ import annotations

import time
import warnings
from pathlib import Path

from rich.table import Table

from restyle._version import __version__
from restyle.cli.options import EMBEDDED_NOTE, Home, console
from restyle.cli.pairs import counts
from restyle.cli.train import scores
from restyle.data.pairs import PairSet, build_pairs
from restyle.demo import ANSWERS, CORPUS, RECORDED, STYLE
from restyle.errors import MissingExtraError, RestyleError
from restyle.facts import losses
from restyle.files import home_directory
from restyle.style import Style
from restyle.training import train

__all__ = ["demo"]


def demo(home: Home = None) -> None:
    """Blocks, pairs, both models and a LangChain chain, on the papers of a lighthouse keeper.

    Example: restyle demo
    """
    out = (home or home_directory()) / "demo" / STYLE
    console.rule(f"1. pairs: {CORPUS.name}'s papers and their recorded plain versions")
    pairs = build_pairs(CORPUS, style=STYLE, teacher=RECORDED, out=out)
    console.print(counts(pairs))
    console.print(f"files: {out}", soft_wrap=True)

    console.rule("2. two models")
    style = _trained(pairs, home)
    console.print(scores(style))

    console.rule('3. a chain: application | Restyle(style="keeper")')
    before, after = list(ANSWERS.values()), _run_chain(style)
    table = Table("what the application said", "what the keeper says", show_lines=True)
    for plain, styled in zip(before, after, strict=True):
        table.add_row(plain, styled)
    console.print(table)
    lost = [str(loss) for plain, styled in zip(before, after, strict=True) for loss in losses(plain, styled)]
    console.print(f"facts lost or invented: {', '.join(lost) or 'none'}")

    console.rule("what this was")
    console.print(
        f"{EMBEDDED_NOTE}. This author is unusually regular, and so are the scores. For a real one: 'restyle pairs' on "
        "your author's texts with a strong teacher, fine-tune any open model on DIR/restyle and DIR/destyle (TRL and "
        "OpenAI formats), serve it behind an OpenAI-compatible endpoint, and name it in the card: the chain stays as "
        "it is.",
        soft_wrap=True,
    )


def _trained(pairs: PairSet, home: Path | None) -> Style:
    try:
        style = Style.load(STYLE, home)
    except RestyleError:
        style = None
    if style and style.dataset == pairs.digest and style.training.get("restyle") == __version__:
        console.print("both models are there, trained on these very pairs: reused")
        return style
    start = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        style = train(pairs, home=home)
    console.print(f"trained in {time.perf_counter() - start:.1f} s")
    return style


def _run_chain(style: Style) -> list[str]:
    try:
        from langchain_core.runnables import RunnableLambda  # noqa: PLC0415 - the extra 'langchain'
    except ImportError as error:
        raise MissingExtraError("langchain-core", "langchain", "the demonstration's chain") from error
    from langchain_restyle import Restyle  # noqa: PLC0415 - as above

    application = RunnableLambda(ANSWERS.__getitem__)  # any chain whose answer is final
    chain = application | Restyle(style=style)
    return [str(text) for text in chain.batch(list(ANSWERS))]
