"""The table of bad input: how each kind is made, how it is run into, and what must be said."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from restyle import RestyleError, build_pairs, rewrite, train
from restyle.errors import (
    CardError,
    DocumentError,
    DocumentNotFoundError,
    ModelFileError,
    PairsError,
    ParameterError,
    PromptError,
    RowError,
    StyleNameError,
    StyleNotFoundError,
    TeacherMissingError,
)
from restyle.stage import Stage
from restyle.style import Style

CARD = "home/styles/author/style.json"


TONED = Stage("Rewrite in a $tone tone.", "m", "http://127.0.0.1:1/v1")


@dataclass(frozen=True)
class Case:
    """One way to be wrong.

    ``spoil`` makes it so in the prepared folder; ``library`` and ``command`` run into it. ``says`` must stand in the
    message: the value, the place and the next step.
    """

    name: str
    error: type[RestyleError]
    says: list[str]
    library: Callable[[], object]
    command: list[str]
    spoil: Callable[[], object] = lambda: None
    keeps: list[str] = field(default_factory=lambda: [CARD, "pairs/manifest.json", "pairs/ledger.db"])


def pairs(source="letters", teacher="recorded.jsonl", style="author", **options):
    return lambda: build_pairs(source, style=style, teacher=teacher, out="pairs", **options)


def pairs_command(source="letters", teacher="recorded.jsonl", style="author", *options):
    return ["pairs", source, "--style", style, "--teacher", teacher, "--out", "pairs", *options]


def put(path, content):
    data = content if isinstance(content, bytes) else content.encode()
    return lambda: Path(path).write_bytes(data)


def edit_card(**changes):
    def spoil():
        card = json.loads(Path(CARD).read_text("utf-8"))
        for place, value in changes.items():
            *parents, last = place.split("__")
            node = card
            for key in parents:
                node = node[key]
            node[last] = value
        Path(CARD).write_text(json.dumps(card), "utf-8")

    return spoil


def broken_line(path, line):
    def spoil():
        lines = Path(path).read_text("utf-8").split("\n")
        Path(path).write_text("\n".join([*lines[:2], line, *lines[2:]]), "utf-8")

    return spoil


def use():
    return rewrite("The boat was late.", "author")


CARD_COMMAND = ["rewrite", "report.md", "--style", "author"]


NOT_THE_CARD = ["pairs/manifest.json", "pairs/ledger.db"]


def card_case(name, spoil, *says, error=CardError):
    return Case(name, error, [f"{CARD}: ", *says], use, CARD_COMMAND, spoil, NOT_THE_CARD)


CASES = [
    # missing file
    Case(
        "missing file",
        DocumentNotFoundError,
        ["nowhere.md", "no such file or folder", "check the path"],
        pairs("nowhere.md"),
        pairs_command("nowhere.md"),
    ),
    Case(
        "missing recording",
        TeacherMissingError,
        ["nowhere.jsonl", "no such file of recorded answers", "check the path"],
        pairs(teacher="nowhere.jsonl"),
        pairs_command(teacher="nowhere.jsonl"),
    ),
    Case(
        "missing pair set",
        PairsError,
        ["letters/manifest.json", "no pair set here", "restyle pairs SOURCE... --out DIR"],
        lambda: train("letters"),
        ["train", "letters"],
    ),
    Case(
        "missing training file",
        PairsError,
        ["pairs/restyle/train.jsonl", "no such file", "make the pairs with 'restyle pairs'"],
        lambda: train("pairs"),
        ["train", "pairs"],
        lambda: Path("pairs/restyle/train.jsonl").unlink(),
    ),
    Case(
        "missing model file",
        ModelFileError,
        ["home/styles/author/restyle-", "no model file", "train the style again"],
        use,
        CARD_COMMAND,
        lambda: [path.unlink() for path in Path("home/styles/author").glob("restyle-*")],
    ),
    Case(
        "missing card",
        StyleNotFoundError,
        ["home/styles/author/style.json", "no style card"],
        lambda: Style.load(Path("home/styles/author")),
        ["show", "home/styles/author/style.json"],
        lambda: Path(CARD).unlink(),
        NOT_THE_CARD,
    ),
    # empty document
    Case(
        "empty document",
        DocumentError,
        ["letters/empty.md", "the document is empty", "remove it from the sources"],
        pairs(),
        pairs_command(),
        put("letters/empty.md", " \n"),
    ),
    # non-UTF-8 file
    Case(
        "document that is not UTF-8",
        DocumentError,
        ["letters/latin.md:2", "byte 0xdf is not UTF-8", "save the file as UTF-8"],
        pairs(),
        pairs_command(),
        put("letters/latin.md", "Erste\nStraße".encode("latin-1")),
    ),
    Case(
        "page that is not UTF-8",
        DocumentError,
        ["letters/page.html:2", "byte 0xdf is not UTF-8", "save the file as UTF-8"],
        pairs(),
        pairs_command(),
        put("letters/page.html", "<p>Erste\nStraße".encode("latin-1")),
    ),
    Case(
        "book that is no EPUB",
        DocumentError,
        ["letters/book.epub", "no EPUB (File is not a zip file)", "convert it, or get the book again"],
        pairs(),
        pairs_command(),
        put("letters/book.epub", "%PDF"),
    ),
    Case(
        "recording that is not UTF-8",
        RowError,
        ["recorded.jsonl:1: ", "not UTF-8", "mend or remove the line"],
        pairs(),
        pairs_command(),
        put("recorded.jsonl", b"\xff\n"),
    ),
    card_case("card that is not UTF-8", put(CARD, b"\xff"), "0xff", "restore the card, or train the style again"),
    # unknown style
    Case(
        "unknown style",
        StyleNotFoundError,
        ["no style 'writer'", "home/styles", "(there: author)", "restyle train DIR"],
        lambda: rewrite("Text.", "writer"),
        ["rewrite", "report.md", "--style", "writer"],
    ),
    # broken card
    card_case("card cut in the middle", put(CARD, '{"name": "au'), "not JSON", "restore the card, or train the style"),
    card_case("empty card", put(CARD, ""), "not JSON", "restore the card, or train the style again"),
    card_case("card that is a list", put(CARD, "[]"), "this is a list", "restore it, or train the style again"),
    card_case(
        "edited prompt",
        edit_card(restyle__prompt="Please rewrite it."),
        "restyle: the prompt 'Please rewrite it.'",
        "is not the one the model was trained with",
        "restore the trained prompt, or train again",
    ),
    card_case("missing model", edit_card(destyle={"prompt": "Plainly."}), "destyle.model", "mend it, or train again"),
    card_case("wrong type", edit_card(metrics=[1]), "metrics: ", "mend it, or train again"),
    card_case("unknown field", edit_card(restyle__modle="m"), "restyle.modle", "mend it, or train again"),
    card_case("newer schema", edit_card(schema=7), "schema 7", "upgrade restyle"),
    card_case(
        "path for a model", edit_card(restyle__model="../../secret"), "'../../secret'", "keep it beside the card"
    ),
    card_case("secret", edit_card(restyle__request={"api_key": "sk-hush"}), "'api_key'", "from the environment"),
    card_case("another's card", edit_card(name="writer"), "'writer'", "rename its folder, or mend its name"),
    # broken JSONL row
    Case(
        "row of texts that is no JSON",
        RowError,
        ["letters/rows.jsonl:2: ", "not JSON", "mend or remove the line"],
        pairs(),
        pairs_command(),
        put("letters/rows.jsonl", '{"text": "A letter."}\n{"text": '),
    ),
    Case(
        "row that is no text",
        RowError,
        ["letters/rows.jsonl:1: ", 'found {"body": "A letter."}', "mend the line, or name the field of the text"],
        pairs(),
        pairs_command(),
        put("letters/rows.jsonl", '{"body": "A letter."}'),
    ),
    Case(
        "recorded row that is no JSON",
        RowError,
        ["recorded.jsonl:3: ", "not JSON", "mend or remove the line"],
        pairs(),
        pairs_command(),
        broken_line("recorded.jsonl", '{"text": "a", '),
    ),
    Case(
        "recorded row of another kind",
        RowError,
        ["recorded.jsonl:3: ", '{"text": "...", "neutral": "..."}', "mend the line"],
        pairs(),
        pairs_command(),
        broken_line("recorded.jsonl", '{"text": "a"}'),
    ),
    Case(
        "training row that is no JSON",
        RowError,
        ["pairs/restyle/train.jsonl:3: ", "not JSON", "restore the line, or make the pairs again"],
        lambda: train("pairs"),
        ["train", "pairs"],
        broken_line("pairs/restyle/train.jsonl", "{"),
    ),
    Case(
        "training row of another kind",
        RowError,
        [
            "pairs/destyle/train.jsonl:3: ",
            'expected the system message with its text, found {"role": "bot"',
            "restore the line, or make the pairs again",
        ],
        lambda: train("pairs"),
        ["train", "pairs"],
        broken_line("pairs/destyle/train.jsonl", '{"messages": [{"role": "bot"}]}'),
    ),
    # name with a slash
    Case(
        "name with a slash for a pair set",
        StyleNameError,
        ["'my/author' is not a style's name", "use 1-64 characters of a-z 0-9 . _ -"],
        pairs(style="my/author"),
        pairs_command("letters", "recorded.jsonl", "my/author"),
    ),
    Case(
        "name with a slash for a rewriting",
        StyleNameError,
        ["'my/author' is not a style's name", "use 1-64 characters of a-z 0-9 . _ -"],
        lambda: rewrite("Text.", "my/author"),
        ["rewrite", "report.md", "--style", "my/author"],
    ),
    # prompt with an unknown parameter
    Case(
        "prompt for pairs with a parameter that nothing supplies",
        ParameterError,
        ["'Rewrite in a $tone tone.'", "$tone", "declare its values"],
        pairs(restyle_prompt="Rewrite in a $tone tone."),
        pairs_command("letters", "recorded.jsonl", "author", "--restyle-prompt", "Rewrite in a $tone tone."),
    ),
    Case(
        "prompt of a card with a parameter that the card does not list",
        CardError,
        ["'author' use $tone", "list its trained values as parameters"],
        lambda: Style("author", TONED),
        CARD_COMMAND,
        edit_card(restyle__prompt=TONED.prompt, restyle__digest=TONED.digest),
        NOT_THE_CARD,
    ),
    Case(
        "parameter that the prompts do not know",
        ParameterError,
        ["'author' has no parameter 'mood'", "its parameters are none"],
        lambda: rewrite("Text.", "author", parameters={"mood": "sad"}),
        [*CARD_COMMAND, "--parameter", "mood=sad"],
    ),
    Case(
        "prompt that a template would change",
        PromptError,
        ["'Rewrite. '", "white space", "remove it"],
        pairs(destyle_prompt="Rewrite. "),
        pairs_command("letters", "recorded.jsonl", "author", "--destyle-prompt", "Rewrite. "),
    ),
    Case(
        "prompt with a malformed parameter",
        PromptError,
        ["'It costs $5.'", "malformed $placeholder", "write $$"],
        pairs(restyle_prompt="It costs $5."),
        pairs_command("letters", "recorded.jsonl", "author", "--restyle-prompt", "It costs $5."),
    ),
]
