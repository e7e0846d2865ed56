from __future__ import annotations

import asyncio
import threading
import warnings

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import restyle.answering
from restyle import arewrite, arewrite_stream, rewrite, rewrite_stream
from restyle.demo import ANSWERS
from restyle.errors import CardError, LossError, ModelFileError, ParameterError, StyleNotFoundError
from restyle.facts import losses
from restyle.prompts import DESTYLE_PROMPT, RESTYLE_PROMPT
from restyle.stage import Stage
from restyle.style import Style
from restyle.testing import Sandbox
from support import style_of
from ways import all_ways, last_text

PROSE = list(ANSWERS.values())


TEXT = "\n\n".join(
    [
        "# Report",
        PROSE[0],
        "```python\nprint('The sea was quiet')\n```",
        PROSE[1],
        "| place | year |\n| --- | --- |\n| tower | 1998 |",
        f"> {PROSE[2]}",
        PROSE[2],
        "- oil\n- wicks\n",
    ]
)


def endpoint_style(base_url):
    """The keeper, behind an endpoint."""
    return Style(
        "keeper", Stage(RESTYLE_PROMPT, "keeper:restyle", base_url), Stage(DESTYLE_PROMPT, "keeper:destyle", base_url)
    )


async def test_all_ways_give_the_same_text_embedded_and_behind_an_endpoint(keeper_home):
    embedded = await all_ways(TEXT, "keeper")
    with Sandbox(home=keeper_home) as sandbox:
        served = await all_ways(TEXT, endpoint_style(sandbox.base_url))
        assert len(sandbox.requests) == 4 * 2 * 3
    assert len({*embedded.values(), *served.values()}) == 1
    text = embedded["rewrite"]
    assert "little craft" in text
    assert losses(TEXT, text) == []
    for verbatim in ("# Report", "print('The sea was quiet')", "| tower | 1998 |", f"> {PROSE[2]}", "- oil\n- wicks\n"):
        assert verbatim in text


@pytest.mark.usefixtures("keeper_home")
def test_what_became_of_every_block():
    done = rewrite(TEXT, "keeper")
    kinds = [(block.block.kind, block.outcome) for block in done.blocks if block.block.kind != "gap"]
    assert kinds == [
        ("heading", "verbatim"),
        ("prose", "styled"),
        ("code", "verbatim"),
        ("prose", "styled"),
        ("table", "verbatim"),
        ("quote", "verbatim"),
        ("prose", "styled"),
        ("list", "verbatim"),
    ]
    assert "".join(block.block.text for block in done.blocks) == TEXT
    assert [row["outcome"] for row in done.report()["blocks"]] == ["styled"] * 3
    assert done.losses == ()


async def test_options_reach_the_policy():
    replies = {"styler": "The craft came.", "neutraliser": "The boat came with 12 men."}
    text = "The fair boat came with 12 men."
    with Sandbox(replies=replies) as sandbox:
        style = style_of(sandbox.base_url)
        assert rewrite(text, style, attempts=1).text == text
        assert len(sandbox.requests) == 2
        assert rewrite(text, style, on_loss="neutral").text == replies["neutraliser"]
        assert (await arewrite(text, style, on_loss="keep")).text == replies["styler"]
        assert [str(loss) for loss in rewrite(text, style).losses] == ["lost number '12'"]
        with pytest.raises(LossError, match="lost number '12' after 2 attempts"):
            rewrite(text, style, on_loss="raise")
        before = len(sandbox.requests)
        assert rewrite(text, style, destyle=False, attempts=1).text == text
        assert [request.body["model"] for request in sandbox.requests[before:]] == ["styler"]


async def test_concurrency_is_bounded_on_the_wire():
    lock = threading.Lock()
    state = {"now": 0, "peak": 0}

    def reply(messages):
        with lock:
            state["now"] += 1
            state["peak"] = max(state["peak"], state["now"])
        threading.Event().wait(0.01)
        with lock:
            state["now"] -= 1
        return messages[-1]["content"]

    text = "\n\n".join("A paragraph with words enough to stand alone here. " * 5 for _ in range(20))
    with Sandbox(replies={"styler": reply}) as sandbox:
        style = style_of(sandbox.base_url, destyle=False)
        rewrite(text, style, max_concurrency=3)
        assert state["peak"] == 3
        state["peak"] = 0
        await arewrite(text, style, max_concurrency=3)
        assert state["peak"] == 3


def test_a_block_leaves_before_the_source_has_ended():
    def source():
        yield PROSE[0] + "\n\n"
        yield PROSE[1] + "\n\n"
        for _ in range(1000):
            taken.append(1)
            yield PROSE[2] + "\n\n"

    taken = []
    with Sandbox(replies={"styler": last_text}) as sandbox:
        results = rewrite_stream(source(), style_of(sandbox.base_url, destyle=False), max_concurrency=2)
        assert next(results).text == PROSE[0]
        results.close()
        assert len(taken) < 20
        assert len(sandbox.requests) < 20


async def test_an_async_stream_that_is_left_early_stops_its_source_and_leaves_nothing():
    closed = []

    async def source():
        try:
            while True:
                yield PROSE[0] + "\n\n"
                await asyncio.sleep(0)
        finally:
            closed.append(True)

    with Sandbox(replies={"styler": last_text}) as sandbox:
        results = arewrite_stream(source(), style_of(sandbox.base_url, destyle=False), max_concurrency=2)
        assert (await anext(results)).text == PROSE[0]
        await results.aclose()
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_nothing_to_rewrite_asks_nobody():
    for text in ("", " \n\n# Heading\n```\ncode\n```\n"):
        assert set((await all_ways(text, style_of(destyle=False))).values()) == {text}


@pytest.mark.usefixtures("home")
def test_everything_wrong_with_a_call_is_said_before_the_first_request():
    with Sandbox() as sandbox:
        style = style_of(sandbox.base_url)
        for options, error in (
            ({"parameters": {"tone": "dry"}}, ParameterError),
            ({"attempts": 0}, ValueError),
            ({"on_loss": "ignore"}, ValueError),
            ({"on_error": "ignore"}, ValueError),
            ({"max_concurrency": 0}, ValueError),
        ):
            with pytest.raises(error):
                rewrite("The boat was late.", style, **options)
        with pytest.raises(StyleNotFoundError, match="'author'"):
            rewrite("The boat was late.", "author")
        with pytest.raises(CardError, match="provider 'petals' of model 'm' is unknown here"):
            rewrite("The boat was late.", Style("author", Stage("Rewrite.", "m", provider="petals")))
        assert sandbox.requests == []


@pytest.mark.usefixtures("home")
def test_an_embedded_style_without_its_file_says_so():
    style = Style("author", Stage("Rewrite.", "gone.json.gz", provider="embedded"))
    style.save()
    with pytest.raises(ModelFileError, match=r"gone\.json\.gz: no model file .*train the style again"):
        rewrite("The boat was late.", "author")


@pytest.mark.usefixtures("keeper_home")
def test_an_embedded_model_is_loaded_again_when_its_file_has_changed(tmp_path):
    path = tmp_path / "model.json.gz"
    card = Style.load("keeper")
    path.write_bytes(card.model_path("restyle").read_bytes())
    first = restyle.answering.phrase_model(path)
    assert restyle.answering.phrase_model(path) is first
    path.write_bytes(card.model_path("destyle").read_bytes())
    assert restyle.answering.phrase_model(path) is not first


@settings(max_examples=15, deadline=None)
@given(st.lists(st.integers(1, 400), max_size=10))
def test_the_result_does_not_depend_on_the_chunks(trained_keeper, cuts):
    style = Style.load("keeper", trained_keeper)
    pieces, start = [], 0
    for size in cuts:
        pieces.append(TEXT[start : start + size])
        start += size
    whole = rewrite(TEXT, style)
    assert tuple(rewrite_stream([*pieces, TEXT[start:]], style)) == whole.blocks


@pytest.mark.usefixtures("keeper_home")
def test_no_warning_is_given_for_known_parameters():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        rewrite(PROSE[0], "keeper")
